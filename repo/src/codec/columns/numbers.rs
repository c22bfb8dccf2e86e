//! A column's numbers as byte planes: all lowest bytes, then all second ones, and so on.

use super::pool::Pool;
use super::streams::{Reader, Writer};
use crate::error::Result;
use crate::format::{Cursor, Malformed, put_varint, unzigzag, zigzag};

const WIDTH_MAX: u8 = 8;
/// Differences instead of distances from the smallest.
const FLAG_DELTA: u8 = 0x10;

/// How the planes of a column's numbers are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planes {
    delta: bool,
    /// Bytes of a number, and so the number of planes.
    width: u8,
    /// Added to every number, or what the first difference is to.
    base: i64,
}

impl Planes {
    /// Appends the planes of `values` to the streams.
    pub(super) fn write(values: &[i64], streams: &mut Writer) -> Result<Self> {
        let first = values.first().copied().unwrap_or(0);
        let (mut min, mut max) = (first, first);
        for value in values {
            min = min.min(*value);
            max = max.max(*value);
        }
        let delta = deltas_are_shorter(values, min);
        let mut offsets = streams.take_numbers();
        offsets.clear();
        if delta {
            let mut last = first;
            offsets.extend(values.iter().map(|value| {
                let step = zigzag(value.wrapping_sub(last));
                last = *value;
                step
            }));
        } else {
            offsets.extend(values.iter().map(|value| value.wrapping_sub(min) as u64));
        }
        let all = offsets.iter().fold(0, |all, offset| all | offset);
        let width = (64 - all.leading_zeros()).div_ceil(8) as u8;
        for shift in (0..width).map(|plane| 8 * plane) {
            streams.plane(offsets.iter().map(|offset| (offset >> shift) as u8))?;
        }
        streams.give_numbers(offsets);
        Ok(Self {
            delta,
            width,
            base: if delta { first } else { min },
        })
    }

    pub(super) fn put(self, out: &mut Vec<u8>) {
        out.push(self.width | if self.delta { FLAG_DELTA } else { 0 });
        put_varint(out, zigzag(self.base));
    }

    pub(super) fn get(c: &mut Cursor<'_>) -> std::result::Result<Self, Malformed> {
        let start = *c;
        let flags = c.byte("width of numbers")?;
        let width = flags & !FLAG_DELTA;
        if width > WIDTH_MAX {
            return Err(start.malformed("width of numbers"));
        }
        Ok(Self {
            delta: flags & FLAG_DELTA != 0,
            width,
            base: unzigzag(c.varint("base of numbers")?),
        })
    }
}

/// Whether neighbours are nearer to each other than to the smallest, by the bits that it takes to say so.
/// Every fourth tells as much as all.
fn deltas_are_shorter(values: &[i64], min: i64) -> bool {
    let bits = |value: u64| 64 - value.leading_zeros();
    let (mut delta, mut plain) = (0, 0);
    for pair in values.windows(2).step_by(4) {
        delta += bits(zigzag(pair[1].wrapping_sub(pair[0])));
        plain += bits(pair[1].wrapping_sub(min) as u64);
    }
    delta < plain
}

/// Reads a column's numbers from front to back.
pub(super) struct Numbers {
    planes: Planes,
    /// Where the next byte of the lowest plane lies, and how far it is to the next plane.
    at: usize,
    count: usize,
    last: i64,
}

impl Numbers {
    pub(super) fn read(
        planes: Planes,
        count: usize,
        streams: &mut Reader<'_>,
        pool: &mut Pool,
    ) -> Result<Self> {
        // Streams lie one behind the other.
        let mut at = None;
        for _ in 0..planes.width {
            let start = streams.next(count, pool)?;
            at.get_or_insert(start);
        }
        Ok(Self {
            planes,
            at: at.unwrap_or(0),
            count,
            last: planes.base,
        })
    }

    /// The next numbers; `None`: there are fewer.
    pub(super) fn fill(&mut self, pool: &[u8], numbers: &mut [i64]) -> Option<()> {
        let (start, step) = (self.at, self.count);
        let plane = |plane: usize| pool.get(start + plane * step..)?.get(..numbers.len());
        match self.planes.width {
            0 => numbers.fill(0),
            1 => gather([plane(0)?], numbers),
            2 => gather([plane(0)?, plane(1)?], numbers),
            3 => gather([plane(0)?, plane(1)?, plane(2)?], numbers),
            4 => gather([plane(0)?, plane(1)?, plane(2)?, plane(3)?], numbers),
            width => {
                let planes: [&[u8]; 8] = std::array::from_fn(|at| {
                    let at = at.min(usize::from(width) - 1);
                    plane(at).unwrap_or_default()
                });
                gather(planes, numbers);
                let unused = 64 - 8 * u32::from(width);
                for number in &mut *numbers {
                    *number = ((*number as u64) << unused >> unused) as i64;
                }
            }
        }
        self.at += numbers.len();
        if self.planes.delta {
            for number in numbers {
                self.last = self.last.wrapping_add(unzigzag(*number as u64));
                *number = self.last;
            }
        } else {
            for number in numbers {
                *number = number.wrapping_add(self.planes.base);
            }
        }
        Some(())
    }
}

/// Puts numbers together from their bytes, the lowest first.
fn gather<const N: usize>(planes: [&[u8]; N], numbers: &mut [i64]) {
    let count = numbers.len();
    if planes.iter().any(|plane| plane.len() != count) {
        return;
    }
    for (at, number) in numbers.iter_mut().enumerate() {
        let mut bytes = [0; 8];
        for (byte, plane) in bytes.iter_mut().zip(planes) {
            *byte = plane[at];
        }
        *number = i64::from_le_bytes(bytes);
    }
}
