//! Damage, repair, and every byte as it was.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use nightfold_repo::Repository;
use nightfold_repo::format::{Kind, ObjectName};
use nightfold_repo::repair::{RepairOptions, RepairReport};
use nightfold_repo::repository::StoredSnapshot;
use nightfold_repo::storage::{Listed, LocalStorage, MemoryStorage, Storage};
use nightfold_repo::{Error, Result};

use super::support::{
    Files, assert_clean, assert_restores, back_up, check, check_data, fresh, init, night, objects,
    open, open_noticed, open_shared,
};

fn repair(repository: &Arc<Repository>) -> RepairReport {
    let options = RepairOptions::default();
    repository.repair(&options, &|_, _| ()).unwrap()
}

/// Three nights.
fn nights(storage: &MemoryStorage, cache: &std::path::Path) -> Vec<(StoredSnapshot, Files)> {
    let nights = [1, 2, 3].map(|number| {
        let repository = open(storage.clone(), cache).unwrap();
        (back_up(&repository, &night(number)).unwrap(), night(number))
    });
    nights.into()
}

fn flip(storage: &MemoryStorage, name: ObjectName) {
    let mut objects = storage.objects();
    let bytes = objects.get_mut(&name).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

#[test]
fn every_object_damaged_at_once_is_restored() {
    let (storage, cache) = fresh(3000);
    let nights = nights(&storage, cache.path());
    let whole = storage.fork();
    for kind in [Kind::Config, Kind::Key, Kind::Snapshot, Kind::Pack] {
        for name in objects(&storage, kind) {
            flip(&storage, name);
        }
    }
    let (repository, notices) = open_noticed(storage.clone(), cache.path()).unwrap();
    // Damaged snapshots are read from their copies.
    assert_eq!(repository.snapshots().unwrap().len(), 3);
    let told = notices.lock().unwrap().join("\n");
    for folder in ["config is damaged", "keys/", "snapshots/"] {
        assert!(told.contains(folder), "{told}");
    }
    assert!(told.contains("its copy in parity/ was used; run `nightfold repair`"));
    let problems = check_data(&repository).problems;
    for kind in [Kind::Config, Kind::Key, Kind::Snapshot, Kind::Pack] {
        for name in objects(&storage, kind) {
            let mut of_it = problems.iter().filter(|p| p.object == name.to_string());
            let advised = of_it.any(|p| p.what.contains("`nightfold repair` can restore it"));
            assert!(advised, "{name}: {problems:?}");
        }
    }
    let report = repair(&repository);
    assert_eq!(report.lost, []);
    assert_eq!(report.damaged, report.objects);
    assert_eq!(report.damaged, report.repaired.len() as u64);
    // The check has put down what it found.
    storage.objects().retain(|name, _| name.kind != Kind::Proof);
    assert!(*storage.objects() == *whole.objects(), "byte for byte");
    let repository = open(storage.clone(), cache.path()).unwrap();
    let report = assert_clean(&repository);
    assert_eq!(report.notes, Vec::<String>::new());
    for (stored, files) in &nights {
        assert_restores(&repository, stored, files);
    }
    assert_eq!(repair(&repository).damaged, 0);
}

#[test]
fn every_sidecar_lost_or_damaged_is_made_anew() {
    let (storage, cache) = fresh(3000);
    nights(&storage, cache.path());
    let whole = storage.fork();
    for (at, name) in objects(&storage, Kind::Parity).into_iter().enumerate() {
        match at % 3 {
            0 => drop(storage.objects().remove(&name)),
            1 => flip(&storage, name),
            _ => storage.objects().get_mut(&name).unwrap().truncate(30),
        }
    }
    let repository = open(storage.clone(), cache.path()).unwrap();
    let report = repair(&repository);
    assert_eq!((report.damaged, report.lost.len()), (0, 0));
    assert_eq!(
        report.sidecars_written as usize,
        objects(&whole, Kind::Parity).len()
    );
    assert!(*storage.objects() == *whole.objects(), "byte for byte");
}

#[test]
fn what_is_gone_comes_back_from_its_copy_when_asked_for() {
    let (storage, cache) = fresh(3000);
    let nights = nights(&storage, cache.path());
    let whole = storage.fork();
    let snapshot = ObjectName::new(Kind::Snapshot, nights[1].0.id);
    for name in [
        ObjectName::CONFIG,
        objects(&storage, Kind::Key)[0],
        snapshot,
    ] {
        storage.delete(name).unwrap();
    }
    let (repository, notices) = open_noticed(storage.clone(), cache.path()).unwrap();
    let told = notices.lock().unwrap().join("\n");
    assert!(
        told.contains("config is missing") && told.contains("keys/"),
        "{told}"
    );
    // A snapshot may have been forgotten: its copy does not bring it back by itself.
    assert_eq!(repository.snapshots().unwrap().len(), 2);
    let problems = check(&repository).problems;
    let found = problems
        .iter()
        .find(|problem| problem.object == snapshot.to_string());
    assert!(found.unwrap().what.contains("copy"), "{problems:?}");
    assert_eq!(repair(&repository).repaired.len(), 3);
    assert!(*storage.objects() == *whole.objects(), "byte for byte");
    assert_clean(&repository);
}

#[test]
fn a_removed_password_is_removed_with_its_copy() {
    use super::support::{CHEAP, password};
    let (storage, cache) = fresh(3000);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let before = storage.fork();
    let added = repository
        .key_add(&password(), CHEAP, "testhost", "")
        .unwrap();
    assert_eq!(objects(&storage, Kind::Parity).len(), 3);
    repository.key_remove(&added.to_string()).unwrap();
    assert!(*storage.objects() == *before.objects());
}

#[test]
fn a_truncated_pack_on_disk_is_replaced_and_read_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = tempfile::tempdir().unwrap();
    let root = folder.path().join("repository");
    init(&LocalStorage::new(&root), 3000);
    let repository = open(LocalStorage::new(&root), cache.path()).unwrap();
    let stored = back_up(&repository, &night(1)).unwrap();
    for listed in LocalStorage::new(&root).list(Kind::Pack).unwrap() {
        let path = root.join(ObjectName::new(Kind::Pack, listed.id).path());
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 200]).unwrap();
    }
    let report = repair(&repository);
    assert_eq!(report.lost, []);
    assert!(report.damaged > 0);
    assert_clean(&repository);
    assert_restores(&repository, &stored, &night(1));
}

/// A disk that does not give the second sector of a pack until other bytes lie elsewhere.
struct BadSector(MemoryStorage, Mutex<HashSet<ObjectName>>);

const SECTOR: Range<u64> = 4096..8192;

impl BadSector {
    fn hits(&self, name: ObjectName, read: Range<u64>) -> bool {
        let overlaps = read.start < SECTOR.end && read.end > SECTOR.start;
        name.kind == Kind::Pack && overlaps && !self.1.lock().unwrap().contains(&name)
    }
}

fn io_error() -> Error {
    Error::Io {
        operation: "read",
        path: "pack".to_owned(),
        source: std::io::ErrorKind::Other.into(),
    }
}

impl Storage for BadSector {
    fn location(&self) -> String {
        self.0.location()
    }

    fn is_vacant(&self) -> Result<bool> {
        self.0.is_vacant()
    }

    fn put(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.0.put(name, bytes)
    }

    fn replace(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.1.lock().unwrap().insert(name);
        self.0.replace(name, bytes)
    }

    fn get(&self, name: ObjectName) -> Result<Vec<u8>> {
        let bytes = self.0.get(name)?;
        if self.hits(name, 0..bytes.len() as u64) {
            return Err(io_error());
        }
        Ok(bytes)
    }

    fn get_range(&self, name: ObjectName, offset: u64, count: usize) -> Result<Vec<u8>> {
        let bytes = self.0.get_range(name, offset, count)?;
        if self.hits(name, offset..offset + bytes.len() as u64) {
            return Err(io_error());
        }
        Ok(bytes)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        self.0.list(kind)
    }

    fn delete(&self, name: ObjectName) -> Result<()> {
        self.0.delete(name)
    }

    fn strays(&self, kind: Kind) -> Result<Vec<String>> {
        self.0.strays(kind)
    }
}

#[test]
fn sectors_that_cannot_be_read_are_restored() {
    let (storage, cache) = fresh(60_000);
    nights(&storage, cache.path());
    let whole = storage.fork();
    let bad = Arc::new(BadSector(storage.clone(), Mutex::default()));
    let (repository, _) = open_shared(bad, cache.path()).unwrap();
    let report = repair(&repository);
    let large = |name: &ObjectName| whole.objects()[name].len() as u64 > SECTOR.start;
    let packs = objects(&storage, Kind::Pack);
    let hit = packs.iter().filter(|name| large(name)).count();
    assert!(hit > 0);
    assert_eq!(report.repaired.len(), hit, "{report:?}");
    assert!(*storage.objects() == *whole.objects(), "byte for byte");
}
