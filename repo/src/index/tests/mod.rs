//! Claims about the index: it says what the directories say, whatever came in which order, and notices damage.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use nightfold_chunker::ChunkId;
use rusqlite::Connection;

use super::{Index, IndexedPack};
use crate::error::Error;
use crate::format::{BaseRef, CodecKind, DirEntry, Directory, ObjectId, StreamKind};
use crate::storage::Listed;

mod bulk;
mod sketches;

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

fn base_frames(index: &Index, base: BaseRef) -> Vec<super::FrameRow> {
    index.session().unwrap().base_frames(base).unwrap()
}
