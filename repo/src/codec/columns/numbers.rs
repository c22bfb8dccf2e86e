//! A column's numbers as byte planes: all lowest bytes, then all second ones, and so on.

use super::streams::{Reader, Writer};
use crate::error::Result;
use crate::format::{Cursor, Malformed, put_varint, unzigzag, zigzag};

/// Numbers unpacked at a time.
const BATCH: usize = 256;
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
    bytes: Vec<Vec<u8>>,
    count: usize,
    next: usize,
    last: i64,
    batch: Box<[i64; BATCH]>,
}

impl Numbers {
    pub(super) fn read(planes: Planes, count: usize, streams: &mut Reader<'_>) -> Result<Self> {
        let bytes = (0..planes.width).map(|_| streams.next(count));
        Ok(Self {
            planes,
            bytes: bytes.collect::<Result<_>>()?,
            count,
            next: 0,
            last: planes.base,
            batch: Box::new([0; BATCH]),
        })
    }

    /// The next number; `None` behind the last.
    #[inline]
    pub(super) fn next(&mut self) -> Option<i64> {
        let at = self.next % BATCH;
        if at == 0 {
            self.unpack()?;
        } else if self.next == self.count {
            return None;
        }
        self.next += 1;
        Some(self.batch[at])
    }

    fn unpack(&mut self) -> Option<()> {
        let count = (self.count - self.next).min(BATCH);
        if count == 0 {
            return None;
        }
        let batch = &mut self.batch[..count];
        batch.fill(0);
        for (plane, bytes) in self.bytes.iter().enumerate() {
            let bytes = &bytes[self.next..self.next + count];
            for (number, byte) in batch.iter_mut().zip(bytes) {
                *number |= i64::from(*byte) << (8 * plane);
            }
        }
        if self.planes.delta {
            for number in batch {
                self.last = self.last.wrapping_add(unzigzag(*number as u64));
                *number = self.last;
            }
        } else {
            for number in batch {
                *number = number.wrapping_add(self.planes.base);
            }
        }
        Some(())
    }
}
