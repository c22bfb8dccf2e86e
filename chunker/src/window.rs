//! Whole chunks that were read and cut together.

use std::fmt;

use crate::buffers::Buffers;
use crate::scan::{Sample, samples_within};

/// Whole chunks, read and cut together. Its buffer is used again when it is dropped.
pub struct Window {
    /// The chunks' bytes, one chunk after the other, with nothing before, between or behind.
    pub bytes: Vec<u8>,
    /// End offset in `bytes` of each chunk, ascending; the last is the length of `bytes`.
    pub ends: Vec<usize>,
    /// The samples of `bytes`, if it was scanned.
    samples: Option<Vec<Sample>>,
    home: Option<Buffers>,
}

impl Drop for Window {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            home.give(std::mem::take(&mut self.bytes));
        }
    }
}

/// What is backed up is not shown.
impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("bytes", &self.bytes.len())
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

/// One chunk of a [`Window`].
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its samples, if its window was scanned: [`Sketcher::sketch`](crate::Sketcher::sketch) takes
    /// them.
    pub samples: Option<&'a [Sample]>,
}

impl Window {
    /// A window that is a single chunk, which need not be scanned to know that.
    pub fn of_one_chunk(bytes: Vec<u8>) -> Self {
        Self {
            ends: vec![bytes.len()],
            bytes,
            samples: None,
            home: None,
        }
    }

    pub(crate) fn scanned(
        bytes: Vec<u8>,
        ends: Vec<usize>,
        samples: Vec<Sample>,
        home: Buffers,
    ) -> Self {
        Self {
            bytes,
            ends,
            samples: Some(samples),
            home: Some(home),
        }
    }

    /// The chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'_>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| Chunk {
            bytes: &self.bytes[start..end],
            samples: self
                .samples
                .as_deref()
                .map(|samples| samples_within(samples, start, end)),
        })
    }
}
