//! Sidecars: whether they are there and whole, and whether what is damaged can be restored from them.

use std::collections::{BTreeSet, HashSet};

use rayon::prelude::*;

use super::few::{Few, counted};
use super::{CheckReport, Problem, objects};
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectName, Tombstone};
use crate::parity::{Ends, Sidecar, sidecar_name};
use crate::repository::Repository;
use crate::storage::Listed;

/// Kinds that are kept twice.
const COPIED: [Kind; 3] = [Kind::Config, Kind::Key, Kind::Snapshot];

/// What a look at one sidecar gave.
struct Looked {
    name: ObjectName,
    /// What it is of, and what is wrong with it.
    found: Result<(ObjectName, Option<&'static str>)>,
    bytes_read: u64,
}

impl Repository {
    /// Looks at every sidecar: its parameters and its size; with `read_data` every byte of it. Then tells of each
    /// damaged object whether it can be restored.
    pub(super) fn check_parity(&self, read_data: bool, report: &mut CheckReport) -> Result<()> {
        // Sidecars are listed before what they are of: an object is put before its sidecar, and deleted after it.
        let sidecars = self.storage().list(Kind::Parity)?;
        let mut guarded = HashSet::new();
        for kind in [Kind::Config, Kind::Key, Kind::Snapshot, Kind::Pack] {
            let listed = self.storage().list(kind)?.into_iter();
            guarded.extend(listed.map(|listed| ObjectName::new(kind, listed.id)));
        }
        let looked: Vec<Looked> = sidecars
            .par_iter()
            .map(|listed| self.look_at_sidecar(*listed, read_data))
            .collect();
        let mut orphans = BTreeSet::new();
        for looked in looked {
            report.bytes_read += looked.bytes_read;
            match looked.found {
                // Deleted since it was listed.
                Err(Error::Missing { .. }) => {}
                Err(error @ Error::Unsupported { .. }) => {
                    let what = objects::reason(&error, &looked.name.to_string());
                    report.problems.push(Problem::new(looked.name, what));
                }
                Err(error) => {
                    let flaw = objects::reason(&error, &looked.name.to_string());
                    report.problems.push(flawed(looked.name, &flaw));
                }
                Ok((object, flaw)) => {
                    if !guarded.contains(&object) {
                        orphans.insert(object);
                    }
                    let flaw = flaw.map(|flaw| format!("is damaged: {flaw}"));
                    let problem = flaw.map(|flaw| flawed(looked.name, &flaw));
                    report.problems.extend(problem);
                }
            }
        }
        self.tell_orphans(&orphans, report)?;
        self.note_unguarded(&guarded, &sidecars, report);
        self.advise(report);
        Ok(())
    }

    fn look_at_sidecar(&self, listed: Listed, read_data: bool) -> Looked {
        let name = ObjectName::new(Kind::Parity, listed.id);
        let mut bytes_read = 0;
        let found = if read_data {
            self.storage().get(name).and_then(|bytes| {
                bytes_read = bytes.len() as u64;
                let sidecar = Sidecar::decode(name, &bytes)?;
                Ok((sidecar.object(), sidecar.flaw_anywhere()))
            })
        } else {
            Ends::read(name, listed.bytes, |offset, count| {
                bytes_read += count as u64;
                self.storage().get_range(name, offset, count)
            })
        };
        Looked {
            name,
            found,
            bytes_read,
        }
    }

    /// Sidecars go before their objects: one that is alone tells of loss.
    fn tell_orphans(&self, orphans: &BTreeSet<ObjectName>, report: &mut CheckReport) -> Result<()> {
        if orphans.is_empty() {
            return Ok(());
        }
        let (tombstones, _) = self.records::<Tombstone>(Kind::Tombstone)?;
        let forgotten: HashSet<_> = tombstones
            .into_iter()
            .flat_map(|(_, tombstone)| tombstone.snapshots)
            .map(|forgotten| ObjectName::new(Kind::Snapshot, forgotten.snapshot))
            .collect();
        let mut packs = Few::default();
        for object in orphans.difference(&forgotten.into_iter().collect()) {
            if COPIED.contains(&object.kind) {
                let already = report
                    .problems
                    .iter()
                    .position(|problem| problem.object == object.to_string());
                if already.is_none() {
                    let what = "is gone, but its copy is in parity/";
                    report.problems.push(Problem::new(object, what));
                }
            } else {
                packs.add(|| object.to_string());
            }
        }
        if packs.count() > 0 {
            report.notes.push(format!(
                "parity of {} that are not there any more: {packs}; `nightfold repair` removes it",
                counted(packs.count(), "pack")
            ));
        }
        Ok(())
    }

    /// Objects without redundancy, where there should be some.
    fn note_unguarded(
        &self,
        guarded: &HashSet<ObjectName>,
        sidecars: &[Listed],
        report: &mut CheckReport,
    ) {
        if self.config().parity == 0 {
            return;
        }
        let there: HashSet<_> = sidecars.iter().map(|listed| listed.id).collect();
        let mut missing: Vec<_> = guarded
            .iter()
            .filter(|object| !there.contains(&sidecar_name(**object).id))
            .collect();
        missing.sort();
        let (mut packs, mut copies) = (Few::default(), Few::default());
        for object in missing {
            if COPIED.contains(&object.kind) {
                copies.add(|| object.to_string());
            } else {
                packs.add(|| object.to_string());
            }
        }
        for (few, noun, what) in [(packs, "pack", "parity"), (copies, "object", "a copy")] {
            if few.count() > 0 {
                report.notes.push(format!(
                    "{} without {what}: {few}; `nightfold repair` makes it",
                    counted(few.count(), noun)
                ));
            }
        }
    }

    /// Says of every damaged object whether it can be restored from its sidecar.
    fn advise(&self, report: &mut CheckReport) {
        let mut advised = HashSet::new();
        for problem in &mut report.problems {
            let Some(name) = ObjectName::from_path(&problem.object) else {
                continue;
            };
            if !(COPIED.contains(&name.kind) || name.kind == Kind::Pack) || !advised.insert(name) {
                continue;
            }
            if let Some(advice) = self.advice(name) {
                problem.what.push_str("; ");
                problem.what.push_str(&advice);
            }
        }
    }

    /// `None`: there is no sidecar, or the object itself is as it was.
    fn advice(&self, name: ObjectName) -> Option<String> {
        let sidecar = self.sidecar(name).ok().flatten()?;
        let bytes = self.storage().get(name).unwrap_or_default();
        if sidecar.is_of(&bytes) {
            return None;
        }
        Some(match sidecar.repair(&bytes) {
            Ok(_) => "`nightfold repair` can restore it".to_owned(),
            Err(reason) => format!("parity cannot restore it: {reason}"),
        })
    }
}

fn flawed(sidecar: ObjectName, flaw: &str) -> Problem {
    Problem::new(sidecar, format!("{flaw}; `nightfold repair` makes it anew"))
}
