//! The header of a payload: all that is needed to write rows, but for the values.

use super::column::Column;
use super::rows::{COLUMNS_MAX, RUNS_MAX, Run};
use crate::format::{Cursor, Malformed, put_bytes, put_varint};
use crate::limits::CHUNK_BYTES_MAX;

/// What the rows of a chunk have in common.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    /// Behind every text.
    pub(super) terminator: u8,
    pub(super) rows: usize,
    /// Each column, and what stands behind it.
    pub(super) columns: Vec<(Column, Vec<u8>)>,
    pub(super) runs: Vec<Run>,
    /// The bytes outside of rows, one after another.
    pub(super) verbatim: &'a [u8],
}

impl<'a> Header<'a> {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.push(self.terminator);
        put_varint(out, self.rows as u64);
        put_varint(out, self.columns.len() as u64);
        for (column, behind) in &self.columns {
            column.put(out);
            put_bytes(out, behind);
        }
        put_varint(out, self.runs.len() as u64);
        for run in &self.runs {
            put_varint(out, run.verbatim as u64);
            put_varint(out, run.rows as u64);
        }
        out.extend_from_slice(self.verbatim);
    }

    pub(super) fn get(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let c = &mut Cursor::new(bytes);
        let terminator = c.byte("terminator")?;
        let rows = c.bounded(CHUNK_BYTES_MAX, "number of rows")?;
        let columns = c.bounded(COLUMNS_MAX, "number of columns")?;
        let columns = (0..columns)
            .map(|_| {
                let column = Column::get(c)?;
                let start = *c;
                let behind = c.bytes(CHUNK_BYTES_MAX, "what stands behind a column")?;
                // So a row has at least as many bytes as columns.
                if behind.is_empty() {
                    return Err(start.malformed("something behind a column"));
                }
                Ok((column, behind.to_vec()))
            })
            .collect::<Result<_, _>>()?;
        let runs = c.bounded(RUNS_MAX, "number of runs")?;
        let mut runs_rows = 0;
        let mut verbatim = 0;
        let start = *c;
        let runs = (0..runs)
            .map(|_| {
                let run = Run {
                    verbatim: c.bounded(CHUNK_BYTES_MAX, "bytes outside of rows")?,
                    rows: c.bounded(rows - runs_rows, "rows of a run")?,
                };
                runs_rows += run.rows;
                verbatim += run.verbatim;
                Ok(run)
            })
            .collect::<Result<_, _>>()?;
        if runs_rows != rows || verbatim != c.remaining() {
            return Err(start.malformed("runs of as many rows and bytes as there are"));
        }
        Ok(Self {
            terminator,
            rows,
            columns,
            runs,
            verbatim: c.take(verbatim, "bytes outside of rows")?,
        })
    }
}
