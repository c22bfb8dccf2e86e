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
use encode::{Encoder, Fields};
use header::Header;
use out::{Literal, Out};
use rows::Rows;
use streams::{Reader, damaged, malformed, put_stream};

use super::zstd_frame;
use crate::error::Result;
use crate::format::Cursor;
use crate::limits::CHUNK_BYTES_MAX;

/// With fewer rows, columns are too short to have a form of their own.
const ROWS_MIN: usize = 32;
/// Bytes that may end texts; one must not occur in the chunk.
const TERMINATORS: [u8; 6] = [b'\n', 0, 1, 0xff, 0xfe, 0xc0];

/// Lays a chunk out. `None`: it does not look like rows.
pub(crate) fn encode(chunk: &[u8], level: i32) -> Result<Option<Vec<u8>>> {
    let Some((dialect, columns)) = dialect::guess(chunk) else {
        return Ok(None);
    };
    let Some(rows) = Rows::scan(chunk, &dialect, columns) else {
        return Ok(None);
    };
    if rows.count() < ROWS_MIN || rows.verbatim.len() > chunk.len() / 4 {
        return Ok(None);
    }
    let terminator = TERMINATORS.into_iter().find(|byte| {
        // Where it ends rows and nothing is quoted, no field can hold it.
        (dialect.end == [*byte] && dialect.quote.is_none()) || memchr::memchr(*byte, chunk).is_none()
    });
    let Some(terminator) = terminator else {
        return Ok(None);
    };
    let mut encoder = Encoder::new(level, terminator);
    let mut described = Vec::with_capacity(columns);
    for column in 0..columns {
        let fields = Fields {
            chunk,
            cells: &rows.cells[column..],
            columns,
        };
        let behind = if column + 1 == columns {
            &dialect.end
        } else {
            &dialect.separator
        };
        described.push((encoder.column(fields)?, behind.clone()));
    }
    let header = Header {
        terminator,
        rows: rows.count(),
        columns: described,
        runs: rows.runs.clone(),
        verbatim: &rows.verbatim,
    };
    let mut plain = Vec::new();
    header.put(&mut plain);
    if encoder.streams.raw_bytes() + plain.len() > chunk.len() {
        return Ok(None);
    }
    let mut payload = Vec::with_capacity(chunk.len() / 4);
    crate::format::put_varint(&mut payload, plain.len() as u64);
    put_stream(&mut payload, &plain, |bytes| {
        zstd_frame::compress(bytes, level)
    })?;
    payload.extend_from_slice(&encoder.streams.into_packed());
    Ok(Some(payload))
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
    let mut verbatim = Cursor::new(header.verbatim);
    let mut row = 0;
    for run in &header.runs {
        out.bytes(
            verbatim
                .take(run.verbatim, "bytes outside of rows")
                .map_err(malformed)?,
        )?;
        for _ in 0..run.rows {
            for (before, source) in &mut sources {
                out.literal(before)?;
                source.write(row, &mut out)?;
            }
            out.literal(&last)?;
            row += 1;
        }
    }
    out.finish()
}

#[cfg(test)]
mod tests;
