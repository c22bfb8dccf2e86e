//! Snapshots from one repository into another: as frames where both are alike, else read and stored anew.

mod anew;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nightfold_repo::copy::{Copier, Outcome, missing, original};
use nightfold_repo::format::ObjectId;
use nightfold_repo::repository::{RunTotals, StoredSnapshot};
use nightfold_repo::{Error as RepositoryError, Repository};

use crate::error::{Error, Result};
use crate::progress::Progress;
use anew::{Before, copy_anew};

/// What is to be copied.
pub struct CopyRequest<'a> {
    /// All snapshots of the source, oldest first.
    pub snapshots: &'a [StoredSnapshot],
    /// Those of them that are wanted.
    pub wanted: HashSet<ObjectId>,
    /// Store nothing.
    pub dry_run: bool,
}

/// A snapshot that was copied, or would have been.
#[derive(Clone, Debug)]
pub struct Copied {
    /// In the source.
    pub from: StoredSnapshot,
    /// In the destination; `None` for a dry run.
    pub to: Option<StoredSnapshot>,
    /// Chunks that the destination did not have.
    pub chunks: u64,
    /// Bytes of the packs that they take.
    pub stored_bytes: u64,
}

/// A snapshot that could not be copied, since something of it cannot be read.
#[derive(Debug)]
pub struct NotCopied {
    /// In the source.
    pub from: StoredSnapshot,
    /// What is wrong.
    pub error: Error,
}

/// What a copy came to.
#[derive(Debug, Default)]
pub struct CopyReport {
    /// The repositories are alike: frames were only sealed anew.
    pub alike: bool,
    /// What is new in the destination.
    pub copied: Vec<Copied>,
    /// What the destination had already.
    pub present: u64,
    /// What is damaged in the source.
    pub damaged: Vec<NotCopied>,
    /// Why it ended before all was done. What was copied until then is there, and a later run goes on.
    pub stopped: Option<Error>,
}

/// Copies the snapshots that the destination does not have, oldest first. An error: nothing was copied.
pub fn copy(
    source: &Arc<Repository>,
    destination: &Arc<Repository>,
    request: &CopyRequest<'_>,
    progress: &Progress,
    cancel: &AtomicBool,
) -> Result<CopyReport> {
    if source.is_same(destination) {
        let reason = format!(
            "{} and {} are the same repository, or one is a copy of the other's folder: there is nothing to copy",
            source.location(),
            destination.location()
        );
        return Err(RepositoryError::Invalid(reason).into());
    }
    let there = destination.snapshots()?;
    let is_wanted = |stored: &&StoredSnapshot| request.wanted.contains(&stored.id);
    let wanted: Vec<_> = request.snapshots.iter().filter(is_wanted).collect();
    let lacking = missing(wanted.iter().copied(), &there);
    let bytes = lacking.iter().map(|stored| stored.snapshot.stats.size);
    let mut report = CopyReport {
        alike: source.is_like(destination),
        present: (wanted.len() - lacking.len()) as u64,
        ..CopyReport::default()
    };
    if lacking.is_empty() {
        return Ok(report);
    }
    let stopped = if report.alike {
        let mut copier = Copier::start(source, destination, request.dry_run)?;
        let mut one = |stored: &StoredSnapshot| send(&mut copier, stored, progress, cancel);
        each(&lacking, &mut report, &mut one)
    } else if request.dry_run {
        each(&lacking, &mut report, &mut |_| Ok((None, 0, 0)))
    } else {
        progress.bytes_total.store(bytes.sum(), Ordering::Relaxed);
        let mut copies: HashMap<String, StoredSnapshot> = there
            .into_iter()
            .map(|stored| (original(&stored), stored))
            .collect();
        let mut one = |stored: &StoredSnapshot| {
            let before = Before::of(stored, request.snapshots, &copies);
            let (copy, chunks, bytes) =
                copy_anew(source, destination, stored, &before, progress, cancel)?;
            copies.insert(original(&copy), copy.clone());
            Ok((Some(copy), chunks, bytes))
        };
        each(&lacking, &mut report, &mut one)
    };
    report.stopped = stopped.err();
    Ok(report)
}

/// The copy, new chunks, bytes of new packs.
type Made = (Option<StoredSnapshot>, u64, u64);

fn each(
    snapshots: &[&StoredSnapshot],
    report: &mut CopyReport,
    copy: &mut dyn FnMut(&StoredSnapshot) -> Result<Made>,
) -> Result<()> {
    for stored in snapshots {
        let from = (*stored).clone();
        match copy(stored) {
            Ok((to, chunks, stored_bytes)) => report.copied.push(Copied {
                from,
                to,
                chunks,
                stored_bytes,
            }),
            Err(error @ Error::Unreadable { .. }) => report.damaged.push(NotCopied { from, error }),
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

fn send(
    copier: &mut Copier<'_>,
    stored: &StoredSnapshot,
    progress: &Progress,
    cancel: &AtomicBool,
) -> Result<Made> {
    let numbers = |totals: &RunTotals| {
        let get = |number: &std::sync::atomic::AtomicU64| number.load(Ordering::Relaxed);
        (
            get(&totals.whole) + get(&totals.delta),
            get(&totals.stored_bytes),
        )
    };
    let follow = |totals: &RunTotals| {
        progress.copy_totals(totals);
        let done = totals.new_bytes.load(Ordering::Relaxed);
        progress.bytes_done.store(done, Ordering::Relaxed);
    };
    let before = numbers(copier.totals());
    match copier.copy(stored, &follow, cancel)? {
        Outcome::Copied(to) => {
            let after = numbers(copier.totals());
            Ok((to.map(|to| *to), after.0 - before.0, after.1 - before.1))
        }
        Outcome::Damaged(source) => Err(Error::Unreadable {
            what: format!("snapshot {}", stored.short_id()),
            source,
        }),
    }
}
