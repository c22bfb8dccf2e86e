//! Values that are stored as numbers: which kind a text is of, and the number in it.

use super::column::{HEX_BYTES_MAX, SCALE_MAX, TIME_SCALE_MAX, TimeForm};
use super::digits::{parse_digits, parse_integer};
use super::time::{parse_clock, parse_date};

/// What a field's text can be taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Decimal(u8),
    Time(TimeForm),
    Hex(Vec<u8>),
}

/// Fractions of a second have at most six digits in the databases that leave zeros away.
const FRACTION_DIGITS: u8 = 6;

impl Shape {
    /// The shape of one text, and how much of its end does not belong to it.
    pub(super) fn of(text: &[u8]) -> Option<(Self, usize)> {
        if let Some((form, rest)) = time_form(text) {
            return Some((Self::Time(form), rest));
        }
        if parse_integer(text).is_some() {
            return Some((Self::Decimal(0), 0));
        }
        let point = text.iter().position(|byte| *byte == b'.');
        if let Some(point) = point {
            let scale = u8::try_from(text.len() - point - 1).ok()?;
            if scale <= SCALE_MAX && parse_decimal(text, scale).is_some() {
                return Some((Self::Decimal(scale), 0));
            }
        }
        let groups = hex_groups(text)?;
        Some((Self::Hex(groups), 0))
    }
}

/// A number with exactly `scale` digits behind its point, in units of the last.
pub(super) fn parse_decimal(text: &[u8], scale: u8) -> Option<i64> {
    if scale == 0 {
        return parse_integer(text);
    }
    let point = text.len().checked_sub(usize::from(scale) + 1)?;
    let (whole, fraction) = (&text[..point], &text[point + 1..]);
    if text[point] != b'.' {
        return None;
    }
    let fraction = parse_digits(fraction)?;
    let unit = 10i64.pow(u32::from(scale));
    let (negative, digits) = match whole {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let value = parse_integer(digits).filter(|whole| (0..=i64::MAX / unit / 16).contains(whole))?
        * unit
        + fraction;
    // There is no negative zero among numbers.
    match (negative, value) {
        (true, 0) => None,
        (true, value) => Some(-value),
        (false, value) => Some(value),
    }
}

fn time_form(text: &[u8]) -> Option<(TimeForm, usize)> {
    let (date, rest) = text.split_first_chunk::<10>()?;
    parse_date(date)?;
    let Some((joint, rest)) = rest.split_first() else {
        return Some((TimeForm::Date, 0));
    };
    let (clock, rest) = rest.split_first_chunk::<8>()?;
    parse_clock(*clock)?;
    let fraction = match rest {
        [b'.', rest @ ..] => rest.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => 0,
    };
    let rest = rest.len() - if fraction > 0 { fraction + 1 } else { 0 };
    // A zero at the end tells that zeros are not left away.
    let trimmed = fraction > 0 && text[text.len() - rest - 1] != b'0';
    let scale = u8::try_from(fraction)
        .ok()
        .filter(|scale| *scale <= TIME_SCALE_MAX)?;
    let form = TimeForm::DateTime {
        joint: *joint,
        scale: if trimmed {
            scale.max(FRACTION_DIGITS)
        } else {
            scale
        },
        trimmed,
    };
    Some((form, rest))
}

pub(super) fn parse_time(text: &[u8], form: TimeForm) -> Option<i64> {
    let (date, rest) = text.split_first_chunk::<10>()?;
    let (joint, scale, trimmed) = match form {
        TimeForm::Date => {
            return if rest.is_empty() {
                parse_date(date)
            } else {
                None
            };
        }
        TimeForm::DateTime {
            joint,
            scale,
            trimmed,
        } => (joint, scale, trimmed),
    };
    let (clock, fraction) = rest.strip_prefix(&[joint])?.split_first_chunk::<8>()?;
    let seconds = parse_date(date)? * 86_400 + parse_clock(*clock)?;
    let unit = 10i64.pow(u32::from(scale));
    let digits = match fraction {
        [] if trimmed || scale == 0 => return Some(seconds * unit),
        [b'.', digits @ ..] => digits,
        _ => return None,
    };
    let canonical = if trimmed {
        digits.len() <= usize::from(scale) && digits.last() != Some(&b'0')
    } else {
        digits.len() == usize::from(scale)
    };
    if !canonical {
        return None;
    }
    let missing = u32::from(scale) - digits.len() as u32;
    Some(seconds * unit + parse_digits(digits)? * 10i64.pow(missing))
}

/// Bytes of each group of hexadecimal digits between dashes. At least eight bytes: fewer are words or numbers.
fn hex_groups(text: &[u8]) -> Option<Vec<u8>> {
    let mut groups = Vec::new();
    for group in text.split(|byte| *byte == b'-') {
        let digits = group
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !digits || group.len() % 2 != 0 || group.is_empty() {
            return None;
        }
        groups.push(u8::try_from(group.len() / 2).ok()?);
    }
    let bytes: usize = groups.iter().map(|bytes| usize::from(*bytes)).sum();
    (8..=HEX_BYTES_MAX).contains(&bytes).then_some(groups)
}

/// Appends the bytes of a text with these groups; `false`, and nothing appended, if it has others.
pub(super) fn parse_hex(text: &[u8], groups: &[u8], out: &mut Vec<u8>) -> bool {
    let before = out.len();
    let mut rest = text;
    let mut bad = 0;
    for (at, bytes) in groups.iter().enumerate() {
        if at > 0 {
            let Some(([b'-'], behind)) = rest.split_first_chunk::<1>() else {
                bad = 0xff;
                break;
            };
            rest = behind;
        }
        let Some((digits, behind)) = rest.split_at_checked(2 * usize::from(*bytes)) else {
            bad = 0xff;
            break;
        };
        out.extend(digits.as_chunks::<2>().0.iter().map(|[high, low]| {
            let (high, low) = (NIBBLES[usize::from(*high)], NIBBLES[usize::from(*low)]);
            bad |= high | low;
            high << 4 | low
        }));
        rest = behind;
    }
    let fits = bad < 16 && rest.is_empty();
    if !fits {
        out.truncate(before);
    }
    fits
}

/// 0 to 15 for lower-case digits, 255 for all else.
const NIBBLES: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut nibble = 0;
    while nibble < 16 {
        table[DIGITS[nibble] as usize] = nibble as u8;
        nibble += 1;
    }
    table
};

/// Hexadecimal digits.
pub(super) const DIGITS: &[u8; 16] = b"0123456789abcdef";
