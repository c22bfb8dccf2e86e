//! Since when chunks are proven: the oldest of the times at which their packs, and those of their bases, were read.

use std::cmp::Reverse;

use jiff::Timestamp;
use nightfold_chunker::ChunkId;

use crate::catalog::Catalog;

/// What is known of a pack.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PackState {
    /// When it was last read and found sound.
    pub(super) proven: Option<Timestamp>,
    /// It will be deleted: whatever else holds its chunks counts instead.
    pub(super) leaves: bool,
}

/// Times as numbers that order like them: 4 bytes a frame.
pub(super) struct Since {
    /// Without repetition, sorted.
    times: Vec<Timestamp>,
    leaves: Vec<bool>,
    frames: Vec<u32>,
}

impl Since {
    /// Never proven.
    pub(super) const NEVER: u32 = 0;
    /// Of what needs no pack at all.
    pub(super) const ALWAYS: u32 = u32::MAX;

    /// `packs` says what is known of each pack of the catalog. Sound frames are followed along the chain that a
    /// reader takes.
    pub(super) fn of(catalog: &Catalog, packs: &[PackState]) -> Self {
        let mut times: Vec<Timestamp> = packs.iter().filter_map(|pack| pack.proven).collect();
        times.sort_unstable();
        times.dedup();
        let number = |pack: &PackState| {
            let place = pack.proven.and_then(|time| times.binary_search(&time).ok());
            place.map_or(Self::NEVER, |place| place as u32 + 1)
        };
        let numbers: Vec<u32> = packs.iter().map(number).collect();
        let mut since = Self {
            leaves: packs.iter().map(|pack| pack.leaves).collect(),
            frames: vec![Self::NEVER; catalog.frames.len()],
            times,
        };
        for at in catalog.by_rank() {
            let frame = &catalog.frames[at];
            let own = numbers[frame.pack as usize];
            since.frames[at] = if frame.base.is_none() {
                own
            } else {
                own.min(since.first(catalog, catalog.bases(at)))
            };
        }
        since
    }

    /// Of a chunk.
    pub(super) fn chunk(&self, catalog: &Catalog, id: ChunkId) -> u32 {
        self.first(catalog, catalog.of_chunk(id))
    }

    /// Of the frame that a reader takes of these, now or once condemned packs have gone; of several that are as good,
    /// the one proven last.
    fn first(&self, catalog: &Catalog, frames: impl Iterator<Item = usize>) -> u32 {
        let order = |at: &usize| {
            let frame = &catalog.frames[*at];
            let leaves = self.leaves[frame.pack as usize];
            (leaves, frame.rank, Reverse(self.frames[*at]))
        };
        let best = frames.filter(|at| catalog.is_sound(*at)).min_by_key(order);
        best.map_or(Self::NEVER, |at| self.frames[at])
    }

    /// What a number stands for; what needs no pack is proven as of `now`.
    pub(super) fn time(&self, number: u32, now: Timestamp) -> Option<Timestamp> {
        match number {
            Self::NEVER => None,
            Self::ALWAYS => Some(now),
            number => self.times.get(number as usize - 1).copied(),
        }
    }
}
