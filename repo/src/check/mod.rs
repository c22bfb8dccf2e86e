//! Checking a repository: whether what storage holds is whole, without believing the local index.
//!
//! The structure is always checked: every object opens, every writer's snapshots follow on one another, and
//! every chunk that a snapshot needs lies in a readable pack and reaches a whole frame over bases of strictly
//! falling rank (I10). With [`CheckOptions::read_data`] packs are read whole as well, every one or a part of them,
//! and every chunk in them decoded and named anew. When each was last found sound is kept in the repository.
//!
//! | file | duty |
//! |---|---|
//! | `parity` | sidecars, and what they can undo |
//! | `trace` | what is lost with given packs |
//! | `objects` | config, key slots, snapshots, writers, strangers |
//! | `records` | leases, verdicts |
//! | `select` | which packs are read whole |
//! | `reader` | chunks by way of the catalog |
//! | `data` | every frame of these, from whole ones down the deltas |
//! | `reach` | what snapshots need |
//! | `unused` | what no snapshot needs |
//! | `damage` | who depends on a damaged frame |
//! | `since` | since when chunks are proven |
//! | `proof` | when packs were last read: merging, and what a check adds |
//! | `keep` | proofs in the repository |
//! | `compare` | whether the local index agrees |

mod compare;
mod damage;
mod data;
mod few;
mod keep;
mod lost;
mod objects;
mod parity;
mod proof;
mod reach;
mod reader;
mod records;
mod select;
mod since;
mod trace;
mod unused;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectId, ObjectName};
use crate::repository::Repository;
use keep::Known;
pub(crate) use objects::reason;
pub use proof::DrillOutcome;
use proof::Findings;
use reader::Reader;
use records::Judged;
use select::{Candidate, Pace};
use since::{PackState, Since};

/// What to check.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CheckOptions {
    /// Which packs are read whole, beside the structure.
    pub read_data: ReadData,
}

/// Packs of which every byte is read and every chunk decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ReadData {
    /// None: only the structure is checked.
    #[default]
    None,
    /// All.
    All,
    /// This share of all bytes in hundredths: those never read, then those read longest ago.
    Percent(f64),
    /// One of several groups, the same packs each time: who reads every group has read all.
    Group {
        /// Which, from 1.
        number: u32,
        /// How many there are.
        of: u32,
    },
    /// As many as can be begun in this time, at least one: those never read, then those read longest ago.
    For(Duration),
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The object it was found in, named as in storage.
    pub object: String,
    /// What is wrong, and which files of which snapshots suffer.
    pub what: String,
}

impl Problem {
    pub(crate) fn new(object: impl fmt::Display, what: impl Into<String>) -> Self {
        Self {
            object: object.to_string(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.what)
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Packs looked at.
    pub packs: u64,
    /// Packs of which every byte was read.
    pub packs_read: u64,
    /// Snapshots looked at.
    pub snapshots: u64,
    /// Different chunks that readable packs list.
    pub chunks: u64,
    /// Bytes read from storage.
    pub bytes_read: u64,
    /// What is wrong. Empty: the repository is whole.
    pub problems: Vec<Problem>,
    /// What an administrator may want to know and that is no damage.
    pub notes: Vec<String>,
}

/// Told how far a check is: bytes done, and bytes in all.
pub type Progress<'p> = &'p (dyn Fn(u64, u64) + Sync);

/// Counts what is done; called from all threads.
struct Meter<'p> {
    progress: Progress<'p>,
    done: AtomicU64,
    total: u64,
}

impl Meter<'_> {
    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.progress)(done.min(self.total), self.total);
    }
}

/// The time by which a check goes; tests have their own.
struct Clock<'c> {
    /// When the check began.
    now: Timestamp,
    /// How long ago that is.
    elapsed: &'c dyn Fn() -> Duration,
}

impl Repository {
    /// Checks the repository, and keeps in it which packs were read and found sound. An error means that the check
    /// could not be made; what is wrong with the repository is in the report.
    pub fn check(&self, options: &CheckOptions, progress: Progress<'_>) -> Result<CheckReport> {
        let start = Instant::now();
        let clock = Clock {
            now: Timestamp::now(),
            elapsed: &|| start.elapsed(),
        };
        self.check_by(&clock, options, progress)
    }

    fn check_by(
        &self,
        clock: &Clock<'_>,
        options: &CheckOptions,
        progress: Progress<'_>,
    ) -> Result<CheckReport> {
        options.read_data.validate()?;
        let mut report = CheckReport::default();
        // Snapshots are listed before packs: of a backup that ends meanwhile, the packs are in the later listing.
        let snapshots = self.check_snapshots(&mut report)?;
        self.check_config_and_keys(&mut report)?;
        let judged = records::check(self, &mut report)?;
        let known = Known::read(self, &mut report);
        let packs = self.storage().list(Kind::Pack)?;
        report.packs = packs.len() as u64;

        let pack_bytes: u64 = packs.iter().map(|pack| pack.bytes).sum();
        let meter = Meter {
            progress,
            done: AtomicU64::new(0),
            total: pack_bytes + snapshots.iter().map(reach::list_bytes).sum::<u64>(),
        };
        let (mut catalog, unreadable) =
            self.check_directories(&packs, &judged, &meter, &mut report);
        report.chunks = catalog.chunks();

        let order = options.read_data.choose(&candidates(&catalog, &known));
        let pace = Pace::new(options.read_data);
        let mut reader = Reader::new(self, &mut catalog);
        let elapsed = clock.elapsed;
        let (sound, read) = data::verify(&mut reader, &order, pace, elapsed, &judged, &meter);
        report.packs_read = read as u64;
        let states = states(&reader, &sound, &known, &judged, clock.now);
        let since = (read > 0).then(|| Since::of(reader.catalog(), &states));
        let mut damage = damage::Damage::trace(&reader);
        let proven = reach::check(
            &reader,
            &snapshots,
            since.as_ref(),
            &mut damage,
            &meter,
            &mut report,
        );
        damage.report(&reader, &judged, &mut report);
        report.bytes_read += reader.bytes_read();
        let mut findings = findings(&reader, &states, &sound, &unreadable, clock.now);
        if let Some(since) = since.filter(|_| !findings.late_damage) {
            let time = |number| since.time(number, clock.now);
            let proven = proven.into_iter();
            let proven = proven.filter_map(|(id, number)| Some((id, time(number)?)));
            findings.snapshots.extend(proven);
        }
        if read > 0 || known.proofs.refuted_by(&findings) {
            known.keep(self, &findings, &mut report);
        }
        // Damage of frames is not the index's affair: it is compared with what the directories list.
        catalog.settle(|_| false);
        compare::check(self, &catalog, &mut report);
        self.note_strangers(&mut report)?;
        let read_data = options.read_data == ReadData::All;
        self.check_parity(read_data, &mut report)?;
        Ok(report)
    }

    /// Opens the directory of every pack; returns beside them those that cannot be read.
    fn check_directories(
        &self,
        packs: &[crate::storage::Listed],
        judged: &Judged,
        meter: &Meter<'_>,
        report: &mut CheckReport,
    ) -> (Catalog, Vec<ObjectName>) {
        let (catalog, errors) = Catalog::read(self, packs, |read, pack_bytes, is_readable| {
            report.bytes_read += read;
            // Whether others are done with this is known once it is known which are read whole.
            meter.add(if is_readable { 0 } else { pack_bytes });
        });
        // A condemned pack may be deleted while this goes on. Whether a snapshot needs it shows by itself.
        let deleted = |name: &ObjectName, error: &Error| {
            matches!(error, Error::Missing { .. }) && judged.leaves(name.id)
        };
        let errors = errors.into_iter();
        let errors: Vec<_> = errors
            .filter(|(name, error)| !deleted(name, error))
            .collect();
        let problems = errors.iter().map(|(name, error)| {
            let what = objects::reason(error, &name.to_string());
            Problem::new(name, what)
        });
        report.problems.extend(problems);
        (catalog, errors.into_iter().map(|(name, _)| name).collect())
    }
}

fn candidates(catalog: &Catalog, known: &Known) -> Vec<Candidate> {
    let packs = catalog.packs.iter().map(|pack| Candidate {
        id: pack.name.id,
        bytes: pack.bytes,
        read: known.proofs.last_look(pack.name.id),
    });
    packs.collect()
}

/// What is known of each pack of the catalog, now that some were read.
fn states(
    reader: &Reader<'_>,
    sound: &[usize],
    known: &Known,
    judged: &Judged,
    now: Timestamp,
) -> Vec<PackState> {
    let packs = reader.catalog().packs.iter().map(|pack| PackState {
        proven: known.proofs.of_pack(pack.name.id),
        leaves: judged.leaves(pack.name.id),
    });
    let mut states: Vec<PackState> = packs.collect();
    for pack in sound {
        states[*pack].proven = Some(now);
    }
    // A damaged frame that nobody could have decoded anyway, for want of its base, counts too.
    for failure in reader.failures() {
        states[reader.catalog().frames[failure.frame].pack as usize].proven = None;
    }
    states
}

/// `states` are those from before snapshots were followed: that may have brought more damage to light.
fn findings(
    reader: &Reader<'_>,
    states: &[PackState],
    sound: &[usize],
    unreadable: &[ObjectName],
    now: Timestamp,
) -> Findings {
    let catalog = reader.catalog();
    let name = |pack: &usize| catalog.packs[*pack].name.id;
    let mut damaged: Vec<usize> = reader
        .failures()
        .iter()
        .map(|failure| catalog.frames[failure.frame].pack as usize)
        .collect();
    damaged.dedup();
    let sound = sound
        .iter()
        .filter(|pack| damaged.binary_search(pack).is_err());
    let unreadable = unreadable.iter().map(|name| name.id);
    Findings {
        time: now,
        sound: sound.map(name).collect(),
        late_damage: damaged.iter().any(|pack| states[*pack].proven.is_some()),
        damaged: damaged
            .iter()
            .map(name)
            .chain(unreadable)
            .collect::<Vec<ObjectId>>(),
        snapshots: std::collections::BTreeMap::new(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
