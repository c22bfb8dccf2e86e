//! One backup run: chunks in, packs out, a snapshot at the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nightfold_chunker::{ChunkId, Sketch};
use rayon::prelude::*;

use super::base::{Attempt, Candidate, Delta};
use super::packer::Packer;
use super::unpublished::{Ancestor, Unpublished};
use super::{Repository, StoredSnapshot};
use crate::codec;
use crate::error::Result;
use crate::format::{BaseRef, Content, Snapshot, StreamKind};
use crate::limits::CONTENT_IDS_MAX;
use crate::pack::NewFrame;

pub use super::base::Track;

/// A delta below this part of its chunk is taken without a look at the whole form.
const CLEARLY_SMALLER: usize = 8;
/// Every so many versions a delta gets a sketch, so that a lineage stays findable by what it has become.
const SKETCH_EVERY: u32 = 4;

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
    /// The previous recipe of its file, and its own place in the new one.
    pub track: Option<(&'a Track, usize)>,
}

/// Encoded frames on their way into a pack.
pub struct Batch {
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

/// A backup run. Calls for one stream must come in the order of its bytes.
pub struct RunWriter {
    repository: Arc<Repository>,
    options: WriteOptions,
    unpublished: Arc<Mutex<Unpublished>>,
    totals: Arc<RunTotals>,
    packer: Packer,
    typical_delta: AtomicU64,
}

/// Parts of a chunk that a delta takes, in 2⁻²⁰.
const PARTS: u64 = 1 << 20;

impl RunWriter {
    /// Starts a run.
    pub fn start(repository: &Arc<Repository>, options: WriteOptions) -> Result<Self> {
        repository.config().check_writable()?;
        // Opened here so that a failure comes before anything is read.
        repository.index()?;
        let unpublished = Arc::new(Mutex::new(Unpublished::default()));
        let totals = Arc::new(RunTotals::default());
        let packer = Packer::start(
            Arc::clone(repository),
            Arc::clone(&unpublished),
            Arc::clone(&totals),
            options.dry_run,
        )?;
        let repository = Arc::clone(repository);
        let typical_delta = AtomicU64::new(PARTS / 128);
        Ok(Self {
            repository,
            options,
            unpublished,
            totals,
            packer,
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

    /// Names chunks, on all cores.
    pub fn identify(&self, chunks: &[ChunkInput<'_>]) -> Vec<ChunkId> {
        chunks
            .par_iter()
            .map(|chunk| self.repository.ids().id(chunk.bytes))
            .collect()
    }

    /// Encodes those of the chunks that the repository does not hold, on all cores.
    pub fn encode(
        &self,
        stream: StreamKind,
        chunks: &[ChunkInput<'_>],
        ids: &[ChunkId],
    ) -> Result<Batch> {
        let mut new = Vec::new();
        let held = self.held(ids)?;
        for ((chunk, id), held) in chunks.iter().zip(ids).zip(held) {
            if let Some(sequence) = self.enter(stream, *id, held) {
                new.push((chunk, *id, sequence));
                continue;
            }
            self.totals.known.fetch_add(1, Ordering::Relaxed);
            if let Some((track, at)) = chunk.track {
                track.settle(at, *id);
            }
        }
        let frames = new
            .par_iter()
            .with_max_len(1)
            .map(|(chunk, id, sequence)| {
                let candidate = Candidate {
                    chunk: chunk.bytes,
                    stream,
                    sequence: *sequence,
                };
                self.encode_one(candidate, *id, chunk.track)
            })
            .collect::<Result<_>>()?;
        Ok(Batch { stream, frames })
    }

    /// Hands encoded frames to the packer; waits while it is behind.
    pub fn append(&self, batch: Batch) -> Result<()> {
        self.packer.send(batch)
    }

    /// Makes a content of a list of chunks; long lists are stored as recipe chunks themselves.
    pub fn store_recipe(
        &self,
        size: u64,
        mut ids: Vec<ChunkId>,
        previous: Option<&Content>,
    ) -> Result<Content> {
        let mut depth = 0;
        let mut previous = match previous {
            Some(content) => self.repository.recipe_ids(content)?,
            None => Vec::new(),
        };
        while ids.len() > CONTENT_IDS_MAX {
            let bytes: Vec<u8> = ids.iter().flat_map(|id| id.0).collect();
            let track = Track::new(std::mem::take(&mut previous));
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
        for (at, end) in self
            .repository
            .cutter()
            .cut_all(bytes, true)
            .into_iter()
            .enumerate()
        {
            chunks.push(ChunkInput {
                bytes: &bytes[start..end],
                track: Some((track, at)),
            });
            start = end;
        }
        let ids = self.identify(&chunks);
        self.append(self.encode(stream, &chunks, &ids)?)?;
        Ok(ids)
    }

    /// Waits until every pack is durable.
    pub fn flush(&mut self) -> Result<()> {
        self.packer.finish()
    }

    /// Makes the run visible: packs first, then the snapshot. A dry run publishes nothing.
    pub fn publish(
        mut self,
        complete: impl FnOnce(&RunTotals) -> Snapshot,
    ) -> Result<Option<StoredSnapshot>> {
        self.flush()?;
        let snapshot = complete(&self.totals);
        if self.options.dry_run {
            return Ok(None);
        }
        self.repository.publish(snapshot).map(Some)
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
            .with_index(|index| index.holds_each(&asked))?;
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

    fn encode_one(
        &self,
        candidate: Candidate<'_>,
        id: ChunkId,
        track: Option<(&Track, usize)>,
    ) -> Result<NewFrame> {
        let chunk = candidate.chunk;
        let guess = track.and_then(|(track, at)| track.guess(at));
        let mut best = Attempt::Impossible;
        if let Some(nearest) = guess {
            best = self.encode_against(candidate, nearest)?;
        }
        let mut sketch = None;
        if !self.is_typical(&best, chunk) {
            sketch = self.repository.sketcher.sketch(chunk);
            best = self.try_similar(candidate, best, guess, sketch)?;
        }
        let frame = self.decide(chunk, id, best, track, sketch)?;
        self.count(&frame);
        let ancestor = Ancestor {
            id,
            version: frame.version,
            rank: frame.rank,
            base: frame.base,
        };
        self.unpublished().encoded(ancestor, chunk, frame.sketch);
        Ok(frame)
    }

    /// Whether a delta is as small as this run's deltas are: then there is no need to look for another base.
    fn is_typical(&self, attempt: &Attempt, chunk: &[u8]) -> bool {
        match attempt {
            Attempt::Delta(delta) => {
                let parts = delta.encoded.payload.len() as u64 * PARTS / chunk.len() as u64;
                4 * parts <= 5 * self.typical_delta.load(Ordering::Relaxed)
            }
            Attempt::WholeDue(_) => true,
            Attempt::Impossible => false,
        }
    }

    fn try_similar(
        &self,
        candidate: Candidate<'_>,
        best: Attempt,
        tried: Option<ChunkId>,
        sketch: Option<Sketch>,
    ) -> Result<Attempt> {
        let Some(sketch) = sketch else {
            return Ok(best);
        };
        let Some(nearest) = self.similar(&sketch)?.into_iter().next() else {
            return Ok(best);
        };
        if Some(nearest) == tried {
            return Ok(best);
        }
        let other = self.encode_against(candidate, nearest)?;
        Ok(match (best, other) {
            (Attempt::Delta(a), Attempt::Delta(b)) => {
                Attempt::Delta(if a.encoded.payload.len() <= b.encoded.payload.len() {
                    a
                } else {
                    b
                })
            }
            (best, Attempt::Impossible) => best,
            (_, other) => other,
        })
    }

    /// The delta if it pays, else the whole chunk; either verified.
    fn decide(
        &self,
        chunk: &[u8],
        id: ChunkId,
        attempt: Attempt,
        track: Option<(&Track, usize)>,
        sketch: Option<Sketch>,
    ) -> Result<NewFrame> {
        let (version, whole) = match attempt {
            Attempt::Delta(delta) => match self.whole_if_better(chunk, &delta)? {
                Some(whole) => (0, whole),
                None => return self.delta_frame(chunk, id, delta, track, sketch),
            },
            Attempt::WholeDue(version) => (version, codec::encode_whole(chunk, self.level())?),
            Attempt::Impossible => (0, codec::encode_whole(chunk, self.level())?),
        };
        Ok(NewFrame {
            id,
            raw_bytes: chunk.len() as u32,
            codec: whole.codec,
            base: None,
            version,
            rank: 0,
            sketch: sketch.or_else(|| self.repository.sketcher.sketch(chunk)),
            payload: whole.payload,
        })
    }

    /// The whole form, where the delta does not pay: a whole frame restores faster and needs no base, so a delta
    /// must save a fifth.
    fn whole_if_better(&self, chunk: &[u8], delta: &Delta) -> Result<Option<codec::Encoded>> {
        if delta.encoded.payload.len() <= chunk.len() / CLEARLY_SMALLER {
            return Ok(None);
        }
        let whole = codec::encode_whole(chunk, self.level())?;
        let pays = delta.encoded.payload.len() < whole.payload.len() / 5 * 4;
        Ok((!pays).then_some(whole))
    }

    fn delta_frame(
        &self,
        chunk: &[u8],
        id: ChunkId,
        delta: Delta,
        track: Option<(&Track, usize)>,
        mut sketch: Option<Sketch>,
    ) -> Result<NewFrame> {
        codec::verify_delta(chunk, &delta.base_bytes, &delta.encoded)?;
        if let Some((track, at)) = track {
            track.settle(at, delta.nearest);
        }
        self.learn(&delta, chunk);
        if sketch.is_none() && delta.version.is_multiple_of(SKETCH_EVERY) {
            sketch = self.repository.sketcher.sketch(chunk);
        }
        Ok(NewFrame {
            id,
            raw_bytes: chunk.len() as u32,
            codec: delta.encoded.codec,
            base: Some(BaseRef::from(delta.base)),
            version: delta.version,
            rank: delta.rank,
            sketch,
            payload: delta.encoded.payload,
        })
    }

    fn learn(&self, delta: &Delta, chunk: &[u8]) {
        let parts = delta.encoded.payload.len() as u64 * PARTS / chunk.len() as u64;
        let before = self.typical_delta.load(Ordering::Relaxed);
        // A lost update between threads only slows the learning.
        self.typical_delta
            .store((before * 15 + parts.min(PARTS / 8)) / 16, Ordering::Relaxed);
    }

    fn count(&self, frame: &NewFrame) {
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
