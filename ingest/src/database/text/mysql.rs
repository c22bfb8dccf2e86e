//! The text of `mariadb-dump` and `mysqldump`, read as their clients read it.

use super::{Follow, Held, Piece};

/// See [`Follow`].
#[derive(Debug)]
pub(crate) struct MysqlText {
    state: State,
    held: Held,
    /// What ends a statement.
    delimiter: Vec<u8>,
    last: u8,
    /// The next byte is taken as it is.
    escaped: bool,
    /// In rows: how many parentheses are open.
    depth: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Plain,
    /// In quotes of this kind.
    Quoted(u8),
    Line,
    Block,
    /// The line that sets another delimiter.
    Delimiter,
    Rows,
    /// A text within a row.
    RowText,
}

impl Default for MysqlText {
    fn default() -> Self {
        Self {
            state: State::Plain,
            held: Held::default(),
            delimiter: b";".to_vec(),
            last: 0,
            escaped: false,
            depth: 0,
        }
    }
}

impl Follow for MysqlText {
    fn feed(&mut self, mut bytes: &[u8], to: &mut dyn FnMut(Piece<'_>)) {
        while let Some((byte, rest)) = bytes.split_first() {
            if matches!(self.state, State::Rows | State::RowText) {
                bytes = self.rows(bytes, to);
            } else {
                self.step(*byte, to);
                bytes = rest;
            }
        }
    }

    fn finish(&mut self, to: &mut dyn FnMut(Piece<'_>)) {
        self.held.send(to);
    }
}

impl MysqlText {
    /// One byte outside of rows.
    fn step(&mut self, byte: u8, to: &mut dyn FnMut(Piece<'_>)) {
        self.held.push(byte, to);
        let last = std::mem::replace(&mut self.last, byte);
        match self.state {
            State::Plain => self.plain(byte, last, to),
            State::Quoted(quote) => {
                if self.escaped {
                    self.escaped = false;
                } else if byte == b'\\' && quote != b'`' {
                    self.escaped = true;
                } else if byte == quote {
                    self.state = State::Plain;
                }
            }
            State::Line => {
                if byte == b'\n' {
                    self.state = State::Plain;
                }
            }
            State::Block => {
                if (last, byte) == (b'*', b'/') {
                    (self.state, self.last) = (State::Plain, 0);
                }
            }
            State::Delimiter => {
                if byte == b'\n' {
                    let line = self.held.statement().trim_ascii();
                    let delimiter = line.get(b"DELIMITER ".len()..).unwrap_or_default();
                    if !delimiter.trim_ascii().is_empty() {
                        self.delimiter = delimiter.trim_ascii().to_vec();
                    }
                    self.held.send(to);
                    self.state = State::Plain;
                }
            }
            State::Rows | State::RowText => {}
        }
    }

    fn plain(&mut self, byte: u8, last: u8, to: &mut dyn FnMut(Piece<'_>)) {
        let starts = self.held.start.is_none();
        if starts && byte.is_ascii_whitespace() {
            return;
        }
        match byte {
            b'#' => return self.state = State::Line,
            b'-' if last == b'-' => {
                self.comment();
                return self.state = State::Line;
            }
            // With an exclamation mark after it, it is code for some versions.
            byte if byte != b'!' && byte != b'M' && self.opens_comment() => {
                self.comment();
                self.state = State::Block;
                return;
            }
            b'\'' | b'"' | b'`' => self.state = State::Quoted(byte),
            _ => {}
        }
        self.held.begins();
        let statement = self.held.statement();
        if statement == b"DELIMITER " {
            self.state = State::Delimiter;
        } else if statement.ends_with(&self.delimiter) || (self.held.long && self.ends()) {
            match locks(statement) {
                Some(name) => {
                    let text = &self.held.text;
                    to(Piece::Table { name, text });
                    self.held.clear();
                }
                None => self.held.send(to),
            }
            self.last = 0;
        } else if byte == b'S'
            && self.delimiter == b";"
            && let Some(name) = inserts(statement)
        {
            let text = &self.held.text;
            to(Piece::Table { name, text });
            self.held.clear();
            (self.state, self.depth, self.last) = (State::Rows, 0, 0);
        }
    }

    fn ends(&self) -> bool {
        self.held.text.ends_with(&self.delimiter)
    }

    /// Whether the two bytes before the one pushed last are `/*`.
    fn opens_comment(&self) -> bool {
        let text = &self.held.text;
        text.len() >= 3 && &text[text.len() - 3..text.len() - 1] == b"/*"
    }

    /// What was taken for the beginning of the statement is a comment.
    fn comment(&mut self) {
        let text = &self.held.text;
        let before = text.len().saturating_sub(3);
        if self.held.start.is_some_and(|start| start >= before) {
            self.held.start = None;
        }
    }

    /// As many bytes of rows as there are; returns what follows them.
    fn rows<'b>(&mut self, bytes: &'b [u8], to: &mut dyn FnMut(Piece<'_>)) -> &'b [u8] {
        let (mut from, mut at) = (0, 0);
        while let Some(byte) = bytes.get(at) {
            if self.escaped {
                self.escaped = false;
                at += 1;
                continue;
            }
            if self.state == State::RowText {
                match memchr::memchr2(b'\'', b'\\', &bytes[at..]) {
                    Some(next) if bytes[at + next] == b'\'' => {
                        self.state = State::Rows;
                        at += next + 1;
                    }
                    Some(next) => {
                        self.escaped = true;
                        at += next + 1;
                    }
                    None => at = bytes.len(),
                }
                continue;
            }
            at += 1;
            match (byte, self.depth) {
                (b'\'', 1..) => self.state = State::RowText,
                (b'(', 0) => {
                    between(&bytes[from..at - 1], to);
                    (from, self.depth) = (at - 1, 1);
                }
                (b'(', _) => self.depth += 1,
                (b')', 1) => {
                    let bytes = &bytes[from..at];
                    to(Piece::Row { bytes, last: true });
                    (from, self.depth) = (at, 0);
                }
                (b')', 2..) => self.depth -= 1,
                (b';', 0) => {
                    between(&bytes[from..at], to);
                    self.state = State::Plain;
                    return &bytes[at..];
                }
                _ => {}
            }
        }
        let bytes = &bytes[from..];
        if self.depth > 0 {
            to(Piece::Row { bytes, last: false });
        } else {
            between(bytes, to);
        }
        &[]
    }
}

fn between(bytes: &[u8], to: &mut dyn FnMut(Piece<'_>)) {
    if !bytes.is_empty() {
        to(Piece::Between(bytes));
    }
}

/// The table, if the statement is `LOCK TABLES table WRITE;`: it stands before the rows of a table, if there are any.
fn locks(statement: &[u8]) -> Option<&str> {
    let rest = statement.strip_prefix(b"LOCK TABLES ")?;
    std::str::from_utf8(rest.strip_suffix(b" WRITE;")?).ok()
}

/// The table, if the statement so far is `INSERT INTO table (columns) VALUES`.
fn inserts(statement: &[u8]) -> Option<&str> {
    let rest = statement.strip_prefix(b"INSERT INTO ")?;
    let rest = rest.strip_suffix(b" VALUES")?;
    let mut quoted = false;
    let end = rest.iter().position(|byte| {
        quoted ^= *byte == b'`';
        *byte == b' ' && !quoted
    });
    std::str::from_utf8(&rest[..end.unwrap_or(rest.len())]).ok()
}
