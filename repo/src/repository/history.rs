//! All that storage holds of snapshots: those that are there, those that were forgotten, and whether that is all.

use rayon::prelude::*;

use super::{Repository, StoredSnapshot, Tombstones, WriterState};
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectName};
use crate::sequence::{self, Gap, Numbered};

/// A snapshot, and the hash by which its writer's next one refers to it.
pub(crate) struct Sealed {
    pub(crate) stored: StoredSnapshot,
    /// Hex, of the whole object.
    pub(crate) hash: String,
    /// Size of the object.
    pub(crate) bytes: u64,
}

/// The snapshots of a repository and the traces of those that are no more.
pub(crate) struct History {
    /// The readable snapshots, oldest first. Some may have a tombstone already.
    pub(crate) snapshots: Vec<Sealed>,
    /// Snapshots that are there and cannot be read.
    pub(crate) errors: Vec<(ObjectName, Error)>,
    /// Snapshots that are damaged and were read from their copies.
    pub(crate) copied: Vec<(ObjectName, Error)>,
    /// What was forgotten.
    pub(crate) tombstones: Tombstones,
    /// What this client remembers of itself.
    own: Option<WriterState>,
}

impl History {
    /// What is missing and was not forgotten.
    pub(crate) fn gaps(&self) -> Vec<Gap> {
        let numbered: Vec<_> = self.snapshots.iter().map(Sealed::numbered).collect();
        let own = self.own.as_ref();
        let own = own.map(|own| (own.id.as_str(), own.sequence));
        sequence::gaps(&numbered, &self.tombstones.entries(), own)
    }
}

impl Sealed {
    fn numbered(&self) -> Numbered<'_> {
        Numbered {
            id: self.stored.id,
            hash: &self.hash,
            writer: &self.stored.snapshot.writer,
        }
    }
}

impl Repository {
    /// Reads every snapshot and every tombstone.
    pub(crate) fn history(&self) -> Result<History> {
        // Read first: a run of this client that ends meanwhile takes a number that the listing does not show.
        let own = self.remembered_writer();
        let listed = self.list_snapshots()?;
        let read: Vec<_> = listed
            .par_iter()
            .map(|listed| {
                let name = ObjectName::new(Kind::Snapshot, listed.id);
                let sealed = self.read_or_copy(name, |bytes| {
                    Ok(Sealed {
                        hash: blake3::hash(&bytes).to_string(),
                        bytes: bytes.len() as u64,
                        stored: self.open_snapshot(listed.id, bytes)?,
                    })
                });
                (name, sealed)
            })
            .collect();
        // Listed after the snapshots: a tombstone is durable before its snapshot goes.
        let tombstones = self.tombstones()?;
        let forgotten = tombstones.snapshots();
        let (mut snapshots, mut errors, mut copied) = (Vec::new(), Vec::new(), Vec::new());
        for (name, sealed) in read {
            match sealed {
                Ok((sealed, damage)) => {
                    snapshots.push(sealed);
                    copied.extend(damage.map(|error| (name, error)));
                }
                // Forgotten by somebody since it was listed.
                Err(Error::Missing { .. }) if forgotten.contains(&name.id) => {}
                Err(error) => errors.push((name, error)),
            }
        }
        snapshots.sort_by_cached_key(|sealed| {
            let stored = &sealed.stored;
            (stored.snapshot.timestamp(), stored.id)
        });
        Ok(History {
            snapshots,
            errors,
            copied,
            tombstones,
            own,
        })
    }
}
