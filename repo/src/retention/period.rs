//! Hours, days, weeks, months, quarters and years of a calendar.

use jiff::civil::DateTime;

/// What a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// Clock hours.
    Hour,
    /// Calendar days.
    Day,
    /// ISO weeks, Monday to Sunday. The first of a year holds its first Thursday.
    Week,
    /// Calendar months.
    Month,
    /// Quarters of calendar years.
    Quarter,
    /// Calendar years.
    Year,
}

impl Unit {
    /// As in `--keep-daily`.
    pub fn adjective(self) -> &'static str {
        match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Quarter => "quarterly",
            Self::Year => "yearly",
        }
    }

    /// Several of them.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Hour => "hours",
            Self::Day => "days",
            Self::Week => "weeks",
            Self::Month => "months",
            Self::Quarter => "quarters",
            Self::Year => "years",
        }
    }

    /// What the period is called that this time lies in: no two periods of a unit share a name.
    pub(super) fn period(self, time: DateTime) -> String {
        let year = time.year();
        match self {
            Self::Hour => time.strftime("%Y-%m-%d %H:00").to_string(),
            Self::Day => time.strftime("%Y-%m-%d").to_string(),
            Self::Week => {
                // The days around New Year belong to a week of the one year or the other.
                let week = time.date().iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Self::Month => time.strftime("%Y-%m").to_string(),
            Self::Quarter => format!("{year:04}-Q{}", (time.month() + 2) / 3),
            Self::Year => format!("{year:04}"),
        }
    }
}
