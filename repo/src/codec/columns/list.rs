//! A list of texts being put together.

use std::ops::Range;

/// Most texts are copied in one move of this size; what is too much is written over by the next.
const MOVE: usize = 32;

/// Texts, each with a terminator. Its buffer serves one list after another.
#[derive(Default)]
pub(super) struct List {
    /// Longer than what is used of it.
    bytes: Vec<u8>,
    used: usize,
}

impl List {
    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    /// Appends a part of `chunk`.
    #[inline]
    pub(super) fn push(&mut self, chunk: &[u8], part: Range<usize>, terminator: u8) {
        let length = part.len();
        let behind = self.used + length;
        if self.bytes.len() < behind + MOVE {
            self.bytes.resize(2 * (behind + MOVE), 0);
        }
        let from = chunk[part.start..].first_chunk::<MOVE>();
        let to = &mut self.bytes[self.used..];
        match (from, to.first_chunk_mut()) {
            (Some(from), Some(to)) if length <= MOVE => *to = *from,
            _ => to[..length].copy_from_slice(&chunk[part]),
        }
        self.bytes[behind] = terminator;
        self.used = behind + 1;
    }
}
