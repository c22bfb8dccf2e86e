//! Claims about repairs, on repositories whose frames rest on one another as wanted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use super::{RepairOptions, RepairReport};
use crate::check::tests::forge::{Forge, noise};
use crate::format::StreamKind::Data;
use crate::format::{CondemnedRecord, Kind, ObjectName, Verdict};
use crate::parity::sidecar_name;
use crate::repository::Unreadable;
use crate::storage::{Fault, FaultStorage, Plan, Storage as _};

fn repair(forge: &Forge, parity: Option<u8>, dry_run: bool) -> RepairReport {
    let options = RepairOptions {
        parity,
        dry_run,
        ..RepairOptions::default()
    };
    forge.repository.repair(&options, &|_, _| ()).unwrap()
}

/// Two chunks in a pack, a delta on the first in another, and files of both.
struct Story {
    forge: Forge,
    bases: ObjectName,
    deltas: ObjectName,
}

fn story() -> Story {
    let forge = Forge::new();
    let (base, other) = (noise(1, 900), noise(2, 900));
    let mut next = base.clone();
    next[7] ^= 1;
    let bases = forge.pack(Data, &[forge.whole(&base), forge.whole(&other)]);
    let deltas = forge.pack(Data, &[forge.delta(&next, &base, 1)]);
    forge.snapshot_of(&[
        ("/a", forge.content(&[&base])),
        ("/b", forge.content(&[&other])),
    ]);
    forge.snapshot_of(&[
        ("/a", forge.content(&[&next])),
        ("/b", forge.content(&[&other])),
    ]);
    Story {
        forge,
        bases,
        deltas,
    }
}

impl Story {
    fn flip(&self, name: ObjectName, at: usize) {
        self.forge.storage.objects().get_mut(&name).unwrap()[at] ^= 1;
    }

    fn bytes(&self, name: ObjectName) -> Vec<u8> {
        self.forge.storage.get(name).unwrap()
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let records = self.forge.repository.records(Kind::Condemned).unwrap().0;
        let verdicts = records.into_iter().filter_map(|(_, record)| match record {
            CondemnedRecord::Verdict(verdict) => Some(verdict),
            CondemnedRecord::Witnessed { .. } => None,
        });
        verdicts.collect()
    }
}

#[test]
fn a_repaired_pack_is_what_it_was() {
    let story = story();
    let made = repair(&story.forge, Some(3), false);
    assert!(made.sidecars_written >= 4, "{made:?}");
    let whole = story.bytes(story.bases);
    for at in [0, 60, 950, whole.len() - 3] {
        story.flip(story.bases, at);
        let told = story.forge.problems(true).join("\n");
        assert!(told.contains("`nightfold repair` can restore it"), "{told}");
        let dry = repair(&story.forge, None, true);
        assert_eq!((dry.damaged, dry.repaired.len(), dry.lost.len()), (1, 1, 0));
        assert_ne!(story.bytes(story.bases), whole);
        let report = repair(&story.forge, None, false);
        assert_eq!((report.damaged, report.lost.len()), (1, 0), "{report:?}");
        assert_eq!(report.repaired[0].object, story.bases.to_string());
        assert_eq!(story.bytes(story.bases), whole);
        assert_eq!(story.forge.problems(true), Vec::<String>::new());
    }
    assert_eq!(story.verdicts(), []);
}

#[test]
fn what_is_lost_is_named_and_published_once() {
    let story = story();
    story.flip(story.bases, 60);
    let report = repair(&story.forge, None, false);
    assert_eq!((report.damaged, report.repaired.len()), (1, 0));
    assert_eq!(report.snapshots_lost.len(), 2, "through a base too");
    let told: Vec<String> = report.lost.iter().map(ToString::to_string).collect();
    let told = told.join("\n");
    assert!(told.contains("it has no sound parity"), "{told}");
    assert!(told.contains("frame 0, chunk"), "{told}");
    assert!(told.contains("in 2 snapshots"), "{told}");
    assert!(!told.contains(" /b"), "{told}");
    let verdicts = story.verdicts();
    assert_eq!(verdicts.len(), 1);
    assert!(verdicts[0].damage && verdicts[0].packs.is_empty());
    let mut frames: Vec<_> = verdicts[0]
        .frames
        .iter()
        .map(|frames| (frames.pack, frames.ordinals.clone()))
        .collect();
    let mut expected = vec![(story.bases.id, vec![0]), (story.deltas.id, vec![0])];
    frames.sort();
    expected.sort();
    assert_eq!(
        frames, expected,
        "the frame, and the delta that rests on it"
    );
    let again = repair(&story.forge, None, false);
    assert_eq!(again.verdict, None);
    assert_eq!(again.snapshots_lost, report.snapshots_lost);
    assert_eq!(story.verdicts().len(), 1);
    assert_eq!(repair(&story.forge, None, true).verdict, None);
}

#[test]
fn a_pack_whose_directory_is_lost_is_named() {
    let story = story();
    let end = story.bytes(story.bases).len();
    story.flip(story.bases, end - 1);
    let report = repair(&story.forge, None, false);
    assert_eq!(report.snapshots_lost.len(), 2);
    assert!(
        report
            .lost
            .iter()
            .any(|lost| lost.object == story.bases.to_string())
    );
    // Nobody counts its chunks as held; of what rests on them the delta alone is in a readable pack.
    assert!(story.verdicts().len() <= 1);
}

#[test]
fn parity_is_changed_and_removed() {
    let story = story();
    let sidecar = sidecar_name(story.bases);
    repair(&story.forge, Some(3), false);
    let weak = story.bytes(sidecar);
    assert_eq!(repair(&story.forge, Some(3), false).sidecars_written, 0);
    assert_eq!(repair(&story.forge, None, false).sidecars_written, 0);
    // Small packs have more than a few percent anyway.
    let large: Vec<_> = (0..120)
        .map(|seed| story.forge.whole(&noise(seed + 9, 1000)))
        .collect();
    let large = story.forge.pack(Data, &large);
    repair(&story.forge, Some(3), false);
    let before = story.bytes(sidecar_name(large)).len();
    let report = repair(&story.forge, Some(50), true);
    assert_eq!(report.sidecars_written, 1, "a dry run tells");
    assert_eq!(story.bytes(sidecar_name(large)).len(), before);
    repair(&story.forge, Some(50), false);
    assert!(story.bytes(sidecar_name(large)).len() > 5 * before);
    assert_eq!(story.bytes(sidecar), weak);
    let report = repair(&story.forge, Some(0), false);
    assert!(report.sidecars_removed >= 3, "{report:?}");
    assert!(
        !story
            .forge
            .storage
            .objects()
            .keys()
            .any(|name| name.kind == Kind::Parity)
    );
}

#[test]
fn damaged_sidecars_are_made_anew_with_the_same_parity() {
    let story = story();
    repair(&story.forge, Some(3), false);
    let sidecar = sidecar_name(story.bases);
    let whole = story.bytes(sidecar);
    for at in [3, 100, 300, whole.len() / 2, whole.len() - 1] {
        story.flip(sidecar, at);
        let told = story.forge.problems(true).join("\n");
        assert!(told.contains("makes it anew"), "byte {at}: {told}");
        let report = repair(&story.forge, None, false);
        assert_eq!((report.sidecars_written, report.damaged), (1, 0));
        assert_eq!(story.bytes(sidecar), whole);
    }
}

#[test]
fn a_forged_sidecar_changes_nothing() {
    let story = story();
    let mut other = story.bytes(story.bases);
    other[200] ^= 1;
    let strength = crate::parity::Strength {
        percent: 50,
        strong: false,
    };
    let forged = crate::parity::encode(story.bases, &other, strength).unwrap();
    story
        .forge
        .storage
        .put(sidecar_name(story.bases), &forged)
        .unwrap();
    let sound = story.bytes(story.bases);
    let report = repair(&story.forge, Some(3), false);
    assert_eq!((report.damaged, report.repaired.len()), (0, 0));
    assert_eq!(story.bytes(story.bases), sound);
    // And of a pack that is damaged nothing is made that does not open.
    story
        .forge
        .storage
        .replace(sidecar_name(story.bases), &forged)
        .unwrap();
    story.flip(story.bases, 700);
    let damaged = story.bytes(story.bases);
    let report = repair(&story.forge, Some(3), false);
    assert_eq!((report.damaged, report.repaired.len()), (1, 0));
    assert_eq!(story.bytes(story.bases), damaged);
}

#[test]
fn parity_of_a_pack_that_is_gone_is_removed_once_nothing_is_missed() {
    let story = story();
    repair(&story.forge, Some(3), false);
    story.forge.storage.delete(story.deltas).unwrap();
    let notes = story.forge.check(false).notes.join("\n");
    assert!(notes.contains("parity of 1 pack that"), "{notes}");
    let report = repair(&story.forge, None, false);
    assert_eq!(report.sidecars_removed, 0, "the pack may be found again");
    let lost = report.snapshots_lost;
    assert_eq!(lost.len(), 1);
    story
        .forge
        .repository
        .forget(&lost, Unreadable::Forget)
        .unwrap();
    let report = repair(&story.forge, None, false);
    assert_eq!((report.sidecars_removed, report.lost.len()), (1, 0));
}

/// Repairs as a client that has been there before, and to which listings do not show half of the packs, by seed others
/// each time.
fn repair_half_seen(forge: &Forge, seed: u64) -> RepairReport {
    forge.repository.index().unwrap();
    let plan = Plan::new(seed, Fault::Short(Kind::Pack, 2));
    let storage = FaultStorage::new(forge.storage.clone(), plan);
    let repository = Forge::client(Arc::new(storage), forge.cache.path());
    let options = RepairOptions {
        forget_damaged: true,
        ..RepairOptions::default()
    };
    repository.repair(&options, &|_, _| ()).unwrap()
}

#[test]
fn packs_that_are_not_listed_keep_their_parity_and_are_restored() {
    let story = story();
    repair(&story.forge, Some(3), false);
    let whole = story.forge.storage.fork();
    let mut unlisted = 0;
    for seed in 0..20 {
        story.flip(story.bases, 60);
        story.flip(story.deltas, 60);
        // A client that knows nothing of the packs.
        let forge = Forge::open(story.forge.storage.clone());
        let report = repair_half_seen(&forge, seed);
        unlisted += report.unlisted.len();
        assert_eq!((report.lost, report.repaired.len()), (vec![], 2));
        assert!(*story.forge.storage.objects() == *whole.objects());
    }
    assert!(unlisted > 10, "{unlisted}");
}

#[test]
fn nothing_is_forgotten_while_listings_come_short() {
    let story = story();
    let mut refused = 0;
    for seed in 0..20 {
        let report = repair_half_seen(&story.forge, seed);
        assert_eq!((report.lost, report.forgotten), (vec![], 0));
    }
    story.flip(story.bases, 60);
    for seed in 0..20 {
        let forge = Forge::open(story.forge.storage.fork());
        let report = repair_half_seen(&forge, seed);
        assert_eq!(report.snapshots_lost.len(), 2);
        let lists_all = report.unlisted.is_empty();
        assert_eq!(report.forgotten, if lists_all { 2 } else { 0 });
        refused += usize::from(!lists_all);
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn damaged_snapshots_are_forgotten_only_when_asked_for() {
    let story = story();
    let kept = noise(5, 700);
    story.forge.pack(Data, &[story.forge.whole(&kept)]);
    let whole = story
        .forge
        .snapshot_of(&[("/c", story.forge.content(&[&kept]))]);
    story.flip(story.bases, 60);
    let options = |dry_run| RepairOptions {
        forget_damaged: true,
        dry_run,
        ..RepairOptions::default()
    };
    let repair = |options| story.forge.repository.repair(&options, &|_, _| ()).unwrap();
    assert_eq!(repair(RepairOptions::default()).forgotten, 0);
    assert_eq!(repair(options(true)).forgotten, 0);
    assert_eq!(story.forge.repository.snapshots().unwrap().len(), 3);
    assert_eq!(repair(options(false)).forgotten, 2);
    let left = story.forge.repository.snapshots().unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, whole.id);
}

#[test]
fn what_is_whole_again_is_no_longer_condemned() {
    let story = story();
    story.flip(story.bases, 60);
    assert!(repair(&story.forge, None, false).verdict.is_some());
    // Another frame, too.
    story.flip(story.bases, 1500);
    assert!(repair(&story.forge, None, false).verdict.is_some());
    assert_eq!(story.verdicts().len(), 1, "the newer one stands for both");
    story.flip(story.bases, 60);
    story.flip(story.bases, 1500);
    assert_eq!(repair(&story.forge, None, true).verdict, None);
    assert_eq!(story.verdicts().len(), 1, "a dry run changes nothing");
    let report = repair(&story.forge, None, false);
    assert_eq!((report.lost.len(), report.verdict), (0, None));
    assert_eq!(story.verdicts(), []);
    assert_eq!(story.forge.problems(true), Vec::<String>::new());
}
