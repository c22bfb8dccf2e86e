//! Numbers, points in time and hexadecimal digits as text, a batch of one column at a time.
//!
//! Each value has a slot of its own, so that none waits for the length of the one before.

use super::column::TimeForm;
use super::digits::{E8, digits_8, last_digits};
use super::pool::Cell;
use super::time::{DAY_FIRST, DAYS, print_clock, print_date};

/// Bytes of a slot: a sign, twenty digits and a point, a point in time; and up to eight more than there are.
pub(super) const SLOT: usize = 32;
const ZEROS: u64 = 0x3030_3030_3030_3030;
/// Days whose text is kept.
const DAYS_KEPT: usize = 1024;

type Slot = [u8; SLOT];

/// Writes decimals with `scale` digits behind the point; `start` is where the slots lie in the pool.
pub(super) fn decimals(
    numbers: &[i64],
    scale: u8,
    slots: &mut [u8],
    start: usize,
    cells: &mut [Cell],
) {
    if scale == 0 && numbers.iter().all(|number| (*number as u64) < E8) {
        short_integers(numbers, slots, start, cells);
        return;
    }
    let unit = 10u64.pow(u32::from(scale));
    let slots = slots.as_chunks_mut::<SLOT>().0;
    for (((number, slot), cell), start) in numbers
        .iter()
        .zip(slots)
        .zip(cells)
        .zip((start as u32..).step_by(SLOT))
    {
        let value = number.unsigned_abs();
        slot[0] = b'-';
        let sign = usize::from(*number < 0);
        let end = if value >= E8 || scale > 7 {
            large(slot, sign, value, scale, unit)
        } else if scale == 0 {
            let (text, length) = whole_8(value);
            put(slot, sign, text);
            sign + length
        } else {
            let (text, length) = decimal_8(value, scale);
            put(slot, sign, text);
            sign + length
        };
        *cell = [start, end as u32];
    }
}

/// Integers from 0 to 10⁸ − 1, as most are.
fn short_integers(numbers: &[i64], slots: &mut [u8], start: usize, cells: &mut [Cell]) {
    let slots = slots.as_chunks_mut::<SLOT>().0.iter_mut();
    let starts = (start as u32..).step_by(SLOT);
    for (((number, slot), cell), start) in numbers.iter().zip(slots).zip(cells).zip(starts) {
        let (text, length) = whole_8(*number as u64);
        put(slot, 0, text);
        *cell = [start, length as u32];
    }
}

/// Writes bytes; those beyond the slot, which there never are, get lost.
#[inline]
fn put<const N: usize>(slot: &mut Slot, at: usize, bytes: [u8; N]) {
    if let Some(to) = slot
        .get_mut(at..)
        .and_then(|rest| rest.first_chunk_mut::<N>())
    {
        *to = bytes;
    }
}

/// The digits of a number below 10⁸ without leading zeros (one at least), and how many.
#[inline]
pub(super) fn whole_8(value: u64) -> ([u8; 8], usize) {
    let digits = digits_8(value);
    // The last digit counts as one that is not zero.
    let skipped = (digits | 1 << 56).trailing_zeros() & !7;
    let word = (digits | ZEROS) >> skipped;
    (word.to_le_bytes(), 8 - skipped as usize / 8)
}

/// A number below 10⁸ with 1 to 7 digits behind the point.
#[inline]
fn decimal_8(value: u64, scale: u8) -> ([u8; 16], usize) {
    let digits = digits_8(value);
    let before = 8 - u32::from(scale);
    let skipped = (digits.trailing_zeros() / 8).min(before - 1);
    let text = digits | ZEROS;
    // Everything moves up behind the skipped zeros, the fraction by one byte less.
    let fraction = u128::from(text >> (8 * before)) << 8 | u128::from(b'.');
    let whole = u128::from(text) & ((1 << (8 * before)) - 1);
    let all = (whole | fraction << (8 * before)) >> (8 * skipped);
    (all.to_le_bytes(), 9 - skipped as usize)
}

/// Any other number; where it ends.
#[inline(never)]
fn large(slot: &mut Slot, at: usize, value: u64, scale: u8, unit: u64) -> usize {
    let at = whole(slot, at, value / unit);
    if scale == 0 {
        at
    } else {
        fraction(slot, at, value % unit, scale)
    }
}

fn whole(slot: &mut Slot, at: usize, value: u64) -> usize {
    if value >= E8 {
        let at = whole(slot, at, value / E8);
        put(slot, at, last_digits(value % E8, 8));
        return at + 8;
    }
    let (text, length) = whole_8(value);
    put(slot, at, text);
    at + length
}

/// A point and so many digits.
#[inline]
fn fraction(slot: &mut Slot, at: usize, value: u64, scale: u8) -> usize {
    put(slot, at, *b".");
    let mut at = at + 1;
    let mut rest = usize::from(scale);
    if rest > 8 {
        put(slot, at, last_digits(value / E8, rest - 8));
        at += rest - 8;
        rest = 8;
    }
    put(slot, at, last_digits(value % E8, rest));
    at + rest
}

/// The texts of days, kept where the lowest bits of their numbers say.
pub(super) struct Dates {
    kept: Vec<(u32, [u8; 12])>,
}

impl Default for Dates {
    fn default() -> Self {
        Self {
            kept: vec![(u32::MAX, [0; 12]); DAYS_KEPT],
        }
    }
}

impl Dates {
    /// The text of a day that is counted from 0000-01-01; `None` behind the year 9999.
    #[inline]
    fn text(&mut self, day: u32) -> Option<[u8; 12]> {
        if u64::from(day) >= DAYS {
            return None;
        }
        let kept = &mut self.kept[day as usize % DAYS_KEPT];
        if kept.0 != day {
            let text = print_date(i64::from(day) + DAY_FIRST)?;
            *kept = (day, [0; 12]);
            kept.1[..10].copy_from_slice(&text);
        }
        Some(kept.1)
    }

    /// Writes points in time. `None`: one is outside of the years 0000 to 9999.
    pub(super) fn times(
        &mut self,
        numbers: &[i64],
        form: TimeForm,
        slots: &mut [u8],
        start: usize,
        cells: &mut [Cell],
    ) -> Option<()> {
        let starts = (start as u32..).step_by(SLOT);
        let slots = slots.as_chunks_mut::<SLOT>().0.iter_mut();
        let all = numbers.iter().zip(slots).zip(cells.iter_mut()).zip(starts);
        let TimeForm::DateTime {
            joint,
            scale,
            trimmed,
        } = form
        else {
            for (((number, slot), cell), start) in all {
                let day = number.wrapping_sub(DAY_FIRST);
                put(slot, 0, self.text(u32::try_from(day).ok()?)?);
                *cell = [start, 10];
            }
            return Some(());
        };
        let unit = 10u64.pow(u32::from(scale));
        let first = (DAY_FIRST * 86_400) as u64;
        let first = first.wrapping_mul(unit);
        for (((number, slot), cell), start) in all {
            // What lies before the first year becomes very large.
            let shifted = (*number as u64).wrapping_sub(first);
            let (seconds, part) = if scale == 0 {
                (shifted, 0)
            } else {
                (shifted / unit, shifted % unit)
            };
            let day = seconds / 86_400;
            if day >= DAYS {
                return None;
            }
            put(slot, 0, self.text(day as u32)?);
            slot[10] = joint;
            put(slot, 11, print_clock((seconds - day * 86_400) as u32));
            let end = if scale == 0 {
                19
            } else {
                second_part(slot, part, scale, trimmed)
            };
            *cell = [start, end as u32];
        }
        Some(())
    }
}

/// Writes the fraction of a second; where it ends.
fn second_part(slot: &mut Slot, mut part: u64, mut scale: u8, trimmed: bool) -> usize {
    if trimmed {
        while scale > 0 && part.is_multiple_of(10) {
            part /= 10;
            scale -= 1;
        }
        if scale == 0 {
            return 19;
        }
    }
    fraction(slot, 19, part, scale)
}

/// Bytes of the text that these groups of bytes make.
pub(super) fn hex_length(groups: &[u8]) -> usize {
    let bytes: usize = groups.iter().map(|bytes| usize::from(*bytes)).sum();
    2 * bytes + groups.len().saturating_sub(1)
}

/// Writes hexadecimal digits: byte after byte of the groups, each from a plane of its own.
pub(super) fn hex<'p>(
    groups: &[u8],
    mut planes: impl Iterator<Item = &'p [u8]>,
    slots: &mut [u8],
    start: usize,
    cells: &mut [Cell],
) {
    let length = hex_length(groups);
    for (cell, at) in cells.iter_mut().zip(0..) {
        *cell = [(start + at * length) as u32, length as u32];
    }
    if length == 0 {
        return;
    }
    let slots = &mut slots[..cells.len() * length];
    slots.fill(b'-');
    let mut at = 0;
    for bytes in groups {
        for plane in planes.by_ref().take(usize::from(*bytes)) {
            for (slot, byte) in slots.chunks_exact_mut(length).zip(plane) {
                slot[at..at + 2].copy_from_slice(&PAIRS[usize::from(*byte)]);
            }
            at += 2;
        }
        at += 1;
    }
}

/// Two lower-case digits for each byte.
const PAIRS: [[u8; 2]; 256] = {
    let digits = super::value::DIGITS;
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{SLOT, decimals};

    proptest! {
        #[test]
        fn decimals_print(value: i64, shift in 0u32..64, scale in 0u8..=9) {
            let value = value >> shift;
            let mut slots = [0; SLOT];
            let mut cells = [[0; 2]];
            decimals(&[value], scale, &mut slots, 7, &mut cells);
            let digits = format!("{:0width$}", value.unsigned_abs(), width = usize::from(scale) + 1);
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
            let sign = if value < 0 { "-" } else { "" };
            let point = if scale > 0 { "." } else { "" };
            prop_assert_eq!(cells[0][0], 7);
            let expected = format!("{sign}{whole}{point}{fraction}");
            prop_assert_eq!(&slots[..cells[0][1] as usize], expected.as_bytes());
        }
    }
}
