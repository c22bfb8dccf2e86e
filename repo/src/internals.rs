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

    /// Enters packs as a backup does.
    pub fn insert(&self, packs: Vec<(ObjectId, Directory)>) -> Result<()> {
        let packs: Vec<_> = packs.into_iter().map(indexed).collect();
        self.0.insert(&packs).map(drop)
    }

    /// Whether a usable frame holds the chunk.
    pub fn holds(&self, id: ChunkId) -> Result<bool> {
        self.0.holds(id)
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
