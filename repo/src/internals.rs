//! What the benches look at beneath the public surface: behind the feature `internals`, and promised to nobody.

use std::path::Path;

use nightfold_chunker::{ChunkId, Sketch};

use crate::catalog::Catalog;
use crate::codec;
use crate::crypto::{Keys, ObjectSeal, Role, Vault, random};
use crate::error::{Error, Result};
use crate::format::{CodecKind, Directory, Encryption, Kind, ObjectId, ObjectName, Snapshot};
use crate::index::{Index, IndexedPack};
pub use crate::prune::BarePlan;
use crate::prune::bare_plan;
use crate::repository::{Repository, chain};

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

impl BareIndex {
    /// Looks through the whole index, as prune does first.
    pub fn verify(&self) -> Result<()> {
        self.0.verify()
    }

    /// All that it holds.
    pub fn catalog(&self) -> Result<BareCatalog> {
        Catalog::of_index(&self.0).map(BareCatalog)
    }
}

/// What an index holds, in memory.
pub struct BareCatalog(Catalog);

impl BareCatalog {
    /// Frames in it.
    pub fn frames(&self) -> usize {
        self.0.frames.len()
    }

    /// Plans a prune after which the chunks that `need` tells of are there.
    pub fn plan(&self, need: impl FnOnce(&mut dyn FnMut(ChunkId))) -> BarePlan {
        bare_plan(&self.0, need)
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

/// A snapshot as the object that a backup would put.
pub fn seal_snapshot(
    repository: &Repository,
    snapshot: &Snapshot,
) -> Result<(ObjectName, Vec<u8>)> {
    repository.seal_snapshot(snapshot)
}

/// Level of compression unless told otherwise.
pub const LEVEL: i32 = codec::LEVEL;

/// A chunk in the form that a frame holds.
pub struct Payload {
    /// How it is encoded.
    pub codec: CodecKind,
    /// The payload of the frame.
    pub bytes: Vec<u8>,
}

/// Encodes a chunk by itself, verified as in a backup.
pub fn encode_whole(chunk: &[u8], level: i32) -> Result<Payload> {
    codec::encode_whole(chunk, level).map(Payload::from)
}

/// Encodes a chunk against a base, verified as in a backup.
pub fn encode_delta(chunk: &[u8], base: &[u8], level: i32) -> Result<Payload> {
    let encoded = codec::encode_delta(chunk, base, level)?;
    codec::verify_delta(chunk, base, &encoded)?;
    Ok(encoded.into())
}

/// Decodes a chain from its whole frame on; every chunk of it has `raw_bytes`.
pub fn decode_chain(chain: &[Payload], raw_bytes: &[usize]) -> Result<Vec<u8>> {
    let mut chunk = None;
    for (payload, raw_bytes) in chain.iter().zip(raw_bytes) {
        let base = chunk.as_deref();
        chunk = Some(codec::decode(
            payload.codec,
            &payload.bytes,
            base,
            *raw_bytes,
        )?);
    }
    Ok(chunk.unwrap_or_default())
}

impl From<codec::Encoded> for Payload {
    fn from(encoded: codec::Encoded) -> Self {
        Self {
            codec: encoded.codec,
            bytes: encoded.payload,
        }
    }
}

/// Seals frames of a pack under keys of its own.
pub struct BareSeal(ObjectSeal);

impl BareSeal {
    /// AES-256-GCM under a new key.
    pub fn new() -> Result<Self> {
        let vault = Vault {
            keys: Keys::draw()?,
            repository: [0; 16],
            encryption: Encryption::Aes256Gcm,
        };
        let header = vault.new_header(ObjectName::new(Kind::Pack, ObjectId(random()?)))?;
        vault.seal_of(&header).map(Self)
    }

    /// Seals a frame in place.
    pub fn seal(&self, ordinal: u64, frame: &mut Vec<u8>) -> Result<()> {
        self.0.seal(Role::Frame, ordinal, frame)
    }

    /// Opens a frame in place; its length.
    pub fn open(&self, ordinal: u64, frame: &mut [u8]) -> Result<usize> {
        let opened = self.0.open(Role::Frame, ordinal, frame);
        opened
            .map(<[u8]>::len)
            .ok_or_else(|| Error::corrupt("frame", "its seal does not fit"))
    }
}
