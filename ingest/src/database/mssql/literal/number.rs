//! Numbers as T-SQL literals.

use std::fmt::Write as _;

/// Digits of a decimal number that every `float` keeps, and that it needs at most.
const FLOAT_DIGITS: (usize, usize) = (15, 17);
/// The same of a `real`.
const REAL_DIGITS: (usize, usize) = (6, 9);

/// Appends an integer. The least `int` and `bigint` are read as the negation of a number that
/// does not fit, which the server takes for a decimal, and that is exact.
#[expect(clippy::unnecessary_wraps, reason = "as its siblings")]
pub(super) fn push_integer(out: &mut String, value: i64) -> Option<()> {
    let _ = write!(out, "{value}");
    Some(())
}

/// Appends a decimal with all digits of its scale: the rows of one statement share a type, and
/// digits that differ between rows would cost digits at the other end.
pub(super) fn push_decimal(out: &mut String, value: i128, scale: u8) {
    if value < 0 {
        out.push('-');
    }
    let scale = usize::from(scale);
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    out.push_str(whole);
    if scale > 0 {
        out.push('.');
        out.push_str(fraction);
    }
}

/// Appends a `float`. `None` if it is no number.
pub(super) fn push_float(out: &mut String, value: f64) -> Option<()> {
    let shortest = format!("{value:e}");
    let full = || format!("{value:.*e}", FLOAT_DIGITS.1 - 1);
    value
        .is_finite()
        .then(|| push_digits(out, &shortest, full, FLOAT_DIGITS.0))
}

/// Appends a `real`. `None` if it is no number.
pub(super) fn push_real(out: &mut String, value: f32) -> Option<()> {
    let shortest = format!("{value:e}");
    let full = || format!("{value:.*e}", REAL_DIGITS.1 - 1);
    value
        .is_finite()
        .then(|| push_digits(out, &shortest, full, REAL_DIGITS.0))
}

/// The shortest digits that mean this number may lie at the edge of what rounds to it. Few digits
/// are what somebody once typed in; where there are more, all go, so that even a reader that
/// rounds badly finds the number.
fn push_digits(out: &mut String, shortest: &str, full: impl Fn() -> String, sure: usize) {
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    if digits <= sure {
        out.push_str(shortest);
    } else {
        out.push_str(&full());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn written(push: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        push(&mut out);
        out
    }

    #[test]
    fn decimals_show_every_digit_of_their_scale() {
        let decimal = |value, scale| written(|out| push_decimal(out, value, scale));
        assert_eq!(decimal(0, 0), "0");
        assert_eq!(decimal(0, 4), "0.0000");
        assert_eq!(decimal(-1, 10), "-0.0000000001");
        assert_eq!(
            decimal(-9_223_372_036_854_775_808, 4),
            "-922337203685477.5808"
        );
        let largest = 10_i128.pow(38) - 1;
        assert_eq!(decimal(largest, 38), format!("0.{}", "9".repeat(38)));
        assert_eq!(decimal(largest, 0), "9".repeat(38));
    }

    #[test]
    fn floats_that_are_no_numbers_are_refused() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(push_float(&mut String::new(), value), None);
        }
        assert_eq!(push_real(&mut String::new(), f32::NAN), None);
    }

    #[test]
    fn few_digits_stay_few() {
        assert_eq!(written(|out| push_float(out, 0.1).unwrap()), "1e-1");
        assert_eq!(written(|out| push_float(out, -0.0).unwrap()), "-0e0");
        assert_eq!(
            written(|out| push_float(out, f64::MAX).unwrap()),
            "1.7976931348623157e308"
        );
        assert_eq!(
            written(|out| push_real(out, f32::MAX).unwrap()),
            "3.40282347e38"
        );
    }

    proptest! {
        #[test]
        fn floats_come_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let text = written(|out| push_float(out, value).unwrap());
            prop_assert!(text.contains('e'), "else it is a decimal");
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn reals_come_back(bits in any::<u32>()) {
            let value = f32::from_bits(bits);
            prop_assume!(value.is_finite());
            let text = written(|out| push_real(out, value).unwrap());
            // The server reads a float, and then makes it a real.
            prop_assert_eq!((text.parse::<f64>().unwrap() as f32).to_bits(), bits);
        }

        #[test]
        fn decimals_come_back(value in any::<i64>(), scale in 0..38_u8) {
            let text = written(|out| push_decimal(out, i128::from(value), scale));
            let fraction = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            prop_assert_eq!(fraction, usize::from(scale));
            prop_assert_eq!(text.replace('.', "").parse::<i128>().unwrap(), i128::from(value));
        }
    }
}
