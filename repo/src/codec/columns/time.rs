//! Points in time in the proleptic Gregorian calendar, as databases write them.

use super::digits::{last_digits, others, parse_digits};

/// 0000-01-01.
pub(super) const DAY_FIRST: i64 = -719_528;
/// Days from then to 9999-12-31, both included.
pub(super) const DAYS: u64 = 3_652_425;

/// `YYYY-MM-DD` as days since 1970-01-01. `None`: there is no such day.
pub(super) fn parse_date(text: &[u8; 10]) -> Option<i64> {
    if text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let [y1, y2, y3, y4, _, m1, m2, _, d1, d2] = *text;
    let all = parse_digits(&[y1, y2, y3, y4, m1, m2, d1, d2])? as u32;
    let (year, month, day) = (all / 10_000, all / 100 % 100, all % 100);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=last)
        .contains(&day)
        .then(|| days_from_civil(year, month, day))
}

/// Months that days were parsed of, kept where a hash of their text says.
pub(super) struct Months {
    /// `YYYY-MM-`, the number of the day before its first, and how many days it has.
    kept: Vec<(u64, i32, u32)>,
}

impl Default for Months {
    fn default() -> Self {
        Self {
            kept: vec![(0, 0, 0); 256],
        }
    }
}

impl std::fmt::Debug for Months {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Months")
    }
}

impl Months {
    /// What [`parse_date`] makes of it.
    #[inline]
    pub(super) fn parse_date(&mut self, text: &[u8; 10]) -> Option<i64> {
        let [month @ .., tens, ones] = text;
        let word = u64::from_le_bytes(*month);
        let kept = &mut self.kept[(word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize];
        if kept.0 != word {
            let day = |tens, ones| {
                let [y1, y2, y3, y4, j1, m1, m2, j2] = *month;
                parse_date(&[y1, y2, y3, y4, j1, m1, m2, j2, tens, ones])
            };
            let first = day(b'0', b'1')?;
            let last = day(b'3', b'1')
                .or_else(|| day(b'3', b'0'))
                .or_else(|| day(b'2', b'9'))
                .or_else(|| day(b'2', b'8'))?;
            *kept = (word, first as i32 - 1, (last - first) as u32 + 1);
        }
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        let day = u32::from(tens) * 10 + u32::from(ones);
        (tens <= 3 && ones <= 9 && day >= 1 && day <= kept.2)
            .then(|| i64::from(kept.1) + i64::from(day))
    }
}

/// `hh:mm:ss` as seconds since midnight.
#[inline]
pub(super) fn parse_clock(text: [u8; 8]) -> Option<i64> {
    let word = u64::from_le_bytes(text) ^ u64::from_le_bytes(*b"00:00:00");
    // Pairs of digits stand in the bytes 0, 3 and 6.
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8);
    let [hour, minute, second] = [0, 24, 48].map(|shift| pairs >> shift & 0xff);
    let digits = others(word) == 0 && word & 0x0000_ff00_00ff_0000 == 0;
    (digits && hour < 24 && minute < 60 && second < 60)
        .then_some((hour * 3600 + minute * 60 + second) as i64)
}

/// `None`: not within the years 0 to 9999.
pub(super) fn print_date(days: i64) -> Option<[u8; 10]> {
    if !(DAY_FIRST..DAY_FIRST + DAYS as i64).contains(&days) {
        return None;
    }
    let (year, month, day) = civil_from_days(days);
    let [y1, y2, y3, y4, m1, m2, d1, d2] =
        last_digits(u64::from(year * 10_000 + month * 100 + day), 8);
    Some([y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2])
}

/// Seconds of a day, below 86 400.
#[inline]
pub(super) fn print_clock(seconds: u32) -> [u8; 8] {
    let minutes = seconds / 60;
    let hours = minutes / 60;
    // A pair of digits in three bytes each.
    let pairs = u64::from(hours)
        | u64::from(minutes - hours * 60) << 24
        | u64::from(seconds - minutes * 60) << 48;
    let tens = ((pairs * 103) >> 10) & 0x000f_0000_0f00_000f;
    (tens | (pairs - tens * 10) << 8 | 0x3030_3a30_303a_3030).to_le_bytes()
}

/// Days from 0000-03-01, 400 years earlier, to 1970-01-01. In between nothing is negative.
const DAYS_BEFORE_EPOCH: i64 = 719_468 + 146_097;

/// Howard Hinnant's algorithm: years begin in March, so that the leap day is the last.
fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    let year = year + 400 - u32::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i64::from(era * 146_097 + day_of_era) - DAYS_BEFORE_EPOCH
}

/// Year, month and day of a day within the years 0 to 9999.
fn civil_from_days(days: i64) -> (u32, u32, u32) {
    let days = (days + DAYS_BEFORE_EPOCH) as u32;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (
        era * 400 + year_of_era + u32::from(month <= 2) - 400,
        month,
        day,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Months, parse_clock, parse_date, print_clock, print_date};

    #[test]
    fn every_day_of_ten_thousand_years_is_inverse() {
        let mut before = None;
        let mut months = Months::default();
        for days in -719_528..=2_932_896 {
            let text = print_date(days).unwrap();
            assert_eq!(parse_date(&text), Some(days));
            assert_eq!(months.parse_date(&text), Some(days));
            assert!(before < Some(text));
            before = Some(text);
        }
        assert_eq!(print_date(-719_528), Some(*b"0000-01-01"));
        assert_eq!(print_date(2_932_896), Some(*b"9999-12-31"));
        assert_eq!(parse_date(b"1970-01-01"), Some(0));
        assert_eq!(parse_date(b"2024-02-29"), Some(19_782));
        assert!(print_date(-719_529).is_none() && print_date(2_932_897).is_none());
        assert!(print_date(i64::MAX).is_none() && print_date(i64::MIN).is_none());
    }

    #[test]
    fn days_and_times_that_do_not_exist_are_text() {
        for text in [
            b"0000-00-00",
            b"2023-02-29",
            b"1900-02-29",
            b"2024-13-01",
            b"2024-00-10",
            b"2024-04-31",
            b"2024/04/30",
            b"+024-04-30",
        ] {
            assert_eq!(parse_date(text), None);
            assert_eq!(Months::default().parse_date(text), None);
        }
        for text in [
            b"24:00:00",
            b"23:60:00",
            b"23:59:60",
            b"23-59-59",
            b"2a:00:00",
        ] {
            assert_eq!(parse_clock(*text), None);
        }
    }

    #[test]
    fn every_second_of_a_day_is_inverse() {
        for seconds in 0..86_400 {
            assert_eq!(parse_clock(print_clock(seconds)), Some(i64::from(seconds)));
        }
    }
}
