//! Claims about which frames are sent, and what becomes of damaged ones.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::AtomicBool;

use nightfold_chunker::ChunkId;

use super::plan::{Move, Plan};
use super::{Copier, Outcome, missing};
use crate::check::tests::forge::{Forge, noise};
use crate::format::StreamKind::Data;
use crate::format::{BaseRef, CodecKind, HEADER_BYTES, ObjectName};
use crate::index::FrameRow;
use crate::repository::{InitOptions, Password, Repository, StoredSnapshot};
use crate::storage::{MemoryStorage, Storage as _};

fn row(id: u8, rank: u8, base: Option<u8>) -> FrameRow {
    FrameRow {
        id: ChunkId([id; 20]),
        pack: i64::from(100 - id),
        ordinal: 0,
        offset: 0,
        sealed_bytes: 10,
        raw_bytes: 10,
        codec: CodecKind::Zstd,
        base: base.map(|base| BaseRef::from(ChunkId([base; 20]))),
        version: 0,
        rank,
    }
}

/// Chunk, rank, and base of what is sent for chunks with these chains.
fn sent(chains: &[&[FrameRow]], held: &[(u8, u8)]) -> Vec<(u8, u8, Option<u8>)> {
    let ask = |id: ChunkId| {
        let found = held.iter().find(|(held, _)| *held == id.0[0]);
        Ok(found.map(|(_, rank)| *rank))
    };
    let mut plan = Plan::new(&ask);
    for chain in chains {
        plan.add(chain).unwrap();
    }
    let told = |step: Move| (step.row.id.0[0], step.rank(), step.base.map(|id| id.0[0]));
    plan.finish().into_iter().map(told).collect()
}

#[test]
fn bases_that_are_not_there_come_along_and_first() {
    let chain = [row(3, 2, Some(2)), row(2, 1, Some(1)), row(1, 0, None)];
    let all = [(1, 0, None), (2, 1, Some(1)), (3, 2, Some(2))];
    assert_eq!(sent(&[&chain], &[]), all);
    // What several chunks rest on is sent once.
    let other = [row(4, 1, Some(1)), row(1, 0, None)];
    let both = sent(&[&chain, &other, &chain[1..]], &[]);
    assert_eq!(
        both,
        [
            (1, 0, None),
            (4, 1, Some(1)),
            (2, 1, Some(1)),
            (3, 2, Some(2))
        ]
    );
}

#[test]
fn a_base_that_is_there_is_not_sent_nor_what_it_rests_on() {
    let chain = [row(3, 2, Some(2)), row(2, 1, Some(1)), row(1, 0, None)];
    assert_eq!(sent(&[&chain], &[(2, 1)]), [(3, 2, Some(2))]);
    assert_eq!(
        sent(&[&chain], &[(1, 0)]),
        [(2, 1, Some(1)), (3, 2, Some(2))]
    );
}

#[test]
fn nothing_rests_on_a_base_whose_rank_is_not_lower() {
    let chain = [row(3, 2, Some(2)), row(2, 1, Some(1)), row(1, 0, None)];
    assert_eq!(sent(&[&chain], &[(2, 2)]), [(3, 0, None)]);
    // In the middle of a chain: what is sent then has the rank of a whole frame.
    assert_eq!(sent(&[&chain], &[(1, 1)]), [(2, 0, None), (3, 2, Some(2))]);
}

/// An empty repository that is like this one.
fn like(forge: &Forge) -> Forge {
    let storage = MemoryStorage::new();
    let password = Password::new(b"nightfold".to_vec());
    let mut options = InitOptions::new(Some(password), "testhost".to_owned());
    options.kdf = crate::KdfCost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
    Repository::init_like(&storage, options, &forge.repository).unwrap();
    Forge::open(storage)
}

/// What comes of copying all snapshots.
fn copy(source: &Forge, destination: &Forge) -> Vec<Outcome> {
    let there = destination.repository.snapshots().unwrap();
    let snapshots = source.repository.snapshots().unwrap();
    let mut copier = Copier::start(&source.repository, &destination.repository, false).unwrap();
    missing(snapshots.iter(), &there)
        .into_iter()
        .map(|stored: &StoredSnapshot| {
            copier
                .copy(stored, &|_| (), &AtomicBool::new(false))
                .unwrap()
        })
        .collect()
}

fn frames(forge: &Forge, chunk: &[u8]) -> Vec<FrameRow> {
    let id = forge.id(chunk);
    forge
        .repository
        .with_index(|index| index.frames(id))
        .unwrap()
}

/// Flips a bit in the first frame.
fn damage(forge: &Forge, pack: ObjectName) {
    let mut bytes = forge.storage.get(pack).unwrap();
    bytes[HEADER_BYTES + 8] ^= 1;
    forge.storage.delete(pack).unwrap();
    forge.storage.put(pack, &bytes).unwrap();
}

#[test]
fn a_delta_whose_base_is_too_deep_in_the_destination_is_stored_whole() {
    let (x, y, z) = (noise(1, 400), noise(2, 400), noise(3, 400));
    let source = Forge::new();
    source.pack(Data, &[source.whole(&x), source.delta(&z, &x, 1)]);
    source.snapshot_of(&[("/z", source.content(&[&z]))]);
    let destination = like(&source);
    // The other way round than the source, as another writer might have it.
    let frames_there = [destination.whole(&y), destination.delta(&x, &y, 1)];
    destination.pack(Data, &frames_there);
    destination.snapshot_of(&[("/x", destination.content(&[&x]))]);
    let copied = copy(&source, &destination);
    assert!(
        matches!(copied[..], [Outcome::Copied(Some(_))]),
        "{copied:?}"
    );
    let stored = frames(&destination, &z);
    assert_eq!((stored.len(), stored[0].rank), (1, 0));
    assert_eq!(frames(&destination, &x).len(), 1, "the base did not move");
    assert_eq!(destination.problems(true), Vec::<String>::new());
}

#[test]
fn crosswise_deltas_of_two_writers_stay_decodable() {
    let (x, y) = (noise(1, 400), noise(2, 400));
    let source = Forge::new();
    source.pack(Data, &[source.whole(&x), source.delta(&y, &x, 1)]);
    source.pack(Data, &[source.whole(&y), source.delta(&x, &y, 1)]);
    source.snapshot_of(&[("/both", source.content(&[&x, &y]))]);
    for held in [None, Some(&x), Some(&y)] {
        let destination = like(&source);
        if let Some(held) = held {
            // One of them is there, as a delta against what the source does not have.
            let other = noise(9, 400);
            let deltas = [
                destination.whole(&other),
                destination.delta(held, &other, 1),
            ];
            destination.pack(Data, &deltas);
            destination.snapshot_of(&[("/held", destination.content(&[held]))]);
        }
        copy(&source, &destination);
        assert_eq!(destination.problems(true), Vec::<String>::new());
        for chunk in [&x, &y] {
            let read = destination.repository.read_chunk(destination.id(chunk));
            assert_eq!(read.unwrap(), *chunk);
        }
    }
}

#[test]
fn where_a_frame_is_damaged_another_of_its_chunk_is_taken() {
    let x = noise(1, 400);
    let source = Forge::new();
    source.pack(Data, &[source.whole(&x)]);
    source.snapshot_of(&[("/x", source.content(&[&x]))]);
    let newer = source.pack(Data, &[source.whole(&x)]);
    // Now the index knows both, and a reader takes the newer first.
    copy(&source, &like(&source));
    damage(&source, newer);
    let destination = like(&source);
    let copied = copy(&source, &destination);
    assert!(
        matches!(copied[..], [Outcome::Copied(Some(_))]),
        "{copied:?}"
    );
    assert_eq!(destination.problems(true), Vec::<String>::new());
}

#[test]
fn a_snapshot_with_a_lost_chunk_is_left_out_and_others_are_copied() {
    let (x, y, z) = (noise(1, 400), noise(2, 400), noise(3, 400));
    let source = Forge::new();
    let lost = source.pack(Data, &[source.whole(&x)]);
    source.pack(Data, &[source.whole(&y), source.delta(&z, &x, 1)]);
    source.snapshot_of(&[("/x", source.content(&[&x])), ("/y", source.content(&[&y]))]);
    source.snapshot_of(&[("/y", source.content(&[&y]))]);
    // Its own frame is whole, what it rests on is not.
    source.snapshot_of(&[("/z", source.content(&[&z]))]);
    damage(&source, lost);
    let destination = like(&source);
    let copied = copy(&source, &destination);
    assert!(
        matches!(
            copied[..],
            [
                Outcome::Damaged(_),
                Outcome::Copied(Some(_)),
                Outcome::Damaged(_)
            ]
        ),
        "{copied:?}"
    );
    assert_eq!(destination.repository.snapshots().unwrap().len(), 1);
    assert_eq!(destination.problems(true), Vec::<String>::new());
}
