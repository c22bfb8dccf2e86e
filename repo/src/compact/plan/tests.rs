//! Claims about which packs are chosen.
#![allow(clippy::unwrap_used)]

use nightfold_chunker::ChunkId;

use super::*;
use crate::catalog::CatalogPack;
use crate::format::{BaseRef, Kind, ObjectId, ObjectName};

/// A repository of 1000-byte packs; every frame is kept and old.
struct Case {
    catalog: Catalog,
    epoch: u32,
    young: Vec<ChunkId>,
    newest: Vec<ChunkId>,
    aged: Vec<usize>,
    rebased: Vec<usize>,
    options: CompactOptions,
}

fn id(number: u16) -> ChunkId {
    let mut id = ChunkId([0; 20]);
    id.0[..2].copy_from_slice(&number.to_be_bytes());
    id
}

impl Case {
    fn new() -> Self {
        Self {
            catalog: Catalog::default(),
            epoch: 0,
            young: Vec::new(),
            newest: Vec::new(),
            aged: Vec::new(),
            rebased: Vec::new(),
            options: CompactOptions::default(),
        }
    }

    fn pack(&mut self, epoch: u32, bytes: u64) -> u32 {
        let number = self.catalog.packs.len() as u32;
        let mut pack_id = [0; 32];
        pack_id[..4].copy_from_slice(&number.to_be_bytes());
        self.catalog.packs.push(CatalogPack {
            name: ObjectName::new(Kind::Pack, ObjectId(pack_id)),
            epoch,
            stream: StreamKind::Data,
            bytes,
        });
        number
    }

    /// A frame; rank 0 is whole, others rest on the chunk with the number before.
    fn frame(&mut self, pack: u32, number: u16, rank: u8, bytes: u32) {
        let base = (rank > 0).then(|| BaseRef::from(id(number - 1)));
        let codec = if rank > 0 {
            CodecKind::Patch
        } else {
            CodecKind::Zstd
        };
        self.catalog.frames.push(CatalogFrame {
            id: id(number),
            base,
            codec,
            rank,
            pack,
            ordinal: self.catalog.frames.len() as u32,
            offset: 0,
            sealed_bytes: bytes,
            raw_bytes: 4 * bytes,
            version: u32::from(rank),
        });
    }

    fn with<T>(&mut self, ask: impl Fn(&Input<'_>, &CompactOptions) -> T) -> T {
        let catalog = std::mem::take(&mut self.catalog);
        self.catalog = Catalog::of(catalog.packs, catalog.frames);
        let frames = self.catalog.frames.len();
        let kept = vec![true; frames];
        let is_in = |ids: &[ChunkId]| -> Vec<bool> {
            let frames = self.catalog.frames.iter();
            frames.map(|frame| ids.contains(&frame.id)).collect()
        };
        let packs = |marked: &[usize]| -> Vec<bool> {
            (0..self.catalog.packs.len())
                .map(|p| marked.contains(&p))
                .collect()
        };
        let input = Input {
            catalog: &self.catalog,
            kept: &kept,
            stays: &vec![true; self.catalog.packs.len()],
            chains: &Chains::new(&self.catalog, &kept),
            young: &is_in(&self.young),
            newest: &is_in(&self.newest),
            born: &vec![0; frames],
            aged: &packs(&self.aged),
            rebased: &packs(&self.rebased),
            pack_bytes: 1000,
            epoch: self.epoch,
        };
        ask(&input, &self.options)
    }

    fn plan(&mut self) -> Vec<(usize, Work)> {
        let steps = self.with(plan);
        steps
            .into_iter()
            .map(|step| (step.pack, step.work))
            .collect()
    }
}

/// Packs with a delta each, all on one whole frame in a full, aged pack.
fn small_packs(count: u16, bytes: u32) -> Case {
    let mut case = Case::new();
    let full = case.pack(0, 1000);
    case.frame(full, 0, 0, 900);
    case.aged.push(0);
    for _ in 0..count {
        let pack = case.pack(0, u64::from(bytes));
        case.frame(pack, 1, 1, bytes);
    }
    case
}

#[test]
fn small_packs_are_joined_when_they_are_many() {
    assert_eq!(small_packs(7, 100).plan(), []);
    let joined = small_packs(8, 100).plan();
    let expected: Vec<_> = (1..=8).map(|pack| (pack, Work::Join)).collect();
    assert_eq!(joined, expected);
    // Half full is not small, and nothing is gained where few packs go.
    assert_eq!(small_packs(20, 500).plan(), []);
}

#[test]
fn what_is_joined_is_not_joined_again() {
    // As 8 packs of 100 bytes leave behind.
    assert_eq!(small_packs(1, 800).plan(), []);
}

#[test]
fn old_whole_frames_are_recompressed_once() {
    let mut case = Case::new();
    let pack = case.pack(0, 1000);
    case.frame(pack, 0, 0, 500);
    case.frame(pack, 1, 1, 400);
    assert_eq!(case.plan(), [(0, Work::Recompress)]);
    case.young = vec![id(0)];
    assert_eq!(case.plan(), []);
    case.young.clear();
    case.aged = vec![0];
    assert_eq!(case.plan(), []);
    // Where deltas are most of the pack it is left.
    case.aged.clear();
    case.frame(pack, 2, 2, 200);
    assert_eq!(case.plan(), []);
}

#[test]
fn frames_that_are_stored_as_they_are_are_left() {
    let mut case = Case::new();
    let pack = case.pack(0, 1000);
    case.frame(pack, 0, 0, 900);
    case.catalog.frames[0].codec = CodecKind::Stored;
    assert_eq!(case.plan(), []);
}

#[test]
fn long_chains_of_the_newest_snapshot_are_shortened() {
    let mut case = Case::new();
    let full = case.pack(0, 1000);
    for number in 0..5 {
        case.frame(full, number, number as u8, 200);
    }
    let night = case.pack(0, 600);
    case.frame(night, 5, 5, 600);
    case.aged = vec![0];
    assert_eq!(case.plan(), [], "no snapshot's newest needs it");
    case.newest = vec![id(4), id(5)];
    assert_eq!(
        case.plan(),
        [(1, Work::Rebase)],
        "four steps are few enough"
    );
    let ancestors = case.with(|input, _| input.chains.ancestors(5));
    assert_eq!(ancestors, [0, 1, 2, 3], "the base it has is no news");
    case.rebased = vec![1];
    assert_eq!(case.plan(), []);
}

#[test]
fn packs_of_old_epochs_are_always_chosen_oldest_first() {
    let mut case = Case::new();
    for (number, epoch) in [(0, 2), (1, 1), (2, 0)] {
        let pack = case.pack(epoch, 900);
        case.frame(pack, number, 0, 900);
    }
    case.aged = vec![0, 1, 2];
    case.epoch = 2;
    assert_eq!(case.plan(), [(2, Work::Keys), (1, Work::Keys)]);
    case.options.work = vec![Work::Join];
    assert_eq!(case.plan(), []);
}
