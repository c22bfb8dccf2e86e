//! The chunk being put together.

use super::streams::damaged;
use crate::error::Result;

/// Short pieces are written in one move of this size; what is too much is written over by the next.
const SHORT: usize = 24;

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

/// A buffer of a fixed size.
pub(super) struct Out {
    bytes: Vec<u8>,
    at: usize,
}

impl Out {
    pub(super) fn new(raw_bytes: usize) -> Self {
        Self {
            bytes: vec![0; raw_bytes + SHORT],
            at: 0,
        }
    }

    /// The first `length` of `N` bytes, at most 24. `None`: there is no room.
    #[inline]
    pub(super) fn short<const N: usize>(&mut self, bytes: [u8; N], length: usize) -> Option<()> {
        *self.bytes.get_mut(self.at..)?.first_chunk_mut()? = bytes;
        self.at += length;
        Some(())
    }

    #[inline]
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at + bytes.len();
        self.bytes.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }

    #[inline]
    pub(super) fn literal(&mut self, literal: &Literal) -> Option<()> {
        let length = literal.bytes.len();
        if length <= SHORT {
            self.short(literal.short, length)
        } else {
            self.bytes(&literal.bytes)
        }
    }

    /// All bytes, if there are as many as there should be.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        if self.at + SHORT != self.bytes.len() {
            return Err(damaged("the rows have another length than the chunk"));
        }
        self.bytes.truncate(self.at);
        Ok(self.bytes)
    }
}
