//! A backup that ends at any moment: the machine goes down, or the disk is full.

use std::path::Path;
use std::sync::Arc;

use nightfold_repo::format::Kind;
use nightfold_repo::repository::StoredSnapshot;
use nightfold_repo::storage::{Fault, FaultStorage, MemoryStorage, Storage};

use super::support::{
    Files, assert_clean, assert_restores, back_up, copy_folder, fresh, noise, open, open_shared,
    table,
};

/// Few chunks, so that every operation can be the last.
fn source(night: u64) -> Files {
    Files::from([
        ("/db/blob".to_owned(), noise(1, 1500)),
        ("/db/new".to_owned(), noise(10 + night, 700)),
        ("/db/table.sql".to_owned(), table(night, 60)),
    ])
}

/// A repository after its first night, and what the client keeps of it.
struct Before {
    storage: MemoryStorage,
    cache: tempfile::TempDir,
    first: StoredSnapshot,
}

fn before() -> Before {
    let (storage, cache) = fresh(2048);
    let first = back_up(&open(storage.clone(), cache.path()).unwrap(), &source(1)).unwrap();
    Before {
        storage,
        cache,
        first,
    }
}

impl Before {
    /// The second night, with a fault. Returns storage and cache as the crash left them, and whether the run
    /// thinks that it succeeded.
    fn crash(&self, fault: Option<Fault>) -> (MemoryStorage, tempfile::TempDir, bool, u64) {
        let storage = self.storage.fork();
        let cache = tempfile::tempdir().unwrap();
        copy_folder(self.cache.path(), cache.path());
        let faulty = Arc::new(FaultStorage::new(storage.clone(), fault));
        let shared: Arc<dyn Storage> = faulty.clone();
        let succeeded = open_shared(shared, cache.path())
            .and_then(|(repository, _)| back_up(&repository, &source(2)))
            .is_ok();
        (storage, cache, succeeded, faulty.operations())
    }

    fn assert_unharmed(&self, storage: &MemoryStorage, cache: &Path, succeeded: bool) {
        let repository = open(storage.clone(), cache).unwrap();
        assert_clean(&repository);
        assert_restores(&repository, &self.first, &source(1));
        let snapshots = repository.snapshots().unwrap();
        // The snapshot may be there although the run was not told so, never the other way round.
        assert!(snapshots.len() == 2 || (snapshots.len() == 1 && !succeeded));
        if let Some(second) = snapshots.get(1) {
            assert_restores(&repository, second, &source(2));
        }
        let third = back_up(&repository, &source(3)).unwrap();
        assert_restores(&repository, &third, &source(3));
        let report = assert_clean(&repository);
        assert_eq!(report.snapshots as usize, snapshots.len() + 1);
        // Whether the run was told of its snapshot or not, the next one counts on from it.
        let twice = report
            .notes
            .iter()
            .any(|note| note.contains("carry the number"));
        assert!(!twice, "{:?}", report.notes);
    }

    /// Every operation of the run is the one at which it ends.
    fn every_operation(&self, fault: impl Fn(u64) -> Fault) {
        let (.., succeeded, operations) = self.crash(None);
        assert!(succeeded);
        // Reads overlap, so that their number differs a little from run to run.
        for operation in 0..operations + 4 {
            let (storage, cache, succeeded, _) = self.crash(Some(fault(operation)));
            self.assert_unharmed(&storage, cache.path(), succeeded);
            // Another client, or this one after its cache was lost.
            let empty = tempfile::tempdir().unwrap();
            assert_clean(&open(storage, empty.path()).unwrap());
        }
    }
}

#[test]
fn a_crash_before_any_operation_keeps_earlier_snapshots() {
    before().every_operation(Fault::CutBefore);
}

#[test]
fn a_crash_after_any_operation_keeps_earlier_snapshots() {
    before().every_operation(Fault::CutAfter);
}

#[test]
fn a_disk_that_fills_at_any_moment_keeps_earlier_snapshots() {
    before().every_operation(Fault::FullFrom);
}

#[test]
fn a_crash_between_packs_and_snapshot_is_a_note() {
    let before = before();
    let mut orphans = 0;
    let (.., operations) = before.crash(None);
    for operation in 0..operations {
        let (storage, cache, succeeded, _) = before.crash(Some(Fault::CutBefore(operation)));
        let repository = open(storage, cache.path()).unwrap();
        let report = assert_clean(&repository);
        let noted = report
            .notes
            .iter()
            .any(|note| note.contains("that no snapshot uses"));
        orphans += u32::from(noted);
        assert!(!(noted && succeeded), "{:?}", report.notes);
    }
    assert!(orphans > 0);
}

#[test]
fn what_an_interrupted_run_stored_is_not_stored_again() {
    let before = before();
    let (.., operations) = before.crash(None);
    // Copies and parity follow what they are of: they are not what this is about.
    let objects = |storage: &MemoryStorage| -> Vec<usize> {
        let objects = storage.objects();
        let kept = objects.iter().filter(|(name, _)| name.kind != Kind::Parity);
        kept.map(|(_, bytes)| bytes.len()).collect()
    };
    let stored = |storage: &MemoryStorage| -> usize { objects(storage).into_iter().sum() };
    // The last operation but one that puts something is the last pack; find a crash that leaves all packs.
    let (storage, cache, ..) = (0..operations)
        .rev()
        .map(|operation| before.crash(Some(Fault::CutBefore(operation))))
        .find(|(storage, ..)| objects(storage).len() < objects(&before.crash(None).0).len())
        .unwrap();
    let left = stored(&storage);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let second = back_up(&repository, &source(2)).unwrap();
    assert_restores(&repository, &second, &source(2));
    // Only the snapshot and what lists it is new.
    assert!(
        stored(&storage) - left < 1000,
        "{} bytes",
        stored(&storage) - left
    );
}
