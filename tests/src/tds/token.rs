//! What a server answers, as tokens.

/// A value of a row. Columns have the type of their first row's value.
#[derive(Clone, Debug)]
pub enum Value {
    /// `nvarchar`.
    Text(Option<String>),
    /// `bigint`.
    Int(Option<i64>),
    /// `bit`.
    Bit(bool),
    /// `decimal(38,0)`.
    Decimal(Option<i128>),
    /// `real`.
    Real(f32),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

/// An answer to a batch.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Done, without rows.
    Done,
    /// Names of columns, and rows.
    Rows(Vec<&'static str>, Vec<Vec<Value>>),
    /// An error of this number.
    Error(u32, String),
    /// Rows, but the connection ends in the middle of the last one.
    Cut(Vec<&'static str>, Vec<Vec<Value>>),
}

impl Answer {
    /// One row whose columns have no names.
    pub fn row(values: Vec<Value>) -> Self {
        Self::Rows(vec![""; values.len()], vec![values])
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Done => done(&mut out, 0, 0),
            Self::Error(number, message) => {
                error(&mut out, *number, message);
                done(&mut out, 2, 0);
            }
            Self::Rows(names, rows) => {
                result(&mut out, names, rows);
                done(&mut out, 0x10, rows.len() as u64);
            }
            Self::Cut(names, rows) => {
                result(&mut out, names, rows);
                out.pop();
            }
        }
        out
    }
}

/// The answer to the first message: version, and no encryption.
pub(super) fn prelogin() -> Vec<u8> {
    let mut out = vec![0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF];
    out.extend_from_slice(&[10, 0, 0x19, 0x40, 0, 0, 2]);
    out
}

/// The login is accepted. `version` is that of the protocol.
pub(super) fn login(version: u32) -> Vec<u8> {
    let mut body = vec![1];
    body.extend_from_slice(&version.to_be_bytes());
    short_text(&mut body, "Microsoft SQL Server");
    body.extend_from_slice(&[10, 0, 0x19, 0x40]);
    let mut out = vec![0xAD];
    out.extend_from_slice(&(body.len() as u16).to_le_bytes());
    out.extend_from_slice(&body);
    done(&mut out, 0, 0);
    out
}

fn result(out: &mut Vec<u8>, names: &[&str], rows: &[Vec<Value>]) {
    out.push(0x81);
    out.extend_from_slice(&(names.len() as u16).to_le_bytes());
    for (at, name) in names.iter().enumerate() {
        out.extend_from_slice(&[0, 0, 0, 0, 1, 0]);
        let first = rows.first().map_or(&Value::Bit(false), |row| &row[at]);
        match first {
            Value::Text(_) => out.extend_from_slice(&[0xE7, 0x40, 0x1F, 9, 4, 0xD0, 0, 52]),
            Value::Int(_) => out.extend_from_slice(&[0x26, 8]),
            Value::Bit(_) => out.extend_from_slice(&[0x68, 1]),
            Value::Decimal(_) => out.extend_from_slice(&[0x6A, 17, 38, 0]),
            Value::Real(_) => out.extend_from_slice(&[0x6D, 4]),
        }
        short_text(out, name);
    }
    for row in rows {
        out.push(0xD1);
        for value in row {
            encode_value(out, value);
        }
    }
}

fn encode_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Text(None) => out.extend_from_slice(&[0xFF, 0xFF]),
        Value::Text(Some(text)) => {
            let units: Vec<u16> = text.encode_utf16().collect();
            out.extend_from_slice(&(units.len() as u16 * 2).to_le_bytes());
            out.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        }
        Value::Int(None) | Value::Decimal(None) => out.push(0),
        Value::Int(Some(value)) => {
            out.push(8);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::Bit(value) => out.extend_from_slice(&[1, u8::from(*value)]),
        Value::Decimal(Some(value)) => {
            out.extend_from_slice(&[17, u8::from(*value >= 0)]);
            out.extend_from_slice(&value.unsigned_abs().to_le_bytes());
        }
        Value::Real(value) => {
            out.push(4);
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
}

fn error(out: &mut Vec<u8>, number: u32, message: &str) {
    let mut body = Vec::new();
    body.extend_from_slice(&number.to_le_bytes());
    body.extend_from_slice(&[1, 16]);
    let units: Vec<u16> = message.encode_utf16().collect();
    body.extend_from_slice(&(units.len() as u16).to_le_bytes());
    body.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    short_text(&mut body, "scripted");
    short_text(&mut body, "");
    body.extend_from_slice(&1_u32.to_le_bytes());
    out.push(0xAA);
    out.extend_from_slice(&(body.len() as u16).to_le_bytes());
    out.extend_from_slice(&body);
}

fn done(out: &mut Vec<u8>, status: u16, rows: u64) {
    out.push(0xFD);
    out.extend_from_slice(&status.to_le_bytes());
    out.extend_from_slice(&0xC1_u16.to_le_bytes());
    out.extend_from_slice(&rows.to_le_bytes());
}

fn short_text(out: &mut Vec<u8>, text: &str) {
    let units: Vec<u16> = text.encode_utf16().collect();
    out.push(units.len() as u8);
    out.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
}
