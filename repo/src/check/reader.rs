//! Frames and chunks by way of the catalog.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use nightfold_chunker::ChunkId;

use crate::catalog::{Catalog, CatalogFrame};
use crate::codec;
use crate::error::{Error, Result};
use crate::format::decode_frame_length;
use crate::pack::open_frame;
use crate::repository::Repository;

/// Reads what the catalog lists, and remembers which frames proved damaged so that none is tried twice.
pub(super) struct Reader<'r> {
    repository: &'r Repository,
    catalog: &'r mut Catalog,
    damaged: Vec<AtomicBool>,
    /// Not damaged, but no base of it can be decoded.
    baseless: Vec<AtomicBool>,
    failures: Mutex<Vec<Failure>>,
    bytes_read: AtomicU64,
}

/// A damaged frame.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// Position in the catalog.
    pub(super) frame: usize,
    /// Why it cannot be decoded.
    pub(super) reason: String,
    /// Its pack is not there any more.
    pub(super) is_missing: bool,
}

impl<'r> Reader<'r> {
    pub(super) fn new(repository: &'r Repository, catalog: &'r mut Catalog) -> Self {
        let flags = || {
            let frames = catalog.frames.iter();
            frames.map(|_| AtomicBool::new(false)).collect()
        };
        let (damaged, baseless) = (flags(), flags());
        Self {
            repository,
            catalog,
            damaged,
            baseless,
            failures: Mutex::default(),
            bytes_read: AtomicU64::new(0),
        }
    }

    pub(super) fn catalog(&self) -> &Catalog {
        self.catalog
    }

    /// Of every chunk but a content's last.
    pub(super) fn chunk_bytes_min(&self) -> u64 {
        u64::from(self.repository.config().chunker.min).max(1)
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// The frames that proved damaged so far, in the order of their places.
    pub(super) fn failures(&self) -> Vec<Failure> {
        let mut failures = self
            .failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        failures.sort_by_key(|failure| {
            let frame = &self.catalog.frames[failure.frame];
            (frame.pack, frame.ordinal)
        });
        failures
    }

    /// Decides anew which frames are sound, now that some are known to be damaged.
    pub(super) fn settle(&mut self) {
        let damaged = &self.damaged;
        self.catalog
            .settle(|at| damaged[at].load(Ordering::Relaxed));
    }

    /// Counts a frame as damaged without reading it.
    pub(super) fn presume_damaged(&self, at: usize) {
        self.remember(at, false, || "is known to be damaged".to_owned());
    }

    pub(super) fn is_damaged(&self, at: usize) -> bool {
        self.damaged[at].load(Ordering::Relaxed)
    }

    /// Opens a frame and compares it with what the directory says; returns its payload.
    pub(super) fn open(&self, at: usize) -> Result<Vec<u8>> {
        let opened = self.open_unmarked(at);
        self.mark(at, opened)
    }

    /// The chunk in a frame, its id checked. `base` is given for deltas.
    pub(super) fn decode(&self, at: usize, base: Option<&[u8]>) -> Result<Vec<u8>> {
        let decoded = self.open_unmarked(at).and_then(|payload| {
            let frame = &self.catalog.frames[at];
            let bytes = codec::decode(frame.codec, &payload, base, frame.raw_bytes as usize)
                .map_err(|error| self.corrupt(frame, &error.to_string()))?;
            if self.repository.ids().id(&bytes) == frame.id {
                Ok(bytes)
            } else {
                Err(self.corrupt(frame, "it decodes to something else than its chunk"))
            }
        });
        self.mark(at, decoded)
    }

    /// A chunk, from any frame that can be decoded.
    pub(super) fn chunk(&self, id: ChunkId) -> std::result::Result<Vec<u8>, String> {
        self.any_of(self.catalog.of_chunk(id))
            .ok_or_else(|| self.why_lost(id))
    }

    /// The chunk that a delta was encoded against, from any frame that can be decoded.
    pub(super) fn base_of(&self, at: usize) -> Option<Vec<u8>> {
        self.any_of(self.catalog.bases(at))
    }

    /// Every frame fails at most once, as it is marked then, and ranks fall: this ends soon however many copies
    /// of bases there are.
    fn any_of(&self, frames: impl Iterator<Item = usize>) -> Option<Vec<u8>> {
        for at in frames {
            let baseless = self.baseless[at].load(Ordering::Relaxed);
            if baseless || self.is_damaged(at) || !self.catalog.is_sound(at) {
                continue;
            }
            let base = self.catalog.frames[at].base.map(|_| self.base_of(at));
            let decoded = match base {
                None => self.decode(at, None),
                Some(Some(base)) => self.decode(at, Some(&base)),
                Some(None) => {
                    self.baseless[at].store(true, Ordering::Relaxed);
                    continue;
                }
            };
            if let Ok(chunk) = decoded {
                return Some(chunk);
            }
        }
        None
    }

    /// Whether some frame of the chunk can be decoded, as far as is known.
    pub(super) fn holds(&self, id: ChunkId) -> bool {
        self.catalog
            .of_chunk(id)
            .any(|at| self.catalog.is_sound(at))
    }

    /// Whether another frame of the same chunk can be decoded.
    pub(super) fn holds_elsewhere(&self, at: usize) -> bool {
        let mut frames = self.catalog.of_chunk(self.catalog.frames[at].id);
        frames.any(|other| other != at && self.catalog.is_sound(other) && !self.is_damaged(other))
    }

    /// In words for a user, to follow the chunk's id.
    pub(super) fn why_lost(&self, id: ChunkId) -> String {
        let mut frames = self.catalog.of_chunk(id);
        if frames.is_empty() {
            format!("chunk {id} is in no readable pack")
        } else if frames.any(|at| self.is_damaged(at)) {
            format!("chunk {id} is damaged")
        } else {
            format!("chunk {id} rests on a base that is damaged or in no readable pack")
        }
    }

    fn open_unmarked(&self, at: usize) -> Result<Vec<u8>> {
        let frame = &self.catalog.frames[at];
        let pack = self.catalog.packs[frame.pack as usize];
        let length_bytes = varint_bytes(frame.sealed_bytes);
        let wanted = length_bytes + frame.sealed_bytes as usize;
        let start = u64::from(frame.offset) - length_bytes as u64;
        let mut bytes = self
            .repository
            .storage()
            .get_range(pack.name, start, wanted)?;
        self.bytes_read
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if bytes.len() != wanted {
            return Err(self.corrupt(frame, "the pack ends within it"));
        }
        // Readers go by the directory, but whoever scans a pack without one goes by this length.
        if decode_frame_length(&bytes) != Ok((frame.sealed_bytes as usize, length_bytes)) {
            return Err(self.corrupt(frame, "the length in front of it is wrong"));
        }
        let (head, payload) = open_frame(
            self.repository.vault(),
            pack.name,
            pack.epoch,
            frame.ordinal,
            &mut bytes[length_bytes..],
        )?;
        if head.codec != frame.codec || head.base != frame.base {
            return Err(self.corrupt(frame, "it is not what the directory says"));
        }
        Ok(payload.to_vec())
    }

    fn mark<T>(&self, at: usize, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            let pack = self.catalog.packs[self.catalog.frames[at].pack as usize].name;
            let is_missing = matches!(error, Error::Missing { .. });
            self.remember(at, is_missing, || {
                super::objects::reason(error, &pack.to_string())
            });
        }
        result
    }

    fn remember(&self, frame: usize, is_missing: bool, reason: impl FnOnce() -> String) {
        if !self.damaged[frame].swap(true, Ordering::Relaxed) {
            let reason = reason();
            self.failures
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(Failure {
                    frame,
                    reason,
                    is_missing,
                });
        }
    }

    fn corrupt(&self, frame: &CatalogFrame, reason: &str) -> Error {
        Error::corrupt(self.catalog.packs[frame.pack as usize].name, reason)
    }
}

fn varint_bytes(value: u32) -> usize {
    (32 - (value | 1).leading_zeros()).div_ceil(7) as usize
}
