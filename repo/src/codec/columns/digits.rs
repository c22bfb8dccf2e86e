//! Decimal digits to numbers and back, eight at a time.

/// Numbers have at most so many digits, so that differences of two fit an `i64`.
pub(super) const DIGITS_MAX: usize = 18;

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
        value = value * 100_000_000 + parse_8(*word)?;
    }
    Some(value)
}

fn parse_8(digits: [u8; 8]) -> Option<i64> {
    let word = u64::from_le_bytes(digits) ^ ZEROS;
    if (word | word.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // Neighbours are joined: digits to pairs, to fours, to eight.
    let word = (word.wrapping_mul(2561) >> 8) & 0x00ff_00ff_00ff_00ff;
    let word = (word.wrapping_mul(6_553_601) >> 16) & 0x0000_ffff_0000_ffff;
    Some((word.wrapping_mul(42_949_672_960_001) >> 32) as i64)
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

/// Eight digits of a number below 10⁸, the first in the lowest byte, not yet made ASCII.
fn digits_8(value: u64) -> u64 {
    let fours = (value / 10_000) | (value % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (pairs - tens * 10) << 8
}

/// The last `count` (at most 8) digits of `value`, as ASCII from the first byte on.
pub(super) fn last_digits(value: u64, count: usize) -> [u8; 8] {
    ((digits_8(value % 100_000_000) | ZEROS) >> (64 - 8 * count as u32).min(63)).to_le_bytes()
}

/// The digits of `value` without leading zeros (one at least), and how many.
pub(super) fn print(value: u64) -> ([u8; 24], usize) {
    let mut text = [0; 24];
    let mut length = 0;
    let mut put = |value: u64, whole: bool| {
        let digits = digits_8(value);
        let skipped = if whole {
            0
        } else {
            (digits.trailing_zeros() / 8).min(7)
        };
        let word = (digits | ZEROS) >> (8 * skipped);
        text[length..length + 8].copy_from_slice(&word.to_le_bytes());
        length += 8 - skipped as usize;
    };
    const E8: u64 = 100_000_000;
    if value < E8 {
        put(value, false);
    } else if value < E8 * E8 {
        put(value / E8, false);
        put(value % E8, true);
    } else {
        put(value / E8 / E8, false);
        put(value / E8 % E8, true);
        put(value % E8, true);
    }
    (text, length)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::{last_digits, parse_digits, parse_integer, print};

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
        fn every_number_prints(value: u64, shift in 0..64u32) {
            let (text, length) = print(value >> shift);
            let expected = (value >> shift).to_string();
            prop_assert_eq!(&text[..length], expected.as_bytes());
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
