//! Claims about what a sketch finds.

use nightfold_chunker::Sketch;
use rusqlite::Connection;

use super::{delta, fixture, id, pack, whole};
use crate::format::{BaseRef, CodecKind, DirEntry};

pub(super) fn sketched(chunk: u8, features: [u32; 6]) -> DirEntry {
    DirEntry {
        sketch: Some(Sketch(features)),
        ..whole(chunk)
    }
}

#[test]
fn the_chunk_with_most_features_in_common_comes_first() {
    let fixture = fixture();
    fixture.insert(
        1,
        &[
            sketched(1, [1, 2, 3, 4, 5, 6]),
            sketched(2, [1, 2, 3, 0, 0, 0]),
            sketched(3, [1, 2, 3, 9, 9, 9]),
            // The same numbers in other places are other features.
            sketched(4, [6, 5, 4, 3, 2, 1]),
        ],
    );
    let similar = fixture.index.similar(&Sketch([1, 2, 3, 4, 7, 7])).unwrap();
    assert_eq!(similar[0], (id(1), 4));
    // Of two that share as much, the more recent one.
    assert_eq!(similar[1], (id(3), 3));
    assert_eq!(similar[2], (id(2), 3));
    assert_eq!(similar.len(), 3);
}

#[test]
fn a_thousand_alike_nights_cost_no_more_rows_than_ten() {
    let fixture = fixture();
    let features = [1, 2, 3, 4, 5, 6];
    for night in 0..1000u32 {
        let mut entry = sketched(1, features);
        entry.id.0[..4].copy_from_slice(&night.to_be_bytes());
        if night % 3 > 0 {
            entry.codec = CodecKind::ZstdDelta;
            entry.base = Some(BaseRef::from(id(1)));
            (entry.rank, entry.version) = (1, night);
        }
        let mut pack = pack(1, &[entry]);
        pack.0.id.0[..4].copy_from_slice(&night.to_be_bytes());
        fixture.index.insert(&[pack]).unwrap();
    }
    let connection = Connection::open(fixture.path()).unwrap();
    let most: i64 = connection
        .query_row("SELECT max(length(frames)) FROM sketches", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(most, 8 * 5);
    let similar = fixture.index.similar(&Sketch(features)).unwrap();
    assert_eq!(similar[0].0.0[..4], 999u32.to_be_bytes());
}

#[test]
fn the_deltas_of_one_lineage_do_not_push_others_out() {
    let fixture = fixture();
    let features = [1, 2, 3, 4, 5, 6];
    fixture.insert(1, &[sketched(1, features), sketched(2, features)]);
    for night in 0..50 {
        let entry = DirEntry {
            sketch: Some(Sketch(features)),
            ..delta(100 + night, 1, 1)
        };
        fixture.insert(100 + night, &[entry]);
    }
    let list = || -> Vec<u8> {
        let connection = Connection::open(fixture.path()).unwrap();
        let select = "SELECT frames FROM sketches WHERE feature = 1 << 32 | 1";
        connection.query_row(select, [], |row| row.get(0)).unwrap()
    };
    let is_whole = || {
        list()
            .chunks(5)
            .map(|entry| entry[0] & 1 == 1)
            .collect::<Vec<_>>()
    };
    assert_eq!(is_whole(), [true, true, false, false, false, false]);
    let entries: Vec<_> = (0..20).map(|chunk| sketched(chunk, features)).collect();
    fixture.insert(3, &entries);
    assert_eq!(
        is_whole(),
        [false, false, false, false, true, true, true, true]
    );
    // Bytes that are no list of frames are no reason to fail.
    fixture.sql("UPDATE sketches SET frames = x'0102'");
    assert_eq!(fixture.index.similar(&Sketch(features)).unwrap(), []);
    fixture.insert(4, &[sketched(50, features)]);
    fixture.sql("UPDATE sketches SET frames = x'ffffffffff'");
    assert_eq!(fixture.index.similar(&Sketch(features)).unwrap(), []);
}

#[test]
fn what_is_similar_in_a_pack_that_went_is_not_told() {
    let fixture = fixture();
    let features = [1, 2, 3, 4, 5, 6];
    fixture.insert(1, &[sketched(1, features)]);
    fixture.insert(2, &[sketched(2, features)]);
    fixture.index.remove_packs(&[2]).unwrap();
    let similar = fixture.index.similar(&Sketch(features)).unwrap();
    assert_eq!(similar, [(id(1), 6)]);
}
