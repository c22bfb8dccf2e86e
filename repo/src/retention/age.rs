//! How far back: `30d`, `2y5m7d3h`.

use std::fmt;
use std::str::FromStr;

use jiff::Span;
use jiff::civil::DateTime;

use crate::error::Error;

/// A number of years, months, weeks, days and hours, counted on the calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Age {
    /// In the order of [`LETTERS`].
    numbers: [u32; LETTERS.len()],
}

const LETTERS: [char; 5] = ['y', 'm', 'w', 'd', 'h'];

impl Age {
    /// No time at all.
    pub fn is_zero(&self) -> bool {
        self.numbers == [0; LETTERS.len()]
    }

    /// The time on the wall this long before `newest`; `None` if no calendar goes back so far.
    pub(super) fn before(&self, newest: DateTime) -> Option<DateTime> {
        newest.checked_sub(self.span()?).ok()
    }

    fn span(&self) -> Option<Span> {
        let [years, months, weeks, days, hours] = self.numbers;
        let span = Span::new().try_years(years).ok()?;
        let span = span.try_months(months).ok()?;
        let span = span.try_weeks(weeks).ok()?;
        span.try_days(days).ok()?.try_hours(hours).ok()
    }
}

impl FromStr for Age {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unclear = || {
            Error::Invalid(format!(
                "'{text}' is no length of time: write 30d, or 2y5m7d3h (years, months, weeks, days, hours, in this order)"
            ))
        };
        let mut age = Self::default();
        let mut letters = 0..LETTERS.len();
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let letter = after.chars().next().ok_or_else(unclear)?;
            // Letters that were passed over do not come again.
            let at = letters
                .find(|at| LETTERS[*at] == letter)
                .ok_or_else(unclear)?;
            age.numbers[at] = number.parse().map_err(|_| unclear())?;
            rest = &after[letter.len_utf8()..];
        }
        if text.is_empty() || age.span().is_none() {
            return Err(unclear());
        }
        Ok(age)
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.numbers.iter().zip(LETTERS);
        parts
            .filter(|(number, _)| **number > 0)
            .try_for_each(|(number, letter)| write!(f, "{number}{letter}"))
    }
}
