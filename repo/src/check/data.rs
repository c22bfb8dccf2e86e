//! Every byte of every pack: each chunk is decoded exactly once, with its base's bytes at hand.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::Meter;
use super::reader::Reader;
use crate::catalog::Catalog;

/// Opens every frame and decodes every chunk. The reader remembers what proved damaged.
pub(super) fn verify(reader: &mut Reader<'_>, meter: &Meter<'_>) {
    let forest = Forest::grow(reader.catalog());
    let decoded: Vec<AtomicBool> = reader
        .catalog()
        .frames
        .iter()
        .map(|_| AtomicBool::new(false))
        .collect();
    let pass = Pass {
        reader,
        forest: &forest,
        decoded: &decoded,
        meter,
    };
    meter.add(reader.catalog().bytes_beside_frames());
    // One task a tree: a worker holds at most one chunk for every rank.
    forest
        .roots
        .par_iter()
        .with_max_len(1)
        .for_each(|root| pass.descend(*root, None));
    pass.rest();
    reader.settle();
}

/// Which frames are decoded against which: a tree below every whole frame.
struct Forest {
    /// Whole frames. What others rest on must not be lost: those come first, then by place in the packs.
    roots: Vec<usize>,
    /// (base, delta), sorted.
    edges: Vec<(u32, u32)>,
}

impl Forest {
    fn grow(catalog: &Catalog) -> Self {
        let mut edges: Vec<(u32, u32)> = (0..catalog.frames.len())
            .into_par_iter()
            .filter(|at| catalog.frames[*at].base.is_some())
            .filter_map(|at| Some((catalog.parent(at)? as u32, at as u32)))
            .collect();
        edges.par_sort_unstable();
        let mut forest = Self {
            roots: Vec::new(),
            edges,
        };
        let mut roots: Vec<usize> = (0..catalog.frames.len())
            .filter(|at| catalog.frames[*at].base.is_none())
            .collect();
        roots.par_sort_by_key(|at| {
            let frame = &catalog.frames[*at];
            (forest.children(*at).is_empty(), frame.pack, frame.ordinal)
        });
        forest.roots = roots;
        forest
    }

    fn children(&self, at: usize) -> &[(u32, u32)] {
        let start = self.edges.partition_point(|edge| (edge.0 as usize) < at);
        let length = self.edges[start..].partition_point(|edge| edge.0 as usize == at);
        &self.edges[start..start + length]
    }
}

struct Pass<'p, 'r> {
    reader: &'p Reader<'r>,
    forest: &'p Forest,
    decoded: &'p [AtomicBool],
    meter: &'p Meter<'p>,
}

impl Pass<'_, '_> {
    /// Decodes a frame and all that rests on it; at most as deep as ranks go.
    fn descend(&self, at: usize, base: Option<&[u8]>) {
        self.done(at);
        // What rests on a damaged frame may have another base: that is tried by `rest`.
        if let Ok(bytes) = self.reader.decode(at, base) {
            for (_, child) in self.forest.children(at) {
                self.descend(*child as usize, Some(&bytes));
            }
        }
    }

    /// Frames whose first choice of a base is damaged or missing.
    fn rest(&self) {
        for at in self.reader.catalog().by_rank() {
            if self.decoded[at].load(Ordering::Relaxed) {
                continue;
            }
            self.done(at);
            // The reader remembers a failure, whichever way it is found.
            let _ = match self.reader.base_of(at) {
                Some(base) => self.reader.decode(at, Some(&base)),
                None => self.reader.open(at),
            };
        }
    }

    fn done(&self, at: usize) {
        self.decoded[at].store(true, Ordering::Relaxed);
        self.meter
            .add(u64::from(self.reader.catalog().frames[at].sealed_bytes));
    }
}
