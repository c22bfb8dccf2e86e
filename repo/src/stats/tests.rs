//! Claims about what stats count.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::check::tests::forge::{Forge, noise};
use crate::format::Content;
use crate::format::StreamKind::{Data, Meta};
use crate::storage::Storage as _;

#[test]
fn an_empty_repository_costs_its_config_and_key() {
    let forge = Forge::new();
    let stats = forge.repository.stats().unwrap();
    assert_eq!((stats.snapshots, stats.packs, stats.chunks), (0, 0, 0));
    assert_eq!((stats.ratio, stats.overhead_bytes_per_chunk), (0.0, 0.0));
    assert_eq!(stats.depth_histogram, Vec::<u64>::new());
    let bytes: usize = forge.storage.objects().values().map(Vec::len).sum();
    assert_eq!(stats.stored.total, bytes as u64);
    assert_eq!(stats.stored.config + stats.stored.keys, bytes as u64);
}

#[test]
fn every_byte_and_every_frame_is_counted_once() {
    let forge = Forge::new();
    let base = noise(1, 500);
    let versions: Vec<Vec<u8>> = (0..4)
        .map(|at| {
            let mut version = base.clone();
            version[at] ^= 1;
            version
        })
        .collect();
    let text = vec![b'a'; 900];
    let frames = [
        forge.whole(&base),
        forge.delta(&versions[0], &base, 1),
        forge.delta(&versions[1], &versions[0], 2),
        // The chain is two steps long, whatever rank it claims.
        forge.delta(&versions[2], &versions[0], 9),
        forge.delta(&versions[3], &versions[2], 10),
        forge.whole(&text),
    ];
    let payload: usize = frames.iter().map(|frame| frame.payload.len()).sum();
    forge.pack(Data, &frames);
    // A second copy, as a delta: the chunk is still stored whole.
    let copy = forge.delta(&text, &base, 1);
    let list = noise(7, 40);
    let payload = payload + copy.payload.len() + list.len();
    forge.pack(Data, &[copy]);
    let meta = forge.pack(Meta, &[forge.whole(&list)]);
    forge.snapshot(&Content::Inline(Vec::new()), 4000);
    forge.snapshot(&Content::Inline(Vec::new()), 6000);

    let stats = forge.repository.stats().unwrap();
    assert_eq!((stats.snapshots, stats.logical_bytes), (2, 10_000));
    assert_eq!((stats.packs, stats.chunks), (3, 7));
    let counts = stats.frames;
    assert_eq!((counts.whole, counts.delta, counts.stored), (1, 5, 2));
    assert_eq!(stats.raw_bytes, 5 * 500 + 900 + 40);
    assert_eq!(stats.payload_bytes, payload as u64);
    assert_eq!(stats.depth_histogram, [3, 1, 2, 1]);
    assert_eq!(stats.version_max, 10);

    let objects = forge.storage.objects();
    let total: usize = objects.values().map(Vec::len).sum();
    let of = |folder: &str| -> u64 {
        let of_kind = objects
            .iter()
            .filter(|(name, _)| name.path().starts_with(folder));
        of_kind.map(|(_, bytes)| bytes.len() as u64).sum()
    };
    let stored = stats.stored;
    assert_eq!(stored.total, total as u64);
    assert_eq!(stored.packs_meta, objects[&meta].len() as u64);
    assert_eq!(stored.packs_data + stored.packs_meta, of("packs"));
    assert_eq!(stored.snapshots, of("snapshots"));
    assert_eq!((stored.keys, stored.config), (of("keys"), of("config")));
    assert!((stats.ratio - 10_000.0 / total as f64).abs() < 1e-9);
    let overhead = (total - payload) as f64 / 7.0;
    assert!((stats.overhead_bytes_per_chunk - overhead).abs() < 1e-9);
}

#[test]
fn the_same_is_counted_by_a_client_that_comes_later() {
    let forge = Forge::new();
    let chunk = noise(1, 500);
    forge.pack(Data, &[forge.whole(&chunk)]);
    forge.snapshot_of(&[("/a", forge.content(&[&chunk]))]);
    let stats = forge.repository.stats().unwrap();
    let later = Forge::open(forge.storage.clone());
    assert_eq!(later.repository.stats().unwrap(), stats);
}

#[test]
fn a_pack_that_cannot_be_read_still_takes_room() {
    let forge = Forge::new();
    let pack = forge.pack(Data, &[forge.whole(&noise(1, 500))]);
    let whole = forge.repository.stats().unwrap();
    forge.storage.objects().get_mut(&pack).unwrap()[2] ^= 1;
    let later = Forge::open(forge.storage.clone());
    let damaged = later.repository.stats().unwrap();
    assert_eq!(damaged.stored, whole.stored);
    assert_eq!((damaged.packs, damaged.chunks), (1, 0));
    later.storage.delete(pack).unwrap();
    let gone = Forge::open(forge.storage.clone())
        .repository
        .stats()
        .unwrap();
    assert_eq!(gone.packs, 0);
}
