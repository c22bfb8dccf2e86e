//! Leases and verdicts: whether they open, and what is condemned. Snapshots and tombstones are looked at together.

use super::objects::reason;
use super::{CheckReport, Problem};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::format::{Kind, LeaseRecord, ObjectId};
use crate::repository::{Condemned, Repository};

/// What verdicts say.
#[derive(Default)]
pub(super) struct Judged {
    leaving: Condemned,
    damaged: Condemned,
}

impl Judged {
    /// Whether the pack will be deleted, though it is there until then.
    pub(super) fn leaves(&self, pack: ObjectId) -> bool {
        self.leaving.covers_pack(pack)
    }

    /// Whether the frame at this position is known to be damaged, or to rest on nothing but such.
    pub(super) fn knows_damage(&self, catalog: &Catalog, at: usize) -> bool {
        let frame = &catalog.frames[at];
        let pack = || catalog.packs[frame.pack as usize].name.id;
        !self.damaged.is_empty() && self.damaged.covers(pack(), frame.ordinal)
    }

    /// All such frames.
    pub(super) fn damaged<'j>(&'j self, catalog: &'j Catalog) -> impl Iterator<Item = usize> + 'j {
        let count = if self.damaged.is_empty() {
            0
        } else {
            catalog.frames.len()
        };
        (0..count).filter(|at| self.knows_damage(catalog, *at))
    }
}

/// Opens the records. Deleting rests on verdicts: one that cannot be read is a problem. Of leases it is only told.
pub(super) fn check(repository: &Repository, report: &mut CheckReport) -> Result<Judged> {
    let leases = repository.records::<LeaseRecord>(Kind::Lease)?.1;
    let leases = leases.iter().map(problem);
    report.notes.extend(leases.map(|lease| lease.to_string()));
    let verdicts = repository.verdicts()?;
    report.problems.extend(verdicts.errors.iter().map(problem));
    let published = || verdicts.published.iter().map(|(_, verdict)| verdict);
    Ok(Judged {
        leaving: Condemned::of(published().filter(|verdict| !verdict.damage)),
        damaged: Condemned::of(published().filter(|verdict| verdict.damage)),
    })
}

/// What is wrong with a record, under its name.
pub(super) fn problem(error: &Error) -> Problem {
    match error {
        Error::Corrupt { object, .. } | Error::Unsupported { object, .. } => {
            Problem::new(object, reason(error, object))
        }
        other => Problem::new("a record", other.to_string()),
    }
}
