//! The text of `pg_dump --format=plain`, read as `psql` reads it.

use super::{Follow, Held, Piece};

/// Ends the rows of a table.
const END: &[u8] = b"\\.\n";

/// See [`Follow`].
#[derive(Debug, Default)]
pub(crate) struct PostgresText {
    state: State,
    held: Held,
    /// The two bytes before the next one.
    before: [u8; 2],
    /// Backslashes counted in the text that ended last.
    escapes: bool,
    /// The delimiter of the text in dollar quotes, without its second `$` while it is read.
    tag: Vec<u8>,
    /// How much of the closing delimiter was met.
    matched: usize,
    /// A row that has begun.
    in_row: bool,
    /// The beginning of a line that may be [`END`].
    end: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    /// In single quotes; backslashes count.
    Text(bool),
    Name,
    Tag,
    Dollars,
    Line,
    /// How deep.
    Block(u32),
    /// The line that ends `COPY … FROM stdin;`.
    Header,
    Rows,
}

impl Follow for PostgresText {
    fn feed(&mut self, mut bytes: &[u8], to: &mut dyn FnMut(Piece<'_>)) {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.state == State::Rows {
                bytes = self.rows(bytes, to);
            } else {
                self.step(*byte, to);
                bytes = rest;
            }
        }
    }

    fn finish(&mut self, to: &mut dyn FnMut(Piece<'_>)) {
        if self.end > 0 {
            to(Piece::Between(&END[..self.end]));
        }
        self.held.send(to);
    }
}

impl PostgresText {
    /// One byte outside of rows.
    fn step(&mut self, byte: u8, to: &mut dyn FnMut(Piece<'_>)) {
        self.held.push(byte, to);
        let [older, last] = self.before;
        self.before = [last, byte];
        match self.state {
            State::Plain => self.plain(byte, older, last, to),
            State::Text(true) if last == b'\\' => self.before = [0, 0],
            State::Text(escapes) => {
                if byte == b'\'' {
                    (self.state, self.escapes) = (State::Plain, escapes);
                }
            }
            State::Name => {
                if byte == b'"' {
                    self.state = State::Plain;
                }
            }
            State::Tag => match byte {
                b'$' => {
                    self.tag.push(b'$');
                    (self.state, self.matched) = (State::Dollars, 0);
                }
                byte if is_word(byte) => self.tag.push(byte),
                _ => {
                    self.state = State::Plain;
                    self.plain(byte, older, last, to);
                }
            },
            State::Dollars => {
                self.matched = match (byte == self.tag[self.matched], byte) {
                    (true, _) => self.matched + 1,
                    (false, b'$') => 1,
                    (false, _) => 0,
                };
                if self.matched == self.tag.len() {
                    self.state = State::Plain;
                }
            }
            State::Line => {
                if byte == b'\n' {
                    self.state = State::Plain;
                }
            }
            State::Block(depth) => {
                self.state = match (last, byte) {
                    (b'*', b'/') if depth == 1 => State::Plain,
                    (b'*', b'/') => State::Block(depth - 1),
                    (b'/', b'*') => State::Block(depth + 1),
                    _ => return,
                };
                self.before = [0, 0];
            }
            State::Header => {
                if byte == b'\n' {
                    self.table(to);
                }
            }
            State::Rows => {}
        }
    }

    fn plain(&mut self, byte: u8, older: u8, last: u8, to: &mut dyn FnMut(Piece<'_>)) {
        let starts = self.held.start.is_none();
        if starts && byte.is_ascii_whitespace() {
            return;
        }
        match byte {
            b'-' if last == b'-' => {
                self.comment();
                self.state = State::Line;
                return;
            }
            b'*' if last == b'/' => {
                self.comment();
                (self.state, self.before) = (State::Block(1), [0, 0]);
                return;
            }
            // A command to psql.
            b'\\' if starts => {
                self.state = State::Line;
                return;
            }
            // What looked like the end of a text was the first of two quotes, or another text follows at once.
            b'\'' if last == b'\'' => self.state = State::Text(self.escapes),
            b'\'' => self.state = State::Text(matches!(last, b'E' | b'e') && !is_word(older)),
            b'"' => self.state = State::Name,
            b'$' if !is_word(last) => {
                self.tag.clear();
                self.tag.push(b'$');
                self.state = State::Tag;
            }
            b';' => {
                self.held.begins();
                if copies(self.held.statement()).is_some() {
                    self.state = State::Header;
                } else {
                    self.held.send(to);
                }
                return;
            }
            _ => {}
        }
        self.held.begins();
    }

    /// The byte before was no statement's first after all.
    fn comment(&mut self) {
        let first = self.held.text.len().checked_sub(2);
        if self.held.start == first {
            self.held.start = None;
        }
    }

    fn table(&mut self, to: &mut dyn FnMut(Piece<'_>)) {
        if let Some(name) = copies(self.held.statement().trim_ascii_end()) {
            let text = &self.held.text;
            to(Piece::Table { name, text });
            self.held.clear();
            self.state = State::Rows;
        } else {
            // Something follows on the line: psql would copy all the same, pg_dump never writes it.
            self.held.send(to);
            self.state = State::Plain;
        }
        self.before = [0, 0];
    }

    /// As many rows as there are; returns what follows them.
    fn rows<'b>(&mut self, mut bytes: &'b [u8], to: &mut dyn FnMut(Piece<'_>)) -> &'b [u8] {
        while !bytes.is_empty() {
            if !self.in_row {
                let rest = &END[self.end..];
                let same = bytes.iter().zip(rest).take_while(|(a, b)| a == b).count();
                self.end += same;
                if self.end == END.len() {
                    to(Piece::Between(END));
                    (self.end, self.state) = (0, State::Plain);
                    return &bytes[same..];
                }
                bytes = &bytes[same..];
                if bytes.is_empty() {
                    return bytes;
                }
                if self.end > 0 {
                    let bytes = &END[..self.end];
                    to(Piece::Row { bytes, last: false });
                    self.end = 0;
                }
                self.in_row = true;
            }
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                to(Piece::Row { bytes, last: false });
                return &[];
            };
            let (row, rest) = bytes.split_at(end);
            to(Piece::Row {
                bytes: row,
                last: true,
            });
            to(Piece::Between(b"\n"));
            (self.in_row, bytes) = (false, &rest[1..]);
        }
        bytes
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The table, if the statement is `COPY table (columns) FROM stdin;`.
fn copies(statement: &[u8]) -> Option<&str> {
    let rest = statement.strip_prefix(b"COPY ")?;
    let rest = rest.strip_suffix(b" FROM stdin;")?;
    let mut quoted = false;
    let end = rest.iter().position(|byte| {
        quoted ^= *byte == b'"';
        *byte == b' ' && !quoted
    });
    std::str::from_utf8(&rest[..end.unwrap_or(rest.len())]).ok()
}
