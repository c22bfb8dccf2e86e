//! How large chunks may be.

use fastcdc::v2020::{
    AVERAGE_MAX, AVERAGE_MIN, MAXIMUM_MAX, MAXIMUM_MIN, MINIMUM_MAX, MINIMUM_MIN,
};
use thiserror::Error;

/// The least, the usual and the greatest length of a chunk, in bytes.
///
/// A repository parameter that is fixed at `init`: other sizes make other cuts, and chunks cut
/// otherwise share nothing. The last chunk of an input may be shorter than `min`.
///
/// The default, 64 KiB / 256 KiB / 1 MiB, is what database dumps did best with once similar chunks
/// are delta-encoded: one index row for 256 KiB, and scattered edits cost little all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSizes {
    /// No cut is looked for before this many bytes. Even, 64 bytes to 1 MiB.
    pub min: usize,
    /// Cuts become likelier from here on. A power of two, 256 bytes to 4 MiB.
    pub avg: usize,
    /// A cut is forced here. Even, 1 KiB to 16 MiB.
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
        in_range("minimum", self.min, MINIMUM_MIN, MINIMUM_MAX)?;
        in_range("average", self.avg, AVERAGE_MIN, AVERAGE_MAX)?;
        in_range("maximum", self.max, MAXIMUM_MIN, MAXIMUM_MAX)?;
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
        // The cutter tests two bytes at a time: an odd bound would shift by one unnoticed.
        for (name, bytes) in [("minimum", self.min), ("maximum", self.max)] {
            if !bytes.is_multiple_of(2) {
                return Err(SizesError::Odd { name, bytes });
            }
        }
        Ok(self)
    }
}

fn in_range(name: &'static str, bytes: usize, least: usize, most: usize) -> Result<(), SizesError> {
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
    /// The minimum or the maximum is an odd number.
    #[error("the {name} chunk size of {bytes} bytes is not an even number")]
    Odd {
        /// Which of the two.
        name: &'static str,
        /// What it was.
        bytes: usize,
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
        assert!(check(1 << 20, 4 << 20, 16 << 20).is_ok());
        assert!(check(1024, 1024, 1024).is_ok());
    }

    #[test]
    fn each_rule_refuses_what_breaks_it() {
        use SizesError::{AverageNotPowerOfTwo, NotAscending, Odd, OutOfRange};
        assert!(matches!(
            check(62, 256, 1024),
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
            check(64, 256, (16 << 20) + 2),
            Err(OutOfRange {
                name: "maximum",
                ..
            })
        ));
        assert!(matches!(
            check(65, 256, 1024),
            Err(Odd {
                name: "minimum",
                ..
            })
        ));
        assert!(matches!(
            check(64, 256, 1025),
            Err(Odd {
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
