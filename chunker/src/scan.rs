//! The one pass over the bytes that both cutting and sketching choose from.

use std::fmt;

use rayon::prelude::*;

use crate::keys::{Gear, KeyStream};

const CONTEXT: &str = "nightfold v1 chunker gear";

/// Bytes that the rolling hash looks back on: each step shifts one of its 64 bits out.
pub(crate) const WINDOW_BYTES: usize = 64;

/// A position is sampled when its hash is below this: one in 2⁷. The bits that decide depend on
/// the whole window. One in 2⁶ found no more bases and cost more.
const SAMPLED_BELOW: u64 = 1 << 57;

/// What is left of a sampled hash: its upper bits but those that are zero. A value is any 32 bits.
pub(crate) const VALUE_SHIFT: u32 = 57 - u32::BITS;

/// Parts of a piece that are hashed side by side: each hash waits for the one before it, and the
/// others fill the time.
const LANES: usize = 4;

/// Bytes of each lane between two looks at what was found there.
const STEP_BYTES: usize = 1024;

/// Bytes that one thread scans at a time.
const PIECE_BYTES: usize = 1 << 20;

/// A position whose rolling hash is small: where chunks may end, and what they resemble.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The last byte of the window. Half of the bits that a `usize` has: there are many samples.
    at: u32,
    value: u32,
}

/// Values tell about the gear table, so they are not shown.
impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl Sample {
    pub(crate) fn at(self) -> usize {
        self.at as usize
    }

    pub(crate) fn value(self) -> u32 {
        self.value
    }

    /// The same sample when `bytes` bytes before it are gone.
    pub(crate) fn moved_forward(self, bytes: usize) -> Self {
        Self {
            at: self.at - bytes as u32,
            ..self
        }
    }
}

/// Those of the samples whose window, and the byte before it, lie in `start..end`.
pub(crate) fn samples_within(samples: &[Sample], start: usize, end: usize) -> &[Sample] {
    let first = samples.partition_point(|sample| sample.at() < start + WINDOW_BYTES);
    let count = samples[first..].partition_point(|sample| sample.at() < end);
    &samples[first..first + count]
}

/// Finds samples, for one secret.
///
/// A gear hash (Xia et al., "Ddelta: A deduplication-inspired fast delta compression approach",
/// Performance Evaluation 79, 2014) rolls over all bytes and never starts anew. So whether a
/// position is sampled depends on the 65 bytes up to it and on nothing else, least of all on where
/// a chunk, a window or a thread's part begins.
pub(crate) struct Scanner {
    gear: Gear,
}

impl Scanner {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self {
            gear: KeyStream::new(CONTEXT, secret).gear(),
        }
    }

    /// The samples of `data` at positions from `from` on, ascending, found on rayon's current
    /// thread pool. The first 64 positions have no whole window, or no hash before theirs, and are
    /// never sampled.
    ///
    /// # Panics
    /// If `data` are longer than 4 GiB.
    pub(crate) fn scan(&self, data: &[u8], from: usize) -> Vec<Sample> {
        assert!(u32::try_from(data.len()).is_ok(), "positions have 32 bits");
        let from = from.max(WINDOW_BYTES);
        if data.len() <= from {
            return Vec::new();
        }
        if data.len() - from <= PIECE_BYTES {
            return self.scan_piece(data, from, data.len()).concat();
        }
        let pieces: Vec<[Vec<Sample>; LANES]> = (from..data.len())
            .into_par_iter()
            .step_by(PIECE_BYTES)
            .map(|start| self.scan_piece(data, start, data.len().min(start + PIECE_BYTES)))
            .collect();
        pieces.as_flattened().concat()
    }

    /// The samples in `from..to`, a list for each lane.
    fn scan_piece(&self, data: &[u8], from: usize, to: usize) -> [Vec<Sample>; LANES] {
        let lane_bytes = (to - from) / (LANES * STEP_BYTES) * STEP_BYTES;
        let starts: [usize; LANES] = std::array::from_fn(|lane| from + lane * lane_bytes);
        let mut hashes = starts.map(|start| self.hash(&data[start - WINDOW_BYTES..start]));
        let lanes = starts.map(|start| data[start..start + lane_bytes].as_chunks().0);
        let mut samples = starts.map(|_| Vec::with_capacity(lane_bytes / 96));
        let mut found = Box::new([const { Found::new() }; LANES]);
        for step in 0..lane_bytes / STEP_BYTES {
            self.step(&mut hashes, lanes.map(|lane| &lane[step]), &mut found);
            for lane in 0..LANES {
                found[lane].drain_into(&mut samples[lane], starts[lane] + step * STEP_BYTES);
            }
        }
        // What does not divide by the lanes' steps goes on where the last of them ends.
        let mut tail = from + LANES * lane_bytes;
        let ([.., hash], [.., found], [.., samples_of_last]) =
            (&mut hashes, &mut *found, &mut samples);
        for bytes in data[tail..to].chunks(STEP_BYTES) {
            for (i, &byte) in bytes.iter().enumerate() {
                self.roll(hash, byte, i, found);
            }
            found.drain_into(samples_of_last, tail);
            tail += bytes.len();
        }
        samples
    }

    /// Takes every lane a step further.
    fn step(
        &self,
        hashes: &mut [u64; LANES],
        lanes: [&[u8; STEP_BYTES]; LANES],
        found: &mut [Found; LANES],
    ) {
        let mut rolling = *hashes;
        for i in 0..STEP_BYTES {
            for lane in 0..LANES {
                self.roll(&mut rolling[lane], lanes[lane][i], i, &mut found[lane]);
            }
        }
        *hashes = rolling;
    }

    #[inline]
    fn roll(&self, hash: &mut u64, byte: u8, i: usize, found: &mut Found) {
        let before = *hash;
        *hash = self.next(before, byte);
        // A run of one byte repeats its hash, and would fill the memory if that is sampled.
        if *hash < SAMPLED_BELOW {
            cold();
            if *hash >> VALUE_SHIFT != before >> VALUE_SHIFT {
                found.push(i, *hash);
            }
        }
    }

    #[inline]
    fn next(&self, hash: u64, byte: u8) -> u64 {
        (hash << 1).wrapping_add(self.gear[usize::from(byte)])
    }

    fn hash(&self, window: &[u8]) -> u64 {
        window.iter().fold(0, |hash, &byte| self.next(hash, byte))
    }
}

/// Where this is called, the compiler moves the code out of the loop's way.
#[cold]
#[inline]
fn cold() {}

/// What was sampled since the last look, positions counted from there. Room for every byte of a
/// step, so that the loop over the bytes need not ask for memory.
struct Found {
    samples: [Sample; STEP_BYTES],
    count: usize,
}

impl Found {
    const fn new() -> Self {
        Self {
            samples: [Sample { at: 0, value: 0 }; STEP_BYTES],
            count: 0,
        }
    }

    #[inline]
    fn push(&mut self, i: usize, hash: u64) {
        // The remainder tells the compiler what is so anyway: the place exists.
        self.samples[self.count % STEP_BYTES] = Sample {
            at: i as u32,
            value: (hash >> VALUE_SHIFT) as u32,
        };
        self.count += 1;
    }

    fn drain_into(&mut self, samples: &mut Vec<Sample>, start: usize) {
        let count = std::mem::take(&mut self.count);
        let found = self.samples[..count].iter();
        samples.extend(found.map(|sample| Sample {
            at: start as u32 + sample.at,
            value: sample.value,
        }));
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::samples_by_definition;
