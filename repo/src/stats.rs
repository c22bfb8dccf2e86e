//! What a repository holds and what it costs.

use serde::Serialize;

use crate::catalog::{Catalog, CatalogFrame};
use crate::error::Result;
use crate::format::{CodecKind, Kind, SEAL_TAG_BYTES, StreamKind};
use crate::repository::Repository;

/// Bytes that storage holds, by kind of object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoredBytes {
    /// Packs with contents of files; also packs whose directory cannot be read.
    pub packs_data: u64,
    /// Packs with file lists and recipes.
    pub packs_meta: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Key slots.
    pub keys: u64,
    /// The config.
    pub config: u64,
    /// Leases, verdicts, tombstones and proofs.
    pub records: u64,
    /// Parity of packs, and copies of the others.
    pub parity: u64,
    /// All of these.
    pub total: u64,
}

/// Numbers of frames by how they are stored. Their sum may exceed the number of chunks: two writers may have
/// stored the same chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FrameCounts {
    /// Compressed by themselves.
    pub whole: u64,
    /// Encoded against another chunk.
    pub delta: u64,
    /// Kept as they are, since compression saved too little.
    pub stored: u64,
}

/// What checks have read and found sound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProvenStats {
    /// Number of packs that were read whole.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Number of packs that were not, or in which damage was found.
    pub packs_never: u64,
    /// When that of the packs was read that was read longest ago, RFC 3339; `None` if none was.
    pub oldest: Option<String>,
}

/// Sizes and numbers of a whole repository. Bytes unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Number of snapshots.
    pub snapshots: u64,
    /// What all snapshots would take restored side by side.
    pub logical_bytes: u64,
    /// What storage holds.
    pub stored: StoredBytes,
    /// Logical bytes for each stored byte; 0 for an empty repository.
    pub ratio: f64,
    /// Number of packs.
    pub packs: u64,
    /// Number of different chunks.
    pub chunks: u64,
    /// Numbers of frames.
    pub frames: FrameCounts,
    /// The different chunks, uncompressed.
    pub raw_bytes: u64,
    /// What the codecs made of the chunks: frames without seal, codec byte, base and length.
    pub payload_bytes: u64,
    /// Everything in the repository that is not payload, for each chunk.
    pub overhead_bytes_per_chunk: f64,
    /// Number of chunks by how many steps lead to a whole frame: `[0]` are stored whole.
    pub depth_histogram: Vec<u64>,
    /// The highest version that a chunk has in its lineage.
    pub version_max: u32,
    /// What checks have read.
    pub proven: ProvenStats,
}

impl Repository {
    /// Sizes and numbers, from listings and the index.
    pub fn stats(&self) -> Result<Stats> {
        let mut stats = Stats::default();
        for stored in self.snapshots()? {
            stats.snapshots += 1;
            stats.logical_bytes += stored.snapshot.stats.size;
        }
        let catalog = self.with_index(Catalog::of_index)?;
        stats.count_objects(self, &catalog)?;
        stats.count_frames(&catalog);
        stats.count_depths(&catalog);
        stats.count_proven(self)?;
        if stats.stored.total > 0 {
            stats.ratio = stats.logical_bytes as f64 / stats.stored.total as f64;
        }
        if stats.chunks > 0 {
            let overhead = stats.stored.total.saturating_sub(stats.payload_bytes);
            stats.overhead_bytes_per_chunk = overhead as f64 / stats.chunks as f64;
        }
        Ok(stats)
    }
}

impl Stats {
    fn count_objects(&mut self, repository: &Repository, catalog: &Catalog) -> Result<()> {
        let bytes_of = |kind| -> Result<(u64, u64)> {
            let listed = repository.storage().list(kind)?;
            let bytes = listed.iter().map(|object| object.bytes).sum();
            Ok((listed.len() as u64, bytes))
        };
        let meta = |pack: &&crate::catalog::CatalogPack| pack.stream == StreamKind::Meta;
        let (packs, pack_bytes) = bytes_of(Kind::Pack)?;
        self.packs = packs;
        let packs_meta: u64 = catalog
            .packs
            .iter()
            .filter(meta)
            .map(|pack| pack.bytes)
            .sum();
        self.stored = StoredBytes {
            packs_data: pack_bytes.saturating_sub(packs_meta),
            packs_meta,
            snapshots: bytes_of(Kind::Snapshot)?.1,
            keys: bytes_of(Kind::Key)?.1,
            config: bytes_of(Kind::Config)?.1,
            parity: bytes_of(Kind::Parity)?.1,
            records: 0,
            total: 0,
        };
        for kind in [Kind::Lease, Kind::Condemned, Kind::Tombstone, Kind::Proof] {
            self.stored.records += bytes_of(kind)?.1;
        }
        self.stored.total = pack_bytes
            + self.stored.snapshots
            + self.stored.keys
            + self.stored.config
            + self.stored.records
            + self.stored.parity;
        Ok(())
    }

    fn count_proven(&mut self, repository: &Repository) -> Result<()> {
        let proofs = repository.proofs()?;
        let mut oldest = None;
        for pack in repository.storage().list(Kind::Pack)? {
            let Some(time) = proofs.of_pack(pack.id) else {
                self.proven.packs_never += 1;
                continue;
            };
            self.proven.packs += 1;
            self.proven.bytes += pack.bytes;
            oldest = Some(oldest.map_or(time, |oldest: jiff::Timestamp| oldest.min(time)));
        }
        self.proven.oldest = oldest.map(|time| time.to_string());
        Ok(())
    }

    fn count_frames(&mut self, catalog: &Catalog) {
        for frame in &catalog.frames {
            let count = match frame.codec {
                CodecKind::Stored => &mut self.frames.stored,
                CodecKind::ZstdDelta | CodecKind::Patch => &mut self.frames.delta,
                CodecKind::Zstd | CodecKind::Columns => &mut self.frames.whole,
            };
            *count += 1;
            self.payload_bytes += payload_bytes(frame);
            self.version_max = self.version_max.max(frame.version);
        }
        for frames in catalog.frames.chunk_by(|a, b| a.id == b.id) {
            self.chunks += 1;
            self.raw_bytes += u64::from(frames[0].raw_bytes);
        }
    }

    /// Along the chain that a reader follows: of several frames the one of lowest rank.
    fn count_depths(&mut self, catalog: &Catalog) {
        let mut depths = vec![0usize; catalog.frames.len()];
        for at in catalog.by_rank() {
            if let Some(parent) = catalog.parent(at) {
                depths[at] = depths[parent] + 1;
            }
        }
        let mut first = 0;
        for frames in catalog.frames.chunk_by(|a, b| a.id == b.id) {
            let best = (first..first + frames.len()).find(|at| catalog.is_sound(*at));
            first += frames.len();
            let Some(best) = best else { continue };
            if self.depth_histogram.len() <= depths[best] {
                self.depth_histogram.resize(depths[best] + 1, 0);
            }
            self.depth_histogram[depths[best]] += 1;
        }
    }
}

fn payload_bytes(frame: &CatalogFrame) -> u64 {
    let head = 1 + frame.base.map_or(0, |base| base.0.len());
    u64::from(frame.sealed_bytes).saturating_sub((head + SEAL_TAG_BYTES) as u64)
}

#[cfg(test)]
mod tests;
