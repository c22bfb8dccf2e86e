//! Which frames are kept so that every chunk that is needed can be decoded.

use crate::catalog::Catalog;

/// Frames chosen, by their position in the catalog.
pub(crate) struct Kept {
    /// Needed: chosen for a chunk that a snapshot needs, or as a base of one that is.
    pub(crate) frames: Vec<bool>,
    /// The position of the first frame of a chunk that no frame can be decoded to.
    pub(crate) lost: Vec<usize>,
}

/// How much a frame may be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trust {
    /// Not at all: it is damaged.
    Never,
    /// If there is no other: it is condemned.
    IfMust,
    /// It stays.
    Fully,
}

/// Chooses one frame for every needed chunk, and bases of strictly falling rank down to whole frames (I10). `needed`
/// has the positions of first frames of chunks. Frames of later packs are preferred: they are what a run that was
/// interrupted has moved already.
pub(crate) fn keep(catalog: &Catalog, needed: &[usize], trust: impl Fn(usize) -> Trust) -> Kept {
    let mut trusted = vec![Trust::Never; catalog.frames.len()];
    for at in catalog.by_rank() {
        let own = trust(at);
        trusted[at] = if catalog.frames[at].base.is_none() {
            own
        } else {
            let base = catalog.bases(at).map(|base| trusted[base]).max();
            own.min(base.unwrap_or(Trust::Never))
        };
    }
    let best = |frames: &mut dyn Iterator<Item = usize>| {
        let usable = frames.filter(|at| trusted[*at] > Trust::Never);
        usable.max_by_key(|at| {
            let frame = &catalog.frames[*at];
            (trusted[*at], frame.pack, frame.ordinal)
        })
    };
    let mut kept = Kept {
        frames: vec![false; catalog.frames.len()],
        lost: Vec::new(),
    };
    for first in needed {
        match best(&mut catalog.of_chunk(catalog.frames[*first].id)) {
            Some(at) => kept.frames[at] = true,
            None => kept.lost.push(*first),
        }
    }
    // Ranks fall: a base that is chosen here comes later in this order.
    for at in catalog.by_rank().rev() {
        if !kept.frames[at] || catalog.frames[at].base.is_none() {
            continue;
        }
        let has_base = |at: usize| {
            let mut bases = catalog.bases(at);
            bases.any(|base| kept.frames[base] && trusted[base] >= trusted[at])
        };
        if !has_base(at) {
            match best(&mut catalog.bases(at)) {
                Some(base) => kept.frames[base] = true,
                // What is trusted has a base that is.
                None => unreachable!("a frame was chosen that has no base"),
            }
        }
    }
    kept
}
