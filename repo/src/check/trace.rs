//! What is lost with packs that are known to be damaged: frames, chunks, files, and every snapshot that needs them.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::AtomicU64;

use super::reader::Reader;
use super::records::Judged;
use super::{CheckReport, Meter, Problem, damage, objects, reach};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::format::{CondemnedFrames, Kind, ObjectId, ObjectName};
use crate::repository::Repository;
use crate::storage::Listed;

/// What cannot be read any more.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// Damaged frames and unreadable packs, with what is lost with them; then the snapshots.
    pub(crate) problems: Vec<Problem>,
    /// Damaged frames, and all that rest on nothing else, in packs whose directories are readable.
    pub(crate) frames: Vec<CondemnedFrames>,
    /// Snapshots that cannot be restored whole, or not be read.
    pub(crate) snapshots: Vec<ObjectId>,
    /// Packs that are there and were not listed.
    pub(crate) unlisted: Vec<String>,
}

impl Repository {
    /// Opens the frames of the packs in `damaged` and follows what is lost with them; packs beside them are taken to be
    /// sound. Those of `known` are there, whether they are listed or not.
    pub(crate) fn trace_damage(
        &self,
        known: &[Listed],
        damaged: &HashSet<ObjectName>,
    ) -> Result<Lost> {
        let mut report = CheckReport::default();
        let snapshots = self.check_snapshots(&mut report)?;
        // Sequences of writers are no affair of damage: only snapshots that cannot be read are.
        let unread = std::mem::take(&mut report.problems).into_iter();
        let read: HashSet<_> = snapshots.iter().map(|stored| stored.id).collect();
        let mut lost: Vec<Problem> = unread
            .filter(|problem| {
                let name = ObjectName::from_path(&problem.object);
                name.is_some_and(|name| !read.contains(&name.id))
            })
            .collect();
        let mut packs = self.storage().list(Kind::Pack)?;
        let listed: HashSet<_> = packs.iter().map(|pack| pack.id).collect();
        let mut unlisted = Vec::new();
        for pack in known.iter().filter(|pack| !listed.contains(&pack.id)) {
            let name = ObjectName::new(Kind::Pack, pack.id);
            if self.is_there(name)? {
                unlisted.push(name.to_string());
                packs.push(*pack);
            }
        }
        let (mut catalog, mut errors) = Catalog::read(self, &packs, |_, _, _| ());
        // A pack of which every byte was read does not count as lost because of one read that failed.
        let is_of_moment = |(name, error): &(_, Error)| {
            matches!(error, Error::Io { .. }) && !damaged.contains(name)
        };
        if let Some(at) = errors.iter().position(is_of_moment) {
            return Err(errors.swap_remove(at).1);
        }
        lost.extend(
            errors.into_iter().map(|(name, error)| {
                Problem::new(name, objects::reason(&error, &name.to_string()))
            }),
        );
        let sound_before: Vec<bool> = (0..catalog.frames.len())
            .map(|at| catalog.is_sound(at))
            .collect();
        let mut reader = Reader::new(self, &mut catalog);
        for at in 0..reader.catalog().frames.len() {
            let frame = reader.catalog().frames[at];
            if damaged.contains(&reader.catalog().packs[frame.pack as usize].name) {
                // The reader remembers what does not open.
                let _ = reader.open(at);
            }
        }
        reader.settle();
        let mut damage = damage::Damage::trace(&reader);
        let meter = Meter {
            progress: &|_, _| (),
            done: AtomicU64::new(0),
            total: 0,
        };
        reach::check(&reader, &snapshots, None, &mut damage, &meter, &mut report);
        let of_snapshots = std::mem::take(&mut report.problems);
        damage.report(&reader, &Judged::default(), &mut report);
        lost.append(&mut report.problems);
        lost.extend(of_snapshots);
        Ok(Lost {
            frames: condemned(&reader, &sound_before),
            snapshots: snapshots_in(&lost),
            problems: lost,
            unlisted,
        })
    }
}

fn condemned(reader: &Reader<'_>, sound_before: &[bool]) -> Vec<CondemnedFrames> {
    let catalog = reader.catalog();
    let mut frames: BTreeMap<ObjectId, Vec<u32>> = BTreeMap::new();
    for (at, frame) in catalog.frames.iter().enumerate() {
        if sound_before[at] && !catalog.is_sound(at) {
            let pack = catalog.packs[frame.pack as usize].name.id;
            frames.entry(pack).or_default().push(frame.ordinal);
        }
    }
    let sorted = |mut ordinals: Vec<u32>| {
        ordinals.sort_unstable();
        ordinals
    };
    let frames = frames.into_iter().map(|(pack, ordinals)| CondemnedFrames {
        pack,
        ordinals: sorted(ordinals),
    });
    frames.collect()
}

fn snapshots_in(problems: &[Problem]) -> Vec<ObjectId> {
    let names = problems
        .iter()
        .filter_map(|problem| ObjectName::from_path(&problem.object));
    let snapshots = names.filter(|name| name.kind == Kind::Snapshot);
    let ids: std::collections::BTreeSet<_> = snapshots.map(|name| name.id).collect();
    ids.into_iter().collect()
}
