//! By which features similar chunks find each other.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::keys::KeyStream;
use crate::scan::{Sample, Scanner};

const CONTEXT: &str = "nightfold v1 sketch";

/// Version of the algorithm: sketches of different versions are never compared.
pub const SKETCH_VERSION: u8 = 1;

/// Shorter chunks, in bytes, get no sketch: too few samples, and little to save.
pub const SKETCH_BYTES_MIN: usize = 4096;

/// Super-features of a sketch.
const SUPER_FEATURES: usize = 6;

/// Features of a sketch: two make a super-feature.
const FEATURES: usize = 2 * SUPER_FEATURES;

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
///
/// The samples are those that the chunk's cut was chosen from, so what was cut is sketched without
/// another look at its bytes. The sample that a chunk ends with is one of them: chunks that end
/// alike share it, which is as good a sign of resemblance as any other.
#[derive(Clone)]
pub struct Sketcher {
    scanner: Arc<Scanner>,
    multipliers: Zeroizing<[u32; FEATURES]>,
    addends: Zeroizing<[u32; FEATURES]>,
}

impl fmt::Debug for Sketcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sketcher").finish_non_exhaustive()
    }
}

impl Sketcher {
    /// `secret` is the repository's, from which its [`Cutter`](crate::Cutter) was made too.
    pub fn new(secret: &[u8; 32]) -> Self {
        let mut keys = KeyStream::new(CONTEXT, secret);
        let mut multipliers = Zeroizing::new([0; FEATURES]);
        let mut addends = Zeroizing::new([0; FEATURES]);
        for (multiplier, addend) in multipliers.iter_mut().zip(addends.iter_mut()) {
            let key = keys.next_u64();
            // Odd, so that the function is a permutation and every sample can be the greatest.
            *multiplier = key as u32 | 1;
            *addend = (key >> 32) as u32;
        }
        Self {
            scanner: Arc::new(Scanner::new(secret)),
            multipliers,
            addends,
        }
    }

    /// The sketch of a chunk, or `None` if the chunk is shorter than [`SKETCH_BYTES_MIN`] or
    /// happens to have nothing to sample.
    ///
    /// `samples` are what its [`Window`](crate::Window) says they are. Without them the chunk is
    /// scanned, which takes far longer than the rest and makes the same sketch.
    pub fn sketch(&self, chunk: &[u8], samples: Option<&[Sample]>) -> Option<Sketch> {
        if chunk.len() < SKETCH_BYTES_MIN {
            return None;
        }
        match samples {
            Some(samples) => self.fold(samples),
            None => self.fold(&self.scanner.scan(chunk, 0)),
        }
    }

    fn fold(&self, samples: &[Sample]) -> Option<Sketch> {
        let mut greatest = [0_u32; FEATURES];
        for sample in samples {
            let functions = self.multipliers.iter().zip(self.addends.iter());
            for (greatest, (multiplier, addend)) in greatest.iter_mut().zip(functions) {
                let value = sample
                    .value()
                    .wrapping_mul(*multiplier)
                    .wrapping_add(*addend);
                *greatest = value.max(*greatest);
            }
        }
        // Features are independent of each other, so any two may be paired. No feature serves in
        // two pairs: then super-features are independent too, and their number tells the
        // resemblance.
        let (firsts, seconds) = greatest.split_at(SUPER_FEATURES);
        let numbers = std::array::from_fn(|i| pair(firsts[i], seconds[i]));
        (!samples.is_empty()).then_some(Sketch(numbers))
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

#[cfg(test)]
mod tests;
