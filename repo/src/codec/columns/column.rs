//! What a payload's header says of a column.

use super::numbers::Planes;
use crate::format::{Cursor, Malformed, put_bytes, put_varint};
use crate::limits::CHUNK_BYTES_MAX;

/// The kind's byte says that some fields are exceptions.
const FLAG_EXCEPTIONS: u8 = 0x80;
/// Digits behind a decimal point.
pub(super) const SCALE_MAX: u8 = 9;
/// Digits of a second's fraction: with one more, the year 9999 would not fit.
pub(super) const TIME_SCALE_MAX: u8 = 7;
/// Bytes that a hexadecimal field may stand for.
pub(super) const HEX_BYTES_MAX: usize = 256;

/// A column: `prefix`, a value of its kind, `suffix`; or an exception, which is a whole field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) prefix: Vec<u8>,
    pub(super) suffix: Vec<u8>,
    /// Bytes of the exceptions' texts.
    pub(super) exceptions: Option<usize>,
    pub(super) kind: Kind,
}

/// How a column's values are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing beyond prefix and suffix.
    Constant,
    /// Texts of so many bytes in all, terminators included.
    Text(usize),
    /// Numbers of entries in a list of texts.
    Words { entries: usize, bytes: usize },
    /// A whole number of units of 10⁻ˢᶜᵃˡᵉ.
    Decimal { scale: u8, planes: Planes },
    /// A day or a point in time.
    Time { form: TimeForm, planes: Planes },
    /// Lower-case hexadecimal digits: bytes in groups, joined with `-`.
    Hex(Vec<u8>),
}

/// How a point in time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// `YYYY-MM-DD`; the number is of days.
    Date,
    /// `YYYY-MM-DD hh:mm:ss.fff`; the number is of units of 10⁻ˢᶜᵃˡᵉ seconds.
    DateTime {
        /// Between date and time.
        joint: u8,
        scale: u8,
        /// Zeros at the end of the fraction are not written, nor is an empty fraction.
        trimmed: bool,
    },
}

impl Column {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let number = match &self.kind {
            Kind::Constant => 0,
            Kind::Text(_) => 1,
            Kind::Words { .. } => 2,
            Kind::Decimal { .. } => 3,
            Kind::Time { .. } => 4,
            Kind::Hex(_) => 5,
        };
        out.push(
            number
                | if self.exceptions.is_some() {
                    FLAG_EXCEPTIONS
                } else {
                    0
                },
        );
        put_bytes(out, &self.prefix);
        put_bytes(out, &self.suffix);
        if let Some(bytes) = self.exceptions {
            put_varint(out, bytes as u64);
        }
        match &self.kind {
            Kind::Constant => {}
            Kind::Text(bytes) => put_varint(out, *bytes as u64),
            Kind::Words { entries, bytes } => {
                put_varint(out, *entries as u64);
                put_varint(out, *bytes as u64);
            }
            Kind::Decimal { scale, planes } => {
                out.push(*scale);
                planes.put(out);
            }
            Kind::Time { form, planes } => {
                form.put(out);
                planes.put(out);
            }
            Kind::Hex(groups) => put_bytes(out, groups),
        }
    }

    pub(super) fn get(c: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let start = *c;
        let number = c.byte("kind of a column")?;
        let prefix = c.bytes(CHUNK_BYTES_MAX, "prefix of a column")?.to_vec();
        let suffix = c.bytes(CHUNK_BYTES_MAX, "suffix of a column")?.to_vec();
        let exceptions = (number & FLAG_EXCEPTIONS != 0)
            .then(|| c.bounded(CHUNK_BYTES_MAX, "bytes of exceptions"))
            .transpose()?;
        let kind = match number & !FLAG_EXCEPTIONS {
            0 => Kind::Constant,
            1 => Kind::Text(c.bounded(CHUNK_BYTES_MAX, "bytes of texts")?),
            2 => Kind::Words {
                entries: c.bounded(1 << 16, "number of entries")?,
                bytes: c.bounded(CHUNK_BYTES_MAX, "bytes of entries")?,
            },
            3 => Kind::Decimal {
                scale: scale(c, SCALE_MAX)?,
                planes: Planes::get(c)?,
            },
            4 => Kind::Time {
                form: TimeForm::get(c)?,
                planes: Planes::get(c)?,
            },
            5 => {
                let groups = c.bytes(HEX_BYTES_MAX, "groups")?;
                let bytes: usize = groups.iter().map(|bytes| usize::from(*bytes)).sum();
                if bytes > HEX_BYTES_MAX {
                    return Err(start.malformed("groups of few bytes"));
                }
                Kind::Hex(groups.to_vec())
            }
            _ => return Err(start.malformed("known kind of a column")),
        };
        Ok(Self {
            prefix,
            suffix,
            exceptions,
            kind,
        })
    }
}

impl TimeForm {
    fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Date => out.push(0),
            Self::DateTime {
                joint,
                scale,
                trimmed,
            } => out.extend([1 + u8::from(trimmed), joint, scale]),
        }
    }

    fn get(c: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let start = *c;
        match c.byte("form of a time")? {
            0 => Ok(Self::Date),
            form @ 1..=2 => Ok(Self::DateTime {
                joint: c.byte("joint of a time")?,
                scale: scale(c, TIME_SCALE_MAX)?,
                trimmed: form == 2,
            }),
            _ => Err(start.malformed("form of a time")),
        }
    }
}

fn scale(c: &mut Cursor<'_>, max: u8) -> Result<u8, Malformed> {
    Ok(c.bounded(usize::from(max), "scale")? as u8)
}
