//! Two writers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nightfold_repo::format::{Kind, ObjectName};
use nightfold_repo::repository::StoredSnapshot;
use nightfold_repo::storage::{Listed, MemoryStorage, Storage};
use nightfold_repo::{Repository, Result};

use super::support::{
    Files, assert_clean, assert_restores, back_up, fresh, night, noise, open, table,
};

fn source(writer: u64, round: u64) -> Files {
    let mut files = night(round);
    files.insert(format!("/own/{writer}"), noise(100 + writer, 2000));
    files.insert(
        format!("/own/{writer}.sql"),
        table(1000 * writer + round, 60),
    );
    files
}

/// Both writers run `rounds` backups of alike sources from threads of their own.
fn race(writers: [&Arc<Repository>; 2], rounds: u64) -> Vec<(StoredSnapshot, Files)> {
    std::thread::scope(|scope| {
        let threads = writers.map(|repository| {
            let writer = u64::from(std::ptr::eq(repository, writers[1]));
            scope.spawn(move || {
                (1..=rounds)
                    .map(|round| {
                        let files = source(writer, round);
                        (back_up(repository, &files).unwrap(), files)
                    })
                    .collect::<Vec<_>>()
            })
        });
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

fn assert_all_whole(repository: &Arc<Repository>, made: &[(StoredSnapshot, Files)]) {
    assert_eq!(repository.snapshots().unwrap().len(), made.len());
    for (stored, files) in made {
        assert_restores(repository, stored, files);
    }
    let report = assert_clean(repository);
    assert!(
        !report.notes.iter().any(|note| note.contains("index")),
        "{:?}",
        report.notes
    );
}

#[test]
fn two_clients_with_their_own_caches_both_succeed() {
    let (storage, cache) = fresh(4096);
    let other_cache = tempfile::tempdir().unwrap();
    let a = open(storage.clone(), cache.path()).unwrap();
    let b = open(storage.clone(), other_cache.path()).unwrap();
    let made = race([&a, &b], 4);
    // Each was opened before the other wrote: a client that comes later sees all of it.
    let (a, b) = (
        open(storage.clone(), cache.path()).unwrap(),
        open(storage.clone(), other_cache.path()).unwrap(),
    );
    assert_all_whole(&a, &made);
    assert_all_whole(&b, &made);
    let third_cache = tempfile::tempdir().unwrap();
    assert_all_whole(&open(storage, third_cache.path()).unwrap(), &made);
}

#[test]
fn two_handles_with_one_cache_both_succeed() {
    let (storage, cache) = fresh(4096);
    let a = open(storage.clone(), cache.path()).unwrap();
    let b = open(storage.clone(), cache.path()).unwrap();
    let made = race([&a, &b], 4);
    assert_all_whole(&open(storage, cache.path()).unwrap(), &made);
}

#[test]
fn two_runs_on_one_handle_both_succeed() {
    let (storage, cache) = fresh(4096);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let same = Arc::clone(&repository);
    let made = race([&repository, &same], 4);
    assert_all_whole(&repository, &made);
    assert_all_whole(&open(storage, cache.path()).unwrap(), &made);
}

/// A storage in which a backup ends right after the first listing that is asked for.
struct Meanwhile {
    before: MemoryStorage,
    after: MemoryStorage,
    over: AtomicBool,
}

impl Storage for Meanwhile {
    fn location(&self) -> String {
        self.after.location()
    }

    fn is_vacant(&self) -> Result<bool> {
        self.after.is_vacant()
    }

    fn put(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.after.put(name, bytes)
    }

    fn replace(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.after.replace(name, bytes)
    }

    fn get(&self, name: ObjectName) -> Result<Vec<u8>> {
        self.after.get(name)
    }

    fn get_range(&self, name: ObjectName, offset: u64, count: usize) -> Result<Vec<u8>> {
        self.after.get_range(name, offset, count)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        let written = matches!(kind, Kind::Pack | Kind::Snapshot);
        if written && !self.over.swap(true, Ordering::SeqCst) {
            self.before.list(kind)
        } else {
            self.after.list(kind)
        }
    }

    fn delete(&self, name: ObjectName) -> Result<()> {
        self.after.delete(name)
    }

    fn strays(&self, kind: Kind) -> Result<Vec<String>> {
        self.after.strays(kind)
    }
}

#[test]
fn a_backup_that_ends_during_a_check_is_no_damage() {
    let (storage, cache) = fresh(4096);
    let client = |storage: &MemoryStorage| open(storage.clone(), cache.path()).unwrap();
    back_up(&client(&storage), &night(1)).unwrap();
    let before = storage.fork();
    back_up(&client(&storage), &night(2)).unwrap();
    let other_cache = tempfile::tempdir().unwrap();
    let meanwhile = Meanwhile {
        before,
        after: storage,
        over: AtomicBool::new(false),
    };
    let checker = open(meanwhile, other_cache.path()).unwrap();
    assert_clean(&checker);
}
