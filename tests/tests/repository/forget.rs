//! Forgetting, whole and interrupted at any moment.

use std::cell::Cell;
use std::path::Path;
use std::sync::{Arc, Mutex};

use nightfold_repo::format::{Kind, ObjectId, ObjectName};
use nightfold_repo::repository::{StoredSnapshot, Unreadable};
use nightfold_repo::storage::{FaultStorage, Listed, MemoryStorage, Plan, Storage};
use nightfold_repo::{Error, Repository, Result};

use super::support::{
    Files, assert_clean, assert_restores, back_up, check, copy_folder, cut_after, cut_before,
    fresh, full_from, noise, objects, open, open_shared,
};

fn source(night: u64) -> Files {
    Files::from([
        ("/db/blob".to_owned(), noise(1, 900)),
        ("/db/new".to_owned(), noise(10 + night, 300)),
    ])
}

/// A repository after some nights, and what the client keeps of it.
struct Before {
    storage: MemoryStorage,
    cache: tempfile::TempDir,
    nights: Vec<StoredSnapshot>,
}

fn before(nights: u64) -> Before {
    let (storage, cache) = fresh(2048);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let nights = (1..=nights).map(|night| back_up(&repository, &source(night)).unwrap());
    Before {
        nights: nights.collect(),
        storage,
        cache,
    }
}

impl Before {
    /// While its copy is there, a damaged snapshot can be read.
    fn lose_copies(&self) {
        let mut objects = self.storage.objects();
        objects.retain(|name, _| name.kind != Kind::Parity);
    }

    fn id(&self, night: usize) -> ObjectId {
        self.nights[night - 1].id
    }

    fn forget(&self, nights: &[usize]) -> Result<u64> {
        let ids: Vec<_> = nights.iter().map(|night| self.id(*night)).collect();
        let repository = open(self.storage.clone(), self.cache.path()).unwrap();
        repository.forget(&ids, Unreadable::Refuse)
    }

    /// What is left, checked by this client and by one that knows nothing.
    fn assert_left(&self, storage: &MemoryStorage, cache: &Path, nights: &[usize]) {
        let stranger = tempfile::tempdir().unwrap();
        for cache in [cache, stranger.path()] {
            let repository = open(storage.clone(), cache).unwrap();
            assert_clean(&repository);
            let left: Vec<_> = repository.snapshots().unwrap();
            let expected: Vec<_> = nights.iter().map(|night| self.id(*night)).collect();
            assert_eq!(
                left.iter().map(|stored| stored.id).collect::<Vec<_>>(),
                expected
            );
            for night in nights {
                let stored = &self.nights[night - 1];
                assert_restores(&repository, stored, &source(*night as u64));
            }
        }
    }
}

fn tombstones(storage: &MemoryStorage) -> usize {
    objects(storage, Kind::Tombstone).len()
}

#[test]
fn forgotten_snapshots_leave_one_tombstone_and_no_gap() {
    for forgotten in [&[2, 3][..], &[1], &[5], &[1, 2, 3, 4, 5], &[1, 3, 5]] {
        let before = before(5);
        assert_eq!(before.forget(forgotten).unwrap(), forgotten.len() as u64);
        assert_eq!(tombstones(&before.storage), 1);
        let left: Vec<_> = (1..=5).filter(|night| !forgotten.contains(night)).collect();
        before.assert_left(&before.storage, before.cache.path(), &left);
        // Again: they are gone.
        assert_eq!(before.forget(forgotten).unwrap(), 0);
        assert_eq!(tombstones(&before.storage), 1);
    }
}

#[test]
fn the_next_backup_counts_on_from_what_was_forgotten() {
    for remembers in [true, false] {
        let before = before(3);
        before.forget(&[2, 3]).unwrap();
        let state = before.cache.path();
        if !remembers {
            // An older state of the cache folder: as it was after the first night.
            let file = writer_file(state);
            let text = std::fs::read_to_string(&file).unwrap();
            let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
            json["sequence"] = 1.into();
            json["previous"] = before.nights[1].snapshot.writer.previous.clone().into();
            std::fs::write(&file, json.to_string()).unwrap();
        }
        let repository = open(before.storage.clone(), state).unwrap();
        let next = back_up(&repository, &source(4)).unwrap();
        assert_eq!(next.snapshot.writer.sequence, 4);
        let report = assert_clean(&repository);
        assert!(
            !report
                .notes
                .iter()
                .any(|note| note.contains("carry the number"))
        );
    }
}

fn writer_file(cache: &Path) -> std::path::PathBuf {
    let folder = std::fs::read_dir(cache).unwrap().next().unwrap().unwrap();
    folder.path().join("writer.json")
}

#[test]
fn a_snapshot_that_goes_without_a_tombstone_is_still_told_of() {
    let before = before(4);
    before.forget(&[2]).unwrap();
    let name = ObjectName::new(Kind::Snapshot, before.id(3));
    before.storage.delete(name).unwrap();
    before.lose_copies();
    let repository = open(before.storage.clone(), before.cache.path()).unwrap();
    let problems = check(&repository).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].what.contains("1 snapshot before it is missing"));
}

#[test]
fn without_its_tombstone_a_forgotten_snapshot_is_missing() {
    let before = before(3);
    before.forget(&[2]).unwrap();
    let [tombstone] = objects(&before.storage, Kind::Tombstone)[..] else {
        panic!("one tombstone")
    };
    before.storage.objects().get_mut(&tombstone).unwrap()[70] ^= 1;
    let problems = check(&open(before.storage.clone(), before.cache.path()).unwrap()).problems;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(problems[0].object, tombstone.to_string());
    before.storage.delete(tombstone).unwrap();
    let problems = check(&open(before.storage.clone(), before.cache.path()).unwrap()).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn what_cannot_be_read_is_forgotten_only_on_demand() {
    let before = before(4);
    before.lose_copies();
    let damaged = ObjectName::new(Kind::Snapshot, before.id(2));
    before.storage.objects().get_mut(&damaged).unwrap()[60] ^= 1;
    let refused = before.forget(&[2, 3]);
    assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
    assert_eq!(
        tombstones(&before.storage),
        0,
        "nothing at all is forgotten"
    );
    let repository = open(before.storage.clone(), before.cache.path()).unwrap();
    let ids = [before.id(2), before.id(3)];
    assert_eq!(repository.forget(&ids, Unreadable::Forget).unwrap(), 2);
    before.assert_left(&before.storage, before.cache.path(), &[1, 4]);
    // It explains one gap, no second one.
    let another = ObjectName::new(Kind::Snapshot, before.id(1));
    before.storage.delete(another).unwrap();
    assert_eq!(check(&repository).problems.len(), 1);
}

/// Every operation of `run` is the one at which it ends; then `after` looks at what is left.
fn every_operation(
    before: &Before,
    run: &dyn Fn(&Repository) -> Result<()>,
    after: &dyn Fn(&MemoryStorage, &Path, bool),
) {
    let faults: [fn(u64) -> Plan; 3] = [cut_before, cut_after, full_from];
    for fault in faults {
        let crash = |fault: Option<Plan>| {
            let storage = before.storage.fork();
            let cache = tempfile::tempdir().unwrap();
            copy_folder(before.cache.path(), cache.path());
            let faulty = Arc::new(FaultStorage::new(
                storage.clone(),
                fault.unwrap_or_default(),
            ));
            let shared: Arc<dyn Storage> = faulty.clone();
            let succeeded = open_shared(shared, cache.path())
                .and_then(|(repository, _)| run(&repository))
                .is_ok();
            (storage, cache, succeeded, faulty.operations())
        };
        let (.., succeeded, operations) = crash(None);
        assert!(succeeded && operations > 5, "{operations}");
        for operation in 0..operations + 2 {
            let (storage, cache, succeeded, _) = crash(Some(fault(operation)));
            after(&storage, cache.path(), succeeded);
        }
    }
}

#[test]
fn a_forget_cut_at_any_operation_is_finished_by_the_next() {
    let before = before(5);
    let doomed = [before.id(1), before.id(3), before.id(5)];
    let forget = |repository: &Repository| repository.forget(&doomed, Unreadable::Refuse).map(drop);
    let (untouched, half) = (Cell::new(0), Cell::new(0));
    every_operation(&before, &forget, &|storage, cache, succeeded| {
        let repository = open(storage.clone(), cache).unwrap();
        let report = assert_clean(&repository);
        let buried = tombstones(storage) == 1;
        assert!(buried || !succeeded);
        let left = report.snapshots;
        assert!(left == 2 || (!succeeded && buried) || left == 5, "{left}");
        // What is still there is whole.
        for stored in repository.snapshots().unwrap() {
            let night = before.nights.iter().position(|n| n.id == stored.id);
            assert_restores(&repository, &stored, &source(night.unwrap() as u64 + 1));
        }
        let is_half = |note: &String| note.contains("forgotten but not deleted yet");
        let noted = report.notes.iter().any(is_half);
        assert_eq!(noted, buried && left > 2, "{:?}", report.notes);
        untouched.set(untouched.get() + u32::from(!buried));
        half.set(half.get() + u32::from(noted));

        // Forgetting anything finishes what was begun, and so does a prune.
        let finished = storage.fork();
        let other = open(finished.clone(), cache).unwrap();
        other.finish_forgetting().unwrap();
        repository.forget(&[], Unreadable::Refuse).unwrap();
        let left: &[usize] = if buried { &[2, 4] } else { &[1, 2, 3, 4, 5] };
        before.assert_left(&finished, cache, left);
        before.assert_left(storage, cache, left);
        // The same again does the rest, without a second tombstone.
        forget(&repository).unwrap();
        assert_eq!(tombstones(storage), 1);
        before.assert_left(storage, cache, &[2, 4]);
        let next = back_up(&repository, &source(6)).unwrap();
        assert_eq!(next.snapshot.writer.sequence, 6);
        assert_clean(&repository);
    });
    // In fact it was cut before and after the tombstone.
    assert!(
        untouched.get() > 3 && half.get() > 3,
        "{untouched:?} {half:?}"
    );
}

#[test]
fn merging_tombstones_cut_at_any_operation_loses_none() {
    let before = before(20);
    for night in 1..=17 {
        before.forget(&[night]).unwrap();
    }
    assert_eq!(tombstones(&before.storage), 17);
    let merge = Repository::merge_tombstones;
    every_operation(&before, &merge, &|storage, cache, succeeded| {
        let repository = open(storage.clone(), cache).unwrap();
        assert_eq!(check(&repository).problems, []);
        assert!(!succeeded || tombstones(storage) == 1);
        repository.merge_tombstones().unwrap();
        assert!(tombstones(storage) <= 16);
        assert_eq!(check(&repository).problems, []);
    });
    // Sixteen are not too many.
    let few = before_with_tombstones(16);
    open(few.storage.clone(), few.cache.path())
        .unwrap()
        .merge_tombstones()
        .unwrap();
    assert_eq!(tombstones(&few.storage), 16);
}

fn before_with_tombstones(count: usize) -> Before {
    let before = before(count as u64 + 1);
    for night in 1..=count {
        before.forget(&[night]).unwrap();
    }
    before
}

/// Somebody merges the tombstones while they are listed for the first time.
struct MergedMeanwhile {
    inner: MemoryStorage,
    merge: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// The listing shows the old ones that are gone when it ends; else neither these nor the merged one.
    shows_old: bool,
}

impl Storage for MergedMeanwhile {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn is_vacant(&self) -> Result<bool> {
        self.inner.is_vacant()
    }

    fn put(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.inner.put(name, bytes)
    }

    fn replace(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.inner.replace(name, bytes)
    }

    fn get(&self, name: ObjectName) -> Result<Vec<u8>> {
        self.inner.get(name)
    }

    fn get_range(&self, name: ObjectName, offset: u64, count: usize) -> Result<Vec<u8>> {
        self.inner.get_range(name, offset, count)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        let mut listed = self.inner.list(kind)?;
        if kind == Kind::Tombstone
            && let Some(merge) = self.merge.lock().unwrap().take()
        {
            merge();
            if !self.shows_old {
                listed.clear();
            }
        }
        Ok(listed)
    }

    fn delete(&self, name: ObjectName) -> Result<()> {
        self.inner.delete(name)
    }

    fn strays(&self, kind: Kind) -> Result<Vec<String>> {
        self.inner.strays(kind)
    }
}

#[test]
fn tombstones_merged_while_they_are_listed_are_not_missed() {
    for shows_old in [true, false] {
        let before = before_with_tombstones(17);
        let (other, folder) = (before.storage.clone(), tempfile::tempdir().unwrap());
        let merge = move || {
            let repository = open(other, folder.path()).unwrap();
            repository.merge_tombstones().unwrap();
        };
        let storage = MergedMeanwhile {
            inner: before.storage.clone(),
            merge: Mutex::new(Some(Box::new(merge))),
            shows_old,
        };
        let repository = open(storage, before.cache.path()).unwrap();
        assert_eq!(check(&repository).problems, []);
        assert_eq!(tombstones(&before.storage), 1);
    }
}
