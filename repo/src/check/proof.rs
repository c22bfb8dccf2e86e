//! When packs were last read, and since when snapshots are proven: all proofs as one. Pure.
//!
//! Proofs are merged by taking of each pack the latest look at it, so their order, and how often one is merged, make
//! no difference: two checks at once lose nothing, and a crash between writing the merged proof and deleting the
//! older ones does no harm.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::format::{Drill, ObjectId, Proof, Proven};

/// Packs told of in one record: it must stay far below what a document may have.
const RECORD_PACKS_MAX: usize = 200_000;

/// The last look at a pack. Of two the later counts; of two at the same time the one that found damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Look {
    pub(super) time: Timestamp,
    pub(super) damaged: bool,
}

/// How the last drill of a snapshot ended. Of two at the same time the one that failed counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DrillOutcome {
    /// When.
    pub time: Timestamp,
    failed: bool,
}

impl DrillOutcome {
    /// Whether all of it was as it should be.
    pub fn passed(&self) -> bool {
        !self.failed
    }
}

/// What all proofs together say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proofs {
    looks: BTreeMap<ObjectId, Look>,
    snapshots: BTreeMap<ObjectId, Timestamp>,
    drills: BTreeMap<ObjectId, DrillOutcome>,
    /// What compact has put down.
    aged: BTreeSet<ObjectId>,
    rebased: BTreeSet<ObjectId>,
}

/// What one check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// When it began.
    pub(super) time: Timestamp,
    /// Packs of which every frame was opened, decoded and named anew.
    pub(super) sound: Vec<ObjectId>,
    /// Packs in which damage was found.
    pub(super) damaged: Vec<ObjectId>,
    /// Some of it came to light when it was already reckoned since when snapshots are proven: then none is told of.
    pub(super) late_damage: bool,
    /// Snapshots, and since when all that they need is proven.
    pub(super) snapshots: BTreeMap<ObjectId, Timestamp>,
}

impl Proofs {
    /// Takes of each object what is latest. Times that cannot be read are passed over.
    pub(super) fn merge(records: &[&Proof]) -> Self {
        let mut looks: BTreeMap<ObjectId, Look> = BTreeMap::new();
        for record in records {
            let sound = times(&record.packs).map(|(id, time)| (id, time, false));
            let damaged = times(&record.damaged).map(|(id, time)| (id, time, true));
            for (id, time, damaged) in sound.chain(damaged) {
                let look = Look { time, damaged };
                let known = looks.entry(id).or_insert(look);
                *known = look.max(*known);
            }
        }
        let damaged: BTreeSet<ObjectId> = looks
            .iter()
            .filter(|(_, look)| look.damaged)
            .map(|(id, _)| *id)
            .collect();
        let mut snapshots: BTreeMap<ObjectId, Timestamp> = BTreeMap::new();
        for record in records {
            let known: BTreeSet<ObjectId> = record.damaged.iter().map(|pack| pack.id).collect();
            // Who did not know of damage may have called a snapshot proven that needs just this pack.
            if !damaged.is_subset(&known) {
                continue;
            }
            for (id, time) in times(&record.snapshots) {
                let newest = snapshots.entry(id).or_insert(time);
                *newest = time.max(*newest);
            }
        }
        let mut drills: BTreeMap<ObjectId, DrillOutcome> = BTreeMap::new();
        for drill in records.iter().flat_map(|record| &record.drills) {
            if let Ok(time) = drill.time.parse() {
                let failed = !drill.passed;
                let outcome = DrillOutcome { time, failed };
                let newest = drills.entry(drill.snapshot).or_insert(outcome);
                *newest = outcome.max(*newest);
            }
        }
        let all = |marks: fn(&Proof) -> &[ObjectId]| {
            let marked = records.iter().flat_map(|record| marks(record));
            marked.copied().collect()
        };
        Self {
            looks,
            snapshots,
            drills,
            aged: all(|record| &record.aged),
            rebased: all(|record| &record.rebased),
        }
    }

    /// When a pack was last read whole and found sound.
    pub(crate) fn of_pack(&self, pack: ObjectId) -> Option<Timestamp> {
        let look = self.looks.get(&pack).filter(|look| !look.damaged);
        look.map(|look| look.time)
    }

    /// When a pack was last looked at, whatever was found.
    pub(super) fn last_look(&self, pack: ObjectId) -> Option<Timestamp> {
        self.looks.get(&pack).map(|look| look.time)
    }

    /// All snapshots that are proven.
    pub(super) fn into_snapshots(self) -> BTreeMap<ObjectId, Timestamp> {
        self.snapshots
    }

    /// All snapshots with which a drill was made.
    pub(super) fn into_drills(self) -> BTreeMap<ObjectId, DrillOutcome> {
        self.drills
    }

    /// Leaves out drills of snapshots that are gone.
    pub(super) fn keep_drills(&mut self, is_there: impl Fn(ObjectId) -> bool) {
        self.drills.retain(|snapshot, _| is_there(*snapshot));
    }

    /// Adds the outcome of a drill.
    pub(super) fn drilled(&mut self, snapshot: ObjectId, time: Timestamp, passed: bool) {
        let outcome = DrillOutcome {
            time,
            failed: !passed,
        };
        self.drills.insert(snapshot, outcome);
    }

    /// Whether the findings take something away: where nothing was read, only that is worth a new record.
    pub(super) fn refuted_by(&self, findings: &Findings) -> bool {
        let mut damaged = findings.damaged.iter();
        damaged.any(|pack| self.of_pack(*pack).is_some())
    }

    /// Leaves out packs that are gone.
    pub(super) fn keep_packs(&mut self, is_there: impl Fn(ObjectId) -> bool) {
        self.looks.retain(|pack, _| is_there(*pack));
        self.aged.retain(|pack| is_there(*pack));
        self.rebased.retain(|pack| is_there(*pack));
    }

    /// No snapshot counts as proven until the next check that reads data.
    pub(super) fn forget_snapshots(&mut self) {
        self.snapshots.clear();
    }

    /// Adds what a check found; it counts more than what was known before.
    pub(super) fn add(&mut self, findings: &Findings) {
        if self.refuted_by(findings) {
            self.forget_snapshots();
        }
        let Findings { time, .. } = *findings;
        for pack in &findings.sound {
            let damaged = false;
            self.looks.insert(*pack, Look { time, damaged });
        }
        for pack in &findings.damaged {
            // Never before a time at which it was sound, were that by another clock.
            let time = self.last_look(*pack).map_or(time, |known| known.max(time));
            let damaged = true;
            self.looks.insert(*pack, Look { time, damaged });
        }
        for (id, time) in &findings.snapshots {
            let newest = self.snapshots.entry(*id).or_insert(*time);
            *newest = (*newest).max(*time);
        }
    }

    /// As documents of a size that can be read again; one, but for very large repositories.
    pub(super) fn to_records(&self) -> Vec<Proof> {
        let proven = |id: &ObjectId, time: &Timestamp| Proven {
            id: *id,
            time: time.to_string(),
        };
        let looks = |damaged: bool| -> Vec<Proven> {
            let looks = self.looks.iter();
            looks
                .filter(|(_, look)| look.damaged == damaged)
                .map(|(id, look)| proven(id, &look.time))
                .collect()
        };
        let (sound, damaged) = (looks(false), looks(true));
        let mut parts = sound.chunks(RECORD_PACKS_MAX);
        let mut records = vec![Proof {
            packs: parts.next().unwrap_or_default().to_vec(),
            damaged: damaged.clone(),
            snapshots: self
                .snapshots
                .iter()
                .map(|(id, time)| proven(id, time))
                .collect(),
            drills: self
                .drills
                .iter()
                .map(|(snapshot, outcome)| Drill {
                    snapshot: *snapshot,
                    time: outcome.time.to_string(),
                    passed: outcome.passed(),
                })
                .collect(),
            aged: self.aged.iter().copied().collect(),
            rebased: self.rebased.iter().copied().collect(),
        }];
        records.extend(parts.map(|packs| Proof {
            packs: packs.to_vec(),
            ..Proof::default()
        }));
        records
    }
}

fn times(proven: &[Proven]) -> impl Iterator<Item = (ObjectId, Timestamp)> {
    let time = |proven: &Proven| Some((proven.id, proven.time.parse().ok()?));
    proven.iter().filter_map(time)
}

#[cfg(test)]
mod tests;
