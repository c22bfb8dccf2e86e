//! What nobody may build on any more: verdicts of prune, and of repair on damaged frames.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use nightfold_chunker::ChunkId;

use super::{Repository, read};
use crate::error::{Error, Result};
use crate::format::{BaseRef, CondemnedFrames, CondemnedRecord, Kind, ObjectId, Verdict};
use crate::index::{FrameRow, Index, Session};

/// Frames that nothing new may rest on.
#[derive(Debug, Default)]
pub(crate) struct Condemned {
    packs: HashSet<ObjectId>,
    frames: HashMap<ObjectId, HashSet<u32>>,
}

/// All verdicts, and who witnessed them.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    pub(crate) published: Vec<(ObjectId, Verdict)>,
    /// Verdict, names of the leases, and the object that says so.
    pub(crate) witnesses: Vec<(ObjectId, Vec<String>, ObjectId)>,
    /// Of those that cannot be read it is not known what they condemn.
    pub(crate) errors: Vec<Error>,
}

impl Condemned {
    /// What these verdicts condemn together.
    pub(crate) fn of<'v>(verdicts: impl Iterator<Item = &'v Verdict>) -> Self {
        let mut condemned = Self::default();
        for verdict in verdicts {
            condemned.packs.extend(&verdict.packs);
            condemned.add(&verdict.frames);
        }
        condemned
    }

    /// Only these frames.
    pub(crate) fn of_frames(frames: &[CondemnedFrames]) -> Self {
        let mut condemned = Self::default();
        condemned.add(frames);
        condemned
    }

    fn add(&mut self, frames: &[CondemnedFrames]) {
        for frames in frames {
            let known = self.frames.entry(frames.pack).or_default();
            known.extend(&frames.ordinals);
        }
    }

    /// Whether nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        self.packs.is_empty() && self.frames.is_empty()
    }

    /// Whether a frame is condemned, with its pack or by itself.
    pub(crate) fn covers(&self, pack: ObjectId, ordinal: u32) -> bool {
        let by_itself = |frames: &HashSet<u32>| frames.contains(&ordinal);
        self.packs.contains(&pack) || self.frames.get(&pack).is_some_and(by_itself)
    }

    /// Whether a pack is condemned as a whole.
    pub(crate) fn covers_pack(&self, pack: ObjectId) -> bool {
        self.packs.contains(&pack)
    }
}

impl Repository {
    /// All verdicts.
    pub(crate) fn verdicts(&self) -> Result<Verdicts> {
        let (records, errors) = self.records::<CondemnedRecord>(Kind::Condemned)?;
        let mut verdicts = Verdicts {
            errors,
            ..Verdicts::default()
        };
        for (object, record) in records {
            match record {
                CondemnedRecord::Verdict(verdict) => verdicts.published.push((object, verdict)),
                CondemnedRecord::Witnessed { verdict, leases } => {
                    verdicts.witnesses.push((verdict, leases, object));
                }
            }
        }
        Ok(verdicts)
    }

    /// Whether a verdict waits for the lease of this name.
    pub(super) fn is_witness(&self, lease: &str) -> Result<bool> {
        let verdicts = self.verdicts()?;
        let mut leases = verdicts.witnesses.iter().flat_map(|(_, leases, _)| leases);
        Ok(leases.any(|name| name == lease))
    }

    /// Reads what is condemned, for a writer whose lease is durable, and then brings the index level with the packs:
    /// in this order nothing is built on that a later run may delete.
    pub(crate) fn heed_verdicts(&self) -> Result<()> {
        let verdicts = self.verdicts()?;
        if let Some(error) = verdicts.errors.into_iter().next() {
            // What it condemns is not known.
            return Err(error);
        }
        let condemned = Condemned::of(verdicts.published.iter().map(|(_, verdict)| verdict));
        *self
            .condemned
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(condemned);
        self.index_of_now().map(drop)
    }

    fn condemned(&self) -> Arc<Condemned> {
        let condemned = self
            .condemned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&condemned)
    }

    /// Whether a frame that new data may rest on holds each of the chunks.
    pub(crate) fn may_reuse_each(&self, index: &Index, ids: &[ChunkId]) -> Result<Vec<bool>> {
        let condemned = self.condemned();
        if condemned.is_empty() {
            return index.holds_each(ids);
        }
        let session = index.session()?;
        let held = |id: &ChunkId| {
            let rows = session.frames(*id)?;
            Ok(!uncondemned(index, &condemned, rows)?.is_empty())
        };
        ids.iter().map(held).collect()
    }

    /// The same for one chunk.
    pub(super) fn may_reuse(&self, id: ChunkId) -> Result<bool> {
        let held = self.with_index(|index| self.may_reuse_each(index, &[id]))?;
        Ok(held == [true])
    }

    /// The frames of a chunk that new data may rest on, whole ones first.
    pub(super) fn reusable_frames(&self, index: &Index, id: ChunkId) -> Result<Vec<FrameRow>> {
        uncondemned(index, &self.condemned(), index.frames(id)?)
    }

    /// The lowest rank of them, if there are any.
    pub(crate) fn lowest_reusable_rank(&self, id: ChunkId) -> Result<Option<u8>> {
        let rows = self.with_index(|index| self.reusable_frames(index, id))?;
        Ok(rows.iter().map(|row| row.rank).min())
    }

    /// The frames of a base that a new delta of this rank may rest on.
    pub(super) fn reusable_bases(
        &self,
        index: &Index,
        session: &Session<'_>,
        base: BaseRef,
        rank: u8,
    ) -> Result<Vec<FrameRow>> {
        uncondemned(index, &self.condemned(), read::bases(session, base, rank)?)
    }
}

fn uncondemned(
    index: &Index,
    condemned: &Condemned,
    mut rows: Vec<FrameRow>,
) -> Result<Vec<FrameRow>> {
    if condemned.is_empty() {
        return Ok(rows);
    }
    let mut kept = Vec::with_capacity(rows.len());
    for row in rows.drain(..) {
        if !condemned.covers(index.pack(row.pack)?.id, row.ordinal) {
            kept.push(row);
        }
    }
    Ok(kept)
}
