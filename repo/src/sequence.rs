//! Sequences: every writer counts its snapshots from 1 and each names the one before it. Whatever is missing in
//! between without a tombstone was lost, or the store was rolled back, or it lists less than it holds. Pure.

use std::collections::BTreeMap;
use std::fmt;

use crate::format::{Forgotten, ObjectId, SnapshotWriter};

/// A snapshot in its writer's sequence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbered<'s> {
    /// Its id.
    pub(crate) id: ObjectId,
    /// Hex hash of the whole object.
    pub(crate) hash: &'s str,
    /// Whose it is, and which.
    pub(crate) writer: &'s SnapshotWriter,
}

/// A place where a sequence is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Numbers that neither a snapshot nor a tombstone has.
    Missing {
        /// The writer.
        writer: String,
        /// The number after the gap.
        next: u64,
        /// The snapshot of that number; `None` if only its tombstone is there.
        snapshot: Option<ObjectId>,
        /// How many numbers are missing.
        count: u64,
    },
    /// A snapshot that was not written after the one that has the number before its own.
    Replaced {
        /// It.
        snapshot: ObjectId,
        /// What has the number before it.
        previous: ObjectId,
    },
    /// The newest numbers are missing, as this client remembers.
    Newest {
        /// The writer.
        writer: String,
        /// The newest number that was given.
        given: u64,
        /// The newest number that is there.
        found: u64,
    },
}

impl Gap {
    /// The snapshot at which it shows.
    pub(crate) fn snapshot(&self) -> Option<ObjectId> {
        match self {
            Self::Missing { snapshot, .. } => *snapshot,
            Self::Replaced { snapshot, .. } => Some(*snapshot),
            Self::Newest { .. } => None,
        }
    }
}

impl fmt::Display for Gap {
    /// As said of [`Gap::snapshot`], if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing {
                writer,
                next,
                snapshot,
                count,
            } => {
                let subject = match snapshot {
                    Some(_) => "it is",
                    None => "a forgotten snapshot is",
                };
                let missing = match count {
                    1 => "1 snapshot before it is missing".to_owned(),
                    count => format!("{count} snapshots before it are missing"),
                };
                write!(
                    f,
                    "{subject} number {next} of writer {writer}, and {missing}"
                )
            }
            Self::Replaced { previous, .. } => write!(
                f,
                "its writer's previous snapshot, {}, is not the one that it was written after",
                &previous.to_string()[..8]
            ),
            Self::Newest { given, found, .. } => write!(
                f,
                "this client's newest snapshot is number {given} of its own, but the newest readable one is number {found}"
            ),
        }
    }
}

/// What has a number.
#[derive(Clone, Copy)]
struct Link<'s> {
    id: ObjectId,
    hash: &'s str,
    /// The hash of the one before; `None` for a tombstone.
    previous: Option<&'s str>,
}

/// Where the sequences are broken.
///
/// `own` is what a client remembers of itself: its id as a writer, and the newest number that it gave.
///
/// A snapshot that nobody could read any more may have been forgotten: its tombstone knows neither writer nor
/// number. Each such tombstone may be what is missing in one place; they only help if they explain everything.
pub(crate) fn gaps(
    snapshots: &[Numbered<'_>],
    tombstones: &[Forgotten],
    own: Option<(&str, u64)>,
) -> Vec<Gap> {
    let mut writers: BTreeMap<&str, BTreeMap<u64, Vec<Link<'_>>>> = BTreeMap::new();
    let published = snapshots.iter().map(|snapshot| {
        let writer = snapshot.writer;
        let link = Link {
            id: snapshot.id,
            hash: snapshot.hash,
            previous: Some(&writer.previous),
        };
        (writer.id.as_str(), writer.sequence, link)
    });
    let forgotten = tombstones.iter().filter(|forgotten| is_known(forgotten));
    let forgotten = forgotten.map(|forgotten| {
        let link = Link {
            id: forgotten.snapshot,
            hash: &forgotten.hash,
            previous: None,
        };
        (forgotten.writer.as_str(), forgotten.sequence, link)
    });
    for (writer, number, link) in published.chain(forgotten) {
        let numbers = writers.entry(writer).or_default();
        numbers.entry(number).or_default().push(link);
    }

    let mut missing = Vec::new();
    let mut replaced = Vec::new();
    for (writer, numbers) in &writers {
        follow(writer, numbers, &mut missing, &mut replaced);
    }
    if let Some((writer, given)) = own {
        let numbers = writers.get(writer).and_then(BTreeMap::last_key_value);
        let found = numbers.map_or(0, |(number, _)| *number);
        if found < given {
            missing.push(Gap::Newest {
                writer: writer.to_owned(),
                given,
                found,
            });
        }
    }
    if missing_numbers(&missing) <= unknown(tombstones) {
        missing.clear();
    }
    missing.extend(replaced);
    missing
}

/// The newest number of a writer that a tombstone holds, and the hash that the next one names.
pub(crate) fn newest_forgotten<'t>(
    tombstones: &'t [Forgotten],
    writer: &str,
) -> Option<(u64, &'t str)> {
    tombstones
        .iter()
        .filter(|forgotten| is_known(forgotten) && forgotten.writer == writer)
        .map(|forgotten| (forgotten.sequence, forgotten.hash.as_str()))
        .max()
}

/// Whether the snapshot could be read when it was forgotten.
fn is_known(forgotten: &Forgotten) -> bool {
    !forgotten.writer.is_empty()
}

/// How many snapshots were forgotten that could not be read.
fn unknown(tombstones: &[Forgotten]) -> u64 {
    let mut ids: Vec<_> = tombstones
        .iter()
        .filter(|forgotten| !is_known(forgotten))
        .map(|forgotten| forgotten.snapshot)
        .collect();
    // Tombstones may be there twice.
    ids.sort_unstable();
    ids.dedup();
    ids.len() as u64
}

fn missing_numbers(gaps: &[Gap]) -> u64 {
    gaps.iter().fold(0, |sum: u64, gap| {
        sum.saturating_add(match gap {
            Gap::Missing { count, .. } => *count,
            Gap::Newest { given, found, .. } => given - found,
            Gap::Replaced { .. } => 0,
        })
    })
}

fn follow(
    writer: &str,
    numbers: &BTreeMap<u64, Vec<Link<'_>>>,
    missing: &mut Vec<Gap>,
    replaced: &mut Vec<Gap>,
) {
    let mut last: (u64, &[Link<'_>]) = (0, &[]);
    for (number, here) in numbers {
        let count = number.saturating_sub(last.0).saturating_sub(1);
        if count > 0 {
            missing.push(Gap::Missing {
                writer: writer.to_owned(),
                next: *number,
                snapshot: here
                    .iter()
                    .find(|link| link.previous.is_some())
                    .map(|link| link.id),
                count,
            });
        } else if let Some(before) = last.1.first() {
            // A writer whose cache was copied or restored may have given a number twice: one of the two must fit.
            let fits = |previous: &str| last.1.iter().any(|link| link.hash == previous);
            let strangers = here
                .iter()
                .filter(|link| link.previous.is_some_and(|previous| !fits(previous)));
            replaced.extend(strangers.map(|link| Gap::Replaced {
                snapshot: link.id,
                previous: before.id,
            }));
        }
        last = (*number, here);
    }
}

#[cfg(test)]
mod tests;
