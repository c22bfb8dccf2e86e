//! Rows as columns: the rows of a chunk laid out column by column, each column as what it is.
//!
//! A payload knows nothing of SQL or CSV: a row is a sequence of values with bytes between them that are the same
//! in every row. How to find them is the writer's affair (`dialect`, `rows`, `encode`).

mod column;
mod decode;
mod dialect;
mod digits;
mod encode;
mod header;
mod numbers;
mod out;
mod rows;
mod streams;
mod time;
mod value;
mod words;

use decode::Source;
use std::cell::RefCell;

use memchr::memchr;

use dialect::Dialect;
use encode::Encoder;
use header::Header;
use out::{Literal, Out};
use rows::{RUNS_MAX, Rows};
use streams::{Reader, damaged, malformed};

use crate::error::Result;
use crate::format::{Cursor, put_varint};
use crate::limits::CHUNK_BYTES_MAX;

/// With fewer rows, columns are too short to have a form of their own.
const ROWS_MIN: usize = 32;
/// Bytes that may end texts; one must not occur in the chunk.
const TERMINATORS: [u8; 6] = [b'\n', 0, 1, 0xff, 0xfe, 0xc0];

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Buffers of a thread, kept from chunk to chunk.
#[derive(Default)]
struct Scratch {
    rows: Rows,
    encoder: Encoder,
    header: Vec<u8>,
}

/// Lays a chunk out. `None`: it does not look like rows.
pub(crate) fn encode(chunk: &[u8], level: i32) -> Result<Option<Vec<u8>>> {
    let Some((dialect, columns)) = dialect::guess(chunk) else {
        return Ok(None);
    };
    SCRATCH.with_borrow_mut(|scratch| scratch.encode(chunk, level, &dialect, columns))
}

impl Scratch {
    fn encode(
        &mut self,
        chunk: &[u8],
        level: i32,
        dialect: &Dialect,
        columns: usize,
    ) -> Result<Option<Vec<u8>>> {
        let rows = &mut self.rows;
        let found = rows.scan(chunk, dialect, columns).is_some();
        let few = rows.count() < ROWS_MIN || rows.verbatim.len() > chunk.len() / 4;
        if !found || few || rows.runs.len() > RUNS_MAX {
            return Ok(None);
        }
        let terminator = TERMINATORS.into_iter().find(|byte| {
            // Where it ends rows and nothing is quoted, no field can hold it.
            (dialect.end == [*byte] && dialect.quote.is_none()) || memchr(*byte, chunk).is_none()
        });
        let Some(terminator) = terminator else {
            return Ok(None);
        };
        self.encoder.start(level, terminator);
        let header = Header {
            terminator,
            rows: rows.count(),
            columns: self.encoder.columns(chunk, rows, dialect)?,
            runs: rows.runs.clone(),
            verbatim: &rows.verbatim,
        };
        let plain = &mut self.header;
        plain.clear();
        header.put(plain);
        let streams = &mut self.encoder.streams;
        if streams.raw_bytes() + plain.len() > chunk.len() {
            return Ok(None);
        }
        let mut payload = Vec::with_capacity(streams.packed().len() + plain.len() + 16);
        put_varint(&mut payload, plain.len() as u64);
        streams.apart(plain, &mut payload)?;
        payload.extend_from_slice(streams.packed());
        Ok(Some(payload))
    }
}

/// The chunk of `raw_bytes` that a payload holds.
pub(crate) fn decode(payload: &[u8], raw_bytes: usize) -> Result<Vec<u8>> {
    let mut cursor = Cursor::new(payload);
    let header_bytes = cursor
        .bounded(raw_bytes.min(CHUNK_BYTES_MAX), "length of the header")
        .map_err(malformed)?;
    let mut streams = Reader::new(cursor, raw_bytes);
    let plain = streams.next(header_bytes)?;
    let header = Header::get(&plain).map_err(malformed)?;
    if header.rows.saturating_mul(header.columns.len()) > raw_bytes {
        return Err(damaged("it has more fields than bytes"));
    }
    // Values, each with the bytes that stand before it; at the end those behind the last.
    let mut sources: Vec<(Literal, Source)> = Vec::with_capacity(header.columns.len());
    let mut between = Vec::new();
    for (column, behind) in &header.columns {
        let source = Source::read(column, header.rows, header.terminator, &mut streams)?;
        if source.is_constant() {
            between.extend_from_slice(&column.prefix);
            between.extend_from_slice(&column.suffix);
        } else if source.has_exceptions() {
            sources.push((Literal::new(&std::mem::take(&mut between)), source));
        } else {
            between.extend_from_slice(&column.prefix);
            sources.push((Literal::new(&std::mem::take(&mut between)), source));
            between.extend_from_slice(&column.suffix);
        }
        between.extend_from_slice(behind);
    }
    if streams.remaining() > 0 {
        return Err(damaged("bytes behind the last stream"));
    }
    let last = Literal::new(&between);
    let mut out = Out::new(raw_bytes);
    write_rows(&header, &mut sources, &last, &mut out)
        .ok_or_else(|| damaged("a column ends too early, or the chunk does"))?;
    out.finish()
}

/// `None`: a column or the chunk ends too early, or a number is none that its column can have.
fn write_rows(
    header: &Header<'_>,
    sources: &mut [(Literal, Source)],
    last: &Literal,
    out: &mut Out,
) -> Option<()> {
    let mut verbatim = header.verbatim;
    let mut row = 0;
    for run in &header.runs {
        out.bytes(verbatim.split_off(..run.verbatim)?)?;
        for row in row..row + run.rows {
            for (before, source) in &mut *sources {
                out.literal(before)?;
                source.write(row, out)?;
            }
            out.literal(last)?;
        }
        row += run.rows;
    }
    Some(())
}

#[cfg(test)]
mod tests;
