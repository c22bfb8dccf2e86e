//! Which frames are sent so that the destination can decode the chunks that it lacks. Pure but for the question what
//! it holds.

use std::collections::HashMap;

use nightfold_chunker::ChunkId;

use crate::error::Result;
use crate::index::FrameRow;

/// A frame to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    /// In the source.
    pub(super) row: FrameRow,
    /// What it rests on, if it is sent as it is; `None`: it is whole, or the chunk is encoded by itself.
    pub(super) base: Option<ChunkId>,
}

impl Move {
    /// The rank that it gets.
    pub(super) fn rank(&self) -> u8 {
        self.base.map_or(0, |_| self.row.rank)
    }

    /// Whether it must be encoded anew.
    pub(super) fn is_encoded_whole(&self) -> bool {
        self.row.base.is_some() && self.base.is_none()
    }
}

/// Frames to be sent, by chunk.
pub(super) struct Plan<'h> {
    moves: HashMap<ChunkId, Move>,
    /// The lowest rank of the frames that the destination has of a chunk and that something may rest on.
    held: &'h dyn Fn(ChunkId) -> Result<Option<u8>>,
    /// What was asked.
    known: HashMap<ChunkId, Option<u8>>,
}

impl<'h> Plan<'h> {
    /// Nothing is to be sent yet.
    pub(super) fn new(held: &'h dyn Fn(ChunkId) -> Result<Option<u8>>) -> Self {
        Self {
            moves: HashMap::new(),
            held,
            known: HashMap::new(),
        }
    }

    /// Adds a chunk that the destination lacks, by the frames that a reader of the source would use: its own first, a
    /// whole one last. Bases that the destination lacks come along. Where it has a base only at a rank that is not
    /// below the frame's, nothing may rest on it at this rank: the chunk is encoded by itself then.
    pub(super) fn add(&mut self, chain: &[FrameRow]) -> Result<()> {
        for (at, row) in chain.iter().enumerate() {
            if self.moves.contains_key(&row.id) {
                break;
            }
            let base = chain.get(at + 1).map(|base| base.id);
            let there = base.map(|base| self.rank_of(base)).transpose()?.flatten();
            let is_usable = there.is_none_or(|rank| rank < row.rank);
            let base = base.filter(|_| is_usable);
            self.moves.insert(row.id, Move { row: *row, base });
            if base.is_none() || there.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn rank_of(&mut self, id: ChunkId) -> Result<Option<u8>> {
        if let Some(planned) = self.moves.get(&id) {
            return Ok(Some(planned.rank()));
        }
        if let Some(known) = self.known.get(&id) {
            return Ok(*known);
        }
        let rank = (self.held)(id)?;
        self.known.insert(id, rank);
        Ok(rank)
    }

    /// What is to be sent, bases before what rests on them, and frames of one rank in the order of their places.
    pub(super) fn finish(self) -> Vec<Move> {
        self.assert_ranks_fall();
        let mut moves: Vec<Move> = self.moves.into_values().collect();
        moves.sort_unstable_by_key(|step| (step.rank(), step.row.pack, step.row.ordinal));
        moves
    }

    /// I10: every frame that is sent reaches a whole one through strictly falling ranks.
    fn assert_ranks_fall(&self) {
        for step in self.moves.values() {
            let Some(base) = step.base else { continue };
            let sent = self.moves.get(&base).map(Move::rank);
            let rank = sent.or_else(|| self.known.get(&base).copied().flatten());
            assert!(
                rank.is_some_and(|rank| rank < step.rank()),
                "chunk {} would be sent without a base of lower rank",
                step.row.id
            );
        }
    }
}
