//! Sequences of snapshots: what a lost or rolled back store looks like.

use super::forge::{Forge, snapshot};
use crate::format::{Content, Kind, ObjectId, ObjectName, put_varint};
use crate::repository::StoredSnapshot;
use crate::storage::Storage as _;

fn empty(forge: &Forge) -> StoredSnapshot {
    forge.snapshot(&Content::Inline(Vec::new()), 0)
}

fn name(stored: &StoredSnapshot) -> ObjectName {
    ObjectName::new(Kind::Snapshot, stored.id)
}

#[test]
fn numbers_go_up_by_one() {
    let forge = Forge::new();
    let nights: Vec<_> = (0..4).map(|_| empty(&forge)).collect();
    let numbers: Vec<_> = nights.iter().map(|n| n.snapshot.writer.sequence).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(nights[0].snapshot.writer.previous, "");
    assert_eq!(forge.problems(false), Vec::<String>::new());
    // Another client counts for itself.
    let other = Forge::open(forge.storage.clone());
    assert_eq!(empty(&other).snapshot.writer.sequence, 1);
    assert_eq!(other.problems(false), Vec::<String>::new());
}

#[test]
fn a_snapshot_that_is_gone_leaves_a_gap() {
    let forge = Forge::new();
    let nights: Vec<_> = (0..4).map(|_| empty(&forge)).collect();
    for (gone, next, missing) in [
        (0..1, 1, "1 snapshot before it is missing"),
        (1..2, 2, "1 snapshot before it is missing"),
        (0..3, 3, "3 snapshots before it are missing"),
    ] {
        let copy = Forge::open(forge.storage.fork());
        for stored in &nights[gone] {
            copy.storage.delete(name(stored)).unwrap();
        }
        let problems = copy.problems(false);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&name(&nights[next]).to_string()));
        assert!(problems[0].contains(missing), "{problems:?}");
        assert!(problems[0].contains("rolled back"), "{problems:?}");
    }
}

#[test]
fn the_client_remembers_its_newest_snapshot() {
    let forge = Forge::new();
    let nights: Vec<_> = (0..3).map(|_| empty(&forge)).collect();
    forge.storage.delete(name(&nights[2])).unwrap();
    let problems = forge.problems(false);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("number 3 of its own"), "{problems:?}");
    // Others cannot know.
    let other = Forge::open(forge.storage.clone());
    assert_eq!(other.problems(false), Vec::<String>::new());
}

#[test]
fn a_damaged_snapshot_is_named_as_the_likely_cause_of_a_gap() {
    let forge = Forge::new();
    let nights: Vec<_> = (0..3).map(|_| empty(&forge)).collect();
    let damaged = name(&nights[1]);
    forge.storage.objects().get_mut(&damaged).unwrap()[60] ^= 1;
    let problems = forge.problems(false);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with(&damaged.to_string()));
    assert!(
        problems[1].contains("1 snapshot that cannot be read"),
        "{problems:?}"
    );
}

/// Publishes a snapshot with a writer of our choice.
fn forged(forge: &Forge, sequence: u64, previous: &str, id: u8) {
    let mut files = Vec::new();
    Content::Inline(Vec::new()).encode(&mut files);
    let mut snapshot = snapshot(files, 0);
    snapshot.writer.id = "the writer".to_owned();
    snapshot.writer.sequence = sequence;
    snapshot.writer.previous = previous.to_owned();
    let name = ObjectName::new(Kind::Snapshot, ObjectId([id; 32]));
    let json = snapshot.encode();
    let mut body = Vec::new();
    put_varint(&mut body, json.len() as u64);
    body.extend(crate::codec::encode_snapshot(&json).unwrap());
    let sealed = forge.repository.vault().seal_object(name, body).unwrap();
    forge.storage.put(name, &sealed).unwrap();
}

#[test]
fn a_previous_snapshot_that_was_replaced_is_told() {
    let forge = Forge::new();
    forged(&forge, 1, "", 1);
    let first = forge
        .storage
        .get(ObjectName::new(Kind::Snapshot, ObjectId([1; 32])));
    let hash = blake3::hash(&first.unwrap()).to_string();
    forged(&forge, 2, &hash, 2);
    assert_eq!(forge.problems(false), Vec::<String>::new());
    forged(&forge, 3, &hash, 3);
    let problems = forge.problems(false);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("snapshots/0303"), "{problems:?}");
    assert!(
        problems[0].contains("previous snapshot, 02020202"),
        "{problems:?}"
    );
}

#[test]
fn one_number_twice_is_a_note() {
    let forge = Forge::new();
    forged(&forge, 1, "", 1);
    forged(&forge, 1, "", 2);
    let second = forge
        .storage
        .get(ObjectName::new(Kind::Snapshot, ObjectId([2; 32])));
    let hash = blake3::hash(&second.unwrap()).to_string();
    forged(&forge, 2, &hash, 3);
    let report = forge.check(false);
    assert_eq!(report.problems, []);
    assert_eq!(report.notes.len(), 1);
    assert!(report.notes[0].contains("copied"), "{:?}", report.notes);
}
