//! Compact and changes of keys: beside writers, and cut at any moment.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nightfold_repo::compact::{CompactOptions, CompactReport};
use nightfold_repo::format::{Content, Entry, Kind, Metadata, Node, StreamKind};
use nightfold_repo::prune::PruneOptions;
use nightfold_repo::repository::{
    LeaseTimes, OpenOptions, Password, RotateOptions, Rotated, RunWriter, StoredSnapshot,
    WriteOptions,
};
use nightfold_repo::storage::{FaultStorage, MemoryStorage, Plan, Storage};
use nightfold_repo::{Error, Repository, Result};

use crate::support::{
    CHEAP, Files, assert_clean, assert_restores, back_up, copy_folder, cut_after, cut_before,
    fresh, full_from, noise, objects, open, password, snapshot, store, table,
};

/// Few chunks, so that every operation can be the last.
fn source(night: u64) -> Files {
    Files::from([
        ("/db/blob".to_owned(), noise(1, 900)),
        ("/db/table.sql".to_owned(), table(night, 40)),
    ])
}

fn everything() -> CompactOptions {
    CompactOptions {
        young_snapshots: 0,
        ..CompactOptions::default()
    }
}

fn try_compact(repository: &Arc<Repository>) -> Result<CompactReport> {
    repository.compact(&everything(), &AtomicBool::new(false))
}

fn compact(repository: &Arc<Repository>) -> CompactReport {
    try_compact(repository).unwrap()
}

fn second_password() -> Password {
    Password::new(b"second".to_vec())
}

fn rotate(repository: &Arc<Repository>) -> Result<Rotated> {
    repository.key_rotate(&RotateOptions {
        password: &second_password(),
        cost: CHEAP,
        host: "testhost",
        remove_others: false,
    })
}

/// A client for whom every lease that does not move is dead at once: a run that was cut held it.
fn open_by(storage: Arc<dyn Storage>, cache: &Path, by: Password) -> Result<Arc<Repository>> {
    let mut options = OpenOptions::new(cache.to_owned(), Some(by), Arc::new(|_| ()));
    options.leases = LeaseTimes {
        renewed_every: Duration::from_secs(3600),
        dead_after: Duration::ZERO,
    };
    Repository::open(storage, options).map(Arc::new)
}

fn open_new(storage: &MemoryStorage, cache: &Path) -> Arc<Repository> {
    open_by(Arc::new(storage.clone()), cache, second_password()).unwrap()
}

type Nights = Vec<(StoredSnapshot, Files)>;

fn nights(repository: &Arc<Repository>, count: u64) -> Nights {
    (0..count)
        .map(|number| {
            let files = source(number);
            (back_up(repository, &files).unwrap(), files)
        })
        .collect()
}

/// Every night, found by the id it had at first.
fn assert_nights(repository: &Repository, nights: &Nights) {
    assert_eq!(repository.snapshots().unwrap().len(), nights.len());
    for (stored, files) in nights {
        let now = repository.snapshot(&stored.id.to_string()).unwrap();
        assert_restores(repository, &now, files);
    }
}

#[test]
fn all_nights_restore_after_compact_and_a_second_run_writes_nothing() {
    let (storage, cache) = fresh(64 << 10);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let nights = nights(&repository, 12);
    let before = objects(&storage, Kind::Pack).len();
    let report = compact(&repository);
    assert!(report.join.packs > 0, "{report:?}");
    assert_clean(&repository);
    assert_nights(&repository, &nights);
    compact(&repository);
    assert!(objects(&storage, Kind::Pack).len() * 2 < before);
    let packs = objects(&storage, Kind::Pack);
    assert_eq!(compact(&repository).written_packs, 0);
    assert_eq!(objects(&storage, Kind::Pack), packs);
    assert_clean(&repository);
    assert_nights(&repository, &nights);
    let elsewhere = tempfile::tempdir().unwrap();
    assert_nights(&open(storage.clone(), elsewhere.path()).unwrap(), &nights);
    // And the nights go on.
    let next = back_up(&repository, &source(12)).unwrap();
    assert_restores(&repository, &next, &source(12));
    assert_clean(&repository);
}

#[test]
fn a_running_backup_keeps_what_it_built_on() {
    let (storage, cache) = fresh(64 << 10);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let nights = nights(&repository, 10);
    let bytes = nights[4].1["/db/table.sql"].clone();
    let writer = RunWriter::start(&repository, WriteOptions::default()).unwrap();
    let content = store(&repository, &writer, StreamKind::Data, &bytes, None).unwrap();
    let mut list = Vec::new();
    let entry = Entry {
        path: b"/db/table.sql".to_vec(),
        metadata: Metadata::default(),
        node: Node::File(content),
        extensions: Vec::new(),
    };
    entry.encode(&mut list);
    let list: Content = store(&repository, &writer, StreamKind::Meta, &list, None).unwrap();
    let mut encoded = Vec::new();
    list.encode(&mut encoded);

    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(storage.clone(), elsewhere.path()).unwrap();
    assert!(compact(&other).written_packs > 0);
    assert_eq!(compact(&other).deleted_packs, 0, "somebody is at work");
    let published = writer
        .publish(|_| snapshot(encoded, bytes.len() as u64))
        .unwrap()
        .unwrap();
    compact(&other);
    compact(&other);
    let files = Files::from([("/db/table.sql".to_owned(), bytes)]);
    assert_restores(&other, &published, &files);
    assert_restores(&repository, &published, &files);
    assert_clean(&other);
    assert!(objects(&storage, Kind::Pack).len() < 10);
}

#[test]
fn keys_are_changed_without_losing_a_night() {
    let (storage, cache) = fresh(4000);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let mut nights = nights(&repository, 5);
    rotate(&repository).unwrap();
    let old_password = open(storage.clone(), cache.path());
    assert!(matches!(
        old_password.err(),
        Some(Error::WrongPassword { .. })
    ));

    let new = open_new(&storage, cache.path());
    let files = source(5);
    nights.push((back_up(&new, &files).unwrap(), files));
    // A client that still holds the old keys goes on, or is told.
    let told = back_up(&repository, &source(6));
    assert!(matches!(told, Err(Error::KeysChanged { .. })), "{told:?}");
    let report = compact(&new);
    assert_eq!(report.resealed_snapshots, 5);
    assert_clean(&new);
    assert_nights(&new, &nights);
    drop(repository);
    new.prune(&PruneOptions::default()).unwrap();
    compact(&new);
    let last = compact(&new);
    assert!(last.old_keys.unwrap().is_none(), "{last:?}");
    assert_nights(&new, &nights);
    // The writer's sequence goes on unbroken, over the tombstones of what was sealed anew.
    let files = source(7);
    nights.push((back_up(&new, &files).unwrap(), files));
    let report = assert_clean(&new);
    let noted = report
        .notes
        .iter()
        .any(|note| note.contains("carry the number"));
    assert!(!noted, "{:?}", report.notes);
    let elsewhere = tempfile::tempdir().unwrap();
    assert_nights(&open_new(&storage, elsewhere.path()), &nights);
}

#[test]
fn keys_are_changed_twice() {
    let (storage, cache) = fresh(4000);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let nights = nights(&repository, 2);
    rotate(&repository).unwrap();
    let second = open_new(&storage, cache.path());
    compact(&second);
    let third_password = Password::new(b"third".to_vec());
    let options = RotateOptions {
        password: &third_password,
        cost: CHEAP,
        host: "testhost",
        remove_others: false,
    };
    assert_eq!(second.key_rotate(&options).unwrap().epoch, 2);
    drop(second);
    let third = open_by(Arc::new(storage.clone()), cache.path(), third_password).unwrap();
    for _ in 0..3 {
        compact(&third);
    }
    assert!(third.under_old_keys().unwrap().is_none());
    assert_nights(&third, &nights);
    assert_clean(&third);
}

#[test]
fn a_rotation_that_would_shut_others_out_is_refused() {
    let (storage, cache) = fresh(4000);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let other = Password::new(b"other".to_vec());
    repository
        .key_add(&other, CHEAP, "safe", "the safe")
        .unwrap();
    let refused = rotate(&repository).unwrap_err().to_string();
    assert!(
        refused.contains("the safe") && refused.contains("--remove-others"),
        "{refused}"
    );
    let again = password();
    let options = RotateOptions {
        password: &again,
        cost: CHEAP,
        host: "testhost",
        remove_others: true,
    };
    let refused = repository.key_rotate(&options).unwrap_err().to_string();
    assert!(refused.contains("opened no key slot before"), "{refused}");
    assert_eq!(objects(&storage, Kind::Key).len(), 2);
    let options = RotateOptions {
        password: &second_password(),
        ..options
    };
    assert_eq!(repository.key_rotate(&options).unwrap().removed.len(), 1);
    assert_eq!(objects(&storage, Kind::Key).len(), 1);
}

/// A repository, what the client keeps of it, and its nights.
struct Before {
    storage: MemoryStorage,
    cache: tempfile::TempDir,
    nights: Nights,
}

impl Before {
    fn new(count: u64) -> Self {
        let (storage, cache) = fresh(64 << 10);
        let repository = open(storage.clone(), cache.path()).unwrap();
        let nights = nights(&repository, count);
        Self {
            storage,
            cache,
            nights,
        }
    }

    /// The same after its keys were changed.
    fn rotated() -> Self {
        let before = Self::new(3);
        rotate(&open(before.storage.clone(), before.cache.path()).unwrap()).unwrap();
        before
    }

    fn cut(
        &self,
        fault: Option<&Plan>,
        by: Password,
        run: impl Fn(&Arc<Repository>) -> bool,
    ) -> (MemoryStorage, tempfile::TempDir, u64) {
        let storage = self.storage.fork();
        let cache = tempfile::tempdir().unwrap();
        copy_folder(self.cache.path(), cache.path());
        let faulty = Arc::new(FaultStorage::new(
            storage.clone(),
            fault.cloned().unwrap_or_default(),
        ));
        if let Ok(repository) = open_by(faulty.clone(), cache.path(), by) {
            let done = run(&repository);
            assert!(done || fault.is_some());
        }
        (storage, cache, faulty.operations())
    }

    fn every_compact(&self, by: &dyn Fn() -> Password, fault: impl Fn(u64) -> Plan) {
        let run = |repository: &Arc<Repository>| try_compact(repository).is_ok();
        let (.., operations) = self.cut(None, by(), run);
        for operation in 0..operations + 4 {
            let (storage, cache, _) = self.cut(Some(&fault(operation)), by(), run);
            let open = || open_by(Arc::new(storage.clone()), cache.path(), by()).unwrap();
            let repository = open();
            assert_nights(&repository, &self.nights);
            assert_clean(&repository);
            for _ in 0..2 {
                compact(&repository);
            }
            assert_nights(&repository, &self.nights);
            assert_clean(&repository);
            assert!(repository.under_old_keys().unwrap().packs == 0);
        }
    }
}

#[test]
fn a_compact_cut_before_any_operation_loses_nothing() {
    Before::new(8).every_compact(&password, cut_before);
}

#[test]
fn a_compact_cut_after_any_operation_loses_nothing() {
    Before::new(8).every_compact(&password, cut_after);
}

#[test]
fn a_disk_that_fills_during_a_compact_loses_nothing() {
    Before::new(8).every_compact(&password, full_from);
}

#[test]
fn sealing_anew_cut_after_any_operation_loses_nothing() {
    Before::rotated().every_compact(&second_password, cut_after);
}

#[test]
fn a_rotation_cut_at_any_operation_leaves_a_password_that_opens_all() {
    let before = Before::new(8);
    let run = |repository: &Arc<Repository>| rotate(repository).is_ok();
    let (.., operations) = before.cut(None, password(), run);
    for operation in 0..operations {
        for fault in [cut_before(operation), cut_after(operation)] {
            let (storage, cache, _) = before.cut(Some(&fault), password(), run);
            let opens = |by| open_by(Arc::new(storage.clone()), cache.path(), by).ok();
            let (old, new) = (opens(password()), opens(second_password()));
            let any = new.or(old).unwrap();
            assert_nights(&any, &before.nights);
            assert_clean(&any);
        }
    }
}
