//! What becomes of every pack. Pure: the same state makes the same plan.

use super::PruneOptions;
use super::keep::{Kept, Trust, keep};
use crate::catalog::Catalog;

/// What a pack takes beside its frames and their entries: header, tag of the directory, footer.
const PACK_BESIDE_BYTES: u64 = 83;

/// About what a frame takes in its pack beside its sealed bytes: its length, and its entry in the directory. Whether it
/// has a sketch is not known here: half of it is counted.
const FRAME_BESIDE_BYTES: u64 = 44;

/// What a delta takes more.
const BASE_BYTES: u64 = 13;

/// A pack that is larger than all that may be copied is rewritten if this part of it is unused.
const ALONE_UNUSED_MIN: f64 = 0.5;

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
    pub(crate) fn stays(self) -> bool {
        matches!(self, Self::Stay | Self::Rescue)
    }
}

/// The plan.
pub(crate) struct Plan {
    /// By pack.
    pub(crate) fates: Vec<Fate>,
    /// By frame: it is needed, directly or as a base.
    pub(crate) kept: Vec<bool>,
    /// Frames that are copied to new packs, in the order in which they are written.
    pub(crate) moves: Vec<usize>,
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
            let base = if frame.base.is_some() { BASE_BYTES } else { 0 };
            used[frame.pack as usize] += u64::from(frame.sealed_bytes) + FRAME_BESIDE_BYTES + base;
        }
    }
    let unused = |pack: usize| match (catalog.packs[pack].bytes, used[pack]) {
        (bytes, 0) => bytes,
        (bytes, used) => bytes.saturating_sub(used + PACK_BESIDE_BYTES),
    };
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
    let moves = moves(catalog, &kept, &fates);
    Plan {
        fates,
        kept,
        moves,
        unused_bytes,
        spared_packs,
        lost,
    }
}

/// Takes packs that stay and of which enough is unused, those of which most is first, until enough is to be copied.
/// What is copied is there twice until a later run.
fn choose_repacked(
    catalog: &Catalog,
    used: &[u64],
    unused: &dyn Fn(usize) -> u64,
    options: &PruneOptions,
    fates: &mut [Fate],
) {
    let part = |pack: &usize| unused(*pack) as f64 / catalog.packs[*pack].bytes.max(1) as f64;
    let wasteful = |pack: &usize| {
        fates[*pack] == Fate::Stay && used[*pack] > 0 && part(pack) >= options.pack_unused_min
    };
    let mut candidates: Vec<usize> = (0..fates.len()).filter(wasteful).collect();
    candidates.sort_by(|a, b| part(b).total_cmp(&part(a)).then(a.cmp(b)));
    let copied_max = options.copied_max * used.iter().sum::<u64>() as f64;
    let mut copied = 0;
    for pack in candidates {
        let fits = (copied + used[pack]) as f64 <= copied_max;
        // One that never fits, as in a small repository the first night's, goes by itself when it is worth it.
        let alone = copied == 0 && part(&pack) >= ALONE_UNUSED_MIN;
        if fits || alone {
            copied += used[pack];
            fates[pack] = Fate::Repack;
        }
    }
}

/// In the order of their packs, so that what was read together is read together.
fn moves(catalog: &Catalog, kept: &[bool], fates: &[Fate]) -> Vec<usize> {
    let is_moved = |at: usize| fates[catalog.frames[at].pack as usize] == Fate::Repack;
    let mut moved: Vec<usize> = (0..kept.len())
        .filter(|at| kept[*at] && is_moved(*at))
        .collect();
    moved.sort_unstable_by_key(|at| {
        let frame = &catalog.frames[*at];
        (frame.pack, frame.ordinal)
    });
    moved
}
