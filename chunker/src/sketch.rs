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

/// Bytes that the rolling hash looks back on: each shift drops a bit of 64.
const WINDOW_BYTES: usize = 64;

/// One position in 2⁷ is sampled.
const SAMPLE_SHIFT: u32 = u64::BITS - 7;

/// What a chunk resembles: six numbers, most of which an edited copy keeps.
///
/// The chance that a super-feature stays equal is the square of the resemblance of two chunks
/// (the share of 64-byte windows they have in common).
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
#[derive(Clone)]
pub struct Sketcher {
    gear: Gear,
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
        let mut multipliers = Zeroizing::new([0; FEATURES]);
        let mut addends = Zeroizing::new([0; FEATURES]);
        for (multiplier, addend) in multipliers.iter_mut().zip(addends.iter_mut()) {
            let key = keys.next_u64();
            *multiplier = key as u32 | 1;
            *addend = (key >> 32) as u32;
        }
        Self {
            gear,
            multipliers,
            addends,
        }
    }

    /// The sketch of a chunk, or `None` if it is too short or has nothing to sample.
    pub fn sketch(&self, chunk: &[u8]) -> Option<Sketch> {
        if chunk.len() < SKETCH_BYTES_MIN {
            return None;
        }
        let mut features = [0_u32; FEATURES];
        let mut samples = 0_usize;
        let mut hash = 0_u64;
        for (at, &byte) in chunk.iter().enumerate() {
            hash = (hash << 1).wrapping_add(self.gear[usize::from(byte)]);
            if hash >> SAMPLE_SHIFT == 0 && at >= WINDOW_BYTES - 1 {
                samples += 1;
                let sample = (hash >> 24) as u32;
                for i in 0..FEATURES {
                    let image = sample
                        .wrapping_mul(self.multipliers[i])
                        .wrapping_add(self.addends[i]);
                    features[i] = features[i].max(image);
                }
            }
        }
        (samples > 0).then(|| {
            Sketch(std::array::from_fn(|i| {
                pair(features[i], features[i + SUPER_FEATURES])
            }))
        })
    }
}

/// Mixes two features into one number (the finalizer of `SplitMix64`).
fn pair(a: u32, b: u32) -> u32 {
    let mut x = u64::from(a) << 32 | u64::from(b);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 32) as u32
}
