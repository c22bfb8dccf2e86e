//! Dates and times as T-SQL literals: the forms that mean the same whatever the session's language.

use std::fmt::Write as _;

/// Days from 0001-01-01 to 1900-01-01, where the old types begin.
const DAYS_TO_1900: i64 = 693_595;
/// 9999-12-31, the last day that any type holds.
const DAYS_MAX: i64 = 3_652_058;
const DAY_SECONDS: u64 = 86_400;

/// Year, month and day of a number of days since 0001-01-01 in the Gregorian calendar.
///
/// Eras of 400 years that begin in March, so that the leap day comes last: Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms".
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 306;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Appends `YYYY-MM-DD` for days since 0001-01-01. `None` beyond the year 9999.
pub(super) fn push_date(out: &mut String, days: i64) -> Option<()> {
    if !(0..=DAYS_MAX).contains(&days) {
        return None;
    }
    let (year, month, day) = civil(days);
    let _ = write!(out, "{year:04}-{month:02}-{day:02}");
    Some(())
}

/// Appends `hh:mm:ss`.
fn push_seconds(out: &mut String, seconds: u64) {
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let _ = write!(out, "{hour:02}:{minute:02}:{second:02}");
}

/// Appends `hh:mm:ss` and as many digits of a second as `scale` says. `None` if it is no time.
pub(super) fn push_time(out: &mut String, increments: u64, scale: u8) -> Option<()> {
    let unit = 10_u64
        .checked_pow(u32::from(scale))
        .filter(|_| scale <= 7)?;
    let seconds = increments / unit;
    if seconds >= DAY_SECONDS {
        return None;
    }
    push_seconds(out, seconds);
    if scale > 0 {
        let _ = write!(
            out,
            ".{:0width$}",
            increments % unit,
            width = usize::from(scale)
        );
    }
    Some(())
}

/// Appends a `datetime`: days since 1900 and ticks of 1/300 s. The server rounds milliseconds to
/// the nearest tick, and so comes back to this one.
pub(super) fn push_datetime(out: &mut String, days: i32, ticks: u32) -> Option<()> {
    let seconds = u64::from(ticks / 300);
    if seconds >= DAY_SECONDS {
        return None;
    }
    push_date(out, i64::from(days) + DAYS_TO_1900)?;
    out.push('T');
    push_seconds(out, seconds);
    let _ = write!(out, ".{:03}", (ticks % 300 * 10 + 1) / 3);
    Some(())
}

/// Appends a `smalldatetime`: days since 1900 and minutes.
pub(super) fn push_smalldatetime(out: &mut String, days: u16, minutes: u16) -> Option<()> {
    let seconds = u64::from(minutes) * 60;
    if seconds >= DAY_SECONDS {
        return None;
    }
    push_date(out, i64::from(days) + DAYS_TO_1900)?;
    out.push('T');
    push_seconds(out, seconds);
    Some(())
}

/// Appends a `datetimeoffset`, which comes as universal time and an offset in minutes.
pub(super) fn push_datetimeoffset(
    out: &mut String,
    (days, increments, scale): (u32, u64, u8),
    offset: i16,
) -> Option<()> {
    let unit = 10_i64
        .checked_pow(u32::from(scale))
        .filter(|_| scale <= 7)?;
    let day = DAY_SECONDS as i64 * unit;
    let local = i64::try_from(increments)
        .ok()?
        .checked_add(i64::from(offset) * 60 * unit)?;
    push_date(out, i64::from(days) + local.div_euclid(day))?;
    out.push('T');
    push_time(out, local.rem_euclid(day) as u64, scale)?;
    let sign = if offset < 0 { '-' } else { '+' };
    let offset = offset.unsigned_abs();
    let _ = write!(out, "{sign}{:02}:{:02}", offset / 60, offset % 60);
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn written(push: impl FnOnce(&mut String) -> Option<()>) -> Option<String> {
        let mut out = String::new();
        push(&mut out).map(|()| out)
    }

    #[test]
    fn the_ends_of_each_type() {
        let datetime = |days, ticks| written(|out| push_datetime(out, days, ticks)).unwrap();
        assert_eq!(datetime(-53_690, 0), "1753-01-01T00:00:00.000");
        assert_eq!(datetime(2_958_463, 25_919_999), "9999-12-31T23:59:59.997");
        assert_eq!(datetime(0, 1), "1900-01-01T00:00:00.003");
        assert_eq!(datetime(0, 2), "1900-01-01T00:00:00.007");
        assert_eq!(
            written(|out| push_smalldatetime(out, 65_535, 1439)).unwrap(),
            "2079-06-06T23:59:00"
        );
        let offset =
            |value, offset| written(|out| push_datetimeoffset(out, value, offset)).unwrap();
        assert_eq!(
            offset((0, 14 * 36_000_000_000, 7), -840),
            "0001-01-01T00:00:00.0000000-14:00"
        );
        assert_eq!(
            offset((3_652_058, 863_999_999_999, 7), 0),
            "9999-12-31T23:59:59.9999999+00:00"
        );
        assert_eq!(offset((100, 0, 0), -30), "0001-04-10T23:30:00-00:30");
        assert_eq!(
            written(|out| push_time(out, 1, 7)).unwrap(),
            "00:00:00.0000001"
        );
    }

    #[test]
    fn no_time_of_day_is_refused() {
        assert_eq!(written(|out| push_datetime(out, 0, 25_920_000)), None);
        assert_eq!(written(|out| push_datetime(out, i32::MIN, 0)), None);
        assert_eq!(written(|out| push_date(out, DAYS_MAX + 1)), None);
        assert_eq!(written(|out| push_smalldatetime(out, 0, 1440)), None);
        assert_eq!(written(|out| push_time(out, 864_000_000_000, 7)), None);
        assert_eq!(written(|out| push_time(out, 0, 8)), None);
        assert_eq!(
            written(|out| push_datetimeoffset(out, (0, u64::MAX, 7), 0)),
            None
        );
    }

    #[test]
    fn milliseconds_lead_back_to_every_tick() {
        for tick in 0..300_u32 {
            let milliseconds = (tick * 10 + 1) / 3;
            // The server's rounding.
            assert_eq!((milliseconds * 3 + 5) / 10, tick);
        }
    }

    proptest! {
        #[test]
        fn days_are_those_of_the_calendar(days in 0..=3_652_058_i64) {
            let date = jiff::civil::date(1, 1, 1)
                .checked_add(jiff::Span::new().days(days)).unwrap();
            let mut out = String::new();
            push_date(&mut out, days).unwrap();
            prop_assert_eq!(out, date.to_string());
        }
    }
}
