//! What is lost with packs that are known to be damaged: frames, chunks, files, and every snapshot that needs them.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::AtomicU64;

use super::reader::Reader;
use super::records::Judged;
use super::{CheckReport, Meter, Problem, damage, objects, reach};
use crate::catalog::Catalog;
use crate::error::Result;
use crate::format::{CondemnedFrames, Kind, ObjectId, ObjectName};
use crate::repository::Repository;

/// What cannot be read any more.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// Damaged frames and unreadable packs, with what is lost with them; then the snapshots.
    pub(crate) problems: Vec<Problem>,
    /// Damaged frames, and all that rest on nothing else, in packs whose directories are readable.
    pub(crate) frames: Vec<CondemnedFrames>,
    /// Snapshots that cannot be restored whole, or not be read.
    pub(crate) snapshots: Vec<ObjectId>,
}

impl Repository {
    /// Opens the frames of the packs in `damaged` and follows what is lost with them; packs beside them are taken to be
    /// sound.
    pub(crate) fn trace_damage(&self, damaged: &HashSet<ObjectName>) -> Result<Lost> {
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
        let packs = self.storage().list(Kind::Pack)?;
        let (mut catalog, errors) = Catalog::read(self, &packs, |_, _, _| ());
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
