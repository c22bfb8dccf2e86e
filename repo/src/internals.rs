//! What the benches look at beneath the public surface: behind the feature `internals`, and promised to nobody.

use std::path::Path;

use nightfold_chunker::{ChunkId, Sketch};

use crate::error::Result;
use crate::format::{Directory, ObjectId};
use crate::index::{Index, IndexedPack};
use crate::repository::chain;

/// The local index by itself.
pub struct BareIndex(Index);

impl BareIndex {
    /// Opens or creates the index file.
    pub fn open(path: &Path) -> Result<Self> {
        Index::open(path, "bench").map(Self)
    }

    /// Fills an empty index with packs, as catching up with a repository does.
    pub fn fill(&self, packs: impl Iterator<Item = (ObjectId, Directory)>) -> Result<()> {
        let mut packs = packs.map(indexed).peekable();
        let batches = std::iter::from_fn(|| {
            packs.peek()?;
            Some(Ok(packs.by_ref().take(64).collect()))
        });
        self.0.fill(batches)
    }

    /// Looks for deltas without a base, as catching up does.
    pub fn mark_broken(&self) -> Result<u64> {
        self.0.mark_broken()
    }

    /// Enters a pack as a backup does.
    pub fn insert(&self, id: ObjectId, directory: Directory) -> Result<()> {
        self.0.insert_sound(&[indexed((id, directory))])
    }

    /// Whether a usable frame holds the chunk.
    pub fn holds(&self, id: ChunkId) -> Result<bool> {
        self.0.holds(id)
    }

    /// Which of the chunks are held.
    pub fn holds_each(&self, ids: &[ChunkId]) -> Result<Vec<bool>> {
        self.0.holds_each(ids)
    }

    /// Number of usable frames of the chunk.
    pub fn frames(&self, id: ChunkId) -> Result<usize> {
        Ok(self.0.frames(id)?.len())
    }

    /// Links of the chain that a restore of the chunk would read.
    pub fn chain(&self, id: ChunkId) -> Result<usize> {
        Ok(chain(&self.0, id)?.len())
    }

    /// Chunks that the sketch finds.
    pub fn similar(&self, sketch: &Sketch) -> Result<Vec<(ChunkId, u32)>> {
        self.0.similar(sketch)
    }
}

fn indexed((id, directory): (ObjectId, Directory)) -> (IndexedPack, Directory) {
    let pack = IndexedPack {
        id,
        epoch: 0,
        stream: directory.stream,
        bytes: directory.frames_end(),
    };
    (pack, directory)
}
