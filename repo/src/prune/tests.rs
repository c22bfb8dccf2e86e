//! Plans over catalogs made at random: whatever two writers have stored side by side, what is needed stays decodable.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use nightfold_chunker::ChunkId;
use proptest::prelude::*;

use super::PruneOptions;
use super::Remains;
use super::plan::{Fate, Input, Plan, plan};
use crate::catalog::{Catalog, CatalogFrame, CatalogPack};
use crate::check::tests::forge::{Forge, noise};
use crate::format::{
    BaseRef, CodecKind, CondemnedRecord, Kind, ObjectId, ObjectName, StreamKind, Verdict,
};
use crate::repository::Condemned;

const PACKS: usize = 6;
const CHUNKS: u8 = 10;

fn id(number: u8) -> ChunkId {
    ChunkId([number; 20])
}

/// A frame of chunk, rank (0: whole, else against this base), pack, size, whether it is damaged.
type Forged = (u8, u8, u8, usize, u32, bool);

struct Scene {
    catalog: Catalog,
    needed: Vec<usize>,
    condemned: Vec<bool>,
    deletable: Vec<bool>,
    damaged: Vec<bool>,
}

fn scene(forged: &[Forged], needed: &[u8], packs: &[(bool, bool)]) -> Scene {
    let mut ordinals = [0u32; PACKS];
    let mut damaged = HashMap::new();
    let frames = forged
        .iter()
        .map(|(chunk, rank, base, pack, bytes, harmed)| {
            let ordinal = ordinals[*pack];
            ordinals[*pack] += 1;
            damaged.insert((*pack as u32, ordinal), *harmed);
            CatalogFrame {
                id: id(*chunk),
                base: (*rank > 0).then(|| BaseRef::from(id(*base))),
                codec: CodecKind::Zstd,
                rank: *rank,
                pack: *pack as u32,
                ordinal,
                offset: 0,
                sealed_bytes: *bytes,
                raw_bytes: 100,
                version: 0,
            }
        });
    let frames: Vec<CatalogFrame> = frames.collect();
    let packs_of = (0..PACKS).map(|pack| CatalogPack {
        name: ObjectName::new(Kind::Pack, ObjectId([pack as u8; 32])),
        epoch: 0,
        stream: StreamKind::Data,
        bytes: frames
            .iter()
            .filter(|frame| frame.pack as usize == pack)
            .map(|frame| u64::from(frame.sealed_bytes) + 44)
            .sum(),
    });
    let catalog = Catalog::of(packs_of.collect(), frames);
    let needed = needed
        .iter()
        .map(|chunk| catalog.of_chunk(id(*chunk)))
        .filter(|frames| !frames.is_empty())
        .map(|frames| frames.start);
    let mut needed: Vec<usize> = needed.collect();
    needed.sort_unstable();
    needed.dedup();
    let damaged = catalog
        .frames
        .iter()
        .map(|frame| damaged[&(frame.pack, frame.ordinal)]);
    Scene {
        needed,
        condemned: packs.iter().map(|(condemned, _)| *condemned).collect(),
        deletable: packs.iter().map(|(a, b)| *a && *b).collect(),
        damaged: damaged.collect(),
        catalog,
    }
}

impl Scene {
    fn plan(&self, options: &PruneOptions) -> Plan {
        let input = Input {
            catalog: &self.catalog,
            needed: &self.needed,
            condemned: self.condemned.clone(),
            deletable: self.deletable.clone(),
            is_damaged: &|at| self.damaged[at],
            others_at_work: false,
        };
        plan(&input, options)
    }

    /// Which frames can be decoded over the ones that `remain`.
    fn decodable(&self, remain: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut sound = vec![false; self.catalog.frames.len()];
        for at in self.catalog.by_rank() {
            let has_base = self.catalog.frames[at].base.is_none()
                || self.catalog.bases(at).any(|base| sound[base]);
            sound[at] = remain(at) && !self.damaged[at] && has_base;
        }
        sound
    }

    fn is_decodable(&self, sound: &[bool], first: usize) -> bool {
        let id = self.catalog.frames[first].id;
        self.catalog.of_chunk(id).any(|at| sound[at])
    }
}

fn forged() -> impl Strategy<Value = Vec<Forged>> {
    let frame = (
        0..CHUNKS,
        0..4u8,
        0..CHUNKS,
        0..PACKS,
        10..500u32,
        prop::bool::weighted(0.05),
    );
    prop::collection::vec(frame, 1..60)
}

fn options() -> impl Strategy<Value = PruneOptions> {
    (0.0..0.6f64, 0.0..1.0f64).prop_map(|(pack_unused_min, copied_max)| PruneOptions {
        dry_run: false,
        pack_unused_min,
        copied_max,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_needed_stays_decodable(
        forged in forged(),
        needed in prop::collection::vec(0..CHUNKS, 0..8),
        packs in prop::collection::vec((any::<bool>(), any::<bool>()), PACKS),
        options in options(),
    ) {
        let scene = scene(&forged, &needed, &packs);
        let plan = scene.plan(&options);
        let all = scene.decodable(|_| true);
        // What was lost before is told, and nothing else.
        for first in &scene.needed {
            let lost = plan.lost.contains(first);
            prop_assert_eq!(lost, !scene.is_decodable(&all, *first));
        }
        // By the frames kept alone, over strictly falling ranks.
        let kept = scene.decodable(|at| plan.kept[at]);
        for first in scene.needed.iter().filter(|first| !plan.lost.contains(first)) {
            prop_assert!(scene.is_decodable(&kept, *first));
        }
        let fate = |at: usize| plan.fates[scene.catalog.frames[at].pack as usize];
        for (at, useful) in kept.iter().enumerate() {
            if plan.kept[at] {
                prop_assert!(useful, "a frame is kept that is of no use");
                prop_assert!(!matches!(fate(at), Fate::Delete | Fate::Wait | Fate::Condemn));
                let moves = plan.moves.contains(&at);
                prop_assert_eq!(moves, fate(at) == Fate::Repack);
            }
        }
        for (pack, fate) in plan.fates.iter().enumerate() {
            let was_condemned = matches!(fate, Fate::Delete | Fate::Wait | Fate::Rescue);
            prop_assert_eq!(was_condemned, scene.condemned[pack]);
            prop_assert!(*fate != Fate::Delete || scene.deletable[pack]);
        }
    }

    #[test]
    fn what_stays_usable_rests_on_nothing_condemned(
        forged in forged(),
        needed in prop::collection::vec(0..CHUNKS, 0..8),
        packs in prop::collection::vec((any::<bool>(), any::<bool>()), PACKS),
        options in options(),
    ) {
        let scene = scene(&forged, &needed, &packs);
        let plan = scene.plan(&options);
        prop_assume!(plan.lost.is_empty());
        let remains = Remains {
            catalog: &scene.catalog,
            kept: &plan.kept,
            stays: plan.fates.iter().map(|fate| fate.stays()).collect(),
            is_damaged: &|at| scene.damaged[at],
            reencoded: &HashMap::new(),
        };
        let void = remains.baseless();
        let is_void = |at: usize| {
            let frame = &scene.catalog.frames[at];
            let pack = scene.catalog.packs[frame.pack as usize].name.id;
            let mut frames = void.iter().filter(|frames| frames.pack == pack);
            frames.any(|frames| frames.ordinals.contains(&frame.ordinal))
        };
        let stays = |at: usize| {
            let fate = plan.fates[scene.catalog.frames[at].pack as usize];
            matches!(fate, Fate::Stay | Fate::Rescue)
        };
        let mut sound = vec![false; scene.catalog.frames.len()];
        for at in scene.catalog.by_rank() {
            let has_base = scene.catalog.frames[at].base.is_none()
                || scene.catalog.bases(at).any(|base| sound[base]);
            sound[at] = (stays(at) || plan.kept[at]) && has_base && !scene.damaged[at];
        }
        for at in (0..sound.len()).filter(|at| stays(*at)) {
            prop_assert_eq!(is_void(at), !sound[at]);
        }
    }
}

#[test]
fn a_circle_of_two_writers_is_not_kept_as_one() {
    // One stored X whole and Y against it, the other Y whole and X against it.
    let forged = [
        (1, 0, 0, 0, 100, false),
        (2, 1, 1, 0, 10, false),
        (2, 0, 0, 1, 100, false),
        (1, 1, 2, 1, 10, false),
    ];
    let scene = scene(&forged, &[1, 2], &[(false, false); PACKS]);
    let plan = scene.plan(&PruneOptions::default());
    let kept = scene.decodable(|at| plan.kept[at]);
    assert!(
        scene
            .needed
            .iter()
            .all(|first| scene.is_decodable(&kept, *first))
    );
}

#[test]
fn the_deadest_packs_are_rewritten_first_and_no_more_than_asked() {
    let frame = |chunk, pack, bytes| (chunk, 0, 0, pack, bytes, false);
    let forged = [
        // Needed are chunks 1 to 3; the packs are unused by a tenth, a half and nine tenths.
        frame(1, 0, 900),
        frame(5, 0, 40),
        frame(2, 1, 440),
        frame(6, 1, 440),
        frame(3, 2, 100),
        frame(7, 2, 900),
    ];
    let scene = scene(&forged, &[1, 2, 3], &[(false, false); PACKS]);
    let fates = |pack_unused_min, copied_max| {
        let options = PruneOptions {
            dry_run: false,
            pack_unused_min,
            copied_max,
        };
        scene.plan(&options).fates[..3].to_vec()
    };
    let (stay, go) = (Fate::Stay, Fate::Repack);
    assert_eq!(fates(0.0, 1.0), [go, go, go]);
    assert_eq!(fates(0.25, 1.0), [stay, go, go]);
    assert_eq!(fates(0.25, 0.2), [stay, stay, go]);
    // Less than any of them takes: the deadest by itself.
    assert_eq!(fates(0.25, 0.01), [stay, stay, go]);
    assert_eq!(fates(0.95, 0.01), [stay, stay, stay]);
}

/// One pack holds what is needed again, and a delta on a chunk of another, which somebody may still rely on.
#[test]
fn what_rests_on_a_waiting_pack_is_condemned_before_its_own_is_rescued() {
    let forge = Forge::new();
    let (needed, base) = (noise(1, 700), noise(2, 700));
    let mut next = base.clone();
    next[9] ^= 1;
    let waiting = forge.pack(StreamKind::Data, &[forge.whole(&base)]);
    let rescued = forge.pack(
        StreamKind::Data,
        &[forge.whole(&needed), forge.delta(&next, &base, 1)],
    );
    forge.snapshot_of(&[("/x", forge.content(&[&needed]))]);
    let repository = &forge.repository;
    let condemned = |pack: ObjectName, leases: Vec<String>| {
        let verdict = CondemnedRecord::Verdict(Verdict {
            packs: vec![pack.id],
            ..Verdict::default()
        });
        let verdict = repository.put_record(Kind::Condemned, &verdict).unwrap();
        let witnessed = CondemnedRecord::Witnessed { verdict, leases };
        repository.put_record(Kind::Condemned, &witnessed).unwrap();
    };
    condemned(rescued, Vec::new());
    condemned(
        waiting,
        vec!["somebody whose word is not there yet".to_owned()],
    );
    let report = repository.prune(&PruneOptions::default()).unwrap();
    assert_eq!((report.rescued_packs, report.waiting_packs), (1, 1));
    let verdicts = repository.verdicts().unwrap().published;
    let named = Condemned::of(verdicts.iter().map(|(_, verdict)| verdict));
    assert!(!named.covers(rescued.id, 0), "what is needed is rescued");
    assert!(named.covers(rescued.id, 1), "its base goes one day");
    assert!(named.covers(waiting.id, 0));
}
