//! Claims about the index: it says what the directories say, whatever came in which order, and notices damage.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use nightfold_chunker::{ChunkId, Sketch};
use rusqlite::Connection;

use super::{Index, IndexedPack};
use crate::error::Error;
use crate::format::{BaseRef, CodecKind, DirEntry, Directory, ObjectId, StreamKind};
use crate::storage::Listed;

struct Fixture {
    folder: tempfile::TempDir,
    index: Index,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(&folder.path().join("index.sqlite"), "repository").unwrap();
    Fixture { folder, index }
}

impl Fixture {
    fn path(&self) -> PathBuf {
        self.folder.path().join("index.sqlite")
    }

    fn insert(&self, id: u8, entries: &[DirEntry]) {
        self.index.insert(&[pack(id, entries)]).unwrap();
    }

    /// Changes the file behind the index's back.
    fn sql(&self, statement: &str) {
        let connection = Connection::open(self.path()).unwrap();
        assert!(
            connection.execute(statement, []).unwrap() > 0,
            "{statement}"
        );
    }

    /// Flips bits of a row's byte.
    fn flip(&self, read: &str, write: &str, at: usize, bits: u8) {
        let connection = Connection::open(self.path()).unwrap();
        let mut row: Vec<u8> = connection.query_row(read, [], |row| row.get(0)).unwrap();
        row[at] ^= bits;
        assert!(connection.execute(write, [row]).unwrap() > 0);
    }

    fn chunks(&self) -> Vec<u8> {
        let mut chunks = Vec::new();
        self.index
            .each_frame(|row| chunks.push(row.id.0[0]))
            .unwrap();
        chunks.sort_unstable();
        chunks
    }
}

fn pack(id: u8, entries: &[DirEntry]) -> (IndexedPack, Directory) {
    let directory = Directory {
        stream: StreamKind::Data,
        entries: entries.to_vec(),
    };
    let pack = IndexedPack {
        id: ObjectId([id; 32]),
        epoch: 0,
        stream: StreamKind::Data,
        bytes: 1000 + u64::from(id),
    };
    (pack, directory)
}

fn listed(ids: &[u8]) -> Vec<Listed> {
    let listed = ids.iter().map(|id| Listed {
        id: ObjectId([*id; 32]),
        bytes: 1000 + u64::from(*id),
    });
    listed.collect()
}

fn id(chunk: u8) -> ChunkId {
    ChunkId([chunk; 20])
}

fn whole(chunk: u8) -> DirEntry {
    DirEntry {
        id: id(chunk),
        sealed_bytes: 100 + u32::from(chunk),
        raw_bytes: 200,
        codec: CodecKind::Zstd,
        base: None,
        version: 0,
        rank: 0,
        sketch: None,
    }
}

fn delta(chunk: u8, base: u8, rank: u8) -> DirEntry {
    DirEntry {
        codec: CodecKind::ZstdDelta,
        base: Some(BaseRef::from(id(base))),
        version: u32::from(rank),
        rank,
        ..whole(chunk)
    }
}

#[test]
fn rows_say_what_the_directory_says() {
    let fixture = fixture();
    let entries = [whole(1), delta(2, 1, 1), whole(1)];
    fixture.insert(7, &entries);
    let rows = fixture.index.frames(id(1)).unwrap();
    assert_eq!(rows.iter().map(|r| r.ordinal).collect::<Vec<_>>(), [0, 2]);
    let row = fixture.index.frames(id(2)).unwrap()[0];
    let directory = pack(7, &entries).1;
    let (offset, entry) = directory.offsets().nth(1).unwrap();
    assert_eq!(
        (row.offset, row.sealed_bytes, row.raw_bytes, row.codec),
        (offset, entry.sealed_bytes, entry.raw_bytes, entry.codec)
    );
    assert_eq!((row.base, row.version, row.rank), (entry.base, 1, 1));
    assert_eq!(fixture.index.pack(row.pack).unwrap(), pack(7, &[]).0);
    assert!(fixture.index.holds(id(2)).unwrap());
    assert!(!fixture.index.holds(id(3)).unwrap());
    // Entering it once more changes nothing.
    fixture.insert(7, &entries);
    assert_eq!(fixture.chunks(), [1, 1, 2]);
}

#[test]
fn whole_frames_come_first() {
    let fixture = fixture();
    fixture.insert(1, &[whole(9), delta(5, 9, 1), whole(8), delta(8, 9, 1)]);
    fixture.insert(2, &[whole(5)]);
    let ranks: Vec<u8> = fixture
        .index
        .frames(id(5))
        .unwrap()
        .iter()
        .map(|r| r.rank)
        .collect();
    assert_eq!(ranks, [0, 1]);
    let bases = base_frames(&fixture.index, BaseRef::from(id(8)));
    assert_eq!(bases.iter().map(|r| r.rank).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_delta_whose_base_is_gone_is_not_used_until_it_is_back() {
    let fixture = fixture();
    fixture.insert(1, &[whole(1)]);
    fixture.insert(2, &[delta(2, 1, 1), delta(3, 2, 2), whole(4)]);
    let difference = fixture.index.compare(|| Ok(listed(&[2]))).unwrap();
    assert_eq!((difference.unseen.len(), difference.gone.len()), (0, 1));
    fixture.index.remove_packs(&difference.gone).unwrap();
    assert_eq!(fixture.index.mark_broken().unwrap(), 2);
    assert_eq!(fixture.chunks(), [4]);
    assert!(!fixture.index.holds(id(3)).unwrap());
    fixture.index.verify_once().unwrap();
    fixture.insert(3, &[whole(1)]);
    assert_eq!(fixture.index.mark_broken().unwrap(), 0);
    assert_eq!(fixture.chunks(), [1, 2, 3, 4]);
}

#[test]
fn a_base_that_comes_later_is_found() {
    let fixture = fixture();
    fixture.insert(1, &[delta(2, 1, 1), whole(1)]);
    assert_eq!(fixture.index.mark_broken().unwrap(), 0);
    fixture.insert(2, &[delta(3, 2, 2)]);
    // Of a base that does not rank lower there is no use: it is like one that is missing.
    fixture.insert(3, &[delta(4, 3, 2)]);
    assert_eq!(fixture.index.mark_broken().unwrap(), 1);
    assert_eq!(fixture.chunks(), [1, 2, 3]);
}

#[test]
fn packs_that_were_not_looked_at_before_a_crash_are_looked_at_after_it() {
    let fixture = fixture();
    fixture.insert(1, &[whole(1), delta(2, 9, 1)]);
    // What a backup enters after it is sound, and must not pass for all.
    fixture.index.insert_sound(&[pack(2, &[whole(3)])]).unwrap();
    let again = Index::open(&fixture.path(), "repository").unwrap();
    assert_eq!(again.mark_broken().unwrap(), 1);
    assert!(!again.holds(id(2)).unwrap());

    let fixture = self::fixture();
    fixture.insert(1, &[whole(1)]);
    fixture.insert(2, &[delta(2, 1, 1), delta(3, 2, 2), whole(4)]);
    assert_eq!(fixture.index.mark_broken().unwrap(), 0);
    fixture.index.remove_packs(&[1]).unwrap();
    let again = Index::open(&fixture.path(), "repository").unwrap();
    assert_eq!(again.mark_broken().unwrap(), 2);
    assert!(!again.holds(id(3)).unwrap());
}

#[test]
fn circles_are_broken() {
    let fixture = fixture();
    fixture.insert(
        1,
        &[delta(1, 2, 1), delta(2, 1, 2), delta(3, 3, 5), whole(4)],
    );
    assert_eq!(fixture.index.mark_broken().unwrap(), 3);
    assert_eq!(fixture.chunks(), [4]);
}

#[test]
fn changed_sizes_and_unknown_packs_are_unseen() {
    let fixture = fixture();
    fixture.insert(1, &[whole(1)]);
    let mut list = listed(&[1, 2]);
    list[0].bytes += 1;
    let difference = fixture.index.compare(|| Ok(list.clone())).unwrap();
    assert_eq!(difference.unseen, list);
    assert_eq!(difference.gone.len(), 1);
}

#[test]
fn a_pack_entered_by_another_process_meanwhile_is_not_gone() {
    let fixture = fixture();
    fixture.insert(1, &[whole(1)]);
    let other = Index::open(&fixture.path(), "repository").unwrap();
    let difference = fixture.index.compare(|| {
        other.insert(&[pack(2, &[whole(2)])]).unwrap();
        Ok(listed(&[1, 2]))
    });
    assert_eq!(difference.unwrap().gone, [0; 0]);
}

#[test]
fn numbers_of_packs_are_not_used_again() {
    let fixture = fixture();
    fixture.insert(1, &[whole(1)]);
    let first = fixture.index.frames(id(1)).unwrap()[0].pack;
    fixture.index.remove_packs(&[first]).unwrap();
    fixture.insert(2, &[whole(1)]);
    assert!(fixture.index.frames(id(1)).unwrap()[0].pack > first);
}

#[test]
fn two_processes_enter_packs_at_once() {
    let fixture = fixture();
    let other = Index::open(&fixture.path(), "repository").unwrap();
    std::thread::scope(|scope| {
        for (index, first) in [(&fixture.index, 0), (&other, 100)] {
            scope.spawn(move || {
                for at in 0..20 {
                    index
                        .insert(&[pack(first + at, &[whole(first + at)])])
                        .unwrap();
                    assert!(index.holds(id(first + at)).unwrap());
                }
            });
        }
    });
    assert_eq!(fixture.chunks().len(), 40);
    assert_eq!(other.packs().unwrap().len(), 40);
}

#[test]
fn rows_changed_behind_its_back_are_noticed() {
    for change in [
        "UPDATE frames SET number = number + 100",
        "UPDATE frames SET row = zeroblob(10)",
        "UPDATE frames SET row = 5",
        "UPDATE ids SET key = key + 1 WHERE number = 3",
        "UPDATE ids SET number = number + 1",
        "UPDATE ids SET mark = mark + 1",
        "UPDATE ids SET mark = mark + 256",
        "DELETE FROM frames",
        "DELETE FROM ids WHERE number = 1",
        "DELETE FROM broken",
        "UPDATE packs SET bytes = bytes + 1",
        "UPDATE packs SET epoch = 1",
        "UPDATE packs SET stream = 1",
        "UPDATE packs SET frames = frames + 1",
        "UPDATE packs SET number = number + 1",
        "UPDATE packs SET id = zeroblob(32)",
    ] {
        let fixture = fixture();
        fixture.insert(1, &[whole(1), delta(2, 1, 1), delta(3, 9, 1)]);
        fixture.index.mark_broken().unwrap();
        fixture.sql(change);
        let ask = || -> crate::Result<()> {
            fixture.index.packs()?;
            for chunk in 1..=3 {
                fixture.index.frames(id(chunk))?;
            }
            fixture.index.verify_once()
        };
        let damaged = matches!(ask(), Err(Error::IndexCorrupt { .. }));
        assert!(damaged, "{change}");
    }
}

#[test]
fn every_bit_of_a_frame_row_is_guarded() {
    let fixture = fixture();
    fixture.insert(1, &[delta(2, 1, 1)]);
    let select = "SELECT row FROM frames";
    let connection = Connection::open(fixture.path()).unwrap();
    let row: Vec<u8> = connection.query_row(select, [], |row| row.get(0)).unwrap();
    for bit in 0..row.len() * 8 {
        let flip = || {
            fixture.flip(
                select,
                "UPDATE frames SET row = ?1",
                bit / 8,
                1 << (bit % 8),
            );
        };
        flip();
        let asked = fixture.index.frames(id(2));
        assert!(
            matches!(asked, Err(Error::IndexCorrupt { .. })),
            "bit {bit}: {asked:?}"
        );
        flip();
    }
    for length in 0..row.len() {
        connection
            .execute("UPDATE frames SET row = ?1", [&row[..length]])
            .unwrap();
        let asked = fixture.index.frames(id(2));
        assert!(
            matches!(asked, Err(Error::IndexCorrupt { .. })),
            "{length} bytes: {asked:?}"
        );
    }
}

#[test]
fn ids_that_begin_alike_are_told_apart() {
    let fixture = fixture();
    let mut other = whole(1);
    other.id.0[19] ^= 1;
    fixture.insert(1, &[whole(1), delta(3, 1, 1)]);
    assert!(!fixture.index.holds(other.id).unwrap());
    fixture.insert(2, &[other]);
    assert_eq!(fixture.index.frames(id(1)).unwrap().len(), 1);
    assert_eq!(fixture.index.frames(other.id).unwrap()[0].id, other.id);
    // Twelve bytes of both are the same: either may be the base.
    let bases = base_frames(&fixture.index, BaseRef::from(id(1)));
    assert_eq!(bases.len(), 2);
    other.id.0[11] ^= 1;
    let bases = base_frames(&fixture.index, BaseRef::from(other.id));
    assert_eq!(bases.len(), 0);
    assert_eq!(
        fixture
            .index
            .holds_each(&[id(1), other.id, id(3), id(4)])
            .unwrap(),
        [true, false, true, false]
    );
}

#[test]
fn rows_that_are_not_found_are_noticed_when_it_is_looked_through() {
    for change in [
        "UPDATE ids SET key = 5 WHERE number = 1",
        "DELETE FROM packs",
        "DELETE FROM ids",
        "DELETE FROM broken",
        "UPDATE broken SET number = 1",
        "INSERT INTO broken VALUES (1)",
    ] {
        let fixture = fixture();
        fixture.insert(1, &[whole(1), delta(2, 1, 1), delta(3, 9, 1)]);
        fixture.index.mark_broken().unwrap();
        fixture.index.verify_once().unwrap();
        let again = Index::open(&fixture.path(), "repository").unwrap();
        fixture.sql(change);
        let noticed = matches!(again.verify_once(), Err(Error::IndexCorrupt { .. }));
        assert!(noticed, "{change}");
    }
}

#[test]
fn a_broken_frame_whose_mark_was_wiped_is_not_taken_for_a_usable_one() {
    let fixture = fixture();
    fixture.insert(1, &[delta(3, 9, 1)]);
    fixture.index.mark_broken().unwrap();
    assert!(!fixture.index.holds(id(3)).unwrap());
    fixture.flip(
        "SELECT row FROM frames",
        "UPDATE frames SET row = ?1",
        20,
        0x80,
    );
    let held = fixture.index.holds(id(3));
    assert!(matches!(held, Err(Error::IndexCorrupt { .. })), "{held:?}");
}

#[test]
fn another_repository_or_version_is_refused() {
    let fixture = fixture();
    let other = Index::open(&fixture.path(), "another");
    assert!(matches!(other.err(), Some(Error::IndexCorrupt { .. })));
    fixture.sql("UPDATE meta SET value = value + 1 WHERE key = 'schema'");
    let newer = Index::open(&fixture.path(), "repository");
    assert!(matches!(newer.err(), Some(Error::IndexCorrupt { .. })));
}

fn sketched(chunk: u8, features: [u32; 6]) -> DirEntry {
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

fn base_frames(index: &Index, base: BaseRef) -> Vec<super::FrameRow> {
    index.session().unwrap().base_frames(base).unwrap()
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

/// What an index answers to everything it can be asked about these chunks.
fn answers(index: &Index, chunks: u32) -> Vec<String> {
    let mut answers = Vec::new();
    for chunk in 0..chunks {
        let id = numbered(chunk).id;
        answers.push(format!("{:?}", index.frames(id).unwrap()));
        let base = BaseRef::from(id);
        answers.push(format!("{:?}", base_frames(index, base)));
        let sketch = numbered(chunk).sketch.unwrap();
        answers.push(format!("{:?}", index.similar(&sketch).unwrap()));
    }
    answers.push(format!("{:?}", index.packs().unwrap()));
    answers
}

/// Chunks that share features with their neighbours; every third is a delta, some of them of nothing.
fn numbered(chunk: u32) -> DirEntry {
    let mut entry = sketched(0, [chunk / 20, chunk / 10, chunk % 7, chunk, 1, 2]);
    let id_of = |chunk: u32| {
        let mut id = [7; 20];
        id[..4].copy_from_slice(&chunk.wrapping_mul(0x9e37_79b1).to_be_bytes());
        ChunkId(id)
    };
    entry.id = id_of(chunk);
    if chunk % 3 == 2 {
        entry.codec = CodecKind::ZstdDelta;
        let base = if chunk.is_multiple_of(5) {
            u32::MAX - chunk
        } else {
            chunk - 1
        };
        entry.base = Some(BaseRef::from(id_of(base)));
        (entry.rank, entry.version) = (1, 1);
    }
    entry
}

fn numbered_packs(chunks: u32) -> Vec<(IndexedPack, Directory)> {
    let all: Vec<_> = (0..chunks).map(numbered).collect();
    let packs = all.chunks(100).enumerate();
    packs
        .map(|(at, entries)| {
            let mut pack = pack(1, entries);
            pack.0.id.0[..8].copy_from_slice(&(at as u64).to_be_bytes());
            pack
        })
        .collect()
}

#[test]
fn an_index_filled_at_once_is_as_one_filled_pack_by_pack() {
    // Enough for partitions that do not stay in memory.
    let chunks = 60_000;
    let packs = numbered_packs(chunks);
    let at_once = fixture();
    let mut batches = packs.chunks(64).map(|packs| Ok(packs.to_vec()));
    at_once.index.fill(&mut batches).unwrap();
    let one_by_one = fixture();
    for pack in &packs {
        one_by_one.index.insert(std::slice::from_ref(pack)).unwrap();
    }
    for index in [&at_once.index, &one_by_one.index] {
        assert_eq!(index.mark_broken().unwrap(), u64::from(chunks / 15));
        index.verify_once().unwrap();
    }
    let some = 2000;
    assert_eq!(
        answers(&at_once.index, some),
        answers(&one_by_one.index, some)
    );
    // It goes on as any other.
    let again = Index::open(&at_once.path(), "repository").unwrap();
    again.insert(&[pack(9, &[whole(9)])]).unwrap();
    assert!(at_once.index.holds(id(9)).unwrap());
    let beside = std::fs::read_dir(at_once.folder.path()).unwrap();
    let staged = beside.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("staged")
    });
    assert_eq!(staged.count(), 0);
}

#[test]
fn an_index_whose_filling_was_interrupted_is_noticed() {
    for batches in [0, 1, 500] {
        let packs = numbered_packs(50_000);
        let fixture = fixture();
        let failure =
            std::iter::once_with(|| Err(Error::Invalid("the storage went away".to_owned())));
        let some = packs
            .chunks(1)
            .take(batches)
            .map(|packs| Ok(packs.to_vec()));
        let filled = fixture.index.fill(some.chain(failure));
        assert!(matches!(filled, Err(Error::Invalid(_))));
        let path = fixture.path();
        drop(fixture.index);
        let again = Index::open(&path, "repository");
        assert!(matches!(again.err(), Some(Error::IndexCorrupt { .. })));
        Index::remove(&path).unwrap();
        Index::open(&path, "repository").unwrap();
    }
}

#[test]
fn an_index_that_another_process_uses_is_filled_too() {
    let fixture = fixture();
    let other = Index::open(&fixture.path(), "repository").unwrap();
    assert!(!other.holds(id(1)).unwrap());
    let packs = vec![pack(1, &[whole(1)]), pack(2, &[delta(2, 1, 1)])];
    fixture.index.fill(std::iter::once(Ok(packs))).unwrap();
    assert!(other.holds(id(1)).unwrap() && other.holds(id(2)).unwrap());
}
