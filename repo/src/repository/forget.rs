//! Forgetting snapshots: first a tombstone that holds their places in their writers' sequences, then they go.
//! Their data stay until prune finds that nothing needs them.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::Repository;
use crate::error::{Error, Result};
use crate::format::{Forgotten, Kind, ObjectId, ObjectName, SnapshotWriter};

/// What to do with a snapshot that is to be forgotten and cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Nothing is forgotten.
    Refuse,
    /// It is forgotten by its id alone: the user named it.
    Forget,
}

impl Repository {
    /// Deletes snapshots. All that an earlier run left half done is finished first. Returns how many of `ids` were
    /// there.
    pub fn forget(&self, ids: &[ObjectId], unreadable: Unreadable) -> Result<u64> {
        let ids: BTreeSet<ObjectId> = ids.iter().copied().collect();
        let listed = self.list_snapshots()?;
        let left = self.tombstones()?.snapshots();
        let here: BTreeSet<ObjectId> = listed.iter().map(|listed| listed.id).collect();
        let wanted: Vec<ObjectId> = ids.intersection(&here).copied().collect();
        let forgotten = wanted
            .par_iter()
            .filter(|id| !left.contains(id))
            .map(|id| self.entry_of(*id, unreadable))
            .collect::<Result<Vec<Option<Forgotten>>>>()?;
        let forgotten: Vec<Forgotten> = forgotten.into_iter().flatten().collect();
        self.bury(&forgotten)?;
        let leftovers = here.intersection(&left);
        let new = forgotten.iter().map(|entry| &entry.snapshot);
        let doomed: BTreeSet<&ObjectId> = leftovers.chain(new).collect();
        for id in doomed {
            self.delete_snapshot(*id)?;
        }
        Ok(wanted.len() as u64)
    }

    /// Deletes the snapshots that have a tombstone and are still there: a run was interrupted between the two.
    /// Returns how many there were.
    pub fn finish_forgetting(&self) -> Result<u64> {
        let listed = self.list_snapshots()?;
        let forgotten = self.tombstones()?.snapshots();
        let left = listed
            .iter()
            .filter(|listed| forgotten.contains(&listed.id));
        let mut count = 0;
        for listed in left {
            self.delete_snapshot(listed.id)?;
            count += 1;
        }
        Ok(count)
    }

    /// What its tombstone says; `None` if somebody else has forgotten it meanwhile.
    fn entry_of(&self, id: ObjectId, unreadable: Unreadable) -> Result<Option<Forgotten>> {
        let name = ObjectName::new(Kind::Snapshot, id);
        let read = self.read_or_copy(name, |bytes| {
            let hash = blake3::hash(&bytes).to_string();
            Ok((hash, self.open_snapshot(id, bytes)?.snapshot.writer))
        });
        let (hash, writer) = match read {
            Ok((read, _)) => read,
            Err(Error::Missing { .. }) => return Ok(None),
            Err(Error::Corrupt { .. } | Error::Unsupported { .. })
                if unreadable == Unreadable::Forget =>
            {
                let damaged = self.storage.get(name)?;
                (
                    blake3::hash(&damaged).to_string(),
                    SnapshotWriter::default(),
                )
            }
            Err(other) => return Err(other),
        };
        Ok(Some(Forgotten {
            snapshot: id,
            hash,
            writer: writer.id,
            sequence: writer.sequence,
        }))
    }

    fn delete_snapshot(&self, id: ObjectId) -> Result<()> {
        self.delete_with_parity(ObjectName::new(Kind::Snapshot, id))
    }
}
