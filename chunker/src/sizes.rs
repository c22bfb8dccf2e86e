//! How large chunks may be.

use std::ops::RangeInclusive;

use thiserror::Error;

/// At least the window of the rolling hash, so that a cut depends on its own chunk alone.
const MIN: RangeInclusive<usize> = 64..=1 << 20;
/// At least 256, so that every position that may be a cut is sampled.
const AVG: RangeInclusive<usize> = 256..=4 << 20;
const MAX: RangeInclusive<usize> = 1024..=16 << 20;

/// The least, the usual and the greatest length of a chunk, in bytes.
///
/// A repository parameter that is fixed at `init`: other sizes make other cuts, and chunks cut
/// otherwise share nothing. The last chunk of an input may be shorter than `min`.
///
/// The default, 64 KiB / 256 KiB / 1 MiB, is what database dumps did best with once similar chunks
/// are delta-encoded: one index row for 256 KiB, and scattered edits cost little all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSizes {
    /// No cut is looked for before this many bytes. 64 bytes to 1 MiB.
    pub min: usize,
    /// Cuts become likelier from here on. A power of two, 256 bytes to 4 MiB.
    pub avg: usize,
    /// A chunk is never longer. 1 KiB to 16 MiB.
    pub max: usize,
}

impl Default for ChunkSizes {
    fn default() -> Self {
        Self {
            min: 64 << 10,
            avg: 256 << 10,
            max: 1 << 20,
        }
    }
}

impl ChunkSizes {
    /// Hands the sizes back if a [`Cutter`](crate::Cutter) can work with them.
    pub fn validate(self) -> Result<Self, SizesError> {
        in_range("minimum", self.min, MIN)?;
        in_range("average", self.avg, AVG)?;
        in_range("maximum", self.max, MAX)?;
        if !self.avg.is_power_of_two() {
            return Err(SizesError::AverageNotPowerOfTwo { avg: self.avg });
        }
        if self.min > self.avg || self.avg > self.max {
            return Err(SizesError::NotAscending {
                min: self.min,
                avg: self.avg,
                max: self.max,
            });
        }
        Ok(self)
    }
}

fn in_range(
    name: &'static str,
    bytes: usize,
    range: RangeInclusive<usize>,
) -> Result<(), SizesError> {
    let (least, most) = range.into_inner();
    if (least..=most).contains(&bytes) {
        Ok(())
    } else {
        Err(SizesError::OutOfRange {
            name,
            bytes,
            least,
            most,
        })
    }
}

/// Why chunk sizes were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SizesError {
    /// One of the sizes is too small or too large.
    #[error("the {name} chunk size of {bytes} bytes is not between {least} and {most} bytes")]
    OutOfRange {
        /// Which of the three.
        name: &'static str,
        /// What it was.
        bytes: usize,
        /// The least allowed.
        least: usize,
        /// The most allowed.
        most: usize,
    },
    /// The average is not a power of two.
    #[error("the average chunk size of {avg} bytes is not a power of two")]
    AverageNotPowerOfTwo {
        /// What it was.
        avg: usize,
    },
    /// The sizes are not in ascending order.
    #[error("chunk sizes must ascend: minimum {min}, average {avg}, maximum {max} bytes")]
    NotAscending {
        /// The minimum given.
        min: usize,
        /// The average given.
        avg: usize,
        /// The maximum given.
        max: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(min: usize, avg: usize, max: usize) -> Result<ChunkSizes, SizesError> {
        ChunkSizes { min, avg, max }.validate()
    }

    #[test]
    fn default_and_extreme_sizes_are_valid() {
        assert_eq!(ChunkSizes::default().validate(), Ok(ChunkSizes::default()));
        assert!(check(64, 256, 1024).is_ok());
        assert!(check(65, 256, 1025).is_ok());
        assert!(check(1 << 20, 4 << 20, 16 << 20).is_ok());
        assert!(check(1024, 1024, 1024).is_ok());
    }

    #[test]
    fn each_rule_refuses_what_breaks_it() {
        use SizesError::{AverageNotPowerOfTwo, NotAscending, OutOfRange};
        assert!(matches!(
            check(63, 256, 1024),
            Err(OutOfRange {
                name: "minimum",
                ..
            })
        ));
        assert!(matches!(
            check(64, 128, 1024),
            Err(OutOfRange {
                name: "average",
                ..
            })
        ));
        assert!(matches!(
            check(64, 256, 512),
            Err(OutOfRange {
                name: "maximum",
                ..
            })
        ));
        assert!(matches!(
            check(64, 256, (16 << 20) + 1),
            Err(OutOfRange {
                name: "maximum",
                ..
            })
        ));
        assert!(matches!(
            check(64, 258, 1024),
            Err(AverageNotPowerOfTwo { avg: 258 })
        ));
        assert!(matches!(check(512, 256, 1024), Err(NotAscending { .. })));
        assert!(matches!(check(64, 2048, 1024), Err(NotAscending { .. })));
    }
}
