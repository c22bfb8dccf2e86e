//! What a run has met and not yet published: for dedup within the run, and as bases for what follows.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use nightfold_chunker::{ChunkId, Sketch};

use crate::format::{BaseRef, StreamKind};

/// Chunks up to this size are kept as bases for chunks of the same run: alike files of one night are small,
/// while the pieces of a dump rarely resemble each other.
const KEPT_CHUNK_BYTES_MAX: usize = 128 << 10;
/// Bytes of such chunks kept in all.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// What a later chunk must know of a frame to build on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ancestor {
    pub(super) id: ChunkId,
    pub(super) version: u32,
    pub(super) rank: u8,
    pub(super) base: Option<BaseRef>,
}

struct Member {
    stream: StreamKind,
    /// Position in the stream's order of frames.
    sequence: u64,
    /// Known once it is encoded.
    encoded: Option<Ancestor>,
    bytes: Option<Arc<[u8]>>,
}

/// A base within the run.
pub(super) struct RunBase {
    pub(super) ancestor: Ancestor,
    pub(super) bytes: Arc<[u8]>,
}

/// Chunks between being met and being published.
#[derive(Default)]
pub(super) struct Unpublished {
    members: HashMap<ChunkId, Member>,
    features: HashMap<(usize, u32), ChunkId>,
    by_ref: HashMap<BaseRef, ChunkId>,
    kept: VecDeque<(ChunkId, usize)>,
    kept_bytes: usize,
    next_sequence: u64,
    /// Chunks that were stored in pieces, for the whole run: whoever meets one again names its pieces.
    pieces: HashMap<ChunkId, Vec<ChunkId>>,
}

impl Unpublished {
    /// Whether the run has met the chunk already.
    pub(super) fn contains(&self, id: ChunkId) -> bool {
        self.members.contains_key(&id) || self.pieces.contains_key(&id)
    }

    /// The names under which the chunk is stored: its own, or those of its pieces. A piece may have been met as a
    /// chunk by itself, and been divided in its turn.
    pub(super) fn names(&self, id: ChunkId) -> Vec<ChunkId> {
        match self.pieces.get(&id) {
            None => vec![id],
            Some(pieces) => pieces.iter().flat_map(|id| self.names(*id)).collect(),
        }
    }

    /// The chunk, entered before, is stored in these pieces instead.
    pub(super) fn divided(&mut self, id: ChunkId, pieces: Vec<ChunkId>) {
        self.members.remove(&id);
        self.pieces.insert(id, pieces);
    }

    /// Enters a piece of a chunk that was entered at `sequence`: its frame takes that chunk's place. False if it
    /// was met before.
    pub(super) fn enter_piece(&mut self, id: ChunkId, stream: StreamKind, sequence: u64) -> bool {
        if self.contains(id) {
            return false;
        }
        self.insert(id, stream, sequence);
        true
    }

    /// Enters a chunk that is about to be encoded; returns its place in the order of frames.
    pub(super) fn enter(&mut self, id: ChunkId, stream: StreamKind) -> u64 {
        self.next_sequence += 1;
        let sequence = self.next_sequence;
        self.insert(id, stream, sequence);
        sequence
    }

    fn insert(&mut self, id: ChunkId, stream: StreamKind, sequence: u64) {
        self.members.insert(
            id,
            Member {
                stream,
                sequence,
                encoded: None,
                bytes: None,
            },
        );
    }

    /// A member encoded and small enough becomes a possible base.
    pub(super) fn encoded(&mut self, ancestor: Ancestor, chunk: &[u8], sketch: Option<Sketch>) {
        let Some(member) = self.members.get_mut(&ancestor.id) else {
            return;
        };
        member.encoded = Some(ancestor);
        if chunk.len() > KEPT_CHUNK_BYTES_MAX {
            return;
        }
        member.bytes = Some(chunk.into());
        self.by_ref.insert(BaseRef::from(ancestor.id), ancestor.id);
        for (position, feature) in sketch
            .iter()
            .flat_map(|sketch| sketch.0.into_iter().enumerate())
        {
            self.features.insert((position, feature), ancestor.id);
        }
        self.kept.push_back((ancestor.id, chunk.len()));
        self.kept_bytes += chunk.len();
        while self.kept_bytes > KEPT_BYTES_MAX {
            let Some((id, length)) = self.kept.pop_front() else {
                break;
            };
            self.kept_bytes -= length;
            self.by_ref.remove(&BaseRef::from(id));
            if let Some(member) = self.members.get_mut(&id) {
                member.bytes = None;
            }
        }
        if self.features.len() > 6 * 16_384 {
            let members = &self.members;
            self.features
                .retain(|_, id| members.get(id).is_some_and(|member| member.bytes.is_some()));
        }
    }

    /// The chunk as a base for the frame at `sequence`. Only frames that come earlier in the same stream serve:
    /// packs are published in that order, so a crash never leaves a delta whose base is not there.
    pub(super) fn base(&self, id: ChunkId, stream: StreamKind, sequence: u64) -> Option<RunBase> {
        let member = self.members.get(&id)?;
        if member.stream != stream || member.sequence >= sequence {
            return None;
        }
        Some(RunBase {
            ancestor: member.encoded?,
            bytes: member.bytes.clone()?,
        })
    }

    /// The base that a frame of this run names, as an ancestor of the frame at `sequence`.
    pub(super) fn ancestor(
        &self,
        base: BaseRef,
        stream: StreamKind,
        sequence: u64,
    ) -> Option<Ancestor> {
        let id = self.by_ref.get(&base)?;
        Some(self.base(*id, stream, sequence)?.ancestor)
    }

    /// The chunk of the run that shares most features with the sketch, and how many.
    pub(super) fn similar(&self, sketch: &Sketch) -> Option<(ChunkId, u32)> {
        let mut votes: HashMap<ChunkId, u32> = HashMap::new();
        for key in sketch.0.into_iter().enumerate() {
            if let Some(id) = self.features.get(&key) {
                *votes.entry(*id).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|(_, votes)| *votes)
    }

    /// Chunks whose pack is published and in the index: they are found there from now on.
    pub(super) fn published(&mut self, ids: impl Iterator<Item = ChunkId>) {
        for id in ids {
            self.members.remove(&id);
        }
        let (members, by_ref) = (&self.members, &mut self.by_ref);
        let mut gone = 0;
        self.kept.retain(|(id, length)| {
            let stays = members.contains_key(id);
            if !stays {
                by_ref.remove(&BaseRef::from(*id));
            }
            gone += if stays { 0 } else { *length };
            stays
        });
        self.kept_bytes -= gone;
    }
}

#[cfg(test)]
mod tests;
