//! Restoring what is damaged from parity and copies, and saying exactly what cannot be restored.
//!
//! A restored object is, byte for byte, what was written: it takes the place of the damaged one, and nothing is sealed
//! anew. What is lost is published, so that no backup counts it as held: the next one that meets the same data stores
//! them again.
//!
//! | file | duty |
//! |---|---|
//! | `known` | what is there, whatever a listing shows; parity of what is gone |
//! | `small` | config, key slots, snapshots: kept twice |
//! | `packs` | packs and their parity |
//! | `rest` | reading around bad sectors |
//! | `verdict` | publishing what is lost |

mod known;
mod packs;
mod rest;
mod small;
mod verdict;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use crate::check::{Problem, Progress, reason};
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectId, ObjectName};
use crate::limits::PARITY_PERCENT_MAX;
use crate::repository::{Repository, Unreadable};
use packs::Packs;

/// How to repair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairOptions {
    /// Bring the parity of all packs to this many percent; 0 removes it.
    pub parity: Option<u8>,
    /// Forget the snapshots that cannot be restored whole.
    pub forget_damaged: bool,
    /// Change nothing, only tell what would be done.
    pub dry_run: bool,
}

/// An object that was damaged or gone and is as it was again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Its name in storage.
    pub object: String,
    /// What was wrong with it.
    pub was: String,
}

/// What a repair found and did, or with `dry_run` would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// Config, key slots, snapshots and packs looked at.
    pub objects: u64,
    /// Bytes read from storage.
    pub bytes_read: u64,
    /// Objects that were damaged or gone.
    pub damaged: u64,
    /// Those that could be restored.
    pub repaired: Vec<Repaired>,
    /// What could not be restored, and what is lost with it. Empty: the repository is whole.
    pub lost: Vec<Problem>,
    /// Snapshots that cannot be restored whole.
    pub snapshots_lost: Vec<ObjectId>,
    /// How many of these were forgotten.
    pub forgotten: u64,
    /// Sidecars written or made anew.
    pub sidecars_written: u64,
    /// Sidecars removed.
    pub sidecars_removed: u64,
    /// Objects that are there and that storage did not list. While there are any, no snapshot is forgotten.
    pub unlisted: BTreeSet<String>,
    /// What was published so that the next backups store again what is lost; none if it was known before.
    pub verdict: Option<ObjectId>,
}

/// What was wrong with an object that is as it was again.
fn was(error: &Error, name: ObjectName) -> String {
    if matches!(error, Error::Missing { .. }) {
        return "was gone".to_owned();
    }
    let reason = reason(error, &name.to_string());
    match reason.strip_prefix("is ") {
        Some(rest) => format!("was {rest}"),
        None => reason,
    }
}

/// What became of one object.
#[derive(Debug, Default)]
struct Outcome {
    bytes_read: u64,
    /// Its size now, if it is a pack.
    bytes: u64,
    repaired: Option<String>,
    /// Why it could not be restored.
    unsaved: Option<String>,
    sidecar: Change,
}

/// What is done to a sidecar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Change {
    #[default]
    None,
    Written,
    Removed,
}

impl RepairReport {
    /// Counts in an object; whether it is lost.
    fn take(&mut self, name: ObjectName, outcome: Outcome) -> bool {
        self.objects += 1;
        self.bytes_read += outcome.bytes_read;
        self.count(outcome.sidecar);
        let lost = outcome.unsaved.is_some();
        self.damaged += u64::from(lost || outcome.repaired.is_some());
        if let Some(was) = outcome.repaired {
            let object = name.to_string();
            self.repaired.push(Repaired { object, was });
        }
        if let Some(why) = outcome.unsaved {
            self.lost.push(Problem::new(name, why));
        }
        lost
    }

    fn count(&mut self, change: Change) {
        self.sidecars_written += u64::from(change == Change::Written);
        self.sidecars_removed += u64::from(change == Change::Removed);
    }
}

/// One run.
struct Run<'r> {
    repository: &'r Repository,
    options: RepairOptions,
    /// Sizes of the sidecars that storage lists.
    sidecars: HashMap<ObjectId, u64>,
}

impl Run<'_> {
    /// Gives an object its bytes back.
    fn restore(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        if self.options.dry_run {
            return Ok(());
        }
        self.repository.storage().replace(name, bytes)
    }

    fn write_sidecar(&self, object: ObjectName, sidecar: &[u8]) -> Result<Change> {
        if !self.options.dry_run {
            let name = crate::parity::sidecar_name(object);
            self.repository.storage().replace(name, sidecar)?;
        }
        Ok(Change::Written)
    }

    fn remove_sidecar(&self, object: ObjectName) -> Result<Change> {
        if !self.options.dry_run {
            let name = crate::parity::sidecar_name(object);
            self.repository.delete_if_there(name)?;
        }
        Ok(Change::Removed)
    }
}

impl Repository {
    /// Looks at every byte of every object, restores what is damaged, and makes sidecars that are missing or damaged
    /// anew. An error means that the repair could not be made; what could not be restored is in the report.
    pub fn repair(
        self: &Arc<Self>,
        options: &RepairOptions,
        progress: Progress<'_>,
    ) -> Result<RepairReport> {
        self.config().check_writable()?;
        if options
            .parity
            .is_some_and(|percent| percent > PARITY_PERCENT_MAX)
        {
            let range = format!("parity is 0 to {PARITY_PERCENT_MAX} percent");
            return Err(Error::Invalid(range));
        }
        let _lease = if options.dry_run {
            None
        } else {
            Some(self.exclusive_lease("repair")?)
        };
        let sidecars = self.storage().list(Kind::Parity)?.into_iter();
        let run = Run {
            repository: self,
            options: *options,
            sidecars: sidecars.map(|one| (one.id, one.bytes)).collect(),
        };
        let mut report = RepairReport::default();
        let known = run.known(&mut report)?;
        // Packs are looked at last: what snapshots need is told by sound snapshots.
        run.small_objects(&known.small, &mut report)?;
        let packs = run.packs(&known.packs, progress, &mut report)?;
        run.tell_losses(&packs, &mut report)?;
        run.remove_orphans(&known.gone, &mut report)?;
        if options.forget_damaged && !options.dry_run && !report.snapshots_lost.is_empty() {
            run.forget_lost(&packs, &mut report)?;
        }
        Ok(report)
    }
}

impl Run<'_> {
    /// Names what is lost with the packs that could not be restored, and publishes it.
    fn tell_losses(&self, packs: &Packs, report: &mut RepairReport) -> Result<()> {
        let unsaved = &packs.unsaved;
        if self.options.dry_run && unsaved.is_empty() && !report.repaired.is_empty() {
            // What is damaged now would be whole: looking at it as it is would tell of losses that are none.
            return Ok(());
        }
        let lost = self.repository.trace_damage(&packs.all, unsaved)?;
        report.unlisted.extend(lost.unlisted);
        report.snapshots_lost = lost.snapshots;
        // A dry run has restored nothing: what it would restore is not lost.
        let told: HashSet<String> = report
            .lost
            .iter()
            .map(|problem| problem.object.clone())
            .chain(report.repaired.iter().map(|one| one.object.clone()))
            .collect();
        let is_known = |problem: &Problem| {
            let name = ObjectName::from_path(&problem.object);
            told.contains(&problem.object) && name.is_some_and(|name| !unsaved.contains(&name))
        };
        let problems = lost.problems.into_iter();
        report
            .lost
            .extend(problems.filter(|problem| !is_known(problem)));
        if !self.options.dry_run {
            report.verdict = self.publish(lost.frames)?;
        }
        Ok(())
    }
}

impl Run<'_> {
    /// Forgets the snapshots that are lost at a second look too: a read that failed once does not cost a snapshot, nor
    /// does a listing that came short.
    fn forget_lost(&self, packs: &Packs, report: &mut RepairReport) -> Result<()> {
        let again = self.repository.trace_damage(&packs.all, &packs.unsaved)?;
        report.unlisted.extend(again.unlisted);
        if report.unlisted.is_empty() {
            let mut lost = report.snapshots_lost.clone();
            lost.retain(|id| again.snapshots.contains(id));
            report.forgotten = self.repository.forget(&lost, Unreadable::Forget)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
