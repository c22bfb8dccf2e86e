//! The cuts of one large piece of data, found on all cores.
//!
//! A chunk's end depends on where the chunk starts and on the bytes behind it, and on nothing
//! before. So two passes that reach one cut agree from there on, and passes over the same content
//! meet soon: each looks for a cut at the same places. Segments are therefore cut from their own
//! starts at the same time, on a guess. Then one pass goes from the beginning, and wherever it
//! arrives at a cut that a segment has found, it takes over that segment's cuts instead of
//! looking for its own.

use rayon::prelude::*;

use crate::cut::Cutter;

/// A segment is at least this many times the greatest chunk: what the joining pass cuts again
/// until it meets the segment's cuts, usually a few chunks, should be a small part.
const SEGMENT_CHUNKS_MIN: usize = 8;

/// Segments per thread: more than one, so that a late thread does not keep the others waiting.
const SEGMENTS_PER_THREAD: usize = 2;

impl Cutter {
    /// Same result as [`Cutter::cut_all`] for every input, found on rayon's current thread pool.
    ///
    /// On data in which passes never meet (some periodic data) it is as slow as a single thread.
    pub fn cut_all_parallel(&self, data: &[u8], last: bool) -> Vec<usize> {
        let threads = rayon::current_num_threads();
        if threads == 1 {
            return self.cut_all(data, last);
        }
        let share = data.len().div_ceil(threads * SEGMENTS_PER_THREAD);
        let segment_bytes = share.max(self.sizes().max * SEGMENT_CHUNKS_MIN);
        if data.len() <= segment_bytes {
            return self.cut_all(data, last);
        }
        self.cut_segments(data, last, segment_bytes)
    }

    /// Cuts segments of `segment_bytes` on their own and joins them.
    fn cut_segments(&self, data: &[u8], last: bool, segment_bytes: usize) -> Vec<usize> {
        let guesses: Vec<Vec<usize>> = (0..data.len().div_ceil(segment_bytes))
            .into_par_iter()
            .map(|segment| {
                let from = segment * segment_bytes;
                self.cut_from(data, last, from, from + segment_bytes)
            })
            .collect();
        self.join(data, last, segment_bytes, &guesses)
    }

    /// The cuts of a pass that starts at `from`, up to the first at or behind `to`.
    ///
    /// Chunks are cut from all of `data`, not from the segment, so that the ends are those that
    /// any other pass finds.
    fn cut_from(&self, data: &[u8], last: bool, from: usize, to: usize) -> Vec<usize> {
        let mut ends = Vec::with_capacity((to - from) / self.sizes().avg + 1);
        let mut start = from;
        while start < to
            && let Some(end) = self.next_end(data, start, last)
        {
            ends.push(end);
            start = end;
        }
        ends
    }

    /// The sequential pass, with the guesses taken over where it meets them.
    fn join(
        &self,
        data: &[u8],
        last: bool,
        segment_bytes: usize,
        guesses: &[Vec<usize>],
    ) -> Vec<usize> {
        let mut ends = Vec::with_capacity(guesses.iter().map(Vec::len).sum());
        let mut start = 0;
        while start < data.len() {
            let segment = start / segment_bytes;
            let guess = &guesses[segment];
            // What follows `start` in this segment's pass, if that pass came by here.
            let met = if start == segment * segment_bytes {
                Some(&guess[..])
            } else {
                guess.binary_search(&start).ok().map(|at| &guess[at + 1..])
            };
            match met {
                // Not one more end: the segment's pass stopped for want of data, and so do we.
                Some([]) => break,
                Some(more) => ends.extend_from_slice(more),
                None => match self.next_end(data, start, last) {
                    Some(end) => ends.push(end),
                    None => break,
                },
            }
            start = ends.last().copied().unwrap_or(data.len());
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sizes::ChunkSizes;

    fn cutter() -> Cutter {
        let sizes = ChunkSizes {
            min: 64,
            avg: 256,
            max: 1024,
        };
        Cutter::new(&[1; 32], sizes)
    }

    proptest! {
        #[test]
        fn segments_of_any_size_join_to_the_sequential_cuts(
            pattern in proptest::collection::vec(any::<u8>(), 1..4000),
            bytes in 0..20_000_usize,
            last: bool,
            segment_bytes in prop_oneof![1..100_usize, 100..20_000_usize],
        ) {
            // Short patterns repeat, and then passes need not meet; long ones don't.
            let data: Vec<u8> = pattern.into_iter().cycle().take(bytes).collect();
            let joined = cutter().cut_segments(&data, last, segment_bytes);
            prop_assert_eq!(joined, cutter().cut_all(&data, last));
        }
    }

    #[test]
    fn join_takes_over_what_segments_found() {
        let mut state = 1_u32;
        let data: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(100_000)
        .collect();
        // A wrong guess far behind the place where the passes meet shows whose cuts are used.
        let cutter = cutter();
        let first = cutter.cut_from(&data, true, 0, 50_000);
        let mut second = cutter.cut_from(&data, true, 50_000, 100_000);
        let planted = second.len() - 2;
        second[planted] += 1;
        let joined = cutter.join(&data, true, 50_000, &[first, second.clone()]);
        assert!(joined.contains(&second[planted]));
    }
}
