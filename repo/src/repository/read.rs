//! Chunks back out of the repository.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};

use nightfold_chunker::ChunkId;
use rayon::prelude::*;

use super::Repository;
use crate::codec;
use crate::error::{Error, Result};
use crate::format::{BaseRef, CHUNK_ID_BYTES, Content, Kind, ObjectName, decode_ids};
use crate::index::{FrameRow, Index, Session};
use crate::limits::{CONTENT_DEPTH_MAX, RANK_MAX};
use crate::pack::open_frame;

/// Frames of one pack that lie this close together are read in one go.
const GAP_BYTES: u64 = 32 << 10;
/// No single read is longer than this.
const READ_BYTES_MAX: u64 = 4 << 20;
/// Chunks that a [`ContentReader`] holds decoded at once.
const READ_AHEAD_CHUNKS: usize = 16;

/// A frame, by the number of its pack and its place in it.
type FrameKey = (i64, u32);
/// Sealed bytes of frames that were read together.
type Fetched = HashMap<FrameKey, Vec<u8>>;

impl Repository {
    /// The bytes of a chunk, its id checked. All frames that may hold it are tried.
    pub fn read_chunk(&self, id: ChunkId) -> Result<Vec<u8>> {
        let read = || {
            self.with_index(|index| match self.read_by_first_frames(index, id, None) {
                Ok(bytes) => Ok(bytes),
                Err(error @ Error::IndexCorrupt { .. }) => Err(error),
                Err(_) => self.read_by_any_frames(index, id, RANK_MAX),
            })
        };
        match read() {
            // Its frames may have moved to packs that came since the index was caught up.
            Err(Error::ChunkLost { .. }) if self.index_moved()? => read(),
            other => other,
        }
    }

    /// The same by frames of at most this rank: what rests on the chunk with the next rank may use no others.
    pub(super) fn read_base(&self, id: ChunkId, rank: u8) -> Result<Vec<u8>> {
        self.with_index(|index| match self.read_by_first_frames(index, id, None) {
            Ok(bytes) => Ok(bytes),
            Err(error @ Error::IndexCorrupt { .. }) => Err(error),
            Err(_) => self.read_by_any_frames(index, id, rank),
        })
    }

    /// The bytes of many chunks, in order. Frames wanted from one pack are read together.
    pub fn read_chunks(&self, ids: &[ChunkId]) -> Result<Vec<Vec<u8>>> {
        self.read_each_chunk(ids)?.into_iter().collect()
    }

    /// The same, each chunk with its own outcome.
    pub fn read_each_chunk(&self, ids: &[ChunkId]) -> Result<Vec<Result<Vec<u8>>>> {
        let mut chunks = self.read_each_once(ids)?;
        let lost = |chunk: &Result<_>| matches!(chunk, Err(Error::ChunkLost { .. }));
        if chunks.iter().any(lost) && self.index_moved()? {
            for (chunk, id) in chunks.iter_mut().zip(ids).filter(|(chunk, _)| lost(chunk)) {
                *chunk = self.read_chunk(*id);
            }
        }
        Ok(chunks)
    }

    fn read_each_once(&self, ids: &[ChunkId]) -> Result<Vec<Result<Vec<u8>>>> {
        self.with_index(|index| {
            let chains: Vec<_> = ids.par_iter().map(|id| chain(index, *id)).collect();
            // What cannot be planned or fetched is left to the slow path, which says what is wrong.
            let mut planned = Vec::new();
            for chain in chains {
                match chain {
                    Ok(rows) => planned.extend(rows),
                    Err(error @ Error::IndexCorrupt { .. }) => return Err(error),
                    Err(_) => {}
                }
            }
            let fetched = self.fetch(index, planned)?;
            let read = |id: &ChunkId| match self.read_by_first_frames(index, *id, Some(&fetched)) {
                Err(error) if !matches!(error, Error::IndexCorrupt { .. }) => {
                    self.read_by_any_frames(index, *id, RANK_MAX)
                }
                other => other,
            };
            let mut chunks: Vec<_> = ids.par_iter().map(read).collect();
            match chunks
                .iter()
                .position(|chunk| matches!(chunk, Err(Error::IndexCorrupt { .. })))
            {
                Some(damaged) => chunks.swap_remove(damaged).map(|_| Vec::new()),
                None => Ok(chunks),
            }
        })
    }

    /// Whether the repository has every chunk of a content and of its recipe, and a new snapshot may rest on them.
    pub fn holds_content(&self, content: &Content) -> Result<bool> {
        let Ok(levels) = self.content_levels(content) else {
            return Ok(false);
        };
        let ids = levels.concat();
        let held = self.with_index(|index| self.may_reuse_each(index, &ids))?;
        Ok(held.into_iter().all(|held| held))
    }

    fn fetch(&self, index: &Index, mut rows: Vec<FrameRow>) -> Result<Fetched> {
        rows.sort_unstable_by_key(|row| (row.pack, row.offset));
        rows.dedup_by_key(|row| (row.pack, row.ordinal));
        let mut runs: Vec<&[FrameRow]> = Vec::new();
        let mut start = 0;
        for at in 1..=rows.len() {
            let ends = rows.get(at).is_none_or(|row| {
                let last = &rows[at - 1];
                row.pack != last.pack
                    || row.offset > last.offset + u64::from(last.sealed_bytes) + GAP_BYTES
                    || row.offset + u64::from(row.sealed_bytes)
                        > rows[start].offset + READ_BYTES_MAX
            });
            if ends {
                runs.push(&rows[start..at]);
                start = at;
            }
        }
        let pieces: Vec<Vec<(FrameKey, Vec<u8>)>> = runs
            .into_par_iter()
            .map(|run| self.fetch_run(index, run))
            .collect::<Result<_>>()?;
        Ok(pieces.into_iter().flatten().collect())
    }

    fn fetch_run(&self, index: &Index, run: &[FrameRow]) -> Result<Vec<(FrameKey, Vec<u8>)>> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return Ok(Vec::new());
        };
        let (name, _) = pack_name(index, first.pack)?;
        let end = last.offset + u64::from(last.sealed_bytes);
        // An error here is met again, and told of, where the chunk is read by itself.
        let bytes = self
            .storage
            .get_range(name, first.offset, (end - first.offset) as usize)
            .unwrap_or_default();
        let frame = |row: &FrameRow| {
            let start = (row.offset - first.offset) as usize;
            let sealed = bytes.get(start..start + row.sealed_bytes as usize)?;
            Some(((row.pack, row.ordinal), sealed.to_vec()))
        };
        Ok(run.iter().filter_map(frame).collect())
    }

    /// Decodes the likeliest chain without checking its inner links: the id at the end tells.
    fn read_by_first_frames(
        &self,
        index: &Index,
        id: ChunkId,
        fetched: Option<&Fetched>,
    ) -> Result<Vec<u8>> {
        let mut bytes: Option<Vec<u8>> = None;
        for row in chain(index, id)?.iter().rev() {
            let near = fetched.and_then(|fetched| fetched.get(&(row.pack, row.ordinal)).cloned());
            bytes = Some(self.decode_frame(index, row, near, bytes.as_deref())?);
        }
        let bytes = bytes.unwrap_or_default();
        if self.ids.id(&bytes) == id {
            Ok(bytes)
        } else {
            Err(Error::ChunkLost {
                chunk: id.to_string(),
                reason: "what was decoded has another id".to_owned(),
            })
        }
    }

    fn decode_frame(
        &self,
        index: &Index,
        row: &FrameRow,
        fetched: Option<Vec<u8>>,
        base: Option<&[u8]>,
    ) -> Result<Vec<u8>> {
        let (name, epoch) = pack_name(index, row.pack)?;
        let mut sealed = match fetched {
            Some(sealed) => sealed,
            None => self
                .storage
                .get_range(name, row.offset, row.sealed_bytes as usize)?,
        };
        let (head, payload) = open_frame(&self.vault, name, epoch, row.ordinal, &mut sealed)?;
        if head.codec != row.codec || head.base != row.base {
            return Err(Error::corrupt(
                name,
                format!("frame {} is not what the directory says", row.ordinal),
            ));
        }
        codec::decode(head.codec, payload, base, row.raw_bytes as usize)
            .map_err(|error| Error::corrupt(name, format!("frame {}: {error}", row.ordinal)))
    }

    /// Tries every frame of the chunk, up to this rank, and of its bases, each link checked.
    fn read_by_any_frames(&self, index: &Index, id: ChunkId, rank_max: u8) -> Result<Vec<u8>> {
        let mut rows = index.frames(id)?;
        rows.retain(|row| row.rank <= rank_max);
        let reasons = match self.any_of(index, &rows, &mut HashSet::new()) {
            Ok(bytes) => return Ok(bytes),
            Err(reasons) => reasons,
        };
        // A damaged index may hide frames. If this one is, it is rebuilt and asked again.
        index.verify_once()?;
        Err(Error::ChunkLost {
            chunk: id.to_string(),
            reason: if reasons.is_empty() {
                "no pack holds it".to_owned()
            } else {
                reasons.join("; ")
            },
        })
    }

    fn any_of(
        &self,
        index: &Index,
        rows: &[FrameRow],
        failed: &mut HashSet<FrameKey>,
    ) -> std::result::Result<Vec<u8>, Vec<String>> {
        let mut reasons = Vec::new();
        for row in rows {
            // Where every link has several frames, one lost root must not be asked for once for every path to it.
            if failed.contains(&(row.pack, row.ordinal)) {
                reasons.push(format!("a base of chunk {} cannot be read", row.id));
                continue;
            }
            let decoded = match row.base {
                None => self
                    .decode_frame(index, row, None, None)
                    .map_err(|error| vec![error.to_string()]),
                Some(base) => index
                    .session()
                    .and_then(|session| bases(&session, base, row.rank))
                    .map_err(|error| vec![error.to_string()])
                    .and_then(|rows| self.any_of(index, &rows, failed))
                    .and_then(|base| {
                        self.decode_frame(index, row, None, Some(&base))
                            .map_err(|error| vec![error.to_string()])
                    }),
            };
            match decoded {
                Ok(bytes) if self.ids.id(&bytes) == row.id => return Ok(bytes),
                Ok(_) => reasons.push(format!("chunk {} decodes to something else", row.id)),
                Err(more) if more.is_empty() => {
                    reasons.push(format!("the base of chunk {} is missing", row.id));
                }
                Err(more) => reasons.extend(more),
            }
            failed.insert((row.pack, row.ordinal));
        }
        Err(reasons)
    }

    /// The chunk ids of a content, recipes resolved. Empty for inline bytes.
    pub fn content_ids(&self, content: &Content) -> Result<Vec<ChunkId>> {
        Ok(self.content_levels(content)?.pop().unwrap_or_default())
    }

    /// The ids of the chunks that hold the recipe of a content, all depths.
    pub fn recipe_ids(&self, content: &Content) -> Result<Vec<ChunkId>> {
        Ok(self.recipe_levels(content)?.concat())
    }

    /// The same for each depth, the topmost first.
    pub(super) fn recipe_levels(&self, content: &Content) -> Result<Vec<Vec<ChunkId>>> {
        let mut levels = self.content_levels(content)?;
        levels.pop();
        Ok(levels)
    }

    /// The ids of the chunks that hold the recipe, the topmost depth first, and at the end those of the content itself.
    pub(super) fn content_levels(&self, content: &Content) -> Result<Vec<Vec<ChunkId>>> {
        let Content::Chunks { depth, ids, size } = content else {
            return Ok(Vec::new());
        };
        let mut levels = vec![ids.clone()];
        for at in 0..usize::from((*depth).min(CONTENT_DEPTH_MAX)) {
            let below = self.recipe_level(&levels[at], *size)?;
            levels.push(below);
        }
        Ok(levels)
    }

    /// The ids that the chunks `ids` of a recipe hold. No content of `size` bytes has more than its smallest
    /// possible chunks: a forged recipe must not fill the memory.
    fn recipe_level(&self, ids: &[ChunkId], size: u64) -> Result<Vec<ChunkId>> {
        let count_max = size.saturating_mul(2) / u64::from(self.config.chunker.min).max(1) + 1;
        let mut bytes = Vec::new();
        for some in ids.chunks(READ_AHEAD_CHUNKS) {
            for chunk in self.read_chunks(some)? {
                bytes.extend_from_slice(&chunk);
            }
            if (bytes.len() / CHUNK_ID_BYTES) as u64 > count_max {
                let reason = format!("it has more chunks than a file of {size} bytes can have");
                return Err(Error::corrupt("recipe", reason));
            }
        }
        if bytes.len() % CHUNK_ID_BYTES != 0 {
            let reason = "its length is not that of whole chunk ids";
            return Err(Error::corrupt("recipe", reason));
        }
        Ok(decode_ids(&bytes))
    }

    /// Reads a content from its start.
    pub fn content_reader(&self, content: &Content) -> Result<ContentReader<'_>> {
        let (inline, size) = match content {
            Content::Inline(bytes) => (bytes.clone(), bytes.len() as u64),
            Content::Chunks { size, .. } => (Vec::new(), *size),
        };
        let ids = self.content_ids(content)?;
        Ok(ContentReader {
            repository: self,
            ids,
            next: 0,
            ready: inline,
            at: 0,
            left: size,
        })
    }
}

/// The storage name and key epoch of the pack that the index numbers so.
fn pack_name(index: &Index, number: i64) -> Result<(ObjectName, u32)> {
    let pack = index.pack(number)?;
    Ok((ObjectName::new(Kind::Pack, pack.id), pack.epoch))
}

/// The frames of a chain, from the chunk's own down to a whole one.
pub(crate) fn chain(index: &Index, id: ChunkId) -> Result<Vec<FrameRow>> {
    let session = index.session()?;
    let mut rows = session.frames(id)?;
    let mut chain = Vec::new();
    loop {
        let Some(row) = rows.first().copied() else {
            return Err(Error::ChunkLost {
                chunk: id.to_string(),
                reason: "it or a base of it is in no pack".to_owned(),
            });
        };
        chain.push(row);
        match row.base {
            Some(base) => rows = bases(&session, base, row.rank)?,
            None => return Ok(chain),
        }
    }
}

/// Frames that may be the base of a frame of this rank. Ranks fall strictly, so that no chain is a circle.
pub(super) fn bases(session: &Session<'_>, base: BaseRef, rank: u8) -> Result<Vec<FrameRow>> {
    let mut rows = session.base_frames(base)?;
    rows.retain(|row| row.rank < rank && row.rank <= RANK_MAX);
    Ok(rows)
}

/// Reads a content chunk by chunk, a few decoded ahead.
pub struct ContentReader<'r> {
    repository: &'r Repository,
    ids: Vec<ChunkId>,
    next: usize,
    ready: Vec<u8>,
    at: usize,
    left: u64,
}

impl Read for ContentReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.ready.len() && self.next < self.ids.len() {
            let end = self.ids.len().min(self.next + READ_AHEAD_CHUNKS);
            let chunks = self
                .repository
                .read_chunks(&self.ids[self.next..end])
                .map_err(io::Error::other)?;
            self.ready = chunks.concat();
            self.at = 0;
            self.next = end;
        }
        let count = out.len().min(self.ready.len() - self.at);
        if count == 0 && self.left > 0 && !out.is_empty() {
            return Err(io::Error::other(format!(
                "the recipe ends {} bytes early",
                self.left
            )));
        }
        if count as u64 > self.left {
            return Err(io::Error::other(
                "the recipe holds more bytes than the file has",
            ));
        }
        out[..count].copy_from_slice(&self.ready[self.at..self.at + count]);
        self.at += count;
        self.left -= count as u64;
        Ok(count)
    }
}
