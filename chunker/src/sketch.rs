//! By which features similar chunks find each other.

use std::fmt;

use zeroize::Zeroizing;

use crate::keys::{Gear, KeyStream};

const CONTEXT: &str = "nightfold v1 sketch";

/// Version of the algorithm: sketches of different versions are never compared.
pub const SKETCH_VERSION: u8 = 1;

/// Shorter chunks, in bytes, get no sketch: too few samples, and little to save.
pub const SKETCH_BYTES_MIN: usize = 4096;

/// Super-features of a sketch.
const SUPER_FEATURES: usize = 6;

/// Features of a sketch: two make a super-feature.
const FEATURES: usize = 2 * SUPER_FEATURES;

/// Bytes that the rolling hash looks back on: each step shifts one of its 64 bits out.
const WINDOW_BYTES: usize = 64;

/// A position is sampled when the bits of its hash from here up are zero: one in 2⁷. Those bits
/// depend on the whole window. One in 2⁶ found no more bases and cost more.
const SAMPLE_SHIFT: u32 = u64::BITS - 7;

/// Bytes of each half of a chunk that are hashed before their samples are folded.
const BLOCK_BYTES: usize = 512;

/// What a chunk resembles: six numbers, most of which an edited copy keeps.
///
/// A feature stays equal with a chance that is the resemblance of the two chunks (of their 64-byte
/// windows, the share that both have), and a super-feature with the square of that, as both its
/// features must. The more super-features match, the better a base the other chunk is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Sketch(pub [u32; SUPER_FEATURES]);

impl Sketch {
    /// How many super-features are equal at the same position, 0 to 6.
    pub fn matches(&self, other: &Self) -> u32 {
        self.0
            .iter()
            .zip(&other.0)
            .map(|(a, b)| u32::from(a == b))
            .sum()
    }
}

/// Computes sketches, for one secret.
///
/// After Odess (Zou et al., "Odess: Speeding up Resemblance Detection for Redundancy Elimination
/// by Fast Content-Defined Sampling", ICDE 2021): a gear hash rolls over the chunk, positions are
/// sampled by their hash alone, and each feature is the greatest value that one linear function
/// takes over the samples. Features are paired rather than taken in threes or fours as in the
/// literature, which finds far more bases among chunks with scattered edits.
#[derive(Clone)]
pub struct Sketcher {
    gear: Gear,
    /// Spreads a sampled hash over the 32 bits that the features see.
    mixer: Zeroizing<u64>,
    multipliers: Zeroizing<[u32; FEATURES]>,
    addends: Zeroizing<[u32; FEATURES]>,
}

impl fmt::Debug for Sketcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sketcher").finish_non_exhaustive()
    }
}

impl Sketcher {
    /// `secret` is the repository's sketch secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        let mut keys = KeyStream::new(CONTEXT, secret);
        let gear = keys.gear();
        let mixer = Zeroizing::new(keys.next_u64() | 1);
        let mut multipliers = Zeroizing::new([0; FEATURES]);
        let mut addends = Zeroizing::new([0; FEATURES]);
        for (multiplier, addend) in multipliers.iter_mut().zip(addends.iter_mut()) {
            let key = keys.next_u64();
            // Odd, so that the function is a permutation and every sample can be the greatest.
            *multiplier = key as u32 | 1;
            *addend = (key >> 32) as u32;
        }
        Self {
            gear,
            mixer,
            multipliers,
            addends,
        }
    }

    /// The sketch of a chunk, or `None` if the chunk is shorter than [`SKETCH_BYTES_MIN`] or
    /// happens to have nothing to sample.
    pub fn sketch(&self, chunk: &[u8]) -> Option<Sketch> {
        if chunk.len() < SKETCH_BYTES_MIN {
            return None;
        }
        // Each hash waits for the one before it; two halves at a time hide half of that. The
        // greatest value doesn't mind in which order it is looked for.
        let middle = chunk.len() / 2;
        let mut left_hash = self.warm_up(&chunk[..WINDOW_BYTES - 1]);
        let mut right_hash = self.warm_up(&chunk[middle - (WINDOW_BYTES - 1)..middle]);
        let left = &chunk[WINDOW_BYTES - 1..middle];
        let (right, tail) = chunk[middle..].split_at(left.len());

        let mut features = Features::default();
        let mut samples = Samples::default();
        for (left, right) in left.chunks(BLOCK_BYTES).zip(right.chunks(BLOCK_BYTES)) {
            for (&a, &b) in left.iter().zip(right) {
                left_hash = self.roll(left_hash, a);
                right_hash = self.roll(right_hash, b);
                samples.consider(left_hash);
                samples.consider(right_hash);
            }
            self.fold(&mut features, samples.take());
        }
        for &byte in tail {
            right_hash = self.roll(right_hash, byte);
            samples.consider(right_hash);
        }
        self.fold(&mut features, samples.take());
        features.sketch()
    }

    #[inline]
    fn roll(&self, hash: u64, byte: u8) -> u64 {
        (hash << 1).wrapping_add(self.gear[usize::from(byte)])
    }

    /// The hash before the first whole window: positions without one are not sampled, so that
    /// every sample depends on content alone and not on where the chunk was cut.
    fn warm_up(&self, bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |hash, &byte| self.roll(hash, byte))
    }

    fn fold(&self, features: &mut Features, samples: &[u64]) {
        let mut greatest = features.greatest;
        let mut before = None;
        for &hash in samples {
            // A run of one byte repeats its hash, and would take all day if that is sampled.
            if before == Some(hash) {
                continue;
            }
            before = Some(hash);
            let sample = (hash.wrapping_mul(*self.mixer) >> 32) as u32;
            let functions = self.multipliers.iter().zip(self.addends.iter());
            for (greatest, (multiplier, addend)) in greatest.iter_mut().zip(functions) {
                let value = sample.wrapping_mul(*multiplier).wrapping_add(*addend);
                *greatest = value.max(*greatest);
            }
        }
        features.greatest = greatest;
        features.any |= before.is_some();
    }
}

/// The greatest value of each linear function so far.
#[derive(Default)]
struct Features {
    greatest: [u32; FEATURES],
    any: bool,
}

impl Features {
    /// Features are independent of each other, so any two may be paired. No feature serves in two
    /// pairs: then super-features are independent too, and their number tells the resemblance.
    fn sketch(&self) -> Option<Sketch> {
        let (firsts, seconds) = self.greatest.split_at(SUPER_FEATURES);
        self.any
            .then(|| Sketch(std::array::from_fn(|i| pair(firsts[i], seconds[i]))))
    }
}

/// Mixes two features into one number: the finalizer of `SplitMix64` (Steele et al., OOPSLA 2014),
/// the upper half of its result.
fn pair(first: u32, second: u32) -> u32 {
    let mut x = u64::from(first) << 32 | u64::from(second);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 32) as u32
}

/// Hashes that were sampled in the block at hand. Folding them later keeps the loop over the bytes
/// short, and the processor guesses its way through it.
struct Samples {
    hashes: [u64; SAMPLES_MAX],
    count: usize,
}

/// Both halves' blocks, if every position is sampled. A power of two.
const SAMPLES_MAX: usize = 2 * BLOCK_BYTES;

impl Default for Samples {
    fn default() -> Self {
        Self {
            hashes: [0; SAMPLES_MAX],
            count: 0,
        }
    }
}

impl Samples {
    #[inline]
    fn consider(&mut self, hash: u64) {
        if hash >> SAMPLE_SHIFT == 0 {
            // The remainder tells the compiler what is so anyway: the place exists.
            self.hashes[self.count % SAMPLES_MAX] = hash;
            self.count += 1;
        }
    }

    /// The samples, which are forgotten.
    fn take(&mut self) -> &[u64] {
        let count = std::mem::take(&mut self.count);
        &self.hashes[..count]
    }
}

#[cfg(test)]
mod tests;
