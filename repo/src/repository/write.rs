//! One backup run: chunks in, packs out, a snapshot at the end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nightfold_chunker::{ChunkId, Sample};
use rayon::prelude::*;

use super::base::Candidate;
use super::encode::{Job, TYPICAL_AT_FIRST};
use super::packer::{self, Packer};
use super::track::Track;
use super::unpublished::Unpublished;
use super::{HeldLease, Repository, StoredSnapshot};
use crate::codec;
use crate::error::{Error, Result};
use crate::format::{Content, Snapshot, StreamKind};
use crate::limits::CONTENT_IDS_MAX;
use crate::pack::NewFrame;

/// How a run stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// zstd level.
    pub level: i32,
    /// Store nothing, only find out what would be stored.
    pub dry_run: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            level: codec::LEVEL,
            dry_run: false,
        }
    }
}

/// A chunk to be stored.
#[derive(Clone, Copy)]
pub struct ChunkInput<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its samples, if it was scanned when it was cut: a sketch then needs no look at the bytes.
    pub samples: Option<&'a [Sample]>,
    /// The previous recipe of its file, and its own offset in the new content.
    pub track: Option<(&'a Track, u64)>,
}

/// Encoded frames on their way into a pack.
pub(super) struct Batch {
    pub(super) stream: StreamKind,
    pub(super) frames: Vec<NewFrame>,
}

/// What a run has done so far; all numbers only grow.
#[derive(Debug, Default)]
pub struct RunTotals {
    /// Chunks stored whole.
    pub whole: AtomicU64,
    /// Chunks stored as deltas.
    pub delta: AtomicU64,
    /// Chunks that were there already.
    pub known: AtomicU64,
    /// Bytes of the chunks that were not there.
    pub new_bytes: AtomicU64,
    /// Bytes of published packs.
    pub stored_bytes: AtomicU64,
}

/// A run that stores. Its calls come one at a time, those for one stream in the order of its bytes. After an error it can
/// no longer be published.
pub struct RunWriter {
    repository: Arc<Repository>,
    options: WriteOptions,
    unpublished: Arc<Mutex<Unpublished>>,
    totals: Arc<RunTotals>,
    packer: Packer,
    failed: AtomicBool,
    /// Ended last: whatever this run may still write, others know that it is at work.
    lease: Option<HeldLease>,
    /// Parts of a chunk that a delta of this run takes.
    pub(super) typical_delta: AtomicU64,
}

impl RunWriter {
    /// Starts a backup.
    pub fn start(repository: &Arc<Repository>, options: WriteOptions) -> Result<Self> {
        Self::start_as("backup", repository, options)
    }

    /// Starts a run of another command, which its lease names.
    pub fn start_as(
        command: &str,
        repository: &Arc<Repository>,
        options: WriteOptions,
    ) -> Result<Self> {
        repository.config().check_writable()?;
        // A dry run changes nothing, and so keeps nobody from deleting what it looks at. The index is opened here so
        // that a failure comes before anything is read.
        let lease = if options.dry_run {
            repository.index()?;
            None
        } else {
            let lease = repository.lease(command)?;
            repository.heed_verdicts()?;
            Some(lease)
        };
        let unpublished = Arc::new(Mutex::new(Unpublished::default()));
        let totals = Arc::new(RunTotals::default());
        let packer = packer::start(
            Arc::clone(repository),
            Arc::clone(&unpublished),
            Arc::clone(&totals),
            options.dry_run,
        )?;
        let repository = Arc::clone(repository);
        let typical_delta = AtomicU64::new(TYPICAL_AT_FIRST);
        Ok(Self {
            repository,
            options,
            unpublished,
            totals,
            packer,
            failed: AtomicBool::new(false),
            lease,
            typical_delta,
        })
    }

    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(super) fn unpublished(&self) -> MutexGuard<'_, Unpublished> {
        self.unpublished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn level(&self) -> i32 {
        self.options.level
    }

    /// What the run has done so far.
    pub fn totals(&self) -> &RunTotals {
        &self.totals
    }

    /// Stores those of the chunks that the repository does not hold, encoded on all cores; waits while the packer is
    /// behind. Returns for each chunk the names under which it is stored, in order: its own, or those of its pieces.
    pub fn store(
        &self,
        stream: StreamKind,
        chunks: &[ChunkInput<'_>],
    ) -> Result<Vec<Vec<ChunkId>>> {
        let stored = self.store_all(stream, chunks);
        self.failed.fetch_or(stored.is_err(), Ordering::Relaxed);
        stored
    }

    fn store_all(
        &self,
        stream: StreamKind,
        chunks: &[ChunkInput<'_>],
    ) -> Result<Vec<Vec<ChunkId>>> {
        let ids: Vec<ChunkId> = chunks
            .par_iter()
            .map(|chunk| self.repository.ids().id(chunk.bytes))
            .collect();
        let batch = self.encode(stream, chunks, &ids)?;
        let names = {
            let unpublished = self.unpublished();
            ids.iter().map(|id| unpublished.names(*id)).collect()
        };
        self.packer.send(batch)?;
        Ok(names)
    }

    fn encode(
        &self,
        stream: StreamKind,
        chunks: &[ChunkInput<'_>],
        ids: &[ChunkId],
    ) -> Result<Batch> {
        let mut new = Vec::new();
        let held = self.held(ids)?;
        for ((chunk, id), held) in chunks.iter().zip(ids).zip(held) {
            if let Some(sequence) = self.enter(stream, *id, held) {
                let candidate = Candidate {
                    chunk: chunk.bytes,
                    samples: chunk.samples,
                    stream,
                    sequence,
                };
                new.push(Job {
                    candidate,
                    id: *id,
                    track: chunk.track,
                });
                continue;
            }
            self.totals.known.fetch_add(1, Ordering::Relaxed);
            if let Some((track, at)) = chunk.track {
                track.settle(at, *id, 0);
            }
        }
        let frames = new
            .into_par_iter()
            .with_max_len(1)
            .map(|job| self.encode_one(job))
            .collect::<Result<Vec<_>>>()?;
        Ok(Batch {
            stream,
            frames: frames.into_iter().flatten().collect(),
        })
    }

    /// Makes a content of a list of chunks; long lists are stored as recipe chunks themselves.
    pub fn store_recipe(
        &self,
        size: u64,
        mut ids: Vec<ChunkId>,
        previous: Option<&Content>,
    ) -> Result<Content> {
        let mut depth = 0;
        // Of the previous recipe, the topmost level is the one whose ids the content itself lists.
        let mut tracks = match previous {
            Some(content) => self.repository.recipe_tracks(content)?,
            None => Vec::new(),
        };
        while ids.len() > CONTENT_IDS_MAX {
            let bytes: Vec<u8> = ids.iter().flat_map(|id| id.0).collect();
            let track = tracks.pop().unwrap_or_default();
            ids = self.store_stream(StreamKind::Meta, &bytes, &track)?;
            depth += 1;
        }
        Ok(Content::Chunks { size, depth, ids })
    }

    fn store_stream(
        &self,
        stream: StreamKind,
        bytes: &[u8],
        track: &Track,
    ) -> Result<Vec<ChunkId>> {
        let mut start = 0;
        let mut chunks = Vec::new();
        for end in self.repository.cutter().cut_all(bytes, true) {
            chunks.push(ChunkInput {
                bytes: &bytes[start..end],
                samples: None,
                track: Some((track, start as u64)),
            });
            start = end;
        }
        Ok(self.store(stream, &chunks)?.concat())
    }

    /// Waits until every pack is durable.
    pub fn flush(&mut self) -> Result<()> {
        let done = self.packer.finish();
        self.failed.fetch_or(done.is_err(), Ordering::Relaxed);
        done
    }

    /// Makes the run visible: packs first, then the snapshot. A dry run publishes nothing.
    pub fn publish(
        mut self,
        complete: impl FnOnce(&RunTotals) -> Snapshot,
    ) -> Result<Option<StoredSnapshot>> {
        self.flush()?;
        // What failed before may be named by a recipe and be nowhere.
        if self.failed.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let snapshot = complete(&self.totals);
        let Some(lease) = self.lease.take() else {
            return Ok(None);
        };
        self.repository.publish_under(&lease, snapshot).map(Some)
    }

    /// Which of the chunks are held or on their way. Asked in this order: the packer moves chunks from the run's
    /// memory to the index, so that one is found in the one or the other.
    fn held(&self, ids: &[ChunkId]) -> Result<Vec<bool>> {
        let mut held: Vec<bool> = {
            let unpublished = self.unpublished();
            ids.iter().map(|id| unpublished.contains(*id)).collect()
        };
        let others: Vec<usize> = (0..ids.len()).filter(|at| !held[*at]).collect();
        let asked: Vec<ChunkId> = others.iter().map(|at| ids[*at]).collect();
        let found = self
            .repository
            .with_index(|index| self.repository.may_reuse_each(index, &asked))?;
        for (at, found) in others.into_iter().zip(found) {
            held[at] = found;
        }
        Ok(held)
    }

    /// `None`: the chunk is held, or on its way already, if only since the one before it.
    fn enter(&self, stream: StreamKind, id: ChunkId, held: bool) -> Option<u64> {
        if held {
            return None;
        }
        let mut unpublished = self.unpublished();
        (!unpublished.contains(id)).then(|| unpublished.enter(id, stream))
    }

    pub(super) fn count(&self, frame: &NewFrame) {
        let kind = if frame.base.is_some() {
            &self.totals.delta
        } else {
            &self.totals.whole
        };
        kind.fetch_add(1, Ordering::Relaxed);
        self.totals
            .new_bytes
            .fetch_add(u64::from(frame.raw_bytes), Ordering::Relaxed);
    }
}
