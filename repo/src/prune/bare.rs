//! A plan over a catalog by itself, for the benches.

use std::collections::HashMap;

use nightfold_chunker::ChunkId;

use super::PruneOptions;
use super::plan::{Fate, Input, plan};
use super::remains::Remains;
use super::state::Needed;
use crate::catalog::Catalog;

/// What a plan comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BarePlan {
    /// Frames that are needed, directly or as bases.
    pub kept_frames: usize,
    /// Frames that are copied.
    pub moved_frames: usize,
    /// Frames of packs that stay, whose bases go.
    pub baseless_frames: usize,
    /// Packs that nobody needs anything in.
    pub dead_packs: usize,
    /// Packs whose needed frames are copied.
    pub repacked_packs: usize,
    /// Bytes of packs that are not used.
    pub unused_bytes: u64,
    /// Needed chunks that cannot be decoded or that no frame holds.
    pub lost: usize,
}

/// Plans as a prune does that finds nothing condemned; `need` tells of the chunks that are needed.
pub(crate) fn bare_plan(catalog: &Catalog, need: impl FnOnce(&mut dyn FnMut(ChunkId))) -> BarePlan {
    let mut needed = Needed::new(catalog);
    need(&mut |id| needed.add(id, 0));
    let Ok(needed) = needed.positions() else {
        return BarePlan {
            lost: 1,
            ..BarePlan::default()
        };
    };
    let needed: Vec<usize> = needed.into_iter().map(|(at, _)| at).collect();
    let input = Input {
        catalog,
        needed: &needed,
        condemned: vec![false; catalog.packs.len()],
        deletable: vec![false; catalog.packs.len()],
        is_damaged: &|_| false,
        others_at_work: false,
    };
    let plan = plan(&input, &PruneOptions::default());
    let with = |fate| plan.fates.iter().filter(|its| **its == fate).count();
    let remains = Remains {
        catalog,
        kept: &plan.kept,
        stays: plan.fates.iter().map(|fate| fate.stays()).collect(),
        is_damaged: &|_| false,
        reencoded: &HashMap::new(),
    };
    BarePlan {
        kept_frames: plan.kept.iter().filter(|kept| **kept).count(),
        moved_frames: plan.moves.len(),
        baseless_frames: remains
            .baseless()
            .iter()
            .map(|frames| frames.ordinals.len())
            .sum(),
        dead_packs: with(Fate::Condemn),
        repacked_packs: with(Fate::Repack),
        unused_bytes: plan.unused_bytes,
        lost: plan.lost.len(),
    }
}
