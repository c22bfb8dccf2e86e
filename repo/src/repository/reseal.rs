//! What was sealed under old keys, sealed anew: snapshots and small records. Packs are moved frame by frame by
//! compact.

use std::collections::BTreeSet;

use rayon::prelude::*;
use serde::Serialize;

use super::history::Sealed;
use super::snapshots::{LEASE_FIELD, ORIGINAL_FIELD, REPLACES_FIELD, is_void};
use super::{HeldLease, Repository, StoredSnapshot};
use crate::error::{Error, Result};
use crate::format::{Forgotten, HEADER_BYTES, Header, Kind, LeaseRecord, ObjectId, ObjectName};
use crate::storage::Listed;

/// What is still sealed under old keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OldKeys {
    /// Packs.
    pub packs: u64,
    /// Their bytes.
    pub pack_bytes: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Other objects: leases of clients that have not opened the repository anew, verdicts, tombstones, proofs.
    pub records: u64,
}

impl OldKeys {
    /// Whether the old keys open nothing that the repository holds.
    pub fn is_none(&self) -> bool {
        self.packs + self.snapshots + self.records == 0
    }
}

/// Kinds of objects whose header tells which key seals them.
const SEALED: [Kind; 6] = [
    Kind::Pack,
    Kind::Snapshot,
    Kind::Lease,
    Kind::Condemned,
    Kind::Tombstone,
    Kind::Proof,
];

impl Repository {
    /// What is still sealed under other keys than the newest. An object whose header cannot be read counts.
    pub fn under_old_keys(&self) -> Result<OldKeys> {
        let mut old = OldKeys::default();
        if self.newest_epoch() == 0 {
            return Ok(old);
        }
        for kind in SEALED {
            for listed in self.of_old_epochs(kind)? {
                match kind {
                    Kind::Pack => {
                        old.packs += 1;
                        old.pack_bytes += listed.bytes;
                    }
                    Kind::Snapshot => old.snapshots += 1,
                    _ => old.records += 1,
                }
            }
        }
        Ok(old)
    }

    fn of_old_epochs(&self, kind: Kind) -> Result<Vec<Listed>> {
        let newest = self.newest_epoch();
        let listed = self.storage.list(kind)?;
        let is_old = |listed: &Listed| match self.header_of(ObjectName::new(kind, listed.id)) {
            Ok(header) => Ok(header.epoch < newest),
            Err(Error::Missing { .. }) => Ok(false),
            Err(Error::Corrupt { .. } | Error::Unsupported { .. }) => Ok(true),
            Err(other) => Err(other),
        };
        let old = listed
            .into_par_iter()
            .map(|listed| Ok(is_old(&listed)?.then_some(listed)));
        let old: Vec<Option<Listed>> = old.collect::<Result<_>>()?;
        Ok(old.into_iter().flatten().collect())
    }

    fn header_of(&self, name: ObjectName) -> Result<Header> {
        Header::decode(name, &self.storage.get_range(name, 0, HEADER_BYTES)?)
    }

    /// Publishes snapshots of old epochs anew under the newest key: each gets a new id and tells its first one. The
    /// new object is durable before the tombstone of the old one, and that before the old one goes. Returns how many
    /// there were.
    pub(crate) fn reseal_snapshots(&self, lease: &HeldLease) -> Result<u64> {
        let old: BTreeSet<ObjectId> = self
            .of_old_epochs(Kind::Snapshot)?
            .into_iter()
            .map(|listed| listed.id)
            .collect();
        if old.is_empty() {
            return Ok(0);
        }
        let history = self.history()?;
        let forgotten = history.tombstones.snapshots();
        let leases = self.read_leases()?;
        let counts = |sealed: &&Sealed| !is_void(&leases, &sealed.stored);
        // A run that was interrupted has published these already.
        let replaced: BTreeSet<ObjectId> = history
            .snapshots
            .iter()
            .filter(counts)
            .filter_map(|sealed| sealed.stored.replaces())
            .collect();
        let mut count = 0;
        for sealed in history.snapshots.iter().filter(counts) {
            let stored = &sealed.stored;
            if !old.contains(&stored.id) || forgotten.contains(&stored.id) {
                continue;
            }
            if !replaced.contains(&stored.id) {
                self.publish_in_place_of(stored, lease)?;
            }
            self.bury(&[Forgotten {
                snapshot: stored.id,
                hash: sealed.hash.clone(),
                writer: stored.snapshot.writer.id.clone(),
                sequence: stored.snapshot.writer.sequence,
            }])?;
            self.delete_with_parity(ObjectName::new(Kind::Snapshot, stored.id))?;
            count += 1;
        }
        Ok(count)
    }

    fn publish_in_place_of(&self, old: &StoredSnapshot, lease: &HeldLease) -> Result<()> {
        let mut snapshot = old.snapshot.clone();
        let fields = &mut snapshot.extensions;
        let id = |id: ObjectId| serde_json::Value::from(id.to_string());
        fields
            .entry(ORIGINAL_FIELD.to_owned())
            .or_insert_with(|| id(old.id));
        fields.insert(REPLACES_FIELD.to_owned(), id(old.id));
        // Should this run be taken for dead, the old one may be forgotten and its data deleted before this is put.
        fields.insert(LEASE_FIELD.to_owned(), lease.name().into());
        if lease.is_revoked()? {
            return Err(Error::Overtaken);
        }
        let (name, sealed) = self.seal_snapshot(&snapshot)?;
        lease.published(name.id);
        self.put_with_copy(name, &sealed)?;
        let read_back = self.open_snapshot(name.id, self.storage.get(name)?)?;
        if read_back.snapshot != snapshot {
            let reason = "the snapshot just written does not read back";
            return Err(Error::corrupt(name, reason));
        }
        if lease.is_revoked()? {
            // It stands for the old one, which has its own tombstone if it was forgotten.
            self.delete_with_parity(name)?;
            return Err(Error::Overtaken);
        }
        Ok(())
    }

    /// Seals tombstones, proofs, and what is known of leases that were taken back anew. Each is there twice for a
    /// moment, which changes nothing that they say. Leases and verdicts go by themselves.
    pub(crate) fn reseal_records(&self) -> Result<u64> {
        let mut count = 0;
        for kind in [Kind::Tombstone, Kind::Proof, Kind::Lease] {
            for listed in self.of_old_epochs(kind)? {
                let name = ObjectName::new(kind, listed.id);
                let json = match self.storage.get(name) {
                    Ok(bytes) => match self.open_json(name, bytes) {
                        Ok(json) => json,
                        // What cannot be read stays as it is.
                        Err(Error::Corrupt { .. } | Error::Unsupported { .. }) => continue,
                        Err(other) => return Err(other),
                    },
                    Err(Error::Missing { .. }) => continue,
                    Err(other) => return Err(other),
                };
                let is_held = || {
                    let record = serde_json::from_slice::<LeaseRecord>(&json);
                    record.is_ok_and(|record| matches!(record, LeaseRecord::Held(_)))
                };
                if kind == Kind::Lease && is_held() {
                    continue;
                }
                let (new, sealed) = self.seal_json(kind, &json)?;
                self.storage.put(new, &sealed)?;
                self.delete_if_there(name)?;
                count += 1;
            }
        }
        Ok(count)
    }
}
