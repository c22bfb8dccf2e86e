//! Every byte of chosen packs: each chunk is decoded exactly once, with its base's bytes at hand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rayon::prelude::*;

use super::Meter;
use super::reader::Reader;
use super::records::Judged;
use super::select::Pace;
use crate::catalog::Catalog;

/// Opens every frame of these packs, in this order as far as the pace allows, and decodes every chunk. The reader
/// remembers what proved damaged. Returns which packs were read and found sound, by their places in the catalog,
/// and how many were read.
pub(super) fn verify(
    reader: &mut Reader<'_>,
    order: &[usize],
    mut pace: Pace,
    elapsed: &dyn Fn() -> Duration,
    judged: &Judged,
    meter: &Meter<'_>,
) -> (Vec<usize>, usize) {
    let catalog = reader.catalog();
    let unsound_before = unsound(catalog);
    let queue = Queue::of(catalog, order, pace.is_limited());
    let flags = |count: usize| (0..count).map(|_| AtomicBool::new(false)).collect();
    let mut pass = Pass {
        reader,
        seen: flags(catalog.frames.len()),
        counted: vec![false; catalog.packs.len()],
        meter,
    };
    pass.skip((0..catalog.packs.len()).filter(|pack| queue.place[*pack] == NOT_CHOSEN));
    let mut begun = 0;
    loop {
        let next = begun + pace.next(elapsed(), order.len() - begun);
        if next == begun {
            break;
        }
        pass.read(&order[begun..next], queue.frames(catalog, begun..next));
        begun = next;
    }
    pass.skip(order[begun..].iter().copied());
    let seen = pass.seen;
    let known = judged.damaged(catalog);
    known
        .filter(|at| !seen[*at].load(Ordering::Relaxed))
        .for_each(|at| reader.presume_damaged(at));
    if begun > 0 || !reader.failures().is_empty() {
        reader.settle();
    }
    (sound(reader, &order[..begun], &unsound_before), begun)
}

/// Of how many frames of each pack the base is not there.
fn unsound(catalog: &Catalog) -> Vec<u32> {
    let mut counts = vec![0; catalog.packs.len()];
    for (at, frame) in catalog.frames.iter().enumerate() {
        counts[frame.pack as usize] += u32::from(!catalog.is_sound(at));
    }
    counts
}

/// The packs of which no frame and no frame's base proved damaged: all others were decoded.
fn sound(reader: &Reader<'_>, read: &[usize], unsound_before: &[u32]) -> Vec<usize> {
    let unsound_now = unsound(reader.catalog());
    let is_sound = |pack: &usize| unsound_now[*pack] == unsound_before[*pack];
    read.iter().copied().filter(is_sound).collect()
}

const NOT_CHOSEN: u32 = u32::MAX;

/// Frames in the order in which their packs are read.
struct Queue {
    /// Of a pack in the order.
    place: Vec<u32>,
    frames: Vec<u32>,
}

impl Queue {
    /// Sorted only where packs are read step by step.
    fn of(catalog: &Catalog, order: &[usize], in_steps: bool) -> Self {
        let mut place = vec![NOT_CHOSEN; catalog.packs.len()];
        for (at, pack) in order.iter().enumerate() {
            place[*pack] = at as u32;
        }
        let place_of = |at: &u32| place[catalog.frames[*at as usize].pack as usize];
        let mut frames: Vec<u32> = (0..catalog.frames.len() as u32)
            .filter(|at| place_of(at) != NOT_CHOSEN)
            .collect();
        if in_steps {
            frames.par_sort_unstable_by_key(place_of);
        }
        Self { place, frames }
    }

    /// The frames of some packs of the order.
    fn frames(&self, catalog: &Catalog, places: std::ops::Range<usize>) -> &[u32] {
        if places.start == 0 && places.end >= self.place.len() {
            return &self.frames;
        }
        let place_of = |at: &u32| self.place[catalog.frames[*at as usize].pack as usize] as usize;
        let start = self
            .frames
            .partition_point(|at| place_of(at) < places.start);
        let count = self.frames[start..].partition_point(|at| place_of(at) < places.end);
        &self.frames[start..start + count]
    }
}

/// Which frames are decoded against which: a tree below every whole frame.
struct Forest {
    /// Whole frames. What others rest on must not be lost: those come first, then by place in the packs.
    roots: Vec<u32>,
    /// (base, delta), sorted.
    edges: Vec<(u32, u32)>,
    /// All frames, those of lower rank first.
    frames: Vec<u32>,
}

impl Forest {
    /// Of these frames and all that they are decoded against.
    fn grow(catalog: &Catalog, chosen: &[u32]) -> Self {
        let frame = |at: &u32| &catalog.frames[*at as usize];
        let mut grown = vec![false; catalog.frames.len()];
        for at in chosen {
            grown[*at as usize] = true;
        }
        let mut frames = chosen.to_vec();
        let mut edges = Vec::new();
        let mut looked_at = 0;
        // Ranks fall: this ends.
        while looked_at < frames.len() {
            let found: Vec<(u32, u32)> = frames[looked_at..]
                .par_iter()
                .filter(|at| frame(at).base.is_some())
                .filter_map(|at| Some((catalog.parent(*at as usize)? as u32, *at)))
                .collect();
            looked_at = frames.len();
            for (base, _) in &found {
                if !std::mem::replace(&mut grown[*base as usize], true) {
                    frames.push(*base);
                }
            }
            edges.extend(found);
        }
        edges.par_sort_unstable();
        frames.par_sort_by_key(|at| frame(at).rank);
        let mut forest = Self {
            roots: Vec::new(),
            edges,
            frames,
        };
        let whole = forest.frames.iter().filter(|at| frame(at).base.is_none());
        let mut roots: Vec<u32> = whole.copied().collect();
        roots.par_sort_by_key(|at| {
            let frame = frame(at);
            (forest.children(*at).is_empty(), frame.pack, frame.ordinal)
        });
        forest.roots = roots;
        forest
    }

    fn children(&self, at: u32) -> &[(u32, u32)] {
        let start = self.edges.partition_point(|edge| edge.0 < at);
        let length = self.edges[start..].partition_point(|edge| edge.0 == at);
        &self.edges[start..start + length]
    }
}

struct Pass<'p, 'r> {
    reader: &'p Reader<'r>,
    seen: Vec<AtomicBool>,
    /// Packs whose bytes count as done when they are read.
    counted: Vec<bool>,
    meter: &'p Meter<'p>,
}

impl Pass<'_, '_> {
    /// Decodes the frames of some packs, and what they rest on.
    fn read(&mut self, packs: &[usize], frames: &[u32]) {
        let catalog = self.reader.catalog();
        let all: u64 = packs.iter().map(|pack| catalog.packs[*pack].bytes).sum();
        let sealed = |at: &u32| u64::from(catalog.frames[*at as usize].sealed_bytes);
        let sealed: u64 = frames.iter().map(sealed).sum();
        self.meter.add(all.saturating_sub(sealed));
        for pack in packs {
            self.counted[*pack] = true;
        }
        let forest = Forest::grow(catalog, frames);
        // One task a tree: a worker holds at most one chunk for every rank.
        forest
            .roots
            .par_iter()
            .with_max_len(1)
            .for_each(|root| self.descend(&forest, *root, None));
        self.rest(&forest);
        for pack in packs {
            self.counted[*pack] = false;
        }
    }

    /// Decodes a frame and all that rests on it; at most as deep as ranks go.
    fn descend(&self, forest: &Forest, at: u32, base: Option<&[u8]>) {
        self.done(at);
        // What rests on a damaged frame may have another base: that is tried by `rest`.
        if let Ok(bytes) = self.reader.decode(at as usize, base) {
            for (_, child) in forest.children(at) {
                self.descend(forest, *child, Some(&bytes));
            }
        }
    }

    /// Frames whose first choice of a base is damaged or missing.
    fn rest(&self, forest: &Forest) {
        for at in &forest.frames {
            if self.seen[*at as usize].load(Ordering::Relaxed) {
                continue;
            }
            self.done(*at);
            let at = *at as usize;
            // The reader remembers a failure, whichever way it is found.
            let _ = match self.reader.base_of(at) {
                Some(base) => self.reader.decode(at, Some(&base)),
                None => self.reader.open(at),
            };
        }
    }

    fn done(&self, at: u32) {
        self.seen[at as usize].store(true, Ordering::Relaxed);
        let frame = &self.reader.catalog().frames[at as usize];
        if self.counted[frame.pack as usize] {
            self.meter.add(u64::from(frame.sealed_bytes));
        }
    }

    /// Packs that are not read are done with their directories.
    fn skip(&self, packs: impl Iterator<Item = usize>) {
        let bytes = packs.map(|pack| self.reader.catalog().packs[pack].bytes);
        self.meter.add(bytes.sum());
    }
}
