//! Where data is cut: pure functions of the data, the sizes and the secret.

use std::fmt;
use std::sync::Arc;

use fastcdc::v2020::{Normalization, cut_gear, select_masks};

use crate::keys::{Gear, KeyStream};
use crate::sizes::ChunkSizes;

const CONTEXT: &str = "nightfold v1 chunker gear";

/// Finds the cut points of data, for one secret and one choice of sizes.
///
/// Cuts depend on the content near them, so that an edit moves the cuts around it and no others.
/// They also depend on the secret: without it, nobody can tell from the lengths of chunks whether
/// a known file was cut. Cloning is cheap, clones share their tables.
///
/// The algorithm is `FastCDC` (Xia et al., "The Design of Fast Content-Defined Chunking for Data
/// Deduplication Based Storage Systems", IEEE TPDS 2020) with normalization level 1, as the
/// `fastcdc` crate implements it, over a gear table of our own.
#[derive(Clone)]
pub struct Cutter {
    sizes: ChunkSizes,
    mask_s: u64,
    mask_l: u64,
    tables: Arc<Tables>,
}

struct Tables {
    gear: Gear,
    /// Every entry of `gear` doubled: the crate takes two bytes a step.
    gear_ls: Gear,
}

impl fmt::Debug for Cutter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cutter")
            .field("sizes", &self.sizes)
            .finish_non_exhaustive()
    }
}

impl Cutter {
    /// Derives the tables. `secret` is the repository's chunker secret.
    ///
    /// # Panics
    /// If `sizes` does not pass [`ChunkSizes::validate`].
    pub fn new(secret: &[u8; 32], sizes: ChunkSizes) -> Self {
        if let Err(error) = sizes.validate() {
            panic!("chunk sizes must be validated before a cutter is made: {error}");
        }
        let (mask_s, mask_l) = select_masks(sizes.avg, Normalization::Level1);
        let gear = KeyStream::new(CONTEXT, secret).gear();
        let mut gear_ls = gear.clone();
        for value in gear_ls.iter_mut() {
            *value <<= 1;
        }
        Self {
            sizes,
            mask_s,
            mask_l,
            tables: Arc::new(Tables { gear, gear_ls }),
        }
    }

    /// The sizes this cutter was made for.
    pub fn sizes(&self) -> ChunkSizes {
        self.sizes
    }

    /// Length of the first chunk of `data`, as if `data` reached to the end of the input.
    ///
    /// It depends on the first [`ChunkSizes::max`] bytes only. Zero for empty data, otherwise at
    /// least [`ChunkSizes::min`] or all of `data`, and at most [`ChunkSizes::max`].
    pub fn cut(&self, data: &[u8]) -> usize {
        let (_hash, length) = cut_gear(
            data,
            self.sizes.min,
            self.sizes.avg,
            self.sizes.max,
            self.mask_s,
            self.mask_l,
            self.mask_s << 1,
            self.mask_l << 1,
            &*self.tables.gear,
            &*self.tables.gear_ls,
        );
        length
    }

    /// End offsets of all chunks of `data`, in order: chunk `i` spans `ends[i - 1]..ends[i]`.
    ///
    /// `last` says whether `data` ends the input. When it doesn't, the piece at the end whose cut
    /// could move with more data is left out; it is shorter than [`ChunkSizes::max`], and the
    /// caller puts it in front of what comes next.
    pub fn cut_all(&self, data: &[u8], last: bool) -> Vec<usize> {
        let mut ends = Vec::with_capacity(data.len() / self.sizes.avg + 1);
        let mut start = 0;
        while let Some(end) = self.next_end(data, start, last) {
            ends.push(end);
            start = end;
        }
        ends
    }

    /// Where the chunk that starts at `start` ends, or `None` when there is none or more data
    /// could still move its end.
    pub(crate) fn next_end(&self, data: &[u8], start: usize, last: bool) -> Option<usize> {
        let rest = &data[start..];
        let length = self.cut(rest);
        // A cut inside the data, or one that the maximum forced, stays whatever follows.
        let settled = last || length < rest.len() || length == self.sizes.max;
        (length > 0 && settled).then_some(start + length)
    }
}
