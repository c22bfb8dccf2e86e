//! What becomes of every pack. Pure: the same state makes the same plan.

use super::PruneOptions;
use super::keep::{Kept, Trust, keep};
use crate::catalog::Catalog;

/// About what a frame takes in its pack beside its sealed bytes: its length, and its entry in the directory.
const FRAME_BESIDE_BYTES: u64 = 60;

/// What the plan is made of.
pub(super) struct Input<'c> {
    pub(super) catalog: &'c Catalog,
    /// Positions of the first frames of chunks that snapshots need.
    pub(super) needed: &'c [usize],
    /// By pack: it was condemned by an earlier run.
    pub(super) condemned: Vec<bool>,
    /// By pack: it was condemned, and all who were at work then have ended.
    pub(super) deletable: Vec<bool>,
    /// Whether a frame is damaged.
    pub(super) is_damaged: &'c dyn Fn(usize) -> bool,
    /// Somebody else is at work: unused packs may be his.
    pub(super) others_at_work: bool,
}

/// What becomes of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays.
    Stay,
    /// It was condemned, and somebody may still rely on it.
    Wait,
    /// It was condemned, and goes now.
    Delete,
    /// It was condemned, and a snapshot needs it: it stays after all.
    Rescue,
    /// Nobody needs anything in it: it is condemned.
    Condemn,
    /// What is needed of it moves, and it is condemned.
    Repack,
}

impl Fate {
    /// Whether it goes on to hold what it holds.
    pub(crate) fn stays(&self) -> bool {
        matches!(self, Self::Stay | Self::Rescue)
    }
}

/// A frame that moves to a new pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    /// Position in the catalog.
    pub(crate) frame: usize,
    /// Its bases that move too and serve nobody else, the nearest first: encoded against what they rest on, it would
    /// make them dispensable.
    pub(crate) skipped: Vec<usize>,
    /// What they rest on; `None`: the last of them is whole.
    pub(crate) base: Option<usize>,
}

/// The plan.
pub(crate) struct Plan {
    /// By pack.
    pub(crate) fates: Vec<Fate>,
    /// By frame: it is needed, directly or as a base.
    pub(crate) kept: Vec<bool>,
    /// In the order in which they are written.
    pub(crate) moves: Vec<Move>,
    /// Bytes of packs that are not used.
    pub(crate) unused_bytes: u64,
    /// Unused packs that stay since others are at work.
    pub(crate) spared_packs: u64,
    /// Positions of first frames of needed chunks that cannot be decoded.
    pub(crate) lost: Vec<usize>,
}

/// Makes the plan.
pub(super) fn plan(input: &Input<'_>, options: &PruneOptions) -> Plan {
    let catalog = input.catalog;
    let pack_of = |at: usize| catalog.frames[at].pack as usize;
    let trust = |at: usize| {
        if (input.is_damaged)(at) {
            Trust::Never
        } else if input.condemned[pack_of(at)] {
            Trust::IfMust
        } else {
            Trust::Fully
        }
    };
    let Kept { frames: kept, lost } = keep(catalog, input.needed, trust);
    let mut used = vec![0u64; catalog.packs.len()];
    for (at, frame) in catalog.frames.iter().enumerate() {
        if kept[at] {
            used[frame.pack as usize] += u64::from(frame.sealed_bytes) + FRAME_BESIDE_BYTES;
        }
    }
    let unused = |pack: usize| catalog.packs[pack].bytes.saturating_sub(used[pack]);
    let mut spared_packs = 0;
    let mut fates: Vec<Fate> = (0..catalog.packs.len())
        .map(|pack| match (input.condemned[pack], used[pack]) {
            (true, 0) if input.deletable[pack] => Fate::Delete,
            (true, 0) => Fate::Wait,
            (true, _) => Fate::Rescue,
            (false, 0) if input.others_at_work => {
                spared_packs += 1;
                Fate::Stay
            }
            (false, 0) => Fate::Condemn,
            (false, _) => Fate::Stay,
        })
        .collect();
    choose_repacked(catalog, &used, &unused, options, &mut fates);
    let unused_bytes = (0..catalog.packs.len()).map(unused).sum();
    let moves = moves(catalog, input.needed, &kept, &fates);
    Plan {
        fates,
        kept,
        moves,
        unused_bytes,
        spared_packs,
        lost,
    }
}

/// Takes packs that stay, those of which most is unused first, until little is unused in all that stay.
fn choose_repacked(
    catalog: &Catalog,
    used: &[u64],
    unused: &dyn Fn(usize) -> u64,
    options: &PruneOptions,
    fates: &mut [Fate],
) {
    let part = |pack: &usize| unused(*pack) as f64 / catalog.packs[*pack].bytes.max(1) as f64;
    let staying = |pack: &usize| fates[*pack] == Fate::Stay && used[*pack] > 0;
    let mut candidates: Vec<usize> = (0..fates.len()).filter(staying).collect();
    let mut left: u64 = candidates.iter().map(|pack| unused(*pack)).sum();
    let used_in_all: u64 = used.iter().sum();
    candidates.sort_by(|a, b| part(b).total_cmp(&part(a)).then(a.cmp(b)));
    for pack in candidates {
        let enough = left as f64 <= options.unused_max * used_in_all as f64;
        if enough || part(&pack) < options.pack_unused_min {
            break;
        }
        left -= unused(pack);
        fates[pack] = Fate::Repack;
    }
}

fn moves(catalog: &Catalog, needed: &[usize], kept: &[bool], fates: &[Fate]) -> Vec<Move> {
    let is_moved = |at: usize| fates[catalog.frames[at].pack as usize] == Fate::Repack;
    let mut moved: Vec<usize> = (0..kept.len())
        .filter(|at| kept[*at] && is_moved(*at))
        .collect();
    moved.sort_unstable_by_key(|at| {
        let frame = &catalog.frames[*at];
        (frame.pack, frame.ordinal)
    });
    let skippable = skippable(catalog, needed, kept);
    let with_bases = |frame: usize| {
        let mut skipped = Vec::new();
        let mut base = kept_base(catalog, kept, frame);
        while let Some(at) = base.filter(|at| skippable[*at] && is_moved(*at)) {
            skipped.push(at);
            base = kept_base(catalog, kept, at);
        }
        Move {
            frame,
            skipped,
            base,
        }
    };
    let alone = |frame: usize| Move {
        frame,
        skipped: Vec::new(),
        base: None,
    };
    moved
        .into_iter()
        // One that may be skipped itself moves as it is, or not at all.
        .map(|frame| {
            if skippable[frame] {
                alone(frame)
            } else {
                with_bases(frame)
            }
        })
        .collect()
}

/// By frame: it is kept only as the base of a single delta.
fn skippable(catalog: &Catalog, needed: &[usize], kept: &[bool]) -> Vec<bool> {
    let mut dependents = vec![0u32; kept.len()];
    for at in (0..kept.len()).filter(|at| kept[*at]) {
        for base in catalog.bases(at).filter(|base| kept[*base]) {
            dependents[base] += 1;
        }
    }
    for first in needed {
        for at in catalog.of_chunk(catalog.frames[*first].id) {
            // Not only as a base.
            dependents[at] = u32::MAX;
        }
    }
    dependents.into_iter().map(|count| count == 1).collect()
}

/// The frame that a kept delta rests on: of several the lowest.
pub(crate) fn kept_base(catalog: &Catalog, kept: &[bool], at: usize) -> Option<usize> {
    catalog
        .bases(at)
        .filter(|base| kept[*base])
        .min_by_key(|base| catalog.frames[*base].rank)
}
