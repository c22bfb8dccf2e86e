//! Checking a repository: whether what storage holds is whole, without believing the local index.
//!
//! The structure is always checked: every object opens, every writer's snapshots follow on one another, and
//! every chunk that a snapshot needs lies in a readable pack and reaches a whole frame over bases of strictly
//! falling rank (I10). With [`CheckOptions::read_data`] every byte is read, and every chunk decoded and named
//! anew.
//!
//! | file | duty |
//! |---|---|
//! | `parity` | sidecars, and what they can undo |
//! | `trace` | what is lost with given packs |
//! | `objects` | config, key slots, snapshots, writers, strangers |
//! | `reader` | chunks by way of the catalog |
//! | `data` | every frame, from whole ones down the deltas |
//! | `reach` | what snapshots need |
//! | `unused` | what no snapshot needs |
//! | `damage` | who depends on a damaged frame |
//! | `compare` | whether the local index agrees |

mod compare;
mod damage;
mod data;
mod few;
mod lost;
mod objects;
mod parity;
mod reach;
mod reader;
mod trace;
mod unused;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::catalog::Catalog;
use crate::error::Result;
use crate::format::Kind;
use crate::repository::Repository;
pub(crate) use objects::reason;
use reader::Reader;

/// What to check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Read every byte and decode every chunk, not only the structure.
    pub read_data: bool,
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

impl Repository {
    /// Checks the repository. An error means that the check could not be made; what is wrong with the
    /// repository is in the report.
    pub fn check(&self, options: &CheckOptions, progress: Progress<'_>) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        // Snapshots are listed before packs: of a backup that ends meanwhile, the packs are in the later listing.
        let snapshots = self.check_snapshots(&mut report)?;
        self.check_config_and_keys(&mut report)?;
        let packs = self.storage().list(Kind::Pack)?;
        report.packs = packs.len() as u64;

        let pack_bytes: u64 = packs.iter().map(|pack| pack.bytes).sum();
        let meter = Meter {
            progress,
            done: AtomicU64::new(0),
            total: pack_bytes + snapshots.iter().map(reach::list_bytes).sum::<u64>(),
        };
        let mut catalog = self.check_directories(&packs, options.read_data, &meter, &mut report);
        report.chunks = catalog.chunks();

        let mut reader = Reader::new(self, &mut catalog);
        if options.read_data {
            data::verify(&mut reader, &meter);
        }
        let mut damage = damage::Damage::trace(&reader);
        reach::check(&reader, &snapshots, &mut damage, &meter, &mut report);
        damage.report(&reader, &mut report);
        report.bytes_read += reader.bytes_read();
        // Damage of frames is not the index's affair: it is compared with what the directories list.
        catalog.settle(|_| false);
        compare::check(self, &catalog, &mut report);
        self.note_strangers(&mut report)?;
        self.check_parity(options.read_data, &mut report)?;
        Ok(report)
    }

    /// Opens the directory of every pack.
    fn check_directories(
        &self,
        packs: &[crate::storage::Listed],
        read_data: bool,
        meter: &Meter<'_>,
        report: &mut CheckReport,
    ) -> Catalog {
        let (catalog, errors) = Catalog::read(self, packs, |read, pack_bytes, is_readable| {
            report.bytes_read += read;
            // With `read_data` a pack is done only once its frames are.
            let frames_follow = read_data && is_readable;
            meter.add(if frames_follow { 0 } else { pack_bytes });
        });
        report.problems.extend(
            errors.into_iter().map(|(name, error)| {
                Problem::new(name, objects::reason(&error, &name.to_string()))
            }),
        );
        catalog
    }
}

#[cfg(test)]
pub(crate) mod tests;
