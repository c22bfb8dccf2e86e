//! Which packs are written anew, and what becomes of their frames. Pure: the same state makes the same plan.

use super::chains::Chains;
use super::{CompactOptions, Work};
use crate::catalog::{Catalog, CatalogFrame};
use crate::format::{CodecKind, StreamKind};

/// Packs below this part of a full one are small.
const SMALL_PART: u64 = 2;
/// As many small packs of a stream kind are joined: fewer are not worth it every night.
const JOIN_PACKS_MIN: usize = 8;
/// A pack is written anew to recompress, or to shorten chains, if that much of it is concerned.
const CONCERNED_PART: u64 = 2;
/// Chains up to this length are left.
pub(super) const CHAIN_STEPS_MAX: u8 = 4;

/// What the plan is made of.
pub(super) struct Input<'c> {
    pub(super) catalog: &'c Catalog,
    /// By frame: a snapshot needs it, directly or as a base.
    pub(super) kept: &'c [bool],
    /// By pack: it stays, as far as prune is concerned.
    pub(super) stays: &'c [bool],
    pub(super) chains: &'c Chains<'c>,
    /// By frame: only young snapshots need it.
    pub(super) young: &'c [bool],
    /// By frame: the newest snapshot of a source needs it, not only as a base.
    pub(super) newest: &'c [bool],
    /// By frame: the first snapshot that needs it, in order of age; 0 for mere bases.
    pub(super) born: &'c [u32],
    /// By pack: its whole frames need no second look.
    pub(super) aged: &'c [bool],
    /// By pack: its chains need no second look.
    pub(super) rebased: &'c [bool],
    /// Bytes of a full pack.
    pub(super) pack_bytes: u64,
    /// The epoch that new objects are sealed under.
    pub(super) epoch: u32,
}

/// A pack that is written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Position in the catalog.
    pub(super) pack: usize,
    /// Why.
    pub(super) work: Work,
}

/// What becomes of a frame that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It moves as it is.
    Move,
    /// It is compressed at a high level.
    Recompress,
    /// It gets a shorter chain.
    Rebase,
}

/// What becomes of a kept frame, should its pack be written anew.
pub(super) fn treatment(input: &Input<'_>, options: &CompactOptions, at: usize) -> Treatment {
    let frame = &input.catalog.frames[at];
    let pack = frame.pack as usize;
    let does = |work| options.work.contains(&work);
    let is_old = frame.base.is_none() && !input.young[at] && !input.aged[pack];
    // What backups stored as it is does not become much smaller.
    if is_old && does(Work::Recompress) && frame.codec != CodecKind::Stored {
        return Treatment::Recompress;
    }
    let is_deep = input.newest[at] && input.chains.depth(at) > CHAIN_STEPS_MAX;
    if is_deep && does(Work::Rebase) && !input.rebased[pack] {
        return Treatment::Rebase;
    }
    Treatment::Move
}

/// Chooses packs, in the order in which they are written.
pub(super) fn plan(input: &Input<'_>, options: &CompactOptions) -> Vec<Step> {
    let packs = sum(input, options);
    let mut steps = Vec::new();
    let mut chosen = vec![false; packs.len()];
    for work in Work::ALL {
        if !options.work.contains(&work) {
            continue;
        }
        let free = |pack: &usize| !chosen[*pack] && packs[*pack].bytes > 0;
        let mut some: Vec<usize> = match work {
            Work::Join => [StreamKind::Data, StreamKind::Meta]
                .into_iter()
                .flat_map(|stream| small(input, &packs, stream))
                .filter(free)
                .collect(),
            _ => (0..packs.len())
                .filter(free)
                .filter(|pack| is_concerned(input, &packs[*pack], *pack, work))
                .collect(),
        };
        let catalog = &input.catalog.packs;
        some.sort_by_key(|pack| (catalog[*pack].epoch, packs[*pack].born, *pack));
        for pack in &some {
            chosen[*pack] = true;
        }
        steps.extend(some.into_iter().map(|pack| Step { pack, work }));
    }
    steps
}

/// What is kept of a pack.
#[derive(Clone, Copy, Default)]
struct Sum {
    /// Sealed bytes.
    bytes: u64,
    /// Of these, what would be recompressed.
    old_bytes: u64,
    frames: u64,
    /// Of these, those that would get shorter chains.
    deep_frames: u64,
    /// The first snapshot that needs anything of it.
    born: u32,
}

fn sum(input: &Input<'_>, options: &CompactOptions) -> Vec<Sum> {
    let first = Sum {
        born: u32::MAX,
        ..Sum::default()
    };
    let mut packs = vec![first; input.catalog.packs.len()];
    let frames = input.catalog.frames.iter().enumerate();
    let is_kept =
        |(at, frame): &(usize, &CatalogFrame)| input.kept[*at] && input.stays[frame.pack as usize];
    for (at, frame) in frames.filter(is_kept) {
        let sum = &mut packs[frame.pack as usize];
        let bytes = u64::from(frame.sealed_bytes);
        sum.bytes += bytes;
        sum.frames += 1;
        sum.born = sum.born.min(input.born[at]);
        match treatment(input, options, at) {
            Treatment::Recompress => sum.old_bytes += bytes,
            Treatment::Rebase => sum.deep_frames += 1,
            Treatment::Move => {}
        }
    }
    packs
}

fn is_concerned(input: &Input<'_>, sum: &Sum, pack: usize, work: Work) -> bool {
    match work {
        Work::Keys => input.catalog.packs[pack].epoch < input.epoch,
        Work::Recompress => sum.old_bytes > 0 && sum.old_bytes * CONCERNED_PART >= sum.bytes,
        Work::Rebase => sum.deep_frames > 0 && sum.deep_frames * CONCERNED_PART >= sum.frames,
        Work::Join => false,
    }
}

/// The small packs of a stream kind, if they are many, and become few.
fn small(input: &Input<'_>, packs: &[Sum], stream: StreamKind) -> Vec<usize> {
    let is_small = |pack: &usize| {
        let listed = &input.catalog.packs[*pack];
        listed.stream == stream
            && input.stays[*pack]
            && packs[*pack].bytes > 0
            && listed.bytes * SMALL_PART < input.pack_bytes
    };
    let small: Vec<usize> = (0..packs.len()).filter(is_small).collect();
    let bytes: u64 = small.iter().map(|pack| packs[*pack].bytes).sum();
    let joined = bytes.div_ceil(input.pack_bytes.max(1)) as usize;
    if small.len() >= JOIN_PACKS_MIN && 2 * joined <= small.len() {
        small
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
