//! Frames out of old packs and into new ones: what prune, compact, copy and a change of keys have in common.

use nightfold_chunker::ChunkId;

use super::Repository;
use crate::codec::{self, Patcher};
use crate::error::{Error, Result};
use crate::format::{BaseRef, Directory, Header, Kind, ObjectId, ObjectName, StreamKind};
use crate::index::IndexedPack;
use crate::pack::{FinishedPack, NewFrame, PackBuilder, open_frame, read_directory};
use crate::storage::Listed;

/// Frames of one pack that lie this close together are read in one go.
const GAP_BYTES: u64 = 32 << 10;
/// No single read is longer than this, but for a frame that is.
const READ_BYTES_MAX: u64 = 4 << 20;

/// What a rewriter has published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// New packs.
    pub(crate) packs: Vec<ObjectId>,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Frames in them.
    pub(crate) frames: u64,
}

/// Fills new packs of a repository, one for each stream kind at a time, and publishes them in order.
pub(crate) struct Rewriter<'r> {
    repository: &'r Repository,
    packs: [Option<PackBuilder>; 2],
    written: Written,
}

impl<'r> Rewriter<'r> {
    /// Nothing is written yet.
    pub(crate) fn new(repository: &'r Repository) -> Self {
        Self {
            repository,
            packs: [None, None],
            written: Written::default(),
        }
    }

    /// Appends a frame. It is durable once `finish` has returned, or earlier.
    pub(crate) fn push(&mut self, stream: StreamKind, frame: &NewFrame) -> Result<()> {
        let slot = stream as usize;
        let pack = match &mut self.packs[slot] {
            Some(pack) => pack,
            empty => empty.insert(PackBuilder::new(
                self.repository.vault(),
                stream,
                Vec::new(),
            )?),
        };
        pack.push(frame)?;
        self.written.frames += 1;
        if pack.len() >= self.repository.config().pack_bytes {
            self.close(slot)?;
        }
        Ok(())
    }

    /// Publishes what is left; tells what was written since the last call.
    pub(crate) fn finish(&mut self) -> Result<Written> {
        (0..self.packs.len()).try_for_each(|slot| self.close(slot))?;
        Ok(std::mem::take(&mut self.written))
    }

    fn close(&mut self, slot: usize) -> Result<()> {
        let Some(pack) = self.packs[slot].take() else {
            return Ok(());
        };
        let pack = pack.finish(self.repository.vault())?;
        self.written.packs.push(pack.name.id);
        self.written.bytes += pack.bytes.len() as u64;
        // Where bases come later than what rests on them, the index must look for them.
        self.repository.publish_pack(pack, false).map(drop)
    }
}

/// A pack whose frames are taken out.
pub(crate) struct SourcePack<'r> {
    repository: &'r Repository,
    name: ObjectName,
    header: Header,
    directory: Directory,
    offsets: Vec<u64>,
}

impl SourcePack<'_> {
    /// What it lists.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Passes the frames at these places, ascending, to `take`, opened: their seals vouch for every byte. One that
    /// cannot be opened is passed as the error.
    pub(crate) fn frames(
        &self,
        ordinals: &[u32],
        mut take: impl FnMut(u32, Result<NewFrame>) -> Result<()>,
    ) -> Result<()> {
        let mut rest = ordinals;
        while let Some(first) = rest.first() {
            let start = self.offset(*first);
            let mut end = self.end(*first);
            let mut count = 1;
            for next in &rest[1..] {
                let far = self.offset(*next) > end + GAP_BYTES;
                if far || self.end(*next) - start > READ_BYTES_MAX {
                    break;
                }
                end = self.end(*next);
                count += 1;
            }
            let storage = self.repository.storage();
            let bytes = storage.get_range(self.name, start, (end - start) as usize)?;
            for ordinal in &rest[..count] {
                let from = (self.offset(*ordinal) - start) as usize;
                let to = (self.end(*ordinal) - start) as usize;
                let frame = match bytes.get(from..to) {
                    Some(sealed) => self.open(*ordinal, sealed.to_vec()),
                    None => Err(Error::corrupt(self.name, "it ends within a frame")),
                };
                take(*ordinal, frame)?;
            }
            rest = &rest[count..];
        }
        Ok(())
    }

    fn offset(&self, ordinal: u32) -> u64 {
        self.offsets[ordinal as usize]
    }

    fn end(&self, ordinal: u32) -> u64 {
        let entry = &self.directory.entries[ordinal as usize];
        self.offset(ordinal) + u64::from(entry.sealed_bytes)
    }

    fn open(&self, ordinal: u32, mut sealed: Vec<u8>) -> Result<NewFrame> {
        let entry = &self.directory.entries[ordinal as usize];
        let vault = self.repository.vault();
        let (head, payload) =
            open_frame(vault, self.name, self.header.epoch, ordinal, &mut sealed)?;
        if head.codec != entry.codec || head.base != entry.base {
            let reason = format!("frame {ordinal} is not what the directory says");
            return Err(Error::corrupt(self.name, reason));
        }
        Ok(NewFrame {
            id: entry.id,
            raw_bytes: entry.raw_bytes,
            codec: entry.codec,
            base: entry.base,
            version: entry.version,
            rank: entry.rank,
            sketch: entry.sketch,
            payload: payload.to_vec(),
        })
    }
}

impl Repository {
    /// Opens a pack to take frames out of it.
    pub(crate) fn source_pack(&self, id: ObjectId, bytes: u64) -> Result<SourcePack<'_>> {
        let (header, directory) =
            read_directory(self.vault(), self.storage(), Listed { id, bytes })?;
        let offsets = directory.offsets().map(|(offset, _)| offset).collect();
        Ok(SourcePack {
            repository: self,
            name: ObjectName::new(Kind::Pack, id),
            header,
            directory,
            offsets,
        })
    }

    /// Makes a pack durable and enters it in the index, in this order; returns its buffer, to be used again.
    pub(super) fn publish_pack(
        &self,
        pack: FinishedPack,
        is_sound: bool,
    ) -> Result<(Vec<u8>, Vec<ChunkId>)> {
        let FinishedPack {
            name,
            epoch,
            bytes,
            directory,
        } = pack;
        self.put_pack(name, &bytes, &directory)?;
        let indexed = IndexedPack {
            id: name.id,
            epoch,
            stream: directory.stream,
            bytes: bytes.len() as u64,
        };
        let ids = directory.entries.iter().map(|entry| entry.id).collect();
        let packs = [(indexed, directory)];
        self.with_index(|index| {
            if is_sound {
                index.insert_sound(&packs)
            } else {
                index.insert(&packs)?;
                index.mark_broken().map(drop)
            }
        })?;
        Ok((bytes, ids))
    }
}

/// A chunk as a delta against another, verified; `None` if that is not to be had.
pub(crate) fn encode_against(
    old: &NewFrame,
    chunk: &[u8],
    (base_id, base_rank, base): (ChunkId, u8, &[u8]),
    level: i32,
) -> Result<Option<NewFrame>> {
    if !codec::may_be_base(base) {
        return Ok(None);
    }
    let patch = Patcher::new(chunk, base).encode(chunk, base, level)?;
    let delta = codec::best_delta(patch, chunk, base, level)?;
    codec::verify_delta(chunk, base, &delta)?;
    Ok(Some(NewFrame {
        id: old.id,
        raw_bytes: old.raw_bytes,
        codec: delta.codec,
        base: Some(BaseRef::from(base_id)),
        version: old.version,
        rank: base_rank + 1,
        sketch: old.sketch,
        payload: delta.payload,
    }))
}

/// A chunk by itself.
pub(crate) fn encode_whole(old: &NewFrame, chunk: &[u8], level: i32) -> Result<NewFrame> {
    let whole = codec::encode_whole(chunk, level)?;
    Ok(NewFrame {
        id: old.id,
        raw_bytes: old.raw_bytes,
        codec: whole.codec,
        base: None,
        version: old.version,
        rank: 0,
        sketch: old.sketch,
        payload: whole.payload,
    })
}
