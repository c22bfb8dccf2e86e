//! What packs hold, frame by frame, sorted by chunk: about 64 bytes of memory a frame.

use std::ops::Range;

use nightfold_chunker::ChunkId;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::format::{
    BaseRef, CodecKind, Directory, FOOTER_BYTES, HEADER_BYTES, Header, Kind, ObjectName, StreamKind,
};
use crate::index::Index;
use crate::pack::read_directory;
use crate::repository::Repository;
use crate::storage::Listed;

/// Packs whose directories are in memory at once, beside the catalog.
const PACKS_AT_ONCE: usize = 256;

/// About how many frames share a bucket. Looking a chunk up among all frames would touch memory all over.
const BUCKET_FRAMES: usize = 4;
/// How many of the first bits of an id tell its bucket, at least and at most.
const BUCKET_BITS: std::ops::RangeInclusive<u32> = 8..=24;

/// A rank is a byte.
const RANKS: usize = 1 << 8;

/// A pack whose directory is readable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CatalogPack {
    pub(crate) name: ObjectName,
    pub(crate) epoch: u32,
    pub(crate) stream: StreamKind,
    pub(crate) bytes: u64,
}

/// A frame and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CatalogFrame {
    pub(crate) id: ChunkId,
    pub(crate) base: Option<BaseRef>,
    pub(crate) codec: CodecKind,
    pub(crate) rank: u8,
    /// Position in [`Catalog::packs`].
    pub(crate) pack: u32,
    pub(crate) ordinal: u32,
    /// Of its sealed bytes; packs are far smaller than 4 GiB.
    pub(crate) offset: u32,
    pub(crate) sealed_bytes: u32,
    pub(crate) raw_bytes: u32,
    pub(crate) version: u32,
}

/// All frames of all readable packs.
#[derive(Default)]
pub(crate) struct Catalog {
    pub(crate) packs: Vec<CatalogPack>,
    /// By chunk, then rank: the frame that is decoded with the least work comes first.
    pub(crate) frames: Vec<CatalogFrame>,
    /// By frame: where those of the chunk that it rests on start; of whole frames nothing that means anything.
    base_starts: Vec<u32>,
    /// Where the frames of each bucket start, and where the last one ends.
    starts: Vec<u32>,
    bucket_bits: u32,
    sound: Vec<bool>,
}

impl Catalog {
    /// Reads the directories of `packs`; those that cannot be read are returned beside. `done` is told the
    /// bytes read of a pack, the bytes that it has, and whether it is readable.
    pub(crate) fn read(
        repository: &Repository,
        packs: &[Listed],
        mut done: impl FnMut(u64, u64, bool),
    ) -> (Self, Vec<(ObjectName, Error)>) {
        let mut catalog = Self::default();
        let mut errors = Vec::new();
        for packs in packs.chunks(PACKS_AT_ONCE) {
            let directories: Vec<Result<(Header, Directory)>> = packs
                .par_iter()
                .map(|pack| read_directory(repository.vault(), repository.storage(), *pack))
                .collect();
            for (pack, directory) in packs.iter().zip(directories) {
                let name = ObjectName::new(Kind::Pack, pack.id);
                match directory {
                    Ok((header, directory)) => {
                        let directory_bytes = pack.bytes - directory.frames_end();
                        done(HEADER_BYTES as u64 + directory_bytes, pack.bytes, true);
                        let pack = CatalogPack {
                            name,
                            epoch: header.epoch,
                            stream: directory.stream,
                            bytes: pack.bytes,
                        };
                        catalog.add(pack, &directory);
                    }
                    Err(error) => {
                        done((HEADER_BYTES + FOOTER_BYTES) as u64, pack.bytes, false);
                        errors.push((name, error));
                    }
                }
            }
        }
        catalog.sort();
        (catalog, errors)
    }

    /// Takes over what the local index knows of usable frames.
    pub(crate) fn of_index(index: &Index) -> Result<Self> {
        let mut catalog = Self::default();
        let mut places = std::collections::HashMap::new();
        for (number, pack) in index.packs()? {
            places.insert(number, catalog.packs.len() as u32);
            catalog.packs.push(CatalogPack {
                name: ObjectName::new(Kind::Pack, pack.id),
                epoch: pack.epoch,
                stream: pack.stream,
                bytes: pack.bytes,
            });
        }
        // A vector that grows by itself may take twice as much.
        catalog.frames.reserve_exact(index.frames_listed()?);
        index.each_frame(|row| {
            // A pack that another process entered since is left out.
            if let Some(place) = places.get(&row.pack) {
                catalog.frames.push(CatalogFrame {
                    id: row.id,
                    base: row.base,
                    codec: row.codec,
                    rank: row.rank,
                    pack: *place,
                    ordinal: row.ordinal,
                    offset: row.offset as u32,
                    sealed_bytes: row.sealed_bytes,
                    raw_bytes: row.raw_bytes,
                    version: row.version,
                });
            }
        })?;
        catalog.sort();
        Ok(catalog)
    }

    /// Of frames made up for a test.
    #[cfg(test)]
    pub(crate) fn of(packs: Vec<CatalogPack>, frames: Vec<CatalogFrame>) -> Self {
        let mut catalog = Self {
            packs,
            frames,
            ..Self::default()
        };
        catalog.sort();
        catalog
    }

    fn add(&mut self, pack: CatalogPack, directory: &Directory) {
        let place = self.packs.len() as u32;
        self.packs.push(pack);
        let frames = directory.offsets().enumerate();
        self.frames
            .extend(frames.map(|(ordinal, (offset, entry))| CatalogFrame {
                id: entry.id,
                base: entry.base,
                codec: entry.codec,
                rank: entry.rank,
                pack: place,
                ordinal: ordinal as u32,
                offset: offset as u32,
                sealed_bytes: entry.sealed_bytes,
                raw_bytes: entry.raw_bytes,
                version: entry.version,
            }));
    }

    fn sort(&mut self) {
        assert!(u32::try_from(self.frames.len()).is_ok(), "too many frames");
        self.frames
            .par_sort_unstable_by_key(|frame| (frame.id, frame.rank, frame.pack, frame.ordinal));
        let bits = (self.frames.len() / BUCKET_FRAMES).checked_ilog2();
        self.bucket_bits = bits
            .unwrap_or(0)
            .clamp(*BUCKET_BITS.start(), *BUCKET_BITS.end());
        let buckets = self.frames.iter().map(|frame| self.bucket_of(frame.id));
        self.starts = starts(1 << self.bucket_bits, buckets);
        let base_start = |frame: &CatalogFrame| match frame.base {
            Some(base) => self.start_of(base.range().0) as u32,
            None => 0,
        };
        self.base_starts = self.frames.par_iter().map(base_start).collect();
        self.settle(|_| false);
    }

    /// Decides which frames are sound: not damaged, and whole or with a sound base of lower rank. Because ranks
    /// fall strictly (I10), one pass by rank sees every base before what rests on it.
    pub(crate) fn settle(&mut self, damaged: impl Fn(usize) -> bool) {
        self.sound = vec![false; self.frames.len()];
        for at in self.by_rank() {
            self.sound[at] = !damaged(at)
                && (self.frames[at].base.is_none() || self.bases(at).any(|base| self.sound[base]));
        }
    }

    /// All frames, those of lower rank first.
    pub(crate) fn by_rank(&self) -> impl DoubleEndedIterator<Item = usize> + use<> {
        let rank_of = |frame: &CatalogFrame| usize::from(frame.rank);
        let mut next = starts(RANKS, self.frames.iter().map(rank_of));
        let mut order = vec![0u32; self.frames.len()];
        for (at, frame) in self.frames.iter().enumerate() {
            let place = &mut next[rank_of(frame)];
            order[*place as usize] = at as u32;
            *place += 1;
        }
        order.into_iter().map(|at| at as usize)
    }

    /// Whether the frame can be decoded, as far as is known.
    pub(crate) fn is_sound(&self, at: usize) -> bool {
        self.sound[at]
    }

    /// The frames of a chunk.
    pub(crate) fn of_chunk(&self, id: ChunkId) -> Range<usize> {
        let start = self.start_of(id);
        start..self.end_from(start, id)
    }

    /// The frames that may be the base of this one: any of the chunk it names with a lower rank.
    pub(crate) fn bases(&self, at: usize) -> impl Iterator<Item = usize> {
        let frame = self.frames[at];
        let start = self.base_starts[at] as usize;
        let range = frame
            .base
            .map_or(0..0, |base| start..self.end_from(start, base.range().1));
        range.filter(move |base| self.frames[*base].rank < frame.rank)
    }

    /// The frame that this one is best decoded against.
    pub(crate) fn parent(&self, at: usize) -> Option<usize> {
        self.bases(at)
            .filter(|base| self.sound[*base])
            .min_by_key(|base| self.frames[*base].rank)
    }

    /// How many different chunks there are.
    pub(crate) fn chunks(&self) -> u64 {
        self.frames.chunk_by(|a, b| a.id == b.id).count() as u64
    }

    /// Where the frames of chunks from this id on start.
    fn start_of(&self, low: ChunkId) -> usize {
        let bucket = self.bucket_of(low);
        let (start, end) = (
            self.starts[bucket] as usize,
            self.starts[bucket + 1] as usize,
        );
        start + self.frames[start..end].partition_point(|frame| frame.id < low)
    }

    /// Where those of chunks up to this id end that start there.
    fn end_from(&self, start: usize, high: ChunkId) -> usize {
        let frames = self.frames[start..].iter();
        start + frames.take_while(|frame| frame.id <= high).count()
    }

    fn bucket_of(&self, id: ChunkId) -> usize {
        let first = u32::from_be_bytes([id.0[0], id.0[1], id.0[2], id.0[3]]);
        (first >> (u32::BITS - self.bucket_bits)) as usize
    }
}

/// Where each of so many sorts starts when all `sorts` are put in order, and where the last one ends.
fn starts(count: usize, sorts: impl Iterator<Item = usize>) -> Vec<u32> {
    let mut starts = vec![0u32; count + 1];
    sorts.for_each(|sort| starts[sort + 1] += 1);
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    starts
}

#[cfg(test)]
mod tests;
