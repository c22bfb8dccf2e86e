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

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule one byte at a time, as the format document may state it.
    fn by_definition(cutter: &Cutter, data: &[u8]) -> usize {
        let ChunkSizes { min, avg, max } = cutter.sizes;
        let length = data.len().min(max);
        let mut hash = 0_u64;
        for (at, &byte) in data.iter().enumerate().take(length).skip(min) {
            hash = (hash << 1).wrapping_add(cutter.tables.gear[usize::from(byte)]);
            let mask = if at < avg {
                cutter.mask_s
            } else {
                cutter.mask_l
            };
            // Bytes are tested in pairs: one that the end of the input leaves alone is not.
            if hash & mask == 0 && at < length / 2 * 2 {
                return at;
            }
        }
        length
    }

    #[test]
    fn cut_is_its_definition() {
        let cutter = Cutter::new(
            &[5; 32],
            ChunkSizes {
                min: 64,
                avg: 256,
                max: 1024,
            },
        );
        let mut keys = KeyStream::new("nightfold chunker test input", &[0; 32]);
        let mut data: Vec<u8> = (0..20_000).map(|_| keys.next_u64() as u8).collect();
        // This secret does not cut zeros, but by force.
        data.resize(23_000, 0);
        let mut lengths = std::collections::BTreeSet::new();
        for start in 0..data.len() {
            let length = cutter.cut(&data[start..]);
            assert_eq!(length, by_definition(&cutter, &data[start..]), "{start}");
            lengths.insert(length);
        }
        // Both parities, both sides of the average, and the maximum were among them.
        assert!(lengths.len() > 50 && lengths.contains(&1024));
    }

    #[test]
    fn cuts_at_the_end_settle_only_when_more_data_cannot_move_them() {
        let cutter = Cutter::new(&[5; 32], ChunkSizes::default());
        let max = cutter.sizes().max;
        // This secret does not cut zeros, but by force.
        let data = vec![0; 2 * max];
        assert_eq!(cutter.cut_all(&data[..max - 1], false), []);
        assert_eq!(cutter.cut_all(&data[..max - 1], true), [max - 1]);
        assert_eq!(cutter.cut_all(&data[..max], false), [max]);
        assert_eq!(cutter.cut_all(&data[..=max], false), [max]);
        assert_eq!(cutter.cut_all(&data[..=max], true), [max, max + 1]);
        assert_eq!(cutter.cut_all(&data, false), [max, 2 * max]);
        assert_eq!(cutter.cut_all(&[], true), []);
        assert_eq!(cutter.cut(&[]), 0);
    }

    #[test]
    fn debug_keeps_the_tables_to_itself() {
        let cutter = Cutter::new(&[5; 32], ChunkSizes::default());
        let text = format!("{cutter:?}");
        assert!(text.starts_with("Cutter { sizes: ChunkSizes {") && text.ends_with(", .. }"));
    }

    #[test]
    #[should_panic(expected = "must be validated")]
    fn sizes_that_are_not_valid_are_refused() {
        Cutter::new(
            &[5; 32],
            ChunkSizes {
                min: 65,
                avg: 256,
                max: 1024,
            },
        );
    }
}
