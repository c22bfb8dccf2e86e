//! What a backup leaves behind when the power goes.

use nightfold_repo::format::Kind;
use nightfold_repo::storage::{Fault, FaultStorage, MemoryStorage, Plan};

use super::support::{
    Files, assert_clean, assert_restores, back_up, copy_folder, fresh, noise, objects, open, table,
};

fn source(night: u64) -> Files {
    Files::from([
        ("/db/blob".to_owned(), noise(1, 1500)),
        ("/db/new".to_owned(), noise(10 + night, 700)),
        ("/db/table.sql".to_owned(), table(night, 60)),
    ])
}

/// The second night of a repository, with the power going right after an operation, if any.
/// Returns storage and cache as that left them, and whether the run was told that it succeeded.
fn second_night(cut: Option<u64>) -> (MemoryStorage, tempfile::TempDir, bool) {
    let (storage, first_cache) = fresh(2048);
    back_up(
        &open(storage.clone(), first_cache.path()).unwrap(),
        &source(1),
    )
    .unwrap();
    let cache = tempfile::tempdir().unwrap();
    copy_folder(first_cache.path(), cache.path());
    let plan = cut.map_or_else(Plan::default, |operation| {
        Plan::new(1, Fault::Cut(operation))
    });
    let faulty = FaultStorage::new(storage.clone(), plan);
    let made = open(faulty, cache.path()).and_then(|repository| back_up(&repository, &source(2)));
    (storage, cache, made.is_ok())
}

/// A cut after the last pack of the run and before its snapshot.
fn all_but_the_snapshot() -> (MemoryStorage, tempfile::TempDir) {
    let packs = objects(&second_night(None).0, Kind::Pack).len();
    // Threads take turns as they like, so the same operation is not the same in every run.
    let mut cuts = (0..10_000).map(|at| second_night(Some(at % 500)));
    let (storage, cache, succeeded) = cuts
        .find(|(storage, ..)| {
            objects(storage, Kind::Pack).len() == packs
                && objects(storage, Kind::Snapshot).len() == 1
        })
        .unwrap();
    assert!(!succeeded);
    (storage, cache)
}

#[test]
fn packs_without_their_snapshot_are_a_note() {
    let (storage, cache) = all_but_the_snapshot();
    let report = assert_clean(&open(storage, cache.path()).unwrap());
    let noted = report
        .notes
        .iter()
        .any(|note| note.contains("that no snapshot uses"));
    assert!(noted, "{:?}", report.notes);
}

#[test]
fn what_an_interrupted_run_stored_is_not_stored_again() {
    let (storage, cache) = all_but_the_snapshot();
    let stored = || -> usize {
        {
            // Copies and parity follow what they are of: they are not what this is about.
            let objects = storage.objects();
            let kept = objects.iter().filter(|(name, _)| name.kind != Kind::Parity);
            kept.map(|(_, bytes)| bytes.len()).sum()
        }
    };
    let left = stored();
    let repository = open(storage.clone(), cache.path()).unwrap();
    let second = back_up(&repository, &source(2)).unwrap();
    assert_restores(&repository, &second, &source(2));
    // Only the snapshot and what lists it is new.
    assert!(stored() - left < 1000, "{} bytes", stored() - left);
}
