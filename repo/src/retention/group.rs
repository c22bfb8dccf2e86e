//! Which snapshots are judged together.

use std::fmt;
use std::str::FromStr;

use super::Candidate;
use crate::error::Error;

/// What the snapshots of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupBy {
    /// The host.
    pub host: bool,
    /// The source.
    pub source: bool,
    /// All their tags.
    pub tags: bool,
}

impl Default for GroupBy {
    fn default() -> Self {
        Self {
            host: true,
            source: true,
            tags: false,
        }
    }
}

impl FromStr for GroupBy {
    type Err = Error;

    /// Words separated by commas. No word: all snapshots are one group.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut by = Self {
            host: false,
            source: false,
            tags: false,
        };
        for word in text.split(',').filter(|word| !word.is_empty()) {
            match word {
                "host" => by.host = true,
                "source" => by.source = true,
                "tags" => by.tags = true,
                other => {
                    let reason = format!(
                        "snapshots cannot be grouped by '{other}': write host, source, tags, or several with commas"
                    );
                    return Err(Error::Invalid(reason));
                }
            }
        }
        Ok(by)
    }
}

/// What the snapshots of one group share; `None` is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// The host.
    pub host: Option<String>,
    /// The source.
    pub source: Option<String>,
    /// The tags, sorted.
    pub tags: Option<Vec<String>>,
}

impl GroupKey {
    pub(super) fn of(candidate: &Candidate, by: GroupBy) -> Self {
        let sorted = || {
            let mut tags = candidate.tags.clone();
            tags.sort();
            tags.dedup();
            tags
        };
        Self {
            host: by.host.then(|| candidate.host.clone()),
            source: by.source.then(|| candidate.source.clone()),
            tags: by.tags.then(sorted),
        }
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => f.write_str(source)?,
            None => f.write_str("all")?,
        }
        if let Some(host) = &self.host {
            write!(f, " on {host}")?;
        }
        match self.tags.as_deref() {
            None => Ok(()),
            Some([]) => f.write_str(" without tags"),
            Some(tags) => write!(f, " with {}", tags.join(",")),
        }
    }
}
