//! Objects by themselves: config, key slots, snapshots, and what is no object at all.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::few::{Few, counted};
use super::{CheckReport, Problem};
use crate::error::{Error, Result};
use crate::format::{Config, KeySlot, Kind, ObjectName};
use crate::repository::{Repository, StoredSnapshot};

/// A snapshot, and the hash by which its writer's next one refers to it.
struct Sealed {
    stored: StoredSnapshot,
    hash: String,
    bytes: u64,
}

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

    /// Opens every snapshot and follows every writer. Returns the readable ones, oldest first.
    pub(super) fn check_snapshots(&self, report: &mut CheckReport) -> Result<Vec<StoredSnapshot>> {
        let listed = self.storage().list(Kind::Snapshot)?;
        report.snapshots = listed.len() as u64;
        let read: Vec<_> = listed
            .par_iter()
            .map(|listed| {
                let name = ObjectName::new(Kind::Snapshot, listed.id);
                let sealed = self.read_or_copy(name, |bytes| {
                    Ok(Sealed {
                        hash: blake3::hash(&bytes).to_string(),
                        bytes: bytes.len() as u64,
                        stored: self.open_snapshot(listed.id, bytes)?,
                    })
                });
                (name, sealed)
            })
            .collect();
        let mut readable = Vec::new();
        for (name, sealed) in read {
            // What a damaged snapshot needs is known from its copy.
            let error = match sealed {
                Ok((sealed, damage)) => {
                    readable.push(sealed);
                    damage
                }
                Err(error) => Some(error),
            };
            if let Some(error) = error {
                let problem = Problem::new(name, reason(&error, &name.to_string()));
                report.problems.push(problem);
            }
        }
        report.bytes_read += readable.iter().map(|sealed| sealed.bytes).sum::<u64>();
        self.check_writers(&readable, report);
        let mut snapshots: Vec<_> = readable.into_iter().map(|sealed| sealed.stored).collect();
        snapshots.sort_by_key(|stored| (stored.snapshot.timestamp(), stored.id));
        Ok(snapshots)
    }

    /// Every writer counts its snapshots from 1 and names its previous one: what is missing in between was lost,
    /// or the store was rolled back, or it lists less than it holds.
    fn check_writers(&self, readable: &[Sealed], report: &mut CheckReport) {
        let unread = report.snapshots - readable.len() as u64;
        let mut writers: BTreeMap<&str, BTreeMap<u64, Vec<&Sealed>>> = BTreeMap::new();
        for sealed in readable {
            let writer = &sealed.stored.snapshot.writer;
            let numbers = writers.entry(&writer.id).or_default();
            numbers.entry(writer.sequence).or_default().push(sealed);
        }
        let remembered = self.remembered_writer();
        for (id, numbers) in &writers {
            check_sequence(id, numbers, unread, report);
        }
        let Some(own) = remembered else { return };
        let newest = writers
            .get(own.id.as_str())
            .and_then(|numbers| numbers.last_key_value())
            .map_or(0, |(number, _)| *number);
        if newest < own.sequence {
            report.problems.push(Problem::new(
                Kind::Snapshot.folder(),
                format!(
                    "this client's newest snapshot is number {} of its own, but the newest readable one is number {newest}: {}",
                    own.sequence,
                    suspicion(unread)
                ),
            ));
        }
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
            if kind as u8 > Kind::Parity as u8 {
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

fn suspicion(unread: u64) -> String {
    if unread == 0 {
        "was the store rolled back, or does it list less than it holds?".to_owned()
    } else {
        format!(
            "it may be among the {} that cannot be read",
            counted(unread, "snapshot")
        )
    }
}

fn check_sequence(
    writer: &str,
    numbers: &BTreeMap<u64, Vec<&Sealed>>,
    unread: u64,
    report: &mut CheckReport,
) {
    let mut before: Option<(u64, &[&Sealed])> = None;
    for (number, here) in numbers {
        let last = before.map_or(0, |(number, _)| number);
        let name = ObjectName::new(Kind::Snapshot, here[0].stored.id);
        if *number > last + 1 {
            let lost = number - last - 1;
            report.problems.push(Problem::new(
                name,
                format!(
                    "it is number {number} of writer {writer}, and {} before it {} missing: {}",
                    counted(lost, "snapshot"),
                    if lost == 1 { "is" } else { "are" },
                    suspicion(unread)
                ),
            ));
        } else if let Some((_, previous)) = before {
            check_previous(previous, here, report);
        }
        if here.len() > 1 {
            report.notes.push(format!(
                "{} carry the number {number} of writer {writer}: was a client's cache folder copied?",
                counted(here.len() as u64, "snapshot")
            ));
        }
        before = Some((*number, here));
    }
}

/// A writer whose cache was copied or restored may have two snapshots of one number: one of them must fit.
fn check_previous(previous: &[&Sealed], here: &[&Sealed], report: &mut CheckReport) {
    for sealed in here {
        let named = &sealed.stored.snapshot.writer.previous;
        if !previous.iter().any(|previous| previous.hash == *named) {
            report.problems.push(Problem::new(
                ObjectName::new(Kind::Snapshot, sealed.stored.id),
                format!(
                    "its writer's previous snapshot, {}, is not the one that it was written after",
                    previous[0].stored.short_id()
                ),
            ));
        }
    }
}
