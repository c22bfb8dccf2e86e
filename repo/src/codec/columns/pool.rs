//! The bytes that a chunk is put together from, and the chunk.

use std::ops::Range;

use super::streams::damaged;
use crate::error::Result;

/// Pieces are written in moves of this size; what is too much is written over by the next.
pub(super) const MOVE: usize = 32;
/// The same for pieces that stand in every row: most are very short.
const SHORT: usize = 16;

/// Where a piece lies in the pool: start and length.
pub(super) type Cell = [u32; 2];

/// Streams, literals and rendered values of a payload, one behind the other. Serves one payload after another.
#[derive(Default)]
pub(super) struct Pool {
    /// At least [`MOVE`] bytes longer than what is used of it.
    bytes: Vec<u8>,
    used: usize,
}

impl Pool {
    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    /// Takes so many bytes; where they begin.
    pub(super) fn take(&mut self, count: usize) -> usize {
        let start = self.used;
        self.used += count;
        if self.bytes.len() < self.used + MOVE {
            self.bytes.resize(self.used + MOVE, 0);
        }
        start
    }

    /// Appends bytes; where they lie.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Cell {
        let start = self.take(bytes.len());
        self.bytes[start..self.used].copy_from_slice(bytes);
        [start as u32, bytes.len() as u32]
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// What lies before `at`, and what lies behind.
    pub(super) fn split(&mut self, at: usize) -> (&[u8], &mut [u8]) {
        let (before, behind) = self.bytes.split_at_mut(at);
        (before, behind)
    }
}

/// Bytes that stand in every row.
#[derive(Clone, Debug, Default)]
pub(super) struct Literal {
    short: [u8; SHORT],
    bytes: Vec<u8>,
}

impl Literal {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut short = [0; SHORT];
        if bytes.len() <= SHORT {
            short[..bytes.len()].copy_from_slice(bytes);
        }
        Self {
            short,
            bytes: bytes.to_vec(),
        }
    }
}

/// A piece of every row.
pub(super) struct Piece {
    /// What stands before it.
    pub(super) before: Literal,
    /// Where its cells begin, one for each row of a batch.
    pub(super) cells: usize,
}

/// A chunk being put together, in a buffer of its size.
pub(super) struct Out<'o> {
    bytes: &'o mut Vec<u8>,
    raw_bytes: usize,
    at: usize,
}

impl<'o> Out<'o> {
    pub(super) fn new(raw_bytes: usize, bytes: &'o mut Vec<u8>) -> Self {
        // What a buffer held before need not be cleared: it is written over.
        bytes.resize(raw_bytes + MOVE, 0);
        Self {
            bytes,
            raw_bytes,
            at: 0,
        }
    }

    /// `None`: there is no room.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at + bytes.len();
        self.bytes.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }

    /// Rows, each put together from pieces of the pool and what stands between them.
    pub(super) fn rows(
        &mut self,
        rows: Range<usize>,
        pieces: &[Piece],
        last: &Literal,
        cells: &[Cell],
        pool: &[u8],
    ) -> Option<()> {
        // Kept out of memory: each piece waits for the end of the one before.
        let mut at = self.at;
        let bytes = &mut self.bytes[..];
        for row in rows {
            for piece in pieces {
                at = literal(bytes, at, &piece.before)?;
                at = cell(bytes, at, pool, *cells.get(piece.cells + row)?)?;
            }
            at = literal(bytes, at, last)?;
        }
        self.at = at;
        Some(())
    }

    /// Leaves the chunk in the buffer, if it has as many bytes as it should.
    pub(super) fn finish(self) -> Result<()> {
        if self.at != self.raw_bytes {
            return Err(damaged("the rows have another length than the chunk"));
        }
        self.bytes.truncate(self.at);
        Ok(())
    }
}

/// Writes it at `at`; where it ends.
#[inline]
fn literal(bytes: &mut [u8], at: usize, literal: &Literal) -> Option<usize> {
    let length = literal.bytes.len();
    let end = at + length;
    if length > SHORT {
        bytes.get_mut(at..end)?.copy_from_slice(&literal.bytes);
    } else {
        *bytes.get_mut(at..)?.first_chunk_mut()? = literal.short;
    }
    Some(end)
}

/// The same for a piece that lies in the pool.
#[inline]
fn cell(bytes: &mut [u8], at: usize, pool: &[u8], [start, length]: Cell) -> Option<usize> {
    let (start, length) = (start as usize, length as usize);
    let end = at + length;
    let moved: [u8; MOVE] = *pool.get(start..)?.first_chunk()?;
    *bytes.get_mut(at..)?.first_chunk_mut()? = moved;
    if length > MOVE {
        let rest = pool.get(start + MOVE..start + length)?;
        bytes.get_mut(at + MOVE..end)?.copy_from_slice(rest);
    }
    Some(end)
}
