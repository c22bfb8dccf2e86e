//! Every object damaged at every place: a clear error that names it, or right bytes; never a panic.

use std::path::Path;

use nightfold_repo::check::CheckReport;
use nightfold_repo::format::{Kind, ObjectName};
use nightfold_repo::repository::{Password, StoredSnapshot};
use nightfold_repo::storage::MemoryStorage;
use nightfold_repo::{Error, Result};

use super::support::{
    CHEAP, Files, back_up, check, check_data, copy_folder, fresh, noise, open_noticed, restore,
    table,
};

/// Of long objects, the bytes in the middle that are flipped lie this far apart.
const STRIDE: usize = 67;
/// At both ends every byte is flipped.
const ENDS: usize = 66;

/// With the client's index and without.
const BOTH: [bool; 2] = [true, false];

fn source(night: u64) -> Files {
    Files::from([
        ("/db/blob".to_owned(), noise(1, 1200)),
        ("/db/table.sql".to_owned(), table(night, 70)),
    ])
}

/// Two nights, and the cache of the client that took them.
struct Nights {
    storage: MemoryStorage,
    cache: tempfile::TempDir,
    snapshots: Vec<(StoredSnapshot, Files)>,
}

fn nights() -> Nights {
    let (storage, cache) = fresh(3000);
    let snapshots = [1, 2]
        .map(|night| {
            let (repository, _) = open_noticed(storage.clone(), cache.path()).unwrap();
            (back_up(&repository, &source(night)).unwrap(), source(night))
        })
        .into();
    Nights {
        storage,
        cache,
        snapshots,
    }
}

impl Nights {
    fn names(&self) -> Vec<ObjectName> {
        self.storage.objects().keys().copied().collect()
    }

    fn bytes(&self, name: ObjectName) -> Vec<u8> {
        self.storage.objects()[&name].clone()
    }

    /// The same repository with other bytes, or none, under this name.
    fn with(&self, name: ObjectName, bytes: Option<Vec<u8>>) -> MemoryStorage {
        let storage = self.storage.fork();
        match bytes {
            Some(bytes) => storage.objects().insert(name, bytes),
            None => storage.objects().remove(&name),
        };
        storage
    }

    /// Opens, reads and checks a damaged repository: with the client's cache, or without.
    fn examine(&self, storage: &MemoryStorage, name: ObjectName, what: &str, cached: &[bool]) {
        for cached in cached {
            let cache = tempfile::tempdir().unwrap();
            if *cached {
                copy_folder(self.cache.path(), cache.path());
            }
            if let Err(silence) = self.examine_with(storage, cache.path(), name) {
                panic!("{name}, {what}, index at hand: {cached}: {silence}");
            }
        }
    }

    fn examine_with(
        &self,
        storage: &MemoryStorage,
        cache: &Path,
        name: ObjectName,
    ) -> std::result::Result<(), String> {
        let (repository, _) = match open_noticed(storage.clone(), cache) {
            Ok(opened) => opened,
            Err(error) => return names_object(&error, name),
        };
        // Reading: right bytes or an error.
        for (stored, expected) in &self.snapshots {
            let read: Result<StoredSnapshot> = repository.snapshot(&stored.id.to_string());
            let Ok(read) = read else { continue };
            if read.snapshot != stored.snapshot {
                return Err("the snapshot says something else".to_owned());
            }
            for (path, bytes) in restore(&repository, &read).unwrap_or_default() {
                if bytes.is_ok_and(|bytes| bytes != expected[&path]) {
                    return Err(format!("wrong bytes of {path}"));
                }
            }
        }
        check(&repository);
        let report = check_data(&repository);
        if report.problems.is_empty() {
            return Err("check finds nothing".to_owned());
        }
        let object = name.to_string();
        if names(&report, &object) {
            Ok(())
        } else {
            Err(format!("check names other objects: {:?}", report.problems))
        }
    }
}

fn names(report: &CheckReport, object: &str) -> bool {
    report
        .problems
        .iter()
        .any(|problem| problem.object == object)
}

fn names_object(error: &Error, name: ObjectName) -> std::result::Result<(), String> {
    let text = error.to_string();
    let named = text.contains(&name.to_string());
    let clear = matches!(error, Error::Corrupt { .. } | Error::Unsupported { .. });
    if named && clear {
        Ok(())
    } else {
        Err(format!("opening says only: {text}"))
    }
}

fn positions(length: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(move |at| *at < ENDS || at + ENDS >= length || at % STRIDE == 0)
}

#[test]
fn a_flipped_byte_anywhere_is_found_and_named() {
    let nights = nights();
    for name in nights.names() {
        let whole = nights.bytes(name);
        for at in positions(whole.len()) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            let storage = nights.with(name, Some(bytes));
            let what = format!("byte {at} of {} flipped", whole.len());
            nights.examine(&storage, name, &what, &[at % 2 == 0]);
        }
    }
}

#[test]
fn an_object_cut_short_or_prolonged_is_found_and_named() {
    let nights = nights();
    for name in nights.names() {
        let whole = nights.bytes(name);
        let length = whole.len();
        for kept in [
            0,
            1,
            16,
            47,
            48,
            49,
            64,
            length / 2,
            length - 17,
            length - 1,
        ] {
            let storage = nights.with(name, Some(whole[..kept].to_vec()));
            nights.examine(
                &storage,
                name,
                &format!("{kept} of {length} bytes kept"),
                &BOTH,
            );
        }
        for more in [1, 16, 5000] {
            let mut bytes = whole.clone();
            bytes.resize(length + more, 0);
            let storage = nights.with(name, Some(bytes));
            nights.examine(&storage, name, &format!("{more} bytes appended"), &BOTH);
        }
    }
}

#[test]
fn an_object_under_the_name_of_another_is_found_and_named() {
    let nights = nights();
    let names = nights.names();
    for name in &names {
        for other in names.iter().filter(|other| *other != name) {
            let storage = nights.with(*name, Some(nights.bytes(*other)));
            nights.examine(&storage, *name, &format!("holds {other}"), &BOTH);
        }
    }
}

#[test]
fn a_deleted_object_is_missed() {
    let nights = nights();
    for name in nights.names() {
        let storage = nights.with(name, None);
        let cache = tempfile::tempdir().unwrap();
        copy_folder(nights.cache.path(), cache.path());
        let (repository, _) = match open_noticed(storage, cache.path()) {
            Ok(opened) => opened,
            // The config and the key slot have copies.
            Err(error) => panic!("{name}: {error}"),
        };
        let report = check(&repository);
        if name.kind == Kind::Parity {
            // What it was of is as it was, so this is no damage.
            assert_eq!(report.problems, [], "{name}");
            assert!(report.notes[0].contains("without"), "{:?}", report.notes);
        } else {
            assert_ne!(report.problems, [], "{name}");
        }
        // The writer's sequence tells of snapshots, the snapshots tell of packs, copies tell of what they are of.
        assert!(
            report
                .problems
                .iter()
                .all(|p| p.object.starts_with("snapshots") || p.object == name.to_string()),
            "{:?}",
            report.problems
        );
        for (stored, expected) in &nights.snapshots {
            let Ok(read) = repository.snapshot(&stored.id.to_string()) else {
                assert_eq!(name.id, stored.id);
                continue;
            };
            for (path, bytes) in restore(&repository, &read).unwrap_or_default() {
                match bytes {
                    Ok(bytes) => assert!(bytes == expected[&path], "{name}: {path}"),
                    Err(error) => assert!(error.to_string().contains("chunk"), "{error}"),
                }
            }
        }
    }
}

#[test]
fn a_damaged_key_slot_beside_a_sound_one_is_found() {
    let nights = nights();
    let first = nights
        .names()
        .into_iter()
        .find(|name| name.kind == Kind::Key);
    let repository = open_noticed(nights.storage.clone(), nights.cache.path())
        .unwrap()
        .0;
    let other = Password::new(b"another".to_vec());
    repository.key_add(&other, CHEAP, "testhost", "").unwrap();
    let second = nights
        .names()
        .into_iter()
        .find(|name| name.kind == Kind::Key && Some(*name) != first);
    let second = second.unwrap();
    let mut bytes = nights.bytes(second);
    bytes[100] ^= 1;
    let storage = nights.with(second, Some(bytes));
    nights.examine(&storage, second, "byte 100 flipped", &BOTH);
}

#[test]
fn a_folder_that_is_no_repository_is_told_from_a_damaged_one() {
    let cache = tempfile::tempdir().unwrap();
    let empty = open_noticed(MemoryStorage::new(), cache.path()).map(drop);
    assert!(matches!(empty, Err(Error::NoRepository { .. })));
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let nights = nights();
    for name in nights.names() {
        let mut bytes = nights.bytes(name);
        bytes[4] = 2;
        let checksum = blake3_prefix(&bytes[..44]);
        bytes[44..48].copy_from_slice(&checksum);
        let storage = nights.with(name, Some(bytes));
        let cache = tempfile::tempdir().unwrap();
        match open_noticed(storage, cache.path()) {
            Err(error) => {
                assert!(matches!(error, Error::Unsupported { .. }), "{error}");
                assert!(error.to_string().contains("format 2"), "{error}");
            }
            Ok((repository, _)) => {
                let report = check(&repository);
                let found = report
                    .problems
                    .iter()
                    .find(|p| p.object == name.to_string());
                assert!(found.unwrap().what.contains("format 2"), "{found:?}");
            }
        }
    }
}

fn blake3_prefix(bytes: &[u8]) -> [u8; 4] {
    let hash = blake3::hash(bytes);
    hash.as_bytes()[..4].try_into().unwrap()
}
