//! One table out of a script.

use std::io::{self, Write};

use super::super::error::{MssqlError, Result};
use super::super::name::{TableName, quoted, text};
use super::lines::Lines;
use super::tables::after;
use super::{LAST_LINE, PART_OF, ROWS_OF, TABLE, is_go};

/// Takes a script, and passes on what makes and fills one table, which is a script too: the table
/// itself, its rows, its keys and indexes, and the schema if there is none. What refers to other
/// tables or programs is left out.
pub(crate) struct Selection<W> {
    lines: Lines,
    keeper: Keeper<W>,
}

struct Keeper<W> {
    table: TableName,
    replace: bool,
    out: W,
    place: Place,
    keep: bool,
    ended: bool,
}

/// Where in a script a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the very first batch, which sets the session up.
    Preamble,
    /// At the first line of a batch.
    Start,
    /// Further down in a batch.
    Batch,
}

impl<W: Write> Selection<W> {
    /// With `replace` a table of the name is dropped first.
    pub(crate) fn new(table: TableName, replace: bool, out: W) -> Self {
        Self {
            lines: Lines::new(),
            keeper: Keeper {
                table,
                replace,
                out,
                place: Place::Preamble,
                keep: true,
                ended: false,
            },
        }
    }

    /// The script has ended. An error if it was cut off.
    pub(crate) fn finish(mut self) -> Result<()> {
        let line = self.lines.number();
        self.lines.finish()?;
        if !self.keeper.ended {
            let reason = "it ends before its last line: parts are missing".to_owned();
            return Err(MssqlError::Script { line, reason });
        }
        self.keeper.out.flush().map_err(failed)
    }
}

impl<W: Write> Write for Selection<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let keeper = &mut self.keeper;
        let pushed = self
            .lines
            .push(bytes, &mut |_, line| keeper.line(line).map_err(failed));
        match pushed {
            Ok(()) => Ok(bytes.len()),
            Err(MssqlError::Io { source, .. }) => Err(source),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.keeper.out.flush()
    }
}

impl<W: Write> Keeper<W> {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let bare = line.strip_suffix(b"\r").unwrap_or(line);
        if self.place == Place::Start {
            let name = self.table.to_string();
            let about = |start| after(bare, start).is_some_and(|rest| rest == name);
            self.ended = bare == LAST_LINE.as_bytes();
            self.keep = about(TABLE) || about(ROWS_OF) || about(PART_OF) || self.ended;
            if about(TABLE) {
                self.before_table(&name)?;
            }
        }
        if is_go(bare) {
            self.place = Place::Start;
        } else if self.place == Place::Start {
            self.place = Place::Batch;
        }
        if self.keep {
            self.out.write_all(line)?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn before_table(&mut self, name: &str) -> io::Result<()> {
        let schema = &self.table.schema;
        let make = text(&format!("CREATE SCHEMA {}", quoted(schema)));
        writeln!(
            self.out,
            "IF SCHEMA_ID({}) IS NULL EXEC ({make})\nGO",
            text(schema)
        )?;
        if self.replace {
            let there = format!("OBJECT_ID({}) IS NOT NULL", text(name));
            writeln!(self.out, "IF {there} DROP TABLE {name}\nGO")?;
        }
        Ok(())
    }
}

fn failed(error: io::Error) -> MssqlError {
    MssqlError::io("cannot write the script", error)
}
