//! What packs' directories of a large repository look like: first nights of whole chunks with sketches, then
//! nights of deltas. Everything follows from a chunk's number, so that nothing need be remembered.

use nightfold_chunker::{ChunkId, Sketch};
use nightfold_repo::format::{BaseRef, CodecKind, DirEntry, Directory, ObjectId, StreamKind};

/// Half of all chunks are whole.
const WHOLE_PART: u64 = 2;
/// Of eight lineages, one changes; it does so every night.
const CHANGING_PART: u64 = 8;
/// Deltas get a sketch at every so many versions, and one in eight beside: where the guess by place failed.
const SKETCH_EVERY: u64 = 4;

/// Where the numbers of chunks and packs start that the repository does not have.
const NEW: u64 = 1 << 40;

/// A repository of a given number of chunks.
pub struct Model {
    chunks: u64,
    pack: u64,
    whole: u64,
    changing: u64,
}

impl Model {
    pub fn new(chunks: u64, pack: u64) -> Self {
        let whole = (chunks / WHOLE_PART).max(1);
        Self {
            chunks,
            pack,
            whole,
            changing: (whole / CHANGING_PART).max(1),
        }
    }

    /// So many chunks, of which the same eighth changes in every night; a pack for each night.
    #[allow(dead_code, reason = "a bench does not ask")]
    pub fn nights(lineages: u64, nights: u64) -> Self {
        let changing = (lineages / CHANGING_PART).max(1);
        Self {
            chunks: lineages + nights * changing,
            pack: changing,
            whole: lineages,
            changing,
        }
    }

    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    pub fn packs(&self) -> u64 {
        self.chunks.div_ceil(self.pack)
    }

    pub fn pack(&self, pack: u64) -> (ObjectId, Directory) {
        let first = pack * self.pack;
        let end = (first + self.pack).min(self.chunks);
        directory(pack, (first..end).map(|at| self.entry(at)).collect())
    }

    /// A pack of chunks that the repository does not have: whole ones, with sketches.
    pub fn new_pack(&self, night: u64) -> (ObjectId, Directory) {
        let first = NEW | (night * self.pack);
        let entries = (first..first + self.pack).map(Self::whole_entry);
        directory(NEW | night, entries.collect())
    }

    pub fn id(at: u64) -> ChunkId {
        let mut id = [0; 20];
        for (place, bytes) in id.chunks_mut(8).enumerate() {
            let word = mix(at * 4 + place as u64).to_le_bytes();
            bytes.copy_from_slice(&word[..bytes.len()]);
        }
        ChunkId(id)
    }

    pub fn random_delta(&self, random: u64) -> u64 {
        self.whole + random % (self.chunks - self.whole).max(1)
    }

    /// A chunk of a night of deltas, of which the first is 1.
    #[allow(dead_code, reason = "a bench asks")]
    pub fn delta_of(&self, night: u64, at: u64) -> u64 {
        self.whole + (night - 1) * self.changing + at
    }

    #[allow(dead_code, reason = "a bench asks")]
    pub fn deltas_a_night(&self) -> u64 {
        self.changing
    }

    pub fn foreign_sketch(random: u64) -> Sketch {
        Self::sketch(1 << 41 | random >> 20, 0)
    }

    pub fn sketch_of(&self, at: u64) -> Sketch {
        let (lineage, version) = self.place(at);
        Self::sketch(lineage, version)
    }

    fn entry(&self, at: u64) -> DirEntry {
        let (lineage, version) = self.place(at);
        if version == 0 {
            return Self::whole_entry(at);
        }
        let base = skip_target(version);
        let sketched = version.is_multiple_of(SKETCH_EVERY) || mix(at).is_multiple_of(8);
        DirEntry {
            sealed_bytes: 500 + (mix(at) >> 50) as u32,
            codec: CodecKind::ZstdDelta,
            base: Some(BaseRef::from(Self::id(self.number(lineage, base)))),
            version: version as u32,
            rank: rank(version),
            sketch: sketched.then(|| Self::sketch(lineage, version)),
            ..Self::whole_entry(at)
        }
    }

    pub fn whole_entry(at: u64) -> DirEntry {
        let random = mix(at ^ 0x5bd1);
        DirEntry {
            id: Self::id(at),
            sealed_bytes: 20_000 + (random % 100_000) as u32,
            raw_bytes: 65_536 + (random % 400_000) as u32,
            codec: CodecKind::Zstd,
            base: None,
            version: 0,
            rank: 0,
            sketch: Some(Self::sketch(at, 0)),
        }
    }

    /// Two of its six numbers follow the version.
    pub fn sketch(lineage: u64, version: u64) -> Sketch {
        let mut place = 0;
        Sketch([0; 6].map(|_: u32| {
            place += 1;
            let version = if place > 4 { version } else { 0 };
            (mix(mix(lineage << 3 | place) ^ version) >> 32) as u32
        }))
    }

    fn place(&self, at: u64) -> (u64, u64) {
        match at.checked_sub(self.whole) {
            None => (at, 0),
            Some(delta) => (
                delta % self.changing * CHANGING_PART % self.whole,
                delta / self.changing + 1,
            ),
        }
    }

    fn number(&self, lineage: u64, version: u64) -> u64 {
        match version.checked_sub(1) {
            None => lineage,
            Some(before) => self.whole + before * self.changing + lineage / CHANGING_PART,
        }
    }
}

pub fn directory(pack: u64, entries: Vec<DirEntry>) -> (ObjectId, Directory) {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&mix(!pack).to_le_bytes());
    id[8..16].copy_from_slice(&pack.to_le_bytes());
    let stream = StreamKind::Data;
    (ObjectId(id), Directory { stream, entries })
}

/// The version that a version rests on, as in `docs/format.md`, 10.
pub fn skip_target(version: u64) -> u64 {
    let mut power = 1;
    while version.is_multiple_of(power * 8) {
        power *= 8;
    }
    version - power
}

pub fn rank(mut version: u64) -> u8 {
    let mut rank = 0;
    while version > 0 {
        version = skip_target(version);
        rank += 1;
    }
    rank
}

/// SplitMix64's output function.
pub fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}
