//! Snapshots: publishing and listing. Only this module makes a backup visible.

use std::collections::{BTreeSet, HashSet};
use std::io::ErrorKind;
use std::sync::{Arc, PoisonError};

use nightfold_chunker::ChunkId;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Repository;
use super::forget::Unreadable;
use super::keys::one_of;
use super::lease::{HeldLease, Leases};
use super::needs::Needs;
use super::parity::{read_or_copy, used_copy};
use super::write::{ChunkInput, RunWriter, WriteOptions};
use crate::crypto::random;
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectId, ObjectName, Snapshot, SnapshotWriter, StreamKind};
use crate::sequence;
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
    /// The lease that it was published under.
    pub(crate) fn lease(&self) -> Option<&str> {
        self.snapshot.extensions.get(LEASE_FIELD)?.as_str()
    }

    /// The id that it had when it was first published, here or elsewhere: a change of keys, or a copy, gives it another.
    pub fn original(&self) -> Option<ObjectId> {
        self.id_in(ORIGINAL_FIELD)
    }

    /// The object that it was put in the place of, when the keys were changed.
    pub(crate) fn replaces(&self) -> Option<ObjectId> {
        self.id_in(REPLACES_FIELD)
    }

    fn id_in(&self, field: &str) -> Option<ObjectId> {
        self.snapshot.extensions.get(field)?.as_str()?.parse().ok()
    }

    /// The first eight digits, enough to name it among thousands.
    pub fn short_id(&self) -> String {
        self.id.to_string()[..8].to_owned()
    }
}

/// The field of a snapshot that names the lease it was published under.
pub(crate) const LEASE_FIELD: &str = "lease";
/// The field of a snapshot that was sealed anew, or copied, with the id that it had at first.
pub(crate) const ORIGINAL_FIELD: &str = "original";
/// The field of such a snapshot with the id that it had before.
pub(crate) const REPLACES_FIELD: &str = "replaces";

/// Whether the snapshot was published after its lease was taken back: what it rests on may be gone.
pub(crate) fn is_void(leases: &Leases, stored: &StoredSnapshot) -> bool {
    let void = |lease| leases.voids(lease, stored.id);
    stored.lease().is_some_and(void)
}

/// What it means that a run which was taken for dead does not find what it relied on.
fn overtaken(error: Error) -> Error {
    match error {
        Error::ChunkLost { .. } | Error::Corrupt { .. } => Error::Overtaken,
        other => other,
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
        let leases = self.settled_leases(read.iter().flatten())?;
        for result in read {
            match result {
                Ok(stored) if is_void(&leases, &stored) => {
                    self.notice(&format!(
                        "snapshot {} is left out: its run was taken for dead before it was published",
                        stored.short_id()
                    ));
                }
                Ok(snapshot) => snapshots.push(snapshot),
                // Forgotten by somebody since it was listed.
                Err(Error::Missing { .. }) => {}
                Err(error @ (Error::Corrupt { .. } | Error::Unsupported { .. })) => {
                    errors.push(error);
                }
                Err(other) => return Err(other),
            }
        }
        // Of one that is being sealed anew, the old object may be there still.
        let replaced: BTreeSet<ObjectId> = snapshots
            .iter()
            .filter_map(StoredSnapshot::replaces)
            .collect();
        snapshots.retain(|stored| !replaced.contains(&stored.id));
        snapshots.sort_by_cached_key(|stored| (stored.snapshot.timestamp(), stored.id));
        Ok((snapshots, errors))
    }

    /// What is known of revoked leases, if any of the snapshots names a lease.
    fn settled_leases<'s>(
        &self,
        mut snapshots: impl Iterator<Item = &'s StoredSnapshot>,
    ) -> Result<Leases> {
        if snapshots.any(|stored| stored.lease().is_some()) {
            self.unwatched_leases()
        } else {
            Ok(Leases::default())
        }
    }

    /// All readable snapshots, oldest first; a notice tells of the others.
    pub fn snapshots(&self) -> Result<Vec<StoredSnapshot>> {
        let (snapshots, errors) = self.snapshots_and_errors()?;
        for error in &errors {
            self.notice(&format!("{error}; it is left out"));
        }
        Ok(snapshots)
    }

    /// The snapshot whose id starts with `prefix`, or whose first id did before the keys were changed.
    pub fn snapshot(&self, prefix: &str) -> Result<StoredSnapshot> {
        let ids: Vec<_> = self
            .list_snapshots()?
            .into_iter()
            .map(|listed| listed.id)
            .collect();
        let none = ids.iter().all(|id| !id.to_string().starts_with(prefix));
        if none && !prefix.is_empty() && self.newest_epoch() > 0 {
            let snapshots = self.snapshots()?;
            let originals: Vec<ObjectId> = snapshots
                .iter()
                .filter_map(StoredSnapshot::original)
                .collect();
            let original = one_of(&originals, prefix, "snapshot")?;
            let found = snapshots
                .into_iter()
                .find(|s| s.original() == Some(original));
            if let Some(found) = found {
                return Ok(found);
            }
        }
        self.read_snapshot(one_of(&ids, prefix, "snapshot")?)
    }

    /// Ids of all snapshots, also of those that cannot be read.
    pub fn snapshot_ids(&self) -> Result<Vec<ObjectId>> {
        let listed = self.list_snapshots()?.into_iter();
        Ok(listed.map(|listed| listed.id).collect())
    }

    pub(super) fn list_snapshots(&self) -> Result<Vec<Listed>> {
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

    /// Publishes a snapshot under a lease: from here on the backup exists. Everything it needs must be durable
    /// already. If the lease was taken back meanwhile, it is seen to that all is there still.
    pub(crate) fn publish_under(
        self: &Arc<Self>,
        lease: &HeldLease,
        mut snapshot: Snapshot,
    ) -> Result<StoredSnapshot> {
        if lease.is_revoked()? {
            return self.publish_anew(snapshot);
        }
        snapshot
            .extensions
            .insert(LEASE_FIELD.to_owned(), lease.name().into());
        let stored = self.publish(snapshot, lease)?;
        // Whoever takes the lease back from now on has seen the snapshot.
        if !lease.is_revoked()? {
            return Ok(stored);
        }
        let again = self.publish_anew(stored.snapshot.clone());
        self.forget(&[stored.id], Unreadable::Refuse)?;
        again
    }

    /// Publishes a snapshot under a new lease, of a run that was taken for dead: prune may have deleted what it rests on.
    fn publish_anew(self: &Arc<Self>, snapshot: Snapshot) -> Result<StoredSnapshot> {
        let writer = RunWriter::start(self, WriteOptions::default())?;
        let ids = self.needs_of(&snapshot)?;
        let reusable = self.with_index(|index| self.may_reuse_each(index, &ids))?;
        for (id, _) in ids.iter().zip(reusable).filter(|(_, reusable)| !reusable) {
            let bytes = self.read_chunk(*id).map_err(overtaken)?;
            let stream = self.with_index(|index| match index.frames(*id)?.first() {
                Some(row) => Ok(index.pack(row.pack)?.stream),
                None => Ok(StreamKind::Data),
            })?;
            let chunk = ChunkInput {
                bytes: &bytes,
                samples: None,
                track: None,
            };
            writer.store(stream, &[chunk])?;
        }
        let published = writer.publish(|_| snapshot)?;
        published.ok_or(Error::Interrupted)
    }

    /// All chunks that a snapshot needs.
    fn needs_of(&self, snapshot: &Snapshot) -> Result<Vec<ChunkId>> {
        let stored = StoredSnapshot {
            id: ObjectId::default(),
            snapshot: snapshot.clone(),
        };
        let mut ids = HashSet::new();
        Needs::new(self)
            .snapshot(&stored, &mut |id| {
                ids.insert(id);
            })
            .map_err(overtaken)?;
        Ok(ids.into_iter().collect())
    }

    fn publish(&self, mut snapshot: Snapshot, lease: &HeldLease) -> Result<StoredSnapshot> {
        // Two runs of one client must not take the same number.
        let _lock = crate::platform::lock_file(&self.cache.join("writer.lock"))
            .map_err(|error| Error::io("lock", self.cache.join("writer.lock").display(), error))?;
        let mut state = self.writer_state()?;
        state.sequence = state.sequence.checked_add(1).ok_or_else(|| {
            let reason = "a snapshot or tombstone claims this client's last possible number";
            Error::Invalid(reason.to_owned())
        })?;
        snapshot.writer = SnapshotWriter {
            id: state.id.clone(),
            sequence: state.sequence,
            previous: state.previous.clone(),
        };
        let (name, sealed) = self.seal_snapshot(&snapshot)?;
        state.previous = blake3::hash(&sealed).to_string();
        // Said before it is done: whoever waits for the lease looks whether it was.
        lease.published(name.id);
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

    /// Who this client is. The newest of its snapshots in storage, or the newest that was forgotten, counts if the
    /// file beside the index is older: a crash may fall between publishing and remembering.
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
                // Forgotten just now: its tombstone tells.
                state.previous = match self.storage.get(name) {
                    Ok(bytes) => blake3::hash(&bytes).to_string(),
                    Err(Error::Missing { .. }) => String::new(),
                    Err(other) => return Err(other),
                };
            }
        }
        // The newest may have been forgotten: its number is not given again, and the next one names it.
        let forgotten = self.tombstones()?.entries();
        if let Some((sequence, hash)) = sequence::newest_forgotten(&forgotten, &state.id)
            && (sequence > state.sequence
                || state.previous.is_empty() && sequence == state.sequence)
        {
            state.sequence = sequence;
            hash.clone_into(&mut state.previous);
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
