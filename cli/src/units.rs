//! Sizes, rates and times as a user writes them.

use std::time::Duration;

use crate::exit::{Error, Result};

/// `2GiB`, `500 MB`, `1048576`: binary units with an i, decimal ones without. `option` is named if it is none.
pub fn bytes(option: &str, text: &str) -> Result<u64> {
    parse(text, &SIZES).ok_or_else(|| {
        let message = format!("{option} {text}: not a size");
        Error::usage(message, format!("as in {option} 2GiB"))
    })
}

/// `20MiB/s`, or a size, meant for a second.
pub fn rate(option: &str, text: &str) -> Result<u64> {
    let size = text.trim().strip_suffix("/s").unwrap_or(text);
    match parse(size, &SIZES) {
        Some(rate) if rate > 0 => Ok(rate),
        _ => {
            let message = format!("{option} {text}: not a rate");
            Err(Error::usage(message, format!("as in {option} 20MiB/s")))
        }
    }
}

/// `90s`, `30m`, `2h`.
pub fn duration(option: &str, text: &str) -> Result<Duration> {
    parse(text, &TIMES).map(Duration::from_secs).ok_or_else(|| {
        let message = format!("{option} {text}: not a time");
        Error::usage(message, format!("as in {option} 30m"))
    })
}

const SIZES: [(&str, u64); 10] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("b", 1),
    ("", 1),
];

const TIMES: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    let value = number.parse::<f64>().ok()? * *factor as f64;
    (value.is_finite() && value < u64::MAX as f64).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_binary_with_an_i_and_decimal_without() {
        let bytes = |text| bytes("--x", text).ok();
        assert_eq!(bytes("2GiB"), Some(2 << 30));
        assert_eq!(bytes("1.5 kib"), Some(1536));
        assert_eq!(bytes("500MB"), Some(500_000_000));
        assert_eq!(bytes("77"), Some(77));
        for nonsense in ["", "GiB", "-1", "1 parsec", "1e400GiB", "1..2"] {
            assert_eq!(bytes(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn rates_and_times_have_their_units() {
        assert_eq!(rate("--x", "20MiB/s").ok(), Some(20 << 20));
        assert!(rate("--x", "0").is_err());
        assert_eq!(duration("--x", "30m").ok(), Some(Duration::from_secs(1800)));
        assert!(duration("--x", "30").is_err());
    }
}
