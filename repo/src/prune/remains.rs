//! What is left when all that is condemned is gone. Pure.

use std::collections::{BTreeMap, HashMap};

use crate::catalog::Catalog;
use crate::format::CondemnedFrames;

/// How a frame that moved is encoded now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reencoded {
    /// Its rank; never higher than before, so that what rests on the chunk stays valid.
    pub(crate) rank: u8,
    /// Position in the catalog of a frame of its base; `None`: it is whole.
    pub(crate) base: Option<usize>,
}

/// What becomes of the frames of a catalog.
pub(crate) struct Remains<'c> {
    pub(crate) catalog: &'c Catalog,
    /// By frame: a snapshot needs it.
    pub(crate) kept: &'c [bool],
    /// By pack: it stays. What is needed of others is in new ones.
    pub(crate) stays: Vec<bool>,
    /// Whether a frame is known to be damaged.
    pub(crate) is_damaged: &'c dyn Fn(usize) -> bool,
    /// Frames that were encoded anew when they moved.
    pub(crate) reencoded: &'c HashMap<usize, Reencoded>,
}

impl Remains<'_> {
    /// Frames of packs that stay, and that cannot be decoded once all that is condemned is gone. None of them is needed.
    pub(crate) fn baseless(&self) -> Vec<CondemnedFrames> {
        let catalog = self.catalog;
        let mut sound = vec![false; catalog.frames.len()];
        let mut by_pack: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut order: Vec<usize> = catalog.by_rank().collect();
        order.sort_by_key(|at| self.rank(*at));
        for at in order {
            let frame = &catalog.frames[at];
            let in_place = self.stays[frame.pack as usize];
            // What is needed of a pack that goes is in a new one by now.
            sound[at] =
                (in_place || self.kept[at]) && self.has_base(at, &sound) && !(self.is_damaged)(at);
            // I10, of every plan that changes what frames there are.
            assert!(
                sound[at] || !self.kept[at],
                "a frame that a snapshot needs would lose its base"
            );
            if in_place && !sound[at] {
                by_pack.entry(frame.pack).or_default().push(frame.ordinal);
            }
        }
        by_pack
            .into_iter()
            .map(|(pack, mut ordinals)| {
                ordinals.sort_unstable();
                CondemnedFrames {
                    pack: catalog.packs[pack as usize].name.id,
                    ordinals,
                }
            })
            .collect()
    }

    fn rank(&self, at: usize) -> u8 {
        let new = self.reencoded.get(&at);
        new.map_or(self.catalog.frames[at].rank, |new| new.rank)
    }

    fn has_base(&self, at: usize, sound: &[bool]) -> bool {
        let may_be = |base: usize| sound[base] && self.rank(base) < self.rank(at);
        match self.reencoded.get(&at) {
            Some(new) => new.base.is_none_or(may_be),
            None => self.catalog.frames[at].base.is_none() || self.catalog.bases(at).any(may_be),
        }
    }
}
