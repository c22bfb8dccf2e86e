//! Proofs in the repository: read, merged, replaced.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;

use super::CheckReport;
use super::proof::{DrillOutcome, Findings, Proofs};
use super::records::problem;
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectId, ObjectName, Proof};
use crate::repository::Repository;

/// What was known when a check began.
#[derive(Default)]
pub(super) struct Known {
    pub(super) proofs: Proofs,
    records: HashSet<ObjectId>,
}

impl Known {
    /// Proofs that cannot be read are no damage: what they told is read anew.
    pub(super) fn read(repository: &Repository, report: &mut CheckReport) -> Self {
        match repository.records::<Proof>(Kind::Proof) {
            Ok((records, unreadable)) => {
                let unreadable = unreadable.iter().map(problem);
                report
                    .notes
                    .extend(unreadable.map(|proof| proof.to_string()));
                Self {
                    proofs: merged(&records),
                    records: records.iter().map(|(id, _)| *id).collect(),
                }
            }
            Err(error) => {
                let note = format!("when packs were last read is not known: {error}");
                report.notes.push(note);
                Self::default()
            }
        }
    }

    /// Publishes what was found. Where the repository cannot be written the check is worth no less: a note tells.
    pub(super) fn keep(
        &self,
        repository: &Repository,
        findings: &Findings,
        report: &mut CheckReport,
    ) {
        // Since when snapshots are proven was found out anew if anything was read.
        let outdated = |id: &ObjectId| !findings.sound.is_empty() && self.records.contains(id);
        let kept = replace(repository, outdated, |proofs| proofs.add(findings));
        match kept {
            Ok(None) => {}
            Ok(Some(error)) => report
                .notes
                .push(format!("older proofs were not removed: {error}")),
            Err(error) => report
                .notes
                .push(format!("the result of this check was not kept: {error}")),
        }
    }
}

impl Repository {
    /// What all proofs say together; a notice tells of those that cannot be read.
    pub(crate) fn proofs(&self) -> Result<Proofs> {
        let (records, unreadable) = self.records::<Proof>(Kind::Proof)?;
        for error in unreadable {
            self.notice(&format!("{error}; it is left out"));
        }
        Ok(merged(&records))
    }

    /// Snapshots, and since when all that they need is proven: the time at which the pack of it that was read
    /// longest ago was read and found sound. Others need a pack that no check has read yet.
    pub fn proven_snapshots(&self) -> Result<BTreeMap<ObjectId, Timestamp>> {
        Ok(self.proofs()?.into_snapshots())
    }

    /// Snapshots of databases with which a drill was made, and how the last one of each ended.
    pub fn drills(&self) -> Result<BTreeMap<ObjectId, DrillOutcome>> {
        Ok(self.proofs()?.into_drills())
    }

    /// Puts down how a drill with a snapshot ended, now.
    pub fn record_drill(&self, snapshot: ObjectId, passed: bool) -> Result<()> {
        let time = Timestamp::now();
        let not_removed = replace(
            self,
            |_| false,
            |proofs| proofs.drilled(snapshot, time, passed),
        )?;
        if let Some(error) = not_removed {
            self.notice(&format!("an older proof is left: {error}"));
        }
        Ok(())
    }

    /// To be called by whoever moves frames from packs that were read to new ones: no snapshot counts as proven
    /// until a check has read data again.
    pub fn unprove_snapshots(&self) -> Result<()> {
        if self.storage().list(Kind::Proof)?.is_empty() {
            return Ok(());
        }
        replace(self, |_| true, |_| ()).map(drop)
    }
}

/// Publishes all proofs as one, changed, and then removes the older ones; returns why that could not be done. What
/// `outdated` ones say of snapshots is left out.
fn replace(
    repository: &Repository,
    outdated: impl Fn(&ObjectId) -> bool,
    change: impl FnOnce(&mut Proofs),
) -> Result<Option<Error>> {
    repository.config().check_writable()?;
    let (mut records, _) = repository.records::<Proof>(Kind::Proof)?;
    for (id, record) in &mut records {
        if outdated(id) {
            record.snapshots.clear();
        }
    }
    let mut proofs = merged(&records);
    change(&mut proofs);
    // Listed after the proofs were read: packs that they tell of are there, or were deleted.
    let packs = repository.storage().list(Kind::Pack)?;
    let packs: HashSet<ObjectId> = packs.iter().map(|listed| listed.id).collect();
    proofs.keep_packs(|pack| packs.contains(&pack));
    let snapshots = repository.storage().list(Kind::Snapshot)?;
    let snapshots: HashSet<ObjectId> = snapshots.iter().map(|listed| listed.id).collect();
    proofs.keep_drills(|snapshot| snapshots.contains(&snapshot));
    for record in proofs.to_records() {
        repository.put_record(Kind::Proof, &record)?;
    }
    let mut old = records
        .iter()
        .map(|(id, _)| ObjectName::new(Kind::Proof, *id));
    let removed = old.try_for_each(|name| repository.delete_if_there(name));
    Ok(removed.err())
}

fn merged(records: &[(ObjectId, Proof)]) -> Proofs {
    let records: Vec<&Proof> = records.iter().map(|(_, record)| record).collect();
    Proofs::merge(&records)
}
