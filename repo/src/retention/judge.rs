//! The fate of every snapshot.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;

use super::{Age, GroupBy, GroupKey, Policy, Unit};
use crate::error::{Error, Result};
use crate::format::{ObjectId, Snapshot};

/// What the rules look at in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: ObjectId,
    /// When it was made.
    pub time: Timestamp,
    /// The offset of the clock on the wall there.
    pub offset: Offset,
    /// The host.
    pub host: String,
    /// The source.
    pub source: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Some of the source could not be read.
    pub incomplete: bool,
}

impl Candidate {
    /// What counts of a snapshot.
    pub fn new(id: ObjectId, snapshot: &Snapshot) -> Self {
        let pieces = Pieces::parse(&snapshot.time).ok();
        Self {
            id,
            time: snapshot.timestamp(),
            offset: pieces
                .and_then(|pieces| pieces.to_numeric_offset())
                .unwrap_or(Offset::UTC),
            host: snapshot.host.clone(),
            source: snapshot.source.clone(),
            tags: snapshot.tags.clone(),
            incomplete: snapshot.incomplete,
        }
    }

    fn on_the_wall(&self) -> DateTime {
        self.offset.to_datetime(self.time)
    }
}

/// Why a snapshot is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is among the newest ones.
    Last,
    /// It stands for a period.
    Period(Unit, String),
    /// It is young.
    Within(Age),
    /// It carries this tag.
    Tag(String),
    /// The user named it.
    Id,
    /// No rule keeps it, but this one, which is kept, cannot be restored without it.
    Needed(ObjectId),
    /// No rule keeps it, but nothing newer and complete is left of its group.
    Newest,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last => f.write_str("last snapshot"),
            Self::Period(unit, period) => write!(f, "{} snapshot {period}", unit.adjective()),
            Self::Within(age) => write!(f, "within {age}"),
            Self::Tag(tag) => write!(f, "tag {tag}"),
            Self::Id => f.write_str("named by id"),
            Self::Needed(by) => write!(f, "{} rests on it", &by.to_string()[..8]),
            Self::Newest => f.write_str("newest of its group"),
        }
    }
}

/// Why a snapshot goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Another stands for its period.
    Other(ObjectId, String),
    /// Its period is before those that count.
    Before(Unit, u32),
    /// No rule keeps it.
    NoRule,
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(id, period) => {
                write!(f, "{} is kept for {period}", &id.to_string()[..8])
            }
            Self::Before(unit, 1) => write!(f, "before the newest of the {}", unit.plural()),
            Self::Before(unit, count) => write!(f, "before the newest {count} {}", unit.plural()),
            Self::NoRule => f.write_str("no rule keeps it"),
        }
    }
}

/// What becomes of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays; never without a reason.
    Keep(Vec<Kept>),
    /// It goes.
    Remove(Removed),
}

impl Fate {
    /// Whether it goes.
    pub fn is_removed(&self) -> bool {
        matches!(self, Self::Remove(_))
    }
}

/// Snapshots that were judged together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What they share.
    pub key: GroupKey,
    /// Each with its fate, oldest first.
    pub snapshots: Vec<(ObjectId, Fate)>,
}

/// Judges all snapshots, group by group.
///
/// Ages count back from the newest snapshot of a group that is not later than `now`: with a clock in the past
/// everything later is young, and a snapshot from the future makes no other one old.
pub fn plan(
    policy: &Policy,
    candidates: &[Candidate],
    by: GroupBy,
    now: Timestamp,
) -> Result<Vec<Group>> {
    policy.validate()?;
    let mut groups: BTreeMap<GroupKey, Vec<&Candidate>> = BTreeMap::new();
    for candidate in candidates {
        let key = GroupKey::of(candidate, by);
        groups.entry(key).or_default().push(candidate);
    }
    let groups: Vec<Group> = groups
        .into_iter()
        .map(|(key, mut members)| {
            members.sort_by_key(|member| (member.time, member.id));
            members.reverse();
            let mut fates = judge(policy, &members, now);
            fates.reverse();
            let ids = members.iter().rev().map(|member| member.id);
            Group {
                key,
                snapshots: ids.zip(fates).collect(),
            }
        })
        .collect();
    let by_rule = |fate: &Fate| matches!(fate, Fate::Keep(why) if *why != [Kept::Newest]);
    let mut fates = groups.iter().flat_map(|group| &group.snapshots);
    if !candidates.is_empty() && !fates.any(|(_, fate)| by_rule(fate)) {
        return Err(Error::Invalid(format!(
            "the policy ({policy}) keeps none of the {} snapshots: nothing is removed",
            candidates.len()
        )));
    }
    Ok(groups)
}

/// Newest first, in and out.
fn judge(policy: &Policy, members: &[&Candidate], now: Timestamp) -> Vec<Fate> {
    let mut kept: Vec<Vec<Kept>> = vec![Vec::new(); members.len()];
    let last = policy.last.unwrap_or(0) as usize;
    for reasons in kept.iter_mut().take(last) {
        reasons.push(Kept::Last);
    }
    // Of the coarsest rule so far: it is the one to name when none keeps a snapshot.
    let mut removed: Vec<Removed> = vec![Removed::NoRule; members.len()];
    for (unit, count) in policy.periods() {
        let periods = Periods::of(unit, members);
        for (period, stands) in periods.newest_first.iter().take(count as usize) {
            kept[*stands].push(Kept::Period(unit, period.clone()));
        }
        for (at, member) in members.iter().enumerate() {
            let period = unit.period(member.on_the_wall());
            removed[at] = match periods.stands_for(&period, count) {
                Some(other) => Removed::Other(members[other].id, period),
                None => Removed::Before(unit, count),
            };
        }
    }
    for (member, reasons) in members.iter().zip(&mut kept) {
        if let Some(age) = policy.within
            && is_within(age, member, members, now)
        {
            reasons.push(Kept::Within(age));
        }
        let tags = policy.tags.iter().filter(|tag| member.tags.contains(tag));
        reasons.extend(tags.cloned().map(Kept::Tag));
        if policy.ids.contains(&member.id) {
            reasons.push(Kept::Id);
        }
    }
    let newest = members.iter().position(|member| !member.incomplete);
    if let Some(reasons) = kept.get_mut(newest.unwrap_or(0))
        && reasons.is_empty()
    {
        reasons.push(Kept::Newest);
    }
    let fates = kept.into_iter().zip(removed);
    fates
        .map(|(kept, removed)| match &kept[..] {
            [] => Fate::Remove(removed),
            _ => Fate::Keep(kept),
        })
        .collect()
}

/// The periods that hold a snapshot, and which snapshot stands for each.
struct Periods {
    newest_first: Vec<(String, usize)>,
    places: BTreeMap<String, usize>,
}

impl Periods {
    fn of(unit: Unit, members: &[&Candidate]) -> Self {
        let mut newest_first: Vec<(String, usize)> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (at, member) in members.iter().enumerate() {
            let period = unit.period(member.on_the_wall());
            if let Some(place) = places.get(&period) {
                let stands = &mut newest_first[*place].1;
                if members[*stands].incomplete && !member.incomplete {
                    *stands = at;
                }
            } else {
                places.insert(period.clone(), newest_first.len());
                newest_first.push((period, at));
            }
        }
        Self {
            newest_first,
            places,
        }
    }

    /// If the period is among the newest `count`.
    fn stands_for(&self, period: &str, count: u32) -> Option<usize> {
        let place = *self.places.get(period)?;
        (place < count as usize).then(|| self.newest_first[place].1)
    }
}

fn is_within(age: Age, member: &Candidate, members: &[&Candidate], now: Timestamp) -> bool {
    let newest = members.iter().find(|member| member.time <= now);
    let limit = newest.and_then(|newest| {
        let limit = age.before(newest.on_the_wall())?;
        newest.offset.to_timestamp(limit).ok()
    });
    // As restic counts: of nights 24 hours apart, 30 are within 30d.
    limit.is_none_or(|limit| member.time > limit)
}
