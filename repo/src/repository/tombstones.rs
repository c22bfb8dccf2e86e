//! Tombstones: which snapshots were deleted on purpose.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::Repository;
use crate::error::{Error, Result};
use crate::format::{Forgotten, Kind, ObjectId, ObjectName, Tombstone};

/// More objects than this are merged.
const OBJECTS_MAX: usize = 16;

/// An object with so many entries is left as it is: not all years are written again and again.
const FULL: usize = 32_768;

/// Entries of one object, so that it stays far below the bound on a document.
const ENTRIES_MAX: usize = 2 * FULL;

/// Listings that may differ before the storage is taken as it is.
const LISTINGS_MAX: usize = 10;

/// The tombstones of a repository.
#[derive(Debug, Default)]
pub(crate) struct Tombstones {
    /// What each readable object says.
    objects: Vec<(ObjectId, Vec<Forgotten>)>,
    /// What is wrong with the others.
    pub(crate) errors: Vec<(ObjectName, Error)>,
}

impl Tombstones {
    /// All entries, each once.
    pub(crate) fn entries(&self) -> Vec<Forgotten> {
        distinct(self.objects.iter().map(|(_, entries)| entries))
    }

    /// The snapshots that were forgotten.
    pub(crate) fn snapshots(&self) -> BTreeSet<ObjectId> {
        let entries = self.objects.iter().flat_map(|(_, entries)| entries);
        entries.map(|entry| entry.snapshot).collect()
    }
}

impl Repository {
    /// All tombstones. Whoever compares them with snapshots must have listed those before: a tombstone is durable
    /// before its snapshot goes.
    ///
    /// Somebody may merge them meanwhile: he puts the merged one, then deletes the old ones. So they count only when
    /// all that a listing showed were read, and the next listing shows the same.
    pub(crate) fn tombstones(&self) -> Result<Tombstones> {
        let mut read: BTreeMap<ObjectId, Result<Tombstone>> = BTreeMap::new();
        let mut before = None;
        for _ in 0..LISTINGS_MAX {
            let listed = self.storage.list(Kind::Tombstone)?;
            let listed: BTreeSet<_> = listed.into_iter().map(|listed| listed.id).collect();
            let unread =
                |id: &&ObjectId| matches!(read.get(id), None | Some(Err(Error::Missing { .. })));
            let unread: Vec<ObjectId> = listed.iter().filter(unread).copied().collect();
            if unread.is_empty() && before.as_ref() == Some(&listed) {
                break;
            }
            let new: Vec<_> = unread
                .into_par_iter()
                .map(|id| (id, self.read_record(ObjectName::new(Kind::Tombstone, id))))
                .collect();
            read.retain(|id, _| listed.contains(id));
            read.extend(new);
            before = Some(listed);
        }
        let mut tombstones = Tombstones::default();
        for (id, result) in read {
            match result {
                Ok(tombstone) => tombstones.objects.push((id, tombstone.snapshots)),
                Err(
                    error @ (Error::Corrupt { .. }
                    | Error::Unsupported { .. }
                    | Error::Missing { .. }),
                ) => {
                    let name = ObjectName::new(Kind::Tombstone, id);
                    tombstones.errors.push((name, error));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(tombstones)
    }

    /// Stores entries; they are durable afterwards.
    pub(super) fn bury(&self, forgotten: &[Forgotten]) -> Result<()> {
        for part in forgotten.chunks(ENTRIES_MAX) {
            let tombstone = Tombstone {
                snapshots: part.to_vec(),
            };
            self.put_record(Kind::Tombstone, &tombstone)?;
        }
        Ok(())
    }

    /// Merges tombstones when there are many of them. The merged one is durable before the first of the old ones
    /// goes; entries that are there twice meanwhile do no harm. An object that cannot be read stays.
    pub fn merge_tombstones(&self) -> Result<()> {
        let tombstones = self.tombstones()?;
        let small: Vec<_> = tombstones
            .objects
            .iter()
            .filter(|(_, entries)| entries.len() < FULL)
            .collect();
        if small.len() <= OBJECTS_MAX {
            return Ok(());
        }
        self.bury(&distinct(small.iter().map(|(_, entries)| entries)))?;
        for (id, _) in small {
            self.delete_if_there(ObjectName::new(Kind::Tombstone, *id))?;
        }
        Ok(())
    }
}

fn distinct<'e>(entries: impl Iterator<Item = &'e Vec<Forgotten>>) -> Vec<Forgotten> {
    let mut entries: Vec<_> = entries.flatten().collect();
    let key = |entry: &Forgotten| (entry.sequence, entry.snapshot);
    entries.sort_by(|a, b| {
        let by_writer = a.writer.cmp(&b.writer);
        by_writer
            .then(key(a).cmp(&key(b)))
            .then_with(|| a.hash.cmp(&b.hash))
    });
    entries.dedup();
    entries.into_iter().cloned().collect()
}
