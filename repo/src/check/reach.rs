//! What snapshots need: file lists, recipes and contents, down to the frames that hold them.

use std::collections::HashSet;
use std::fmt::Write as _;

use nightfold_chunker::ChunkId;
use rayon::prelude::*;

use super::damage::{Damage, Place};
use super::few::{Few, counted};
use super::reader::Reader;
use super::{CheckReport, Meter, Problem};
use crate::format::{
    Content, Entry, Kind, Malformed, Node, ObjectName, decode_ids, escape_path, path_order,
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

/// Follows every snapshot to its chunks.
pub(super) fn check(
    reader: &Reader<'_>,
    snapshots: &[StoredSnapshot],
    damage: &mut Damage,
    meter: &Meter<'_>,
    report: &mut CheckReport,
) {
    let mut walk = Walk {
        reader,
        damage,
        used: vec![false; reader.catalog().frames.len()],
        clean: HashSet::new(),
    };
    let mut all_read = snapshots.len() as u64 == report.snapshots;
    for stored in snapshots {
        let problems = walk.snapshot(stored);
        meter.add(list_bytes(stored));
        let name = ObjectName::new(Kind::Snapshot, stored.id);
        all_read &= problems.is_empty();
        report
            .problems
            .extend(problems.into_iter().map(|what| Problem::new(name, what)));
    }
    let mut used = walk.used;
    spread_to_bases(reader, &mut used);
    note_unsound(reader, &used, report);
    // Of a snapshot that cannot be read it is not known what it needs.
    if all_read {
        note_orphans(reader, &used, report);
    }
}

struct Walk<'w, 'r> {
    reader: &'w Reader<'r>,
    damage: &'w mut Damage,
    /// Frames of chunks that some snapshot needs.
    used: Vec<bool>,
    /// Hashes of contents found whole: most nights share most recipes.
    clean: HashSet<[u8; 32]>,
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
        if self.clean.contains(&key) {
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
        if files.paths.count() > 0 {
            problems.push(files.to_string());
        }
        if problems.is_empty() {
            self.clean.insert(key);
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
        if !place.path.is_empty() && self.clean.contains(&key) {
            return Ok(Vec::new());
        }
        let mut ids = ids.clone();
        for _ in 0..(*depth).min(CONTENT_DEPTH_MAX) {
            self.all_held(&ids, place)?;
            ids = self.recipe(&ids)?;
        }
        let bytes = self.all_held(&ids, place)?;
        if bytes != *size {
            return Err(format!(
                "its chunks make {bytes} bytes, but it has {size} bytes"
            ));
        }
        if *depth > 0 {
            self.clean.insert(key);
        }
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

    /// The ids in the chunks of a recipe.
    fn recipe(&self, ids: &[ChunkId]) -> Result<Vec<ChunkId>, String> {
        let mut bytes = Vec::new();
        for id in ids {
            bytes.extend(self.reader.chunk(*id)?);
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

/// Files of a snapshot that cannot be restored.
#[derive(Default)]
struct Lost {
    paths: Few,
    first_reason: String,
}

impl Lost {
    fn add(&mut self, path: &[u8], reason: String) {
        if self.paths.count() == 0 {
            self.first_reason = reason;
        }
        self.paths.add(|| escape_path(path));
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files = counted(self.paths.count(), "file");
        write!(
            f,
            "{files} cannot be restored: {}; of the first, {}",
            self.paths, self.first_reason
        )
    }
}

fn content_key(content: &Content, purpose: &[u8]) -> [u8; 32] {
    let mut bytes = purpose.to_vec();
    content.encode(&mut bytes);
    *blake3::hash(&bytes).as_bytes()
}

/// A base lives as long as any delta against it (I10): what needed frames rest on is needed too.
fn spread_to_bases(reader: &Reader<'_>, used: &mut [bool]) {
    let catalog = reader.catalog();
    for at in catalog.by_rank().into_iter().rev() {
        if used[at] {
            catalog.bases(at).for_each(|base| used[base] = true);
        }
    }
}

fn note_orphans(reader: &Reader<'_>, used: &[bool], report: &mut CheckReport) {
    let catalog = reader.catalog();
    let mut pack_used = vec![false; catalog.packs.len()];
    for (frame, used) in catalog.frames.iter().zip(used) {
        pack_used[frame.pack as usize] |= used;
    }
    let (mut packs, mut bytes) = (Few::default(), 0);
    for (pack, _) in catalog
        .packs
        .iter()
        .zip(&pack_used)
        .filter(|(_, used)| !**used)
    {
        packs.add(|| pack.name.to_string());
        bytes += pack.bytes;
    }
    if packs.count() > 0 {
        report.notes.push(format!(
            "{} ({bytes} bytes) that no snapshot uses, left by an interrupted run or written by a running one: {packs}",
            counted(packs.count(), "pack")
        ));
    }
}

/// Deltas whose bases are gone. Where a snapshot needs one and no other copy is there, that is a problem already
/// told of.
fn note_unsound(reader: &Reader<'_>, used: &[bool], report: &mut CheckReport) {
    let catalog = reader.catalog();
    let unsound = |at: &usize| !catalog.is_sound(*at) && !reader.is_damaged(*at);
    let frames: Vec<usize> = (0..catalog.frames.len()).filter(unsound).collect();
    let unused = frames.iter().filter(|at| !used[**at]).count() as u64;
    let covered = frames
        .iter()
        .filter(|at| used[**at] && reader.holds(catalog.frames[**at].id))
        .count() as u64;
    for (count, why) in [
        (unused, "no snapshot needs them"),
        (covered, "other copies of their chunks are intact"),
    ] {
        if count > 0 {
            let mut note = counted(count, "delta");
            let _ = write!(note, " without a usable base; {why}");
            report.notes.push(note);
        }
    }
}
