//! What snapshots need: file lists, recipes and contents, down to the frames that hold them.

use std::collections::HashMap;

use nightfold_chunker::ChunkId;
use rayon::prelude::*;

use super::damage::{Damage, Place};
use super::lost::Lost;
use super::reader::Reader;
use super::since::Since;
use super::{CheckReport, Meter, Problem, unused};
use crate::format::{
    Content, Entry, Kind, Malformed, Node, ObjectId, ObjectName, decode_ids, escape_path,
    path_order,
};
use crate::limits::CONTENT_DEPTH_MAX;
use crate::repository::StoredSnapshot;

/// Chunks of a file list decoded together.
const CHUNKS_AT_ONCE: usize = 16;
const CHUNK_ID_BYTES: usize = size_of::<ChunkId>();

/// Bytes of a snapshot's file list.
pub(super) fn list_bytes(stored: &StoredSnapshot) -> u64 {
    stored
        .snapshot
        .file_list("")
        .map_or(0, |content| content.size())
}

/// Follows every snapshot to its chunks. With `since`, returns since when each whole one is proven.
pub(super) fn check(
    reader: &Reader<'_>,
    snapshots: &[StoredSnapshot],
    since: Option<&Since>,
    damage: &mut Damage,
    meter: &Meter<'_>,
    report: &mut CheckReport,
) -> Vec<(ObjectId, u32)> {
    let mut walk = Walk {
        reader,
        damage,
        since,
        oldest: Since::ALWAYS,
        used: vec![false; reader.catalog().frames.len()],
        clean: HashMap::new(),
        chunk_bytes_min: reader.chunk_bytes_min(),
    };
    let mut proven = Vec::new();
    let mut all_read = snapshots.len() as u64 == report.snapshots;
    for stored in snapshots {
        let problems = walk.snapshot(stored);
        meter.add(list_bytes(stored));
        let name = ObjectName::new(Kind::Snapshot, stored.id);
        if problems.is_empty() {
            proven.push((stored.id, walk.oldest));
        } else {
            all_read = false;
        }
        report
            .problems
            .extend(problems.into_iter().map(|what| Problem::new(name, what)));
    }
    unused::note(reader, walk.used, all_read, report);
    proven
}

struct Walk<'w, 'r> {
    reader: &'w Reader<'r>,
    damage: &'w mut Damage,
    since: Option<&'w Since>,
    /// Of what was looked at since this was last set: since when the least lately proven chunk is proven.
    oldest: u32,
    /// Frames of chunks that some snapshot needs.
    used: Vec<bool>,
    /// Hashes of contents found whole, and since when they are proven: most nights share most recipes.
    clean: HashMap<[u8; 32], u32>,
    chunk_bytes_min: u64,
}

impl Walk<'_, '_> {
    /// What is wrong with a snapshot.
    fn snapshot(&mut self, stored: &StoredSnapshot) -> Vec<String> {
        let name = ObjectName::new(Kind::Snapshot, stored.id).to_string();
        let list = match stored.snapshot.file_list(&name) {
            Ok(list) => list,
            Err(error) => return vec![super::objects::reason(&error, &name)],
        };
        let key = content_key(&list, b"file list");
        self.oldest = Since::ALWAYS;
        if let Some(oldest) = self.clean.get(&key) {
            self.oldest = *oldest;
            return Vec::new();
        }
        let short_id = stored.short_id();
        let place = Place {
            snapshot: &short_id,
            path: &[],
        };
        let mut files = Lost::default();
        let mut problems = Vec::new();
        let walked = self
            .content(&list, place)
            .and_then(|ids| self.entries(&list, &ids, &short_id, &mut files));
        if let Err(reason) = walked {
            problems.push(format!("its file list cannot be read: {reason}"));
        }
        if files.count() > 0 {
            problems.push(files.to_string());
        }
        if problems.is_empty() {
            self.clean.insert(key, self.oldest);
        }
        problems
    }

    /// Decodes the stream of entries and looks at each.
    fn entries(
        &mut self,
        list: &Content,
        ids: &[ChunkId],
        snapshot: &str,
        files: &mut Lost,
    ) -> Result<(), String> {
        let mut stream = match list {
            Content::Inline(bytes) => bytes.clone(),
            Content::Chunks { .. } => Vec::new(),
        };
        let mut last_path = Vec::new();
        let mut entry_at = self.drain(&mut stream, snapshot, &mut last_path, files)?;
        for ids in ids.chunks(CHUNKS_AT_ONCE) {
            let chunks: Vec<_> = ids.par_iter().map(|id| self.reader.chunk(*id)).collect();
            for chunk in chunks {
                stream.extend(chunk?);
                entry_at += self.drain(&mut stream, snapshot, &mut last_path, files)?;
            }
        }
        if stream.is_empty() {
            Ok(())
        } else {
            Err(format!("it ends within the entry at byte {entry_at}"))
        }
    }

    /// Takes all whole entries off the front; returns how many bytes they had.
    fn drain(
        &mut self,
        stream: &mut Vec<u8>,
        snapshot: &str,
        last_path: &mut Vec<u8>,
        files: &mut Lost,
    ) -> Result<u64, String> {
        let malformed = |m: Malformed| format!("an entry is malformed: {m}");
        let mut start = 0;
        while start < stream.len() {
            let Some((entry, length)) = Entry::decode(&stream[start..]).map_err(malformed)? else {
                break;
            };
            start += length;
            if !last_path.is_empty() && path_order(last_path, &entry.path).is_ge() {
                return Err(format!(
                    "{} does not come after {}",
                    escape_path(&entry.path),
                    escape_path(last_path)
                ));
            }
            self.entry(&entry, snapshot, files);
            *last_path = entry.path;
        }
        stream.drain(..start);
        Ok(start as u64)
    }

    fn entry(&mut self, entry: &Entry, snapshot: &str, files: &mut Lost) {
        let lost = match &entry.node {
            Node::File(content) => {
                let place = Place {
                    snapshot,
                    path: &entry.path,
                };
                self.content(content, place).err()
            }
            Node::Hardlink(target) if path_order(target, &entry.path).is_ge() => {
                Some("it is a link to a file that does not come before it".to_owned())
            }
            _ => None,
        };
        if let Some(reason) = lost {
            files.add(&entry.path, reason);
        }
    }

    /// Looks for every chunk of a content, its recipes too; returns the ids of the content itself.
    fn content(&mut self, content: &Content, place: Place<'_>) -> Result<Vec<ChunkId>, String> {
        let Content::Chunks { size, depth, ids } = content else {
            return Ok(Vec::new());
        };
        let key = content_key(content, b"content");
        // The ids of a file are of no use to the caller; those of a file list must be read again.
        if !place.path.is_empty()
            && let Some(oldest) = self.clean.get(&key)
        {
            self.oldest = self.oldest.min(*oldest);
            return Ok(Vec::new());
        }
        let outer = std::mem::replace(&mut self.oldest, Since::ALWAYS);
        let mut ids = ids.clone();
        for _ in 0..(*depth).min(CONTENT_DEPTH_MAX) {
            self.all_held(&ids, place)?;
            ids = self.recipe(&ids, *size)?;
        }
        let bytes = self.all_held(&ids, place)?;
        if bytes != *size {
            return Err(format!(
                "its chunks make {bytes} bytes, but it has {size} bytes"
            ));
        }
        if *depth > 0 {
            self.clean.insert(key, self.oldest);
        }
        self.oldest = self.oldest.min(outer);
        Ok(ids)
    }

    /// Marks chunks as needed; returns the bytes that they make, or why one of them is lost.
    fn all_held(&mut self, ids: &[ChunkId], place: Place<'_>) -> Result<u64, String> {
        let mut bytes = 0;
        let mut lost: Option<(ChunkId, u64)> = None;
        for id in ids {
            let frames = self.reader.catalog().of_chunk(*id);
            bytes += self
                .reader
                .catalog()
                .frames
                .get(frames.start)
                .filter(|_| !frames.is_empty())
                .map_or(0, |frame| u64::from(frame.raw_bytes));
            if let Some(since) = self.since {
                self.oldest = self.oldest.min(since.chunk(self.reader.catalog(), *id));
            }
            self.used[frames].fill(true);
            if !self.reader.holds(*id) {
                self.damage.needed(self.reader, *id, place);
                lost = Some(lost.map_or((*id, 1), |(first, count)| (first, count + 1)));
            }
        }
        match lost {
            None => Ok(bytes),
            Some((id, 1)) => Err(self.reader.why_lost(id)),
            Some((id, count)) => Err(format!(
                "{} (and {} more)",
                self.reader.why_lost(id),
                count - 1
            )),
        }
    }

    /// The ids in the chunks of a recipe, of which a content of `size` bytes has no more than smallest chunks: a
    /// forged recipe must not fill the memory.
    fn recipe(&self, ids: &[ChunkId], size: u64) -> Result<Vec<ChunkId>, String> {
        let count_max = size.saturating_mul(2) / self.chunk_bytes_min + 1;
        let mut bytes = Vec::new();
        for id in ids {
            bytes.extend(self.reader.chunk(*id)?);
            if (bytes.len() / CHUNK_ID_BYTES) as u64 > count_max {
                return Err(format!(
                    "its recipe has more chunks than its {size} bytes can have"
                ));
            }
        }
        if bytes.len() % CHUNK_ID_BYTES == 0 {
            Ok(decode_ids(&bytes))
        } else {
            Err(format!(
                "its recipe has {} bytes, which is no number of whole chunk ids",
                bytes.len()
            ))
        }
    }
}

fn content_key(content: &Content, purpose: &[u8]) -> [u8; 32] {
    let mut bytes = purpose.to_vec();
    content.encode(&mut bytes);
    *blake3::hash(&bytes).as_bytes()
}
