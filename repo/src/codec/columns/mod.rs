//! Rows as columns: the rows of a chunk laid out column by column, each column as what it is.
//!
//! A payload knows nothing of SQL or CSV: a row is a sequence of values with bytes between them that are the same
//! in every row. How to find them is the writer's affair (`dialect`, `rows`, `encode`).

mod column;
mod decode;
mod dialect;
mod digits;
mod encode;
mod exceptions;
mod fields;
mod header;
mod join;
mod list;
mod numbers;
mod plan;
mod pool;
mod render;
mod rows;
mod streams;
mod time;
mod value;
mod words;

use std::cell::RefCell;

use memchr::memchr;

use dialect::Dialect;
use encode::Encoder;
use header::Header;
use join::Decoder;
use rows::{RUNS_MAX, Rows};

use crate::error::Result;
use crate::format::put_varint;

/// With fewer rows, columns are too short to have a form of their own.
const ROWS_MIN: usize = 32;
/// Bytes that may end texts; one must not occur in the chunk.
const TERMINATORS: [u8; 6] = [b'\n', 0, 1, 0xff, 0xfe, 0xc0];

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
    static DECODER: RefCell<Decoder> = RefCell::default();
}

/// Buffers of a thread, kept from chunk to chunk.
#[derive(Default)]
struct Scratch {
    rows: Rows,
    encoder: Encoder,
    header: Vec<u8>,
    /// What a payload just made decodes to.
    again: Vec<u8>,
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
    let mut chunk = Vec::new();
    DECODER.with_borrow_mut(|decoder| decoder.decode(payload, raw_bytes, &mut chunk))?;
    Ok(chunk)
}

/// Whether a payload decodes to a chunk.
pub(crate) fn decodes_to(payload: &[u8], chunk: &[u8]) -> bool {
    SCRATCH.with_borrow_mut(|scratch| {
        let again = &mut scratch.again;
        DECODER
            .with_borrow_mut(|decoder| decoder.decode(payload, chunk.len(), again))
            .is_ok_and(|()| again == chunk)
    })
}

#[cfg(test)]
mod tests;
