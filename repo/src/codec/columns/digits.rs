//! Decimal digits to numbers and back, eight at a time.

/// Numbers have at most so many digits, so that differences of two fit an `i64`.
pub(super) const DIGITS_MAX: usize = 18;

/// What eight digits count to.
pub(super) const E8: u64 = 100_000_000;
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The number that up to [`DIGITS_MAX`] digits make, leading zeros allowed.
pub(super) fn parse_digits(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > DIGITS_MAX {
        return None;
    }
    let mut value = 0;
    let (head, words) = digits.as_rchunks::<8>();
    if !head.is_empty() {
        let mut word = [b'0'; 8];
        // Copied byte by byte: for so few, that is faster than a call.
        for (to, from) in word[8 - head.len()..].iter_mut().zip(head) {
            *to = *from;
        }
        value = parse_8(word)?;
    }
    for word in words {
        value = value * E8 as i64 + parse_8(*word)?;
    }
    Some(value)
}

fn parse_8(digits: [u8; 8]) -> Option<i64> {
    let word = u64::from_le_bytes(digits) ^ ZEROS;
    (others(word) == 0).then_some(joined(word))
}

/// The highest bit of each byte above nine, and maybe of bytes behind the first of those.
#[inline]
pub(super) fn others(word: u64) -> u64 {
    (word | word.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080
}

/// The number of eight digits, the first in the lowest byte: digits are joined to pairs, to fours, to eight.
#[inline]
fn joined(word: u64) -> i64 {
    let word = (word.wrapping_mul(2561) >> 8) & 0x00ff_00ff_00ff_00ff;
    let word = (word.wrapping_mul(6_553_601) >> 16) & 0x0000_ffff_0000_ffff;
    (word.wrapping_mul(42_949_672_960_001) >> 32) as i64
}

/// The integer of the first digits of eight bytes, how many they are, and what stands behind them. `None`: there are
/// none, or eight, or they have a leading zero.
#[inline]
pub(super) fn integer_of(text: [u8; 8]) -> Option<(i64, usize, u8)> {
    let text = u64::from_le_bytes(text);
    let word = text ^ ZEROS;
    let bits = others(word).trailing_zeros() & !7;
    let canonical = word & 0xff != 0 || bits == 8;
    // Eight digits have 64 bits, and no byte behind them.
    ((8..64).contains(&bits) && canonical).then(|| {
        let value = joined(word << ((64 - bits) & 63));
        (value, bits as usize / 8, (text >> (bits & 63)) as u8)
    })
}

/// The integer at `at`, if it has up to fifteen digits and is as `parse_integer` wants it, and where it ends.
/// `None` says nothing about the sixteen last bytes of a chunk.
#[inline]
pub(super) fn integer_at(chunk: &[u8], at: usize) -> Option<(i64, usize)> {
    const TENS: [i64; 8] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];
    // So many digits, and the number that they make.
    let digits = |text: [u8; 8]| {
        let word = u64::from_le_bytes(text) ^ ZEROS;
        let count = others(word).trailing_zeros() as usize / 8;
        // Moved up, so that what is behind the digits falls out.
        let word = word.unbounded_shl(64 - 8 * count as u32);
        (joined(word), count)
    };
    let negative = *chunk.get(at)? == b'-';
    let start = at + usize::from(negative);
    let text: &[u8; 16] = chunk.get(start..)?.first_chunk()?;
    let [first, second] = text.as_chunks::<8>().0 else {
        return None;
    };
    let (mut value, count) = digits(*first);
    let mut end = start + count;
    if count == 8 {
        let (low, more) = digits(*second);
        value = value * *TENS.get(more)? + low;
        end += more;
    }
    let canonical = text[0] != b'0' || (count == 1 && !negative);
    if count == 0 || !canonical {
        return None;
    }
    Some((if negative { -value } else { value }, end))
}

/// An integer as `print` writes it; everything else is text.
pub(super) fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] => (!negative).then_some(0),
        [b'0', ..] => None,
        _ => parse_digits(digits).map(|value| if negative { -value } else { value }),
    }
}

/// The last `count` (at most 8) digits of `value`, as ASCII from the first byte on.
#[inline]
pub(super) fn last_digits(value: u64, count: usize) -> [u8; 8] {
    ((digits_8(value % E8) | ZEROS) >> (64 - 8 * count as u32).min(63)).to_le_bytes()
}

/// Eight digits of a number below 10⁸, the first in the lowest byte, not yet made ASCII.
#[inline]
pub(super) fn digits_8(value: u64) -> u64 {
    let first = value / 10_000;
    let last = value - first * 10_000;
    u64::from(FOURS[first as usize]) | u64::from(FOURS[last as usize]) << 32
}

/// The digits of numbers of up to four, the first in the lowest byte.
static FOURS: [u32; 10_000] = {
    let mut fours = [0; 10_000];
    let mut number = 0;
    while number < 10_000 {
        let n = number as u32;
        fours[number] = (n / 1000) | (n / 100 % 10) << 8 | (n / 10 % 10) << 16 | (n % 10) << 24;
        number += 1;
    }
    fours
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::{last_digits, parse_digits, parse_integer};

    proptest! {
        #[test]
        fn what_is_parsed_prints_back(text in "-?[0-9]{1,20}|[ -~]{0,12}") {
            if let Some(value) = parse_integer(text.as_bytes()) {
                prop_assert_eq!(value.to_string(), text);
            }
        }

        #[test]
        fn integers_are_parsed(value in -999_999_999_999_999_999i64..1_000_000_000_000_000_000, shift in 0..60u32) {
            let value = value >> shift;
            prop_assert_eq!(parse_integer(value.to_string().as_bytes()), Some(value));
        }

        #[test]
        fn last_digits_are_padded(value in 0u64..100_000_000, count in 1usize..=8) {
            let value = value % 10u64.pow(count as u32);
            let padded = format!("{value:0count$}");
            prop_assert_eq!(&last_digits(value, count)[..count], padded.as_bytes());
            prop_assert_eq!(parse_digits(padded.as_bytes()), Some(value as i64));
        }
    }
}
