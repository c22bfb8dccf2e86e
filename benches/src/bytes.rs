//! Numbers of bytes on the command line.

use anyhow::{Context as _, Result, bail};

/// `10G`, `256M`, `4K` or plain bytes; the letters are powers of 1000.
pub fn parse(text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" => 1,
        "K" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        other => bail!("{other} is not K, M or G"),
    };
    digits
        .parse::<u64>()?
        .checked_mul(unit)
        .context("too large")
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn units_are_powers_of_1000() -> anyhow::Result<()> {
        assert_eq!(parse("300K")?, 300_000);
        assert_eq!(parse("20G")?, 20_000_000_000);
        assert_eq!(parse("7")?, 7);
        assert!(parse("1T").is_err() && parse("M").is_err());
        Ok(())
    }
}
