//! Claims about what a compact leaves behind.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::AtomicBool;

use super::*;
use crate::check::tests::forge::{Forge, noise};
use crate::crypto::KdfCost;
use crate::format::{Content, HEADER_BYTES, Header, Kind, StreamKind};
use crate::prune::PruneOptions;
use crate::repository::{OpenOptions, Password, RotateOptions};
use crate::storage::Storage as _;

fn options() -> CompactOptions {
    CompactOptions {
        young_snapshots: 0,
        ..CompactOptions::default()
    }
}

fn compact(repository: &Arc<Repository>) -> CompactReport {
    repository
        .compact(&options(), &AtomicBool::new(false))
        .unwrap()
}

fn assert_reads(repository: &Repository, chunks: &[Vec<u8>]) {
    for chunk in chunks {
        let id = repository.ids().id(chunk);
        assert_eq!(repository.read_chunk(id).unwrap(), *chunk);
    }
}

/// Text of few words, which a high level makes smaller than a low one.
fn words(seed: u8, count: usize) -> Vec<u8> {
    let vocabulary = noise(1, 600);
    let mut text = Vec::new();
    for pair in noise(seed, 2 * count).chunks(2) {
        let word = usize::from(pair[0]) * usize::from(pair[1]) % 500;
        for byte in &vocabulary[word..word + 3 + word % 7] {
            text.push(b'a' + byte % 26);
        }
        text.push(b' ');
    }
    text
}

#[test]
fn many_small_packs_become_one_and_a_second_run_has_nothing_to_do() {
    let forge = Forge::new();
    let chunks: Vec<Vec<u8>> = (0..10).map(|seed| noise(seed, 800)).collect();
    for chunk in &chunks {
        forge.pack(StreamKind::Data, &[forge.whole(chunk)]);
    }
    let contents: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
    forge.snapshot_of(&[("db", forge.content(&contents))]);
    let report = compact(&forge.repository);
    assert_eq!(
        (report.join.packs, report.written_packs),
        (10, 1),
        "{report:?}"
    );
    assert_eq!(forge.problems(true), Vec::<String>::new());
    let second = compact(&forge.repository);
    assert_eq!(
        (second.deleted_packs, second.written_packs),
        (10, 0),
        "{second:?}"
    );
    let third = compact(&forge.repository);
    assert_eq!(
        (third.packs, third.waiting_packs, third.rounds),
        (2, 0, 0),
        "{third:?}"
    );
    assert_eq!(forge.problems(true), Vec::<String>::new());
    assert_reads(&forge.repository, &chunks);
    assert_reads(&Forge::open(forge.storage.clone()).repository, &chunks);
}

#[test]
fn old_whole_frames_are_recompressed_once() {
    let forge = Forge::new();
    let chunk = words(3, 8000);
    forge.pack(StreamKind::Data, &[forge.whole(&chunk)]);
    forge.snapshot_of(&[("db", forge.content(&[&chunk]))]);
    let mut young = options();
    young.young_snapshots = 1;
    let stop = AtomicBool::new(false);
    assert_eq!(
        forge
            .repository
            .compact(&young, &stop)
            .unwrap()
            .written_packs,
        0
    );
    let report = compact(&forge.repository);
    assert_eq!(report.recompress.frames, 1, "{report:?}");
    assert!(
        report.recompress.after * 33 < report.recompress.before * 32,
        "{report:?}"
    );
    compact(&forge.repository);
    let third = compact(&forge.repository);
    assert_eq!((third.rounds, third.recompress.packs), (0, 0), "{third:?}");
    assert_eq!(forge.problems(true), Vec::<String>::new());
    assert_reads(&forge.repository, &[chunk]);
}

#[test]
fn what_was_tried_in_vain_is_not_tried_again() {
    let forge = Forge::new();
    // Level 15 gains nothing here that level 3 has not.
    let mut chunk = noise(9, 9000);
    chunk.extend(vec![7; 3000]);
    forge.pack(StreamKind::Data, &[forge.whole(&chunk)]);
    forge.snapshot_of(&[("db", forge.content(&[&chunk]))]);
    let plan = |forge: &Forge| {
        let mut dry = options();
        dry.dry_run = true;
        let report = forge.repository.compact(&dry, &AtomicBool::new(false));
        report.unwrap().recompress
    };
    let before = plan(&forge).packs;
    assert!(before > 0);
    assert_eq!(compact(&forge.repository).written_packs, 0);
    assert_eq!(plan(&forge).packs, 0, "the marks are in the repository");
    assert_eq!(plan(&Forge::open(forge.storage.clone())).packs, 0);
}

/// Versions of a chunk, each resting on the one before, the last in a pack of its own.
fn chain(forge: &Forge, length: u8) -> Vec<Vec<u8>> {
    let version = |number: u8| {
        let mut chunk = noise(1, 900);
        chunk[450] = chunk[450].wrapping_add(number);
        chunk
    };
    let chunks: Vec<Vec<u8>> = (0..=length).map(version).collect();
    let mut frames = vec![forge.whole(&chunks[0])];
    for rank in 1..=length {
        let at = usize::from(rank);
        frames.push(forge.delta(&chunks[at], &chunks[at - 1], rank));
    }
    let last = frames.pop().unwrap();
    forge.pack(StreamKind::Data, &frames);
    forge.pack(StreamKind::Data, &[last]);
    for chunk in &chunks {
        forge.snapshot_of(&[("db", forge.content(&[chunk]))]);
    }
    chunks
}

#[test]
fn the_newest_snapshot_rests_on_few_others_afterwards() {
    let forge = Forge::new();
    let chunks = chain(&forge, 7);
    let mut only = options();
    only.work = vec![Work::Rebase];
    let report = forge.repository.compact(&only, &AtomicBool::new(false));
    let report = report.unwrap();
    assert_eq!(
        (report.rebase.frames, report.chain_steps),
        (1, (7, 1)),
        "{report:?}"
    );
    for _ in 0..2 {
        forge
            .repository
            .compact(&only, &AtomicBool::new(false))
            .unwrap();
        forge.repository.prune(&PruneOptions::default()).unwrap();
    }
    assert_eq!(forge.problems(true), Vec::<String>::new());
    assert_reads(&forge.repository, &chunks);
    let depths = forge.repository.stats().unwrap().depth_histogram;
    assert_eq!(depths.len(), 7, "{depths:?}");
}

#[test]
fn limits_end_a_run_early_and_the_next_goes_on() {
    let forge = Forge::new();
    let chunks: Vec<Vec<u8>> = (0..10).map(|seed| noise(seed, 800)).collect();
    for chunk in &chunks {
        forge.pack(StreamKind::Data, &[forge.whole(chunk)]);
    }
    let contents: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
    forge.snapshot_of(&[("db", forge.content(&contents))]);
    let stopped = forge.repository.compact(&options(), &AtomicBool::new(true));
    assert_eq!(stopped.unwrap().left_packs, 10);
    let mut limited = options();
    limited.bytes_max = Some(1);
    let report = forge.repository.compact(&limited, &AtomicBool::new(false));
    let report = report.unwrap();
    assert_eq!(
        (report.condemned_packs, report.left_packs),
        (1, 9),
        "{report:?}"
    );
    assert_eq!(forge.problems(true), Vec::<String>::new());
    compact(&forge.repository);
    assert_reads(&forge.repository, &chunks);
}

fn password(text: &str) -> Password {
    Password::new(text.as_bytes().to_vec())
}

fn rotate(repository: &Arc<Repository>, new: &str) {
    let options = RotateOptions {
        password: &password(new),
        cost: KdfCost {
            memory_kib: 8,
            passes: 1,
            lanes: 1,
        },
        host: "testhost",
        remove_others: false,
    };
    repository.key_rotate(&options).unwrap();
}

#[test]
fn old_keys_open_nothing_after_rotation_and_compact() {
    let forge = Forge::new();
    let chunks = chain(&forge, 3);
    // Some tombstones and marks too.
    let first = forge.repository.snapshots().unwrap()[0].id;
    forge
        .repository
        .forget(&[first], crate::repository::Unreadable::Refuse)
        .unwrap();
    compact(&forge.repository);
    let old = &forge.repository;
    rotate(old, "second");
    let cache = tempfile::tempdir().unwrap();
    let open = OpenOptions::new(
        cache.path().to_owned(),
        Some(password("second")),
        Arc::new(|_| ()),
    );
    let new = Arc::new(Repository::open(Arc::new(forge.storage.clone()), open).unwrap());
    assert_eq!(new.newest_epoch(), 1);
    assert!(new.under_old_keys().unwrap().snapshots > 0);
    let report = compact(&new);
    assert!(
        report.keys.packs > 0 && report.resealed_snapshots > 0,
        "{report:?}"
    );
    // Verdicts and condemned packs of before are gone two runs later.
    compact(&new);
    let last = compact(&new);
    assert_eq!(
        last.old_keys.map(|old| old.is_none()),
        Some(true),
        "{last:?}"
    );
    assert_reads(&new, &chunks[1..]);

    let objects = forge.storage.objects().clone();
    let mut tried = 0;
    for (name, bytes) in &objects {
        if matches!(name.kind, Kind::Config | Kind::Key) {
            continue;
        }
        tried += 1;
        let header = Header::decode(*name, bytes).unwrap();
        assert_eq!(header.epoch, 1, "{name}");
        assert!(old.vault().seal_of(&header).is_err());
        // Nor if the header is made to name the old epoch.
        let mut forged = Header::new(*name, 0).encode().to_vec();
        forged.extend(&bytes[HEADER_BYTES..]);
        assert!(old.vault().open_object(*name, &mut forged).is_err());
    }
    assert!(tried > 3);
    let slots = forge.storage.list(Kind::Key).unwrap();
    assert_eq!(slots.len(), 1);
}

#[test]
fn a_snapshot_is_found_by_the_id_it_had_before_the_keys_were_changed() {
    let forge = Forge::new();
    let stored = forge.snapshot(&Content::Inline(Vec::new()), 77);
    rotate(&forge.repository, "second");
    let cache = tempfile::tempdir().unwrap();
    let open = OpenOptions::new(
        cache.path().to_owned(),
        Some(password("second")),
        Arc::new(|_| ()),
    );
    let new = Arc::new(Repository::open(Arc::new(forge.storage.clone()), open).unwrap());
    compact(&new);
    let found = new.snapshot(&stored.short_id()).unwrap();
    assert_ne!(found.id, stored.id);
    assert_eq!(found.original(), Some(stored.id));
    assert_eq!(found.snapshot.stats.size, 77);
    assert_eq!(found.snapshot.writer, stored.snapshot.writer);
    assert_eq!(new.snapshots().unwrap().len(), 1);
}
