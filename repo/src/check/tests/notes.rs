//! What is no damage: orphans, strangers, and an index that is behind.

use std::fs;

use super::forge::{Forge, noise};
use crate::check::{CheckOptions, ReadData};
use crate::format::StreamKind::Data;
use crate::format::{Kind, ObjectId, ObjectName};
use crate::storage::{LocalStorage, Storage as _};

#[test]
fn packs_that_no_snapshot_uses_are_noted() {
    let forge = Forge::new();
    let (used, base, unused) = (noise(1, 500), noise(3, 500), noise(2, 500));
    let mut top = base.clone();
    top[7] ^= 1;
    forge.pack(Data, &[forge.whole(&used)]);
    // Used as a base only.
    forge.pack(Data, &[forge.whole(&base)]);
    forge.pack(Data, &[forge.delta(&top, &base, 1)]);
    forge.snapshot_of(&[
        ("/a", forge.content(&[&used])),
        ("/b", forge.content(&[&top])),
    ]);
    assert_eq!(forge.check(true).notes, Vec::<String>::new());
    let orphan = forge.pack(Data, &[forge.whole(&unused)]);
    for read_data in [false, true] {
        let report = forge.check(read_data);
        assert_eq!(report.problems, []);
        assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
        assert!(
            report.notes[0].starts_with("1 pack ("),
            "{:?}",
            report.notes
        );
        assert!(report.notes[0].contains(&orphan.to_string()));
    }
}

#[test]
fn which_packs_are_in_use_is_not_said_where_a_snapshot_cannot_be_read() {
    let forge = Forge::new();
    let chunk = noise(1, 500);
    forge.pack(Data, &[forge.whole(&chunk)]);
    let stored = forge.snapshot_of(&[("/a", forge.content(&[&chunk]))]);
    let name = ObjectName::new(Kind::Snapshot, stored.id);
    forge.storage.objects().get_mut(&name).unwrap()[70] ^= 1;
    let report = forge.check(false);
    assert!(!report.problems.is_empty());
    assert_eq!(report.notes, Vec::<String>::new());
}

#[test]
fn deltas_of_broken_runs_are_noted() {
    let forge = Forge::new();
    let base = noise(1, 500);
    let mut top = base.clone();
    top[7] ^= 1;
    forge.pack(Data, &[forge.delta(&top, &base, 1)]);
    let report = forge.check(true);
    assert_eq!(report.problems, []);
    assert!(
        report
            .notes
            .iter()
            .any(|n| n.contains("1 delta without a usable base; no snapshot")),
        "{:?}",
        report.notes
    );
    // Stored whole by a later run.
    forge.pack(Data, &[forge.whole(&top)]);
    forge.snapshot_of(&[("/a", forge.content(&[&top]))]);
    let report = forge.check(true);
    assert_eq!(report.problems, []);
    assert!(
        report.notes.iter().any(|n| n.contains("other copies")),
        "{:?}",
        report.notes
    );
}

#[test]
fn kinds_of_newer_programs_are_noted() {
    let forge = Forge::new();
    let segment = ObjectName::new(Kind::Segment, ObjectId([1; 32]));
    forge.storage.put(segment, b"whatever").unwrap();
    let report = forge.check(true);
    assert_eq!(report.problems, []);
    assert!(report.notes[0].contains("segments/"), "{:?}", report.notes);
}

#[test]
fn strangers_in_local_folders_are_noted() {
    use crate::repository::{OpenOptions, Password, Repository};
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("repository");
    Forge::init(&LocalStorage::new(&root));
    fs::create_dir_all(root.join("packs/ab")).unwrap();
    fs::create_dir_all(root.join("snapshots")).unwrap();
    fs::write(root.join("packs/ab/.tmp-0123"), b"half a pack").unwrap();
    fs::write(root.join("snapshots/README"), b"a stranger").unwrap();
    let options = OpenOptions::new(
        folder.path().join("cache"),
        Some(Password::new(b"nightfold".to_vec())),
        std::sync::Arc::new(|_| ()),
    );
    let storage = std::sync::Arc::new(LocalStorage::new(&root));
    let repository = Repository::open(storage, options).unwrap();
    let report = repository
        .check(
            &CheckOptions {
                read_data: ReadData::All,
            },
            &|_, _| (),
        )
        .unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
    assert!(report.notes[0].contains("packs/ab/.tmp-0123"));
    assert!(report.notes[1].contains("snapshots/README"));
}

#[test]
fn an_index_that_differs_is_made_anew_with_a_note() {
    let changes = [
        "DELETE FROM frames WHERE number IN (SELECT number FROM packs)",
        "DELETE FROM packs WHERE number = 1",
        "INSERT INTO ids VALUES (5, 500, 5)",
        "UPDATE frames SET row = zeroblob(50) WHERE number = 1",
    ];
    for change in changes {
        let forge = Forge::new();
        let chunk = noise(1, 500);
        forge.pack(Data, &[forge.whole(&chunk), forge.whole(&noise(2, 20))]);
        forge.snapshot_of(&[("/a", forge.content(&[&chunk]))]);
        assert_eq!(forge.check(false).notes, Vec::<String>::new());
        let index = rusqlite::Connection::open(forge.repository.index_path()).unwrap();
        assert!(index.execute(change, []).unwrap() > 0, "{change}");
        drop(index);
        let report = forge.check(false);
        assert_eq!(report.problems, [], "{change}");
        assert_eq!(report.notes.len(), 1, "{change}: {:?}", report.notes);
        assert!(report.notes[0].contains("made anew"), "{:?}", report.notes);
        assert_eq!(forge.check(false).notes, Vec::<String>::new(), "{change}");
        let read = forge.repository.read_chunk(forge.id(&chunk)).unwrap();
        assert_eq!(read, chunk);
    }
}

#[test]
fn a_check_does_without_an_index() {
    let forge = Forge::new();
    let chunk = noise(1, 500);
    forge.pack(Data, &[forge.whole(&chunk)]);
    forge.snapshot_of(&[("/a", forge.content(&[&chunk]))]);
    let forge = Forge::open(forge.storage.clone());
    // A folder where the index should be.
    fs::create_dir_all(forge.repository.index_path()).unwrap();
    let report = forge.check(true);
    assert_eq!(report.problems, []);
    assert!(
        report.notes[0].contains("local index"),
        "{:?}",
        report.notes
    );
}
