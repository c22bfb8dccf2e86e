//! Chunks from one repository into another that is like it, as frames.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nightfold_chunker::ChunkId;

use super::plan::{Move, Plan};
use crate::error::{Error, Result};
use crate::format::StreamKind;
use crate::index::{FrameRow, IndexedPack};
use crate::pack::NewFrame;
use crate::repository::{Repository, Rewriter, RunTotals, chain, encode_whole};

/// Chunks that are planned and sent together: packs are closed at their end.
const CHUNKS_AT_ONCE: usize = 65_536;
/// As a backup uses for what rests on other chunks.
const LEVEL: i32 = 3;

/// Why sending ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The source does not have what a snapshot needs.
    Damaged(Error),
    /// Anything else.
    Failed(Error),
}

impl Stop {
    pub(super) fn of_source(error: Error) -> Self {
        match error {
            Error::Corrupt { .. }
            | Error::ChunkLost { .. }
            | Error::Missing { .. }
            | Error::Unsupported { .. } => Self::Damaged(error),
            other => Self::Failed(other),
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

type Sent = std::result::Result<(), Stop>;

/// Sends chunks that the destination lacks.
pub(super) struct Transfer<'r> {
    source: &'r Arc<Repository>,
    destination: &'r Arc<Repository>,
    dry_run: bool,
    wanted: HashSet<ChunkId>,
    /// What a dry run would have sent, by rank.
    arrived: HashMap<ChunkId, u8>,
    totals: RunTotals,
}

impl<'r> Transfer<'r> {
    pub(super) fn new(
        source: &'r Arc<Repository>,
        destination: &'r Arc<Repository>,
        dry_run: bool,
    ) -> Self {
        Self {
            source,
            destination,
            dry_run,
            wanted: HashSet::new(),
            arrived: HashMap::new(),
            totals: RunTotals::default(),
        }
    }

    pub(super) fn source(&self) -> &'r Arc<Repository> {
        self.source
    }

    pub(super) fn destination(&self) -> &'r Arc<Repository> {
        self.destination
    }

    pub(super) fn totals(&self) -> &RunTotals {
        &self.totals
    }

    /// The destination shall have this chunk. It is durable there once `send` has returned.
    pub(super) fn want(
        &mut self,
        id: ChunkId,
        follow: &dyn Fn(&RunTotals),
        cancel: &AtomicBool,
    ) -> Sent {
        self.wanted.insert(id);
        if self.wanted.len() >= CHUNKS_AT_ONCE {
            self.send(follow, cancel)
        } else {
            Ok(())
        }
    }

    /// Those that were wanted and not sent are wanted no more.
    pub(super) fn forget_wanted(&mut self) {
        self.wanted.clear();
    }

    /// Sends what is wanted and not there.
    pub(super) fn send(&mut self, follow: &dyn Fn(&RunTotals), cancel: &AtomicBool) -> Sent {
        let lacking = self.lacking()?;
        let moves = self.plan(&lacking)?;
        if self.dry_run {
            for step in &moves {
                self.arrived.insert(step.row.id, step.rank());
                self.count(step.base.is_some(), u64::from(step.row.sealed_bytes));
            }
            return Ok(());
        }
        self.move_all(&moves, follow, cancel)?;
        self.assert_held(&lacking)
    }

    fn lacking(&mut self) -> Result<Vec<ChunkId>> {
        let wanted: Vec<ChunkId> = self.wanted.drain().collect();
        let destination = self.destination;
        let held = destination.with_index(|index| destination.may_reuse_each(index, &wanted))?;
        let all = wanted.len();
        let ids = wanted.into_iter().zip(held).filter(|(_, held)| !held);
        let arrived = |id: &ChunkId| self.arrived.contains_key(id);
        let lacking: Vec<ChunkId> = ids.map(|(id, _)| id).filter(|id| !arrived(id)).collect();
        let known = (all - lacking.len()) as u64;
        self.totals.known.fetch_add(known, Ordering::Relaxed);
        Ok(lacking)
    }

    fn plan(&self, lacking: &[ChunkId]) -> std::result::Result<Vec<Move>, Stop> {
        let held = |id: ChunkId| match self.arrived.get(&id) {
            Some(rank) => Ok(Some(*rank)),
            None => self.destination.lowest_reusable_rank(id),
        };
        let mut plan = Plan::new(&held);
        for id in lacking {
            let chain = self.chain(*id).map_err(Stop::of_source)?;
            plan.add(&chain)?;
        }
        Ok(plan.finish())
    }

    /// The frames by which the source decodes a chunk.
    fn chain(&self, id: ChunkId) -> Result<Vec<FrameRow>> {
        let ask = || self.source.with_index(|index| chain(index, id));
        match ask() {
            // Its frames may have moved to packs that came since the index was caught up, or the index hides them.
            Err(Error::ChunkLost { .. }) => {
                self.source.read_chunk(id)?;
                ask()
            }
            other => other,
        }
    }

    /// Whatever arrives before this is interrupted can be used.
    fn move_all(&self, moves: &[Move], follow: &dyn Fn(&RunTotals), cancel: &AtomicBool) -> Sent {
        let mut rewriter = Rewriter::new(self.destination);
        let groups = moves.chunk_by(|a, b| (a.rank(), a.row.pack) == (b.rank(), b.row.pack));
        for group in groups {
            if cancel.load(Ordering::Relaxed) {
                rewriter.finish()?;
                return Err(Error::Interrupted.into());
            }
            self.move_group(group, &mut rewriter)?;
            follow(&self.totals);
        }
        let written = rewriter.finish()?;
        self.totals
            .stored_bytes
            .fetch_add(written.bytes, Ordering::Relaxed);
        follow(&self.totals);
        Ok(())
    }

    /// Moves frames of one pack, in the order of their places.
    fn move_group(&self, moves: &[Move], rewriter: &mut Rewriter<'_>) -> Sent {
        let Some(first) = moves.first() else {
            return Ok(());
        };
        let pack = self.source.with_index(|index| index.pack(first.row.pack))?;
        let mut taken = 0;
        let mut stopped = Ok(());
        let read = self.read_frames(pack, moves, &mut |frame| {
            let put = self.put(&moves[taken], pack.stream, frame, rewriter);
            taken += 1;
            put.map_err(|stop| {
                stopped = Err(stop);
                Error::Interrupted
            })
        });
        stopped?;
        match read.map_err(Stop::of_source) {
            // The pack is gone or damaged: the chunks may be in others.
            Err(Stop::Damaged(_)) => moves[taken..]
                .iter()
                .try_for_each(|step| self.put(step, pack.stream, None, rewriter)),
            other => other,
        }
    }

    /// Passes the frames on, or `None` for one that cannot be opened.
    fn read_frames(
        &self,
        pack: IndexedPack,
        moves: &[Move],
        take: &mut dyn FnMut(Option<NewFrame>) -> Result<()>,
    ) -> Result<()> {
        let opened = self.source.source_pack(pack.id, pack.bytes)?;
        let entries = &opened.directory().entries;
        let is_listed = |step: &Move| {
            let entry = entries.get(step.row.ordinal as usize);
            entry.is_some_and(|entry| entry.id == step.row.id)
        };
        if !moves.iter().all(is_listed) {
            return Err(Error::IndexCorrupt {
                reason: format!("it places chunks in pack {} that are not there", pack.id),
            });
        }
        let ordinals: Vec<u32> = moves.iter().map(|step| step.row.ordinal).collect();
        opened.frames(&ordinals, |_, frame| take(frame.ok()))
    }

    fn put(
        &self,
        step: &Move,
        stream: StreamKind,
        frame: Option<NewFrame>,
        rewriter: &mut Rewriter<'_>,
    ) -> Sent {
        let frame = match frame {
            Some(frame) if !step.is_encoded_whole() => frame,
            other => {
                // Any other frame of the chunk will do.
                let chunk = self.source.read_chunk(step.row.id);
                let chunk = chunk.map_err(Stop::of_source)?;
                let old = other.unwrap_or_else(|| without_payload(&step.row));
                encode_whole(&old, &chunk, LEVEL)?
            }
        };
        self.count(frame.base.is_some(), u64::from(frame.raw_bytes));
        rewriter.push(stream, &frame)?;
        Ok(())
    }

    fn count(&self, is_delta: bool, bytes: u64) {
        let kind = if is_delta {
            &self.totals.delta
        } else {
            &self.totals.whole
        };
        kind.fetch_add(1, Ordering::Relaxed);
        self.totals.new_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What was sent must be of use: a snapshot is about to rest on it.
    fn assert_held(&self, ids: &[ChunkId]) -> Sent {
        let destination = self.destination;
        let held = destination.with_index(|index| destination.may_reuse_each(index, ids))?;
        if held.into_iter().all(|held| held) {
            Ok(())
        } else {
            // Somebody took us for dead and deleted it.
            Err(Error::Overtaken.into())
        }
    }
}

fn without_payload(row: &FrameRow) -> NewFrame {
    NewFrame {
        id: row.id,
        raw_bytes: row.raw_bytes,
        codec: row.codec,
        base: None,
        version: row.version,
        rank: 0,
        sketch: None,
        payload: Vec::new(),
    }
}
