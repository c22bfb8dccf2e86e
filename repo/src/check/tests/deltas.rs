//! Chains of deltas: what counts as whole, and what a forger can do with them.

use super::forge::{Forge, noise};
use crate::error::Error;
use crate::format::StreamKind::Data;
use crate::limits::RANK_MAX;
use crate::storage::Storage as _;

/// A chunk and versions of it.
fn versions(count: u8) -> Vec<Vec<u8>> {
    let mut chunk = noise(1, 700);
    (0..count)
        .map(|version| {
            chunk[usize::from(version)] ^= 0xff;
            chunk.clone()
        })
        .collect()
}

#[test]
fn a_chain_of_the_longest_length_is_sound() {
    let forge = Forge::new();
    let chain = versions(RANK_MAX + 1);
    let mut frames = vec![forge.whole(&chain[0])];
    for rank in 1..=RANK_MAX {
        let at = usize::from(rank);
        frames.push(forge.delta(&chain[at], &chain[at - 1], rank));
    }
    // In the order that suits an index least.
    frames.reverse();
    forge.pack(Data, &frames);
    let last = chain.last().unwrap();
    forge.snapshot_of(&[("/a", forge.content(&[last]))]);
    let forge = Forge::open(forge.storage.clone());
    assert_eq!(forge.problems(true), Vec::<String>::new());
    assert_eq!(forge.check(true).notes, Vec::<String>::new());
    let read = forge.repository.read_chunk(forge.id(last)).unwrap();
    assert_eq!(&read, last);
}

#[test]
fn a_circle_of_deltas_is_told_and_ends() {
    for ranks in [(1, 1), (1, 2), (2, 1), (32, 32)] {
        let forge = Forge::new();
        let chunks = versions(2);
        let (x, y) = (&chunks[0], &chunks[1]);
        forge.pack(
            Data,
            &[forge.delta(x, y, ranks.0), forge.delta(y, x, ranks.1)],
        );
        forge.snapshot_of(&[("/x", forge.content(&[x])), ("/y", forge.content(&[y]))]);
        for forge in [Forge::open(forge.storage.clone()), forge] {
            for read_data in [false, true] {
                let problems = forge.problems(read_data);
                assert_eq!(problems.len(), 1, "{problems:?}");
                assert!(problems[0].starts_with("snapshots/"), "{problems:?}");
                assert!(problems[0].contains("2 files cannot be restored: /x, /y"));
            }
            for chunk in [x, y] {
                let read = forge.repository.read_chunk(forge.id(chunk));
                assert!(matches!(read, Err(Error::ChunkLost { .. })));
            }
        }
    }
}

#[test]
fn a_base_that_does_not_rank_lower_is_none() {
    // Ids differ from repository to repository, and with them the order in which frames are looked at.
    let equal = [(2, false); 8];
    for (rank, sound) in [(1, false), (3, true), (32, true)].into_iter().chain(equal) {
        let forge = Forge::new();
        let chain = versions(4);
        forge.pack(
            Data,
            &[
                forge.whole(&chain[0]),
                forge.delta(&chain[1], &chain[0], 1),
                forge.delta(&chain[2], &chain[1], 2),
                forge.delta(&chain[3], &chain[2], rank),
            ],
        );
        forge.snapshot_of(&[("/a", forge.content(&[&chain[3]]))]);
        let problems = forge.problems(true);
        assert_eq!(problems.is_empty(), sound, "rank {rank}: {problems:?}");
        let read = forge.repository.read_chunk(forge.id(&chain[3]));
        assert_eq!(read.ok(), sound.then(|| chain[3].clone()), "rank {rank}");
    }
}

#[test]
fn two_writers_that_stored_a_pair_the_other_way_round_make_no_circle() {
    let forge = Forge::new();
    let chunks = versions(2);
    let (x, y) = (&chunks[0], &chunks[1]);
    let first = [forge.whole(x), forge.delta(y, x, 1)];
    let second = [forge.whole(y), forge.delta(x, y, 1)];
    forge.pack(Data, &first);
    let lost = forge.pack(Data, &second);
    forge.snapshot_of(&[("/x", forge.content(&[x])), ("/y", forge.content(&[y]))]);
    assert_eq!(forge.problems(true), Vec::<String>::new());
    // What is left after one of them is gone still reaches a whole frame.
    forge.storage.delete(lost).unwrap();
    let forge = Forge::open(forge.storage.clone());
    assert_eq!(forge.problems(true), Vec::<String>::new());
    for chunk in [x, y] {
        assert_eq!(
            &forge.repository.read_chunk(forge.id(chunk)).unwrap(),
            chunk
        );
    }
}

#[test]
fn copies_at_every_step_do_not_multiply_the_work() {
    let forge = Forge::new();
    let chain = versions(24);
    let mut root = forge.whole(&chain[0]);
    // Every copy of the whole frame decodes to something else, where no delta puts it right.
    root.payload[600] ^= 1;
    for _ in 0..3 {
        let mut frames = Vec::new();
        for rank in 1..chain.len() {
            frames.push(forge.delta(&chain[rank], &chain[rank - 1], rank as u8));
        }
        frames.push(crate::pack::NewFrame {
            payload: root.payload.clone(),
            ..forge.whole(&chain[0])
        });
        forge.pack(Data, &frames);
    }
    let last = chain.last().unwrap();
    forge.snapshot_of(&[("/a", forge.content(&[last]))]);
    // 3²⁴ ways lead to a damaged frame; each frame is tried once.
    assert!(forge.repository.read_chunk(forge.id(last)).is_err());
    let problems = forge.problems(true);
    assert_eq!(
        problems.iter().filter(|p| p.starts_with("packs/")).count(),
        3
    );
    assert!(problems.iter().any(|p| p.contains("/a")));
}
