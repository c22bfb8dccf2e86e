//! Rounds: new packs, the verdict on the old ones, witnesses. After each everything is as if the run ended there.

use std::collections::HashMap;

use super::encode::Moved;
use super::marks::Marks;
use super::plan::Treatment;
use super::{CompactReport, Work};
use crate::error::{Error, Result};
use crate::format::{CondemnedFrames, ObjectId};
use crate::prune::{Fate, Plan, Reencoded, Remains, State, add_witnesses, condemn, with_fate};
use crate::repository::{HeldLease, Repository, Rewriter, Written};

/// What a run has come to.
pub(super) struct Rounds<'r> {
    repository: &'r Repository,
    state: &'r State,
    plan: &'r Plan,
    lease: &'r HeldLease,
    /// Frames that no later run looks at go to packs of their own, so that a mark on the pack tells.
    aged: Rewriter<'r>,
    others: Rewriter<'r>,
    /// By pack: it stays.
    stays: Vec<bool>,
    reencoded: HashMap<usize, Reencoded>,
    /// Packs that were written anew, and are not condemned yet.
    doomed: Vec<ObjectId>,
    marks: Marks,
    baseless: Vec<CondemnedFrames>,
}

impl<'r> Rounds<'r> {
    /// `dead`: packs that nobody needs; the first round condemns them.
    pub(super) fn new(
        repository: &'r Repository,
        state: &'r State,
        plan: &'r Plan,
        lease: &'r HeldLease,
        dead: Vec<ObjectId>,
    ) -> Self {
        Self {
            repository,
            state,
            plan,
            lease,
            aged: Rewriter::new(repository),
            others: Rewriter::new(repository),
            stays: plan.fates.iter().map(|fate| fate.stays()).collect(),
            reencoded: HashMap::new(),
            doomed: dead,
            marks: Marks::default(),
            baseless: Vec::new(),
        }
    }

    /// The pack stays as it is: trying again would come to the same.
    pub(super) fn leave(&mut self, pack: usize, work: Work) {
        let id = self.state.catalog.packs[pack].name.id;
        match work {
            Work::Recompress => self.marks.aged.insert(id),
            Work::Rebase => self.marks.rebased.insert(id),
            Work::Keys | Work::Join => false,
        };
    }

    /// The frames go to new packs, and the pack they come from is condemned at the end of the round. Returns the bytes of
    /// their payloads.
    pub(super) fn take(
        &mut self,
        pack: usize,
        moved: Vec<Moved>,
        was_aged: bool,
        report: &mut CompactReport,
    ) -> Result<u64> {
        let listed = self.state.catalog.packs[pack];
        let mut bytes = 0;
        for moved in moved {
            bytes += moved.frame.payload.len() as u64;
            let is_aged = moved.treatment == Treatment::Recompress || was_aged;
            let rewriter = if is_aged {
                &mut self.aged
            } else {
                &mut self.others
            };
            rewriter.push(listed.stream, &moved.frame)?;
            if let Some(how) = moved.reencoded {
                self.reencoded.insert(moved.at, how);
            }
        }
        self.stays[pack] = false;
        self.doomed.push(listed.name.id);
        report.condemned_packs += 1;
        report.condemned_bytes += listed.bytes;
        Ok(bytes)
    }

    /// Makes what was written durable, and condemns what it replaces.
    pub(super) fn end(&mut self, report: &mut CompactReport) -> Result<()> {
        let written = self.aged.finish()?;
        self.marks.aged.extend(&written.packs);
        count(report, &written);
        count(report, &self.others.finish()?);
        if self.lease.is_revoked()? {
            // Somebody took this run for dead, and may be pruning himself. New packs do no harm.
            return Err(Error::Overtaken);
        }
        let remains = Remains {
            catalog: &self.state.catalog,
            kept: &self.plan.kept,
            stays: self.stays.clone(),
            is_damaged: &|at| self.state.is_damaged(at),
            reencoded: &self.reencoded,
        };
        self.baseless = remains.baseless();
        let rescued = with_fate(&self.state.catalog, self.plan, Fate::Rescue).collect();
        let doomed = std::mem::take(&mut self.doomed);
        let is_work = !doomed.is_empty();
        condemn(self.repository, &rescued, doomed, &self.baseless)?;
        add_witnesses(self.repository, self.lease)?;
        report.rounds += u64::from(is_work);
        Ok(())
    }

    /// Stores what need not be looked at again; tells which frames of packs that stay rest on nothing.
    pub(super) fn finish(self) -> Result<Vec<CondemnedFrames>> {
        let packs = &self.state.catalog.packs;
        let is_there = |id| packs.iter().any(|pack| pack.name.id == id);
        self.marks.store(self.repository, is_there)?;
        Ok(self.baseless)
    }
}

fn count(report: &mut CompactReport, written: &Written) {
    report.written_packs += written.packs.len() as u64;
    report.written_bytes += written.bytes;
}
