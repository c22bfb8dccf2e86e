//! Copying snapshots into another repository.
//!
//! Repositories that are alike, made with [`Repository::init_like`], have the same ids for the same chunks: there
//! frames are only sealed anew. Between others data are decoded, cut and encoded anew, which is no business of this
//! module; which snapshots are to be copied, and what a copy says of itself, is the same for both.

mod originals;
mod plan;
#[cfg(test)]
mod tests;
mod transfer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use originals::{as_copy, missing, original};

use crate::error::{Error, Result};
use crate::repository::{HeldLease, Needs, Repository, RunTotals, StoredSnapshot};
use transfer::{Stop, Transfer};

/// What came of a snapshot that was to be copied.
#[derive(Debug)]
pub enum Outcome {
    /// It is there; `None` for a dry run.
    Copied(Option<Box<StoredSnapshot>>),
    /// Something that it needs cannot be read in the source. Others may be whole.
    Damaged(Error),
}

/// Copies snapshots between repositories that are alike, one after the other. What one of them needed is not looked
/// for again, under one lease that lasts as long as this.
pub struct Copier<'r> {
    transfer: Transfer<'r>,
    needs: Needs<'r>,
    /// `None` for a dry run.
    lease: Option<HeldLease>,
}

impl<'r> Copier<'r> {
    /// Starts copying. A dry run stores nothing.
    pub fn start(
        source: &'r Arc<Repository>,
        destination: &'r Arc<Repository>,
        dry_run: bool,
    ) -> Result<Self> {
        if !source.is_like(destination) {
            let reason = "frames can only be copied between repositories that are alike";
            return Err(Error::Invalid(reason.to_owned()));
        }
        source.index_of_now()?;
        let lease = if dry_run {
            destination.index()?;
            None
        } else {
            Some(begin(destination)?)
        };
        Ok(Self {
            transfer: Transfer::new(source, destination, dry_run),
            needs: Needs::new(source),
            lease,
        })
    }

    /// What was copied so far, or would have been.
    pub fn totals(&self) -> &RunTotals {
        self.transfer.totals()
    }

    /// Copies a snapshot: its chunks and their bases first, then itself. `follow` is called now and then. If it is
    /// interrupted, what has arrived is not sent again by a later run.
    pub fn copy(
        &mut self,
        stored: &StoredSnapshot,
        follow: &dyn Fn(&RunTotals),
        cancel: &AtomicBool,
    ) -> Result<Outcome> {
        self.renew()?;
        match self.send(stored, follow, cancel) {
            Ok(()) => {}
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Damaged(error)) => {
                // What was followed so far was not all sent.
                self.needs = Needs::new(self.transfer.source());
                return Ok(Outcome::Damaged(error));
            }
        }
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let Some(lease) = &self.lease else {
            return Ok(Outcome::Copied(None));
        };
        let destination = self.transfer.destination();
        let published = destination.publish_under(lease, as_copy(stored, None))?;
        Ok(Outcome::Copied(Some(Box::new(published))))
    }

    fn send(
        &mut self,
        stored: &StoredSnapshot,
        follow: &dyn Fn(&RunTotals),
        cancel: &AtomicBool,
    ) -> std::result::Result<(), Stop> {
        let mut stopped = Ok(());
        let transfer = &mut self.transfer;
        let mut need = |id| {
            if stopped.is_ok() {
                stopped = transfer.want(id, follow, cancel);
            }
        };
        let followed = self.needs.snapshot(stored, &mut need);
        let sent = stopped
            .and_then(|()| followed.map_err(Stop::of_source))
            .and_then(|()| transfer.send(follow, cancel));
        if sent.is_err() {
            transfer.forget_wanted();
        }
        sent
    }

    /// Whoever took the lease back may delete what earlier snapshots of this run brought, once they are forgotten.
    fn renew(&mut self) -> Result<()> {
        let destination = self.transfer.destination();
        let Some(lease) = &self.lease else {
            return Ok(());
        };
        if lease.is_revoked()? {
            self.lease = Some(begin(destination)?);
            self.needs = Needs::new(self.transfer.source());
        }
        Ok(())
    }
}

/// In this order: nothing is counted as held that a run which does not know of us may delete.
fn begin(destination: &Arc<Repository>) -> Result<HeldLease> {
    let lease = destination.lease("copy")?;
    destination.heed_verdicts()?;
    Ok(lease)
}
