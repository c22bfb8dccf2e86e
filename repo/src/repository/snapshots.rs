//! Snapshots: publishing and listing. Only this module makes a backup visible.

use std::io::ErrorKind;
use std::sync::PoisonError;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Repository;
use super::keys::one_of;
use super::parity::{read_or_copy, used_copy};
use crate::crypto::random;
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectId, ObjectName, Snapshot, SnapshotWriter};
use crate::storage::Listed;

/// A snapshot and its id.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSnapshot {
    /// Its id.
    pub id: ObjectId,
    /// What it says.
    pub snapshot: Snapshot,
}

impl StoredSnapshot {
    /// The first eight digits, enough to name it among thousands.
    pub fn short_id(&self) -> String {
        self.id.to_string()[..8].to_owned()
    }
}

/// What a client remembers of its own snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterState {
    /// 16 random bytes as hex.
    pub id: String,
    /// Sequence number of its newest snapshot.
    pub sequence: u64,
    /// Hex BLAKE3 of that snapshot's sealed bytes.
    pub previous: String,
}

impl Repository {
    /// All readable snapshots, oldest first, and what is wrong with the others.
    pub fn snapshots_and_errors(&self) -> Result<(Vec<StoredSnapshot>, Vec<Error>)> {
        let listed = self.list_snapshots()?;
        let read: Vec<_> = listed
            .par_iter()
            .map(|listed| self.read_snapshot(listed.id))
            .collect();
        let (mut snapshots, mut errors) = (Vec::new(), Vec::new());
        self.remember_writers(read.iter().flatten());
        for result in read {
            match result {
                Ok(snapshot) => snapshots.push(snapshot),
                // Forgotten by somebody since it was listed.
                Err(Error::Missing { .. }) => {}
                Err(error @ (Error::Corrupt { .. } | Error::Unsupported { .. })) => {
                    errors.push(error);
                }
                Err(other) => return Err(other),
            }
        }
        snapshots.sort_by_cached_key(|stored| (stored.snapshot.timestamp(), stored.id));
        Ok((snapshots, errors))
    }

    /// All readable snapshots, oldest first; a notice tells of the others.
    pub fn snapshots(&self) -> Result<Vec<StoredSnapshot>> {
        let (snapshots, errors) = self.snapshots_and_errors()?;
        for error in &errors {
            self.notice(&format!("{error}; it is left out"));
        }
        Ok(snapshots)
    }

    /// The snapshot whose id starts with `prefix`.
    pub fn snapshot(&self, prefix: &str) -> Result<StoredSnapshot> {
        let ids: Vec<_> = self
            .list_snapshots()?
            .into_iter()
            .map(|listed| listed.id)
            .collect();
        self.read_snapshot(one_of(&ids, prefix, "snapshot")?)
    }

    fn list_snapshots(&self) -> Result<Vec<Listed>> {
        let listed = self.storage.list(Kind::Snapshot)?;
        self.index.listed(&listed);
        Ok(listed)
    }

    fn read_snapshot(&self, id: ObjectId) -> Result<StoredSnapshot> {
        let name = ObjectName::new(Kind::Snapshot, id);
        let open = |bytes| self.open_snapshot(id, bytes);
        // One that is not there may have been forgotten a moment ago: its copy does not bring it back.
        let (snapshot, damage) = read_or_copy(&*self.storage, name, false, open)?;
        if let Some(error) = damage {
            self.notice(&used_copy(&error));
        }
        Ok(snapshot)
    }

    /// The snapshot in the sealed bytes of an object.
    pub(crate) fn open_snapshot(&self, id: ObjectId, bytes: Vec<u8>) -> Result<StoredSnapshot> {
        let name = ObjectName::new(Kind::Snapshot, id);
        let json = self.open_json(name, bytes)?;
        Ok(StoredSnapshot {
            id,
            snapshot: Snapshot::decode(&name.path(), &json)?,
        })
    }

    /// A snapshot as an object that is not there yet.
    pub(crate) fn seal_snapshot(&self, snapshot: &Snapshot) -> Result<(ObjectName, Vec<u8>)> {
        self.seal_json(Kind::Snapshot, &snapshot.encode())
    }

    /// Publishes a snapshot: from here on the backup exists. Everything it needs must be durable already.
    pub(super) fn publish(&self, mut snapshot: Snapshot) -> Result<StoredSnapshot> {
        // Two runs of one client must not take the same number.
        let _lock = crate::platform::lock_file(&self.cache.join("writer.lock"))
            .map_err(|error| Error::io("lock", self.cache.join("writer.lock").display(), error))?;
        let mut state = self.writer_state()?;
        state.sequence += 1;
        snapshot.writer = SnapshotWriter {
            id: state.id.clone(),
            sequence: state.sequence,
            previous: state.previous.clone(),
        };
        let (name, sealed) = self.seal_snapshot(&snapshot)?;
        state.previous = blake3::hash(&sealed).to_string();
        self.put_with_copy(name, &sealed)?;
        self.save_writer_state(&state)?;
        let read_back = self.read_snapshot(name.id)?;
        if read_back.snapshot == snapshot {
            Ok(read_back)
        } else {
            Err(Error::corrupt(
                name,
                "the snapshot just written does not read back",
            ))
        }
    }

    /// Who this client is. The newest of its snapshots in storage counts if the file beside the index is older:
    /// a crash may fall between publishing and remembering.
    fn writer_state(&self) -> Result<WriterState> {
        let path = self.cache.join("writer.json");
        let mut state: WriterState = match std::fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::NotFound => WriterState::default(),
            Err(error) => return Err(Error::io("read", path.display(), error)),
        };
        if state.id.is_empty() {
            state = WriterState {
                id: format!("{:032x}", u128::from_be_bytes(random()?)),
                ..WriterState::default()
            };
        }
        for (id, sequence) in self.published_by(&state.id)? {
            if sequence > state.sequence {
                state.sequence = sequence;
                let name = ObjectName::new(Kind::Snapshot, id);
                state.previous = blake3::hash(&self.storage.get(name)?).to_string();
            }
        }
        Ok(state)
    }

    /// Ids and sequence numbers of a writer's snapshots that are there now. Those read before are not read again:
    /// snapshots never change, and a backup has listed them all at its start.
    fn published_by(&self, writer: &str) -> Result<Vec<(ObjectId, u64)>> {
        let listed = self.list_snapshots()?;
        let known = || self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let unread: Vec<ObjectId> = {
            let known = known();
            let ids = listed.iter().map(|listed| listed.id);
            ids.filter(|id| !known.contains_key(id)).collect()
        };
        let read: Vec<_> = unread
            .par_iter()
            .map(|id| self.read_snapshot(*id))
            .collect();
        self.remember_writers(read.iter().flatten());
        for result in read {
            match result {
                Err(Error::Missing { .. } | Error::Corrupt { .. } | Error::Unsupported { .. })
                | Ok(_) => {}
                Err(other) => return Err(other),
            }
        }
        let known = known();
        let ours = listed.iter().filter_map(|listed| {
            let (id, sequence) = known.get(&listed.id)?;
            (id == writer).then_some((listed.id, *sequence))
        });
        Ok(ours.collect())
    }

    fn remember_writers<'s>(&self, snapshots: impl Iterator<Item = &'s StoredSnapshot>) {
        let mut known = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(snapshots.map(|stored| {
            let writer = &stored.snapshot.writer;
            (stored.id, (writer.id.clone(), writer.sequence))
        }));
    }

    /// What this client remembers of its own snapshots, if anything.
    pub(crate) fn remembered_writer(&self) -> Option<WriterState> {
        serde_json::from_slice(&std::fs::read(self.cache.join("writer.json")).ok()?).ok()
    }

    fn save_writer_state(&self, state: &WriterState) -> Result<()> {
        let path = self.cache.join("writer.json");
        let json = serde_json::to_vec(state).unwrap_or_default();
        crate::platform::replace_file(&path, &json)
            .map_err(|error| Error::io("write", path.display(), error))
    }
}
