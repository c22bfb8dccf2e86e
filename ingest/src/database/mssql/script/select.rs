//! One table out of a script.

use std::io::{Read, Write};

use super::super::error::{MssqlError, Result};
use super::super::name::TableName;
use super::lines::Lines;
use super::tables::after;
use super::{LAST_LINE, PART_OF, ROWS_OF, TABLE, is_go};

/// What is being kept of a script.
struct Selection<'a> {
    table: &'a str,
    out: &'a mut dyn Write,
    place: Within,
    keep: bool,
    found: bool,
    ended: bool,
}

/// Where in a script a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// At the very first batch, which sets the session up.
    Preamble,
    /// At the first line of a batch.
    Start,
    /// Further down in a batch.
    Batch,
}

/// Copies the part of a script that makes and fills one table: the table itself, its rows, its
/// keys and indexes. What refers to other tables or programs is left out. Returns whether the
/// script holds the table.
pub fn select_table(table: &TableName, script: &mut dyn Read, out: &mut dyn Write) -> Result<bool> {
    let name = table.to_string();
    let mut selection = Selection {
        table: &name,
        out,
        place: Within::Preamble,
        keep: true,
        found: false,
        ended: false,
    };
    let mut lines = Lines::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = script
            .read(&mut buffer)
            .map_err(|error| MssqlError::io("cannot read the script", error))?;
        let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else {
            break;
        };
        lines.push(piece, &mut |_, line| selection.line(line))?;
    }
    let line = lines.number();
    lines.finish()?;
    if !selection.ended {
        let reason = "it ends before its last line: parts are missing".to_owned();
        return Err(MssqlError::Script { line, reason });
    }
    selection
        .out
        .flush()
        .map_err(|error| MssqlError::io("cannot write the script", error))?;
    Ok(selection.found)
}

impl Selection<'_> {
    fn line(&mut self, line: &[u8]) -> Result<()> {
        let bare = line.strip_suffix(b"\r").unwrap_or(line);
        if self.place == Within::Start {
            let about = |start| after(bare, start).is_some_and(|name| name == self.table);
            self.ended = bare == LAST_LINE.as_bytes();
            self.found |= about(TABLE) || about(ROWS_OF);
            self.keep = about(TABLE) || about(ROWS_OF) || about(PART_OF) || self.ended;
        }
        if is_go(bare) {
            self.place = Within::Start;
        } else if self.place == Within::Start {
            self.place = Within::Batch;
        }
        if self.keep {
            self.out
                .write_all(line)
                .and_then(|()| self.out.write_all(b"\n"))
                .map_err(|error| MssqlError::io("cannot write the script", error))?;
        }
        Ok(())
    }
}
