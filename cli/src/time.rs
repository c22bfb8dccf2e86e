//! Times as users write and read them.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};

/// A point in time that a user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The point in time.
    pub time: Zoned,
    /// What to tell the user when local clocks showed it twice or never.
    pub note: Option<String>,
}

/// Reads RFC 3339, or 'YYYY-MM-DD HH:MM[:SS]' in `zone`: of an hour that occurs twice the later one.
pub fn parse(text: &str, zone: &TimeZone) -> Result<Moment, String> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        let time = time.to_zoned(zone.clone());
        return Ok(Moment { time, note: None });
    }
    let unclear =
        || format!("'{text}' is no time: write 'YYYY-MM-DD HH:MM' or RFC 3339 with an offset");
    // A date alone would silently mean midnight.
    if !text.contains(':') {
        return Err(unclear());
    }
    let local: DateTime = text.parse().map_err(|_| unclear())?;
    let ambiguous = zone.to_ambiguous_zoned(local);
    let kind = ambiguous.offset();
    let time = ambiguous.later().map_err(|error| error.to_string())?;
    let note = match kind {
        AmbiguousOffset::Unambiguous { .. } => None,
        AmbiguousOffset::Fold { .. } => Some(format!(
            "clocks showed {text} twice that day; the later is taken, {}",
            exact(&time)
        )),
        AmbiguousOffset::Gap { .. } => Some(format!(
            "clocks skipped {text} that day; {} is taken",
            exact(&time)
        )),
    };
    Ok(Moment { time, note })
}

/// Local time to the second, for tables.
pub fn local(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// The local day, where a time needs no more.
pub fn day(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d")
        .to_string()
}

/// Local time with its offset, where it must be beyond doubt.
pub fn local_exact(time: Timestamp) -> String {
    exact(&time.to_zoned(TimeZone::system()))
}

fn exact(time: &Zoned) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central European time as a rule, so that the test needs no time zone database.
    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn utc(text: &str) -> String {
        parse(text, &berlin()).unwrap().time.timestamp().to_string()
    }

    #[test]
    fn local_times_need_no_offset() {
        assert_eq!(utc("2026-11-20 03:00"), "2026-11-20T02:00:00Z");
        assert_eq!(utc("2026-07-20 03:00:05"), "2026-07-20T01:00:05Z");
        assert_eq!(utc("2026-11-20T03:00"), "2026-11-20T02:00:00Z");
    }

    #[test]
    fn offsets_are_obeyed() {
        assert_eq!(utc("2026-11-20T03:00:00Z"), "2026-11-20T03:00:00Z");
        assert_eq!(utc("2026-11-20 03:00:00+05:30"), "2026-11-19T21:30:00Z");
    }

    #[test]
    fn of_an_hour_that_occurs_twice_the_later_is_taken_and_told_of() {
        let moment = parse("2026-10-25 02:30", &berlin()).unwrap();
        assert_eq!(moment.time.timestamp().to_string(), "2026-10-25T01:30:00Z");
        assert_eq!(
            moment.note.as_deref(),
            Some(
                "clocks showed 2026-10-25 02:30 twice that day; the later is taken, \
                 2026-10-25 02:30:00+01:00"
            )
        );
    }

    #[test]
    fn an_hour_that_never_was_is_told_of() {
        let moment = parse("2026-03-29 02:30", &berlin()).unwrap();
        assert_eq!(moment.time.timestamp().to_string(), "2026-03-29T01:30:00Z");
        assert!(moment.note.unwrap().starts_with("clocks skipped"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "yesterday", "2026-11-20", "2026-13-01 03:00", "03:00"] {
            assert!(
                parse(text, &berlin()).unwrap_err().contains("is no time"),
                "{text}"
            );
        }
    }
}
