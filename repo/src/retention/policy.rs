//! The rules.

use std::fmt;

use super::{Age, Unit};
use crate::error::{Error, Result};
use crate::format::ObjectId;

/// What to keep of a group. A snapshot stays if any of the rules keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The newest so many.
    pub last: Option<u32>,
    /// The newest of each of the last so many hours that hold a snapshot; so with the others.
    pub hourly: Option<u32>,
    /// Days.
    pub daily: Option<u32>,
    /// ISO weeks.
    pub weekly: Option<u32>,
    /// Months.
    pub monthly: Option<u32>,
    /// Quarters.
    pub quarterly: Option<u32>,
    /// Years.
    pub yearly: Option<u32>,
    /// Everything that is at most so much older than the newest of the group.
    pub within: Option<Age>,
    /// Everything that carries one of these tags.
    pub tags: Vec<String>,
    /// These, wherever they are.
    pub ids: Vec<ObjectId>,
}

impl Policy {
    /// The rules that count periods, from the finest unit to the coarsest.
    pub(super) fn periods(&self) -> impl DoubleEndedIterator<Item = (Unit, u32)> {
        self.counts()
            .into_iter()
            .filter_map(|(unit, count)| Some((unit, count?)))
    }

    fn counts(&self) -> [(Unit, Option<u32>); 6] {
        [
            (Unit::Hour, self.hourly),
            (Unit::Day, self.daily),
            (Unit::Week, self.weekly),
            (Unit::Month, self.monthly),
            (Unit::Quarter, self.quarterly),
            (Unit::Year, self.yearly),
        ]
    }

    /// Whether no rule is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses a policy without any rule, and rules that keep nothing.
    pub fn validate(&self) -> Result<()> {
        let invalid = |reason: String| Err(Error::Invalid(reason));
        if self.is_empty() {
            return invalid("without any rule nothing would be kept".to_owned());
        }
        let periods = self
            .periods()
            .map(|(unit, count)| (unit.adjective(), count));
        let last = self.last.map(|count| ("last", count));
        for (rule, count) in last.into_iter().chain(periods) {
            if count == 0 {
                return invalid(format!(
                    "keep-{rule} 0 keeps nothing: leave it out if this rule is not wanted"
                ));
            }
        }
        if self.within.is_some_and(|age| age.is_zero()) {
            return invalid(
                "keep-within of no time keeps nothing: leave it out if this rule is not wanted"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rules = Vec::new();
        rules.extend(self.last.map(|count| format!("last {count}")));
        let periods = self.periods();
        rules.extend(periods.map(|(unit, count)| format!("{} {count}", unit.adjective())));
        rules.extend(self.within.map(|age| format!("within {age}")));
        rules.extend(self.tags.iter().map(|tag| format!("tag {tag}")));
        if !self.ids.is_empty() {
            rules.push(format!("ids {}", self.ids.len()));
        }
        f.write_str(&rules.join(", "))
    }
}
