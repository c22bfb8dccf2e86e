//! Leases, verdicts and tombstones: whether they open, and what is condemned.

use std::collections::{HashMap, HashSet};

use super::objects::reason;
use super::{CheckReport, Problem};
use crate::catalog::{Catalog, CatalogFrame};
use crate::error::{Error, Result};
use crate::format::{CondemnedRecord, Kind, LeaseRecord, ObjectId, Tombstone};
use crate::repository::Repository;

/// What verdicts say.
#[derive(Default)]
pub(super) struct Condemned {
    /// Will be deleted, but are there until then.
    packs: HashSet<ObjectId>,
    /// Frames that are damaged, or rest on nothing but such, by pack and place.
    damaged: HashMap<ObjectId, HashSet<u32>>,
}

impl Condemned {
    /// Whether the pack will be deleted.
    pub(super) fn has_pack(&self, pack: ObjectId) -> bool {
        self.packs.contains(&pack)
    }

    /// Whether the frame is known to be damaged.
    pub(super) fn knows_damage(&self, catalog: &Catalog, frame: &CatalogFrame) -> bool {
        let known = || {
            self.damaged
                .get(&catalog.packs[frame.pack as usize].name.id)
        };
        !self.damaged.is_empty() && known().is_some_and(|known| known.contains(&frame.ordinal))
    }

    /// Frames that are known to be damaged, by their positions in the catalog.
    pub(super) fn damaged<'c>(&'c self, catalog: &'c Catalog) -> impl Iterator<Item = usize> + 'c {
        let frames = if self.damaged.is_empty() {
            0..0
        } else {
            0..catalog.frames.len()
        };
        frames.filter(|at| self.knows_damage(catalog, &catalog.frames[*at]))
    }
}

/// Opens the records. Deleting rests on verdicts and tombstones: one that cannot be read is a problem. Of leases it
/// is only told.
pub(super) fn check(repository: &Repository, report: &mut CheckReport) -> Result<Condemned> {
    let leases = repository.records::<LeaseRecord>(Kind::Lease)?.1;
    let leases = leases.into_iter().map(problem);
    report.notes.extend(leases.map(|lease| lease.to_string()));
    let tombstones = repository.records::<Tombstone>(Kind::Tombstone)?.1;
    report.problems.extend(tombstones.into_iter().map(problem));
    let (verdicts, unreadable) = repository.records::<CondemnedRecord>(Kind::Condemned)?;
    report.problems.extend(unreadable.into_iter().map(problem));
    let mut condemned = Condemned::default();
    for (_, record) in verdicts {
        let CondemnedRecord::Verdict(verdict) = record else {
            continue;
        };
        condemned.packs.extend(verdict.packs);
        for frames in verdict.frames.into_iter().filter(|_| verdict.damage) {
            let known = condemned.damaged.entry(frames.pack).or_default();
            known.extend(frames.ordinals);
        }
    }
    Ok(condemned)
}

/// What is wrong with a record, under its name.
pub(super) fn problem(error: Error) -> Problem {
    match &error {
        Error::Corrupt { object, .. } | Error::Unsupported { object, .. } => {
            Problem::new(object, reason(&error, object))
        }
        other => Problem::new("a record", other.to_string()),
    }
}
