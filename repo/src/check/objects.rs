//! Objects by themselves: config, key slots, snapshots, and what is no object at all.

use std::collections::{BTreeMap, BTreeSet};

use super::few::{Few, counted};
use super::{CheckReport, Problem};
use crate::error::{Error, Result};
use crate::format::{Config, KeySlot, Kind, ObjectName};
use crate::repository::{History, Repository, StoredSnapshot};
use crate::sequence::Gap;

/// What an error says, without repeating the object that it is reported under.
pub(crate) fn reason(error: &Error, object: &str) -> String {
    match error {
        Error::Corrupt {
            object: named,
            reason,
        } if named == object => format!("is damaged: {reason}"),
        Error::Missing { object: named } if named == object => {
            "is listed, but cannot be found".to_owned()
        }
        Error::Unsupported {
            object: named,
            needs,
        } if named == object => format!("needs {needs}, which this version does not know"),
        other => other.to_string(),
    }
}

impl Repository {
    pub(super) fn check_config_and_keys(&self, report: &mut CheckReport) -> Result<()> {
        let mut check = |name: ObjectName, decode: &dyn Fn(&[u8]) -> Result<()>| {
            let checked = self.storage().get(name).and_then(|bytes| {
                report.bytes_read += bytes.len() as u64;
                decode(&bytes)
            });
            if let Err(error) = checked {
                let problem = Problem::new(name, reason(&error, &name.to_string()));
                report.problems.push(problem);
            }
        };
        check(ObjectName::CONFIG, &|bytes| {
            if Config::decode(bytes)?.0 == *self.config() {
                Ok(())
            } else {
                Err(Error::corrupt(
                    ObjectName::CONFIG,
                    "it is not the one that was opened",
                ))
            }
        });
        for listed in self.storage().list(Kind::Key)? {
            let name = ObjectName::new(Kind::Key, listed.id);
            check(name, &|bytes| KeySlot::decode(name, bytes).map(drop));
        }
        Ok(())
    }

    /// Opens every snapshot and tombstone and follows every writer. Returns the readable snapshots, oldest first.
    pub(super) fn check_snapshots(&self, report: &mut CheckReport) -> Result<Vec<StoredSnapshot>> {
        let history = self.history()?;
        let unread = history.errors.len() as u64;
        report.snapshots = history.snapshots.len() as u64 + unread;
        report.bytes_read += history
            .snapshots
            .iter()
            .map(|sealed| sealed.bytes)
            .sum::<u64>();
        let errors = history.errors.iter().chain(&history.copied);
        for (name, error) in errors.chain(&history.tombstones.errors) {
            let problem = Problem::new(name, reason(error, &name.to_string()));
            report.problems.push(problem);
        }
        for gap in history.gaps() {
            report.problems.push(problem_of(&gap, unread));
        }
        note_half_forgotten(&history, report);
        note_copied_caches(&history, report);
        let snapshots = history.snapshots.into_iter();
        Ok(snapshots.map(|sealed| sealed.stored).collect())
    }

    /// Tells of things in the folders that are no objects, and of kinds that this version does not write.
    pub(super) fn note_strangers(&self, report: &mut CheckReport) -> Result<()> {
        for kind in Kind::ALL {
            let (mut temporary, mut strange) = (Few::default(), Few::default());
            for name in self.storage().strays(kind)? {
                let file = name.rsplit('/').next().unwrap_or_default();
                if file.starts_with(".tmp-") {
                    temporary.add(|| name);
                } else {
                    strange.add(|| name);
                }
            }
            if temporary.count() > 0 {
                report.notes.push(format!(
                    "{}, left by an interrupted run or in use by a running one: {temporary}",
                    counted(temporary.count(), "temporary file")
                ));
            }
            if strange.count() > 0 {
                report
                    .notes
                    .push(format!("not part of a repository: {strange}"));
            }
            if kind == Kind::Segment {
                let objects = self.storage().list(kind)?.len() as u64;
                if objects > 0 {
                    report.notes.push(format!(
                        "{} in {}/, which this version does not look at",
                        counted(objects, "object"),
                        kind.folder()
                    ));
                }
            }
        }
        Ok(())
    }
}

fn problem_of(gap: &Gap, unread: u64) -> Problem {
    let suspicion = match (gap, unread) {
        (Gap::Replaced { .. }, _) => String::new(),
        (_, 0) => ": was the store rolled back, or does it list less than it holds?".to_owned(),
        _ => format!(
            ": it may be among the {} that cannot be read",
            counted(unread, "snapshot")
        ),
    };
    let what = format!("{gap}{suspicion}");
    match gap.snapshot() {
        Some(id) => Problem::new(ObjectName::new(Kind::Snapshot, id), what),
        None => Problem::new(Kind::Snapshot.folder(), what),
    }
}

fn note_half_forgotten(history: &History, report: &mut CheckReport) {
    let forgotten = history.tombstones.snapshots();
    let mut left = Few::default();
    for sealed in &history.snapshots {
        if forgotten.contains(&sealed.stored.id) {
            left.add(|| sealed.stored.short_id());
        }
    }
    if left.count() > 0 {
        report.notes.push(format!(
            "{} forgotten but not deleted yet, which the next forget or prune does: {left}",
            counted(left.count(), "snapshot")
        ));
    }
}

fn note_copied_caches(history: &History, report: &mut CheckReport) {
    let mut numbers: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    let replaced = history.snapshots.iter();
    let replaced: BTreeSet<_> = replaced.filter_map(|s| s.stored.replaces()).collect();
    let snapshots = history.snapshots.iter();
    for sealed in snapshots.filter(|sealed| !replaced.contains(&sealed.stored.id)) {
        let writer = &sealed.stored.snapshot.writer;
        *numbers.entry((&writer.id, writer.sequence)).or_default() += 1;
    }
    for ((writer, number), count) in numbers.into_iter().filter(|(_, count)| *count > 1) {
        report.notes.push(format!(
            "{} carry the number {number} of writer {writer}: was a client's cache folder copied?",
            counted(count, "snapshot")
        ));
    }
}
