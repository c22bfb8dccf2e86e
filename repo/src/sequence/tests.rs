//! Sequences with and without tombstones.

use super::*;

fn id(number: u8) -> ObjectId {
    ObjectId([number; 32])
}

/// A snapshot of the writer `w`, called after its number, written after the hash `previous`.
fn snapshot(number: u64, previous: &str) -> (ObjectId, String, SnapshotWriter) {
    let writer = SnapshotWriter {
        id: "w".to_owned(),
        sequence: number,
        previous: previous.to_owned(),
    };
    (id(number as u8), hash(number), writer)
}

/// The nights of these numbers, each written after the one before.
fn nights(numbers: &[u64]) -> Vec<(ObjectId, String, SnapshotWriter)> {
    let previous = |number: u64| {
        number
            .checked_sub(1)
            .filter(|n| *n > 0)
            .map_or(String::new(), hash)
    };
    numbers
        .iter()
        .map(|number| snapshot(*number, &previous(*number)))
        .collect()
}

fn hash(number: u64) -> String {
    format!("hash {number}")
}

fn tombstone(number: u64) -> Forgotten {
    Forgotten {
        snapshot: id(number as u8),
        hash: hash(number),
        writer: "w".to_owned(),
        sequence: number,
    }
}

fn unread(number: u8) -> Forgotten {
    Forgotten {
        snapshot: id(number),
        hash: "of damaged bytes".to_owned(),
        ..Forgotten::default()
    }
}

fn found(
    snapshots: &[(ObjectId, String, SnapshotWriter)],
    tombstones: &[Forgotten],
    own: Option<u64>,
) -> Vec<Gap> {
    let numbered: Vec<_> = snapshots
        .iter()
        .map(|(id, hash, writer)| Numbered {
            id: *id,
            hash,
            writer,
        })
        .collect();
    gaps(&numbered, tombstones, own.map(|number| ("w", number)))
}

fn missing(next: u64, snapshot: Option<u8>, count: u64) -> Gap {
    Gap::Missing {
        writer: "w".to_owned(),
        next,
        snapshot: snapshot.map(id),
        count,
    }
}

#[test]
fn tombstones_fill_gaps() {
    let nights = nights(&[1, 4, 5]);
    assert_eq!(found(&nights, &[], None), [missing(4, Some(4), 2)]);
    assert_eq!(found(&nights, &[tombstone(2), tombstone(3)], None), []);
    assert_eq!(found(&nights, &[tombstone(3)], None), [missing(3, None, 1)]);
    assert_eq!(
        found(&nights, &[tombstone(2)], None),
        [missing(4, Some(4), 1)]
    );
    // The first ones, all of them, and the newest.
    assert_eq!(found(&[], &[tombstone(1), tombstone(2)], Some(2)), []);
    assert_eq!(
        found(
            &nights,
            &[tombstone(2), tombstone(3), tombstone(6)],
            Some(6)
        ),
        []
    );
}

#[test]
fn a_snapshot_may_still_be_there_beside_its_tombstone() {
    assert_eq!(
        found(
            &nights(&[1, 2]),
            &[tombstone(1), tombstone(2), tombstone(1)],
            Some(2)
        ),
        []
    );
}

#[test]
fn a_tombstone_of_another_writer_fills_nothing() {
    let other = Forgotten {
        writer: "x".to_owned(),
        ..tombstone(2)
    };
    let gaps = found(&nights(&[1, 3]), &[other], None);
    let expected = Gap::Missing {
        writer: "x".to_owned(),
        next: 2,
        snapshot: None,
        count: 1,
    };
    assert_eq!(gaps, [missing(3, Some(3), 1), expected]);
}

#[test]
fn a_tombstone_of_another_hash_is_told() {
    let forged = Forgotten {
        hash: hash(9),
        ..tombstone(2)
    };
    let gap = Gap::Replaced {
        snapshot: id(3),
        previous: id(2),
    };
    assert_eq!(
        found(&nights(&[1, 3]), std::slice::from_ref(&forged), None),
        [gap]
    );
    // Of two of one number it is enough that one fits.
    assert_eq!(found(&nights(&[1, 3]), &[forged, tombstone(2)], None), []);
}

#[test]
fn the_newest_number_is_remembered() {
    let gap = |given, found| Gap::Newest {
        writer: "w".to_owned(),
        given,
        found,
    };
    assert_eq!(found(&nights(&[1, 2]), &[], Some(3)), [gap(3, 2)]);
    assert_eq!(found(&[], &[tombstone(1)], Some(2)), [gap(2, 1)]);
    assert_eq!(found(&nights(&[1, 2]), &[], Some(2)), []);
}

#[test]
fn what_was_forgotten_unread_explains_as_many_numbers_and_no_more() {
    assert_eq!(found(&nights(&[1, 3]), &[unread(90)], None), []);
    assert_eq!(
        found(&nights(&[1, 4]), &[unread(90)], None),
        [missing(4, Some(4), 2)]
    );
    // The same one twice is one.
    assert_eq!(
        found(&nights(&[1, 4]), &[unread(90), unread(90)], None),
        [missing(4, Some(4), 2)]
    );
    assert_eq!(found(&nights(&[1, 4]), &[unread(90), unread(91)], None), []);
    assert_eq!(found(&nights(&[1, 2]), &[unread(90)], Some(3)), []);
    // It never excuses a snapshot that was put in the place of another.
    let mut replaced = nights(&[1, 2]);
    replaced[1].2.previous = hash(7);
    assert_eq!(found(&replaced, &[unread(90)], None).len(), 1);
}

#[test]
fn absurd_numbers_are_borne() {
    let mut absurd = tombstone(1);
    absurd.sequence = u64::MAX;
    let gaps = found(&nights(&[1]), &[absurd.clone()], Some(u64::MAX));
    assert_eq!(gaps, [missing(u64::MAX, None, u64::MAX - 2)]);
    assert_eq!(
        newest_forgotten(&[absurd], "w").map(|(number, _)| number),
        Some(u64::MAX)
    );
}

#[test]
fn the_newest_forgotten_number_is_found() {
    let all = [tombstone(2), tombstone(7), tombstone(3), unread(9)];
    assert_eq!(newest_forgotten(&all, "w"), Some((7, "hash 7")));
    assert_eq!(newest_forgotten(&all, ""), None);
    assert_eq!(newest_forgotten(&all, "x"), None);
}
