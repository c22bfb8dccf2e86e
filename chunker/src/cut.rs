//! Where data is cut: pure functions of the data, the sizes and the secret.

use std::fmt;
use std::sync::Arc;

use crate::scan::{Sample, Scanner, VALUE_SHIFT};
use crate::sizes::ChunkSizes;

/// Longer data is cut in parts of this length, so that their samples don't take much memory.
const PART_BYTES: usize = 64 << 20;

/// Finds the cut points of data, for one secret and one choice of sizes.
///
/// Cuts depend on the content near them, so that an edit moves the cuts around it and no others.
/// They also depend on the secret: without it, nobody can tell from the lengths of chunks whether
/// a known file was cut. Cloning is cheap, clones share their table.
///
/// A chunk ends where the rolling hash is small, as in `FastCDC` (Xia et al., "The Design of Fast
/// Content-Defined Chunking for Data Deduplication Based Storage Systems", IEEE TPDS 2020) with
/// normalization level 1. Where no hash is small enough, it ends at the last one that nearly is,
/// as in TTTD (Eshghi and Tang, "A Framework for Analyzing and Improving Content-Based Chunking
/// Algorithms", HP Labs 2005), and only without any by force: a forced cut moves with every byte
/// that is inserted before it.
#[derive(Clone)]
pub struct Cutter {
    sizes: ChunkSizes,
    bounds: Bounds,
    scanner: Arc<Scanner>,
}

/// A sample of a smaller value may end a chunk.
#[derive(Clone, Copy)]
struct Bounds {
    /// Before the average length.
    strict: u64,
    /// Behind it.
    loose: u64,
    /// Where nothing else did.
    fallback: u64,
}

impl Bounds {
    fn new(sizes: ChunkSizes) -> Self {
        let one_in = |bits: u32| 1 << (u64::BITS - bits - VALUE_SHIFT);
        let bits = sizes.avg.ilog2();
        Self {
            strict: one_in(bits + 1),
            loose: one_in(bits),
            fallback: one_in(bits.saturating_sub(FALLBACK_BITS)),
        }
    }
}

/// By this many bits less than the average's a hash is small enough for the last resort.
const FALLBACK_BITS: u32 = 5;

impl fmt::Debug for Cutter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cutter")
            .field("sizes", &self.sizes)
            .finish_non_exhaustive()
    }
}

impl Cutter {
    /// Derives the table. `secret` is the repository's chunker secret.
    ///
    /// # Panics
    /// If `sizes` does not pass [`ChunkSizes::validate`].
    pub fn new(secret: &[u8; 32], sizes: ChunkSizes) -> Self {
        if let Err(error) = sizes.validate() {
            panic!("chunk sizes must be validated before a cutter is made: {error}");
        }
        Self {
            sizes,
            bounds: Bounds::new(sizes),
            scanner: Arc::new(Scanner::new(secret)),
        }
    }

    /// The sizes this cutter was made for.
    pub fn sizes(&self) -> ChunkSizes {
        self.sizes
    }

    /// End offsets of all chunks of `data`, in order: chunk `i` spans `ends[i - 1]..ends[i]`.
    ///
    /// `last` says whether `data` ends the input. When it doesn't, the piece at the end whose cut
    /// could move with more data is left out; it is shorter than [`ChunkSizes::max`], and the
    /// caller puts it in front of what comes next. Large data is scanned on rayon's current thread
    /// pool.
    pub fn cut_all(&self, data: &[u8], last: bool) -> Vec<usize> {
        self.cut_parts(data, last, PART_BYTES)
    }

    /// A part is longer than a chunk.
    fn cut_parts(&self, data: &[u8], last: bool, part_bytes: usize) -> Vec<usize> {
        let mut ends = Vec::with_capacity(data.len() / self.sizes.avg + 1);
        let mut start = 0;
        loop {
            let part = &data[start..data.len().min(start + part_bytes)];
            let is_end = start + part.len() == data.len();
            let samples = self.scanner.scan(part, 0);
            let found = self.select(&samples, part.len(), last && is_end);
            ends.extend(found.iter().map(|end| start + end));
            if is_end {
                return ends;
            }
            start = ends.last().copied().unwrap_or(data.len());
        }
    }

    /// The samples of data at positions from `from` on.
    pub(crate) fn scan(&self, data: &[u8], from: usize) -> Vec<Sample> {
        self.scanner.scan(data, from)
    }

    /// [`Cutter::cut_all`] for data of which the samples are known.
    pub(crate) fn select(&self, samples: &[Sample], data_bytes: usize, last: bool) -> Vec<usize> {
        let mut ends = Vec::with_capacity(data_bytes / self.sizes.avg + 1);
        let (mut start, mut rest) = (0, samples);
        while start < data_bytes {
            // No chunk ends within the minimum, and the next one starts behind this one's.
            let first = rest.partition_point(|sample| sample.at() < start + self.sizes.min);
            rest = &rest[first..];
            let Some(end) = self.next_end(rest, start, data_bytes, last) else {
                break;
            };
            ends.push(end);
            start = end;
        }
        ends
    }

    /// Where the chunk that starts at `start` ends, or `None` when more data could still tell.
    ///
    /// `samples` begin at its minimum length. That is at least the window of the hash: what is
    /// seen of them depends on the chunk alone, so equal data behind a cut is cut alike.
    fn next_end(
        &self,
        samples: &[Sample],
        start: usize,
        data_bytes: usize,
        last: bool,
    ) -> Option<usize> {
        let most = start + self.sizes.max;
        let mut fallback = most;
        for sample in samples {
            let at = sample.at();
            if at >= most {
                break;
            }
            let bound = if at - start < self.sizes.avg {
                self.bounds.strict
            } else {
                self.bounds.loose
            };
            let value = u64::from(sample.value());
            if value < bound {
                return Some(at + 1);
            }
            if value < self.bounds.fallback {
                fallback = at + 1;
            }
        }
        // A cut before the maximum is only forced once all of it was seen.
        if data_bytes >= most {
            Some(fallback)
        } else {
            last.then_some(data_bytes)
        }
    }
}

#[cfg(test)]
mod tests;
