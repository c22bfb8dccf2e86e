//! Packs deleted by hand: what suffers is named, and what comes after does not build on ruins.

use nightfold_repo::format::{Kind, ObjectName};
use nightfold_repo::storage::{MemoryStorage, Storage as _};

use super::support::{
    assert_restores, back_up, check, check_data, fresh, night, objects, open, open_noticed, restore,
};

fn nights(storage: &MemoryStorage, cache: &std::path::Path, count: u64) {
    for number in 1..=count {
        let repository = open(storage.clone(), cache).unwrap();
        back_up(&repository, &night(number)).unwrap();
    }
}

/// Every pack in turn, seen by a client that knew it and by one that did not.
fn each_loss(count: u64, test: impl Fn(&MemoryStorage, &std::path::Path, ObjectName)) {
    let (storage, cache) = fresh(4000);
    nights(&storage, cache.path(), count);
    for pack in objects(&storage, Kind::Pack) {
        for fresh_cache in [false, true] {
            let storage = storage.fork();
            storage.delete(pack).unwrap();
            let copy = tempfile::tempdir().unwrap();
            if !fresh_cache {
                super::support::copy_folder(cache.path(), copy.path());
            }
            test(&storage, copy.path(), pack);
        }
    }
}

#[test]
fn check_names_exactly_the_files_that_are_lost() {
    each_loss(3, |storage, cache, pack| {
        let repository = open(storage.clone(), cache).unwrap();
        let report = check(&repository);
        assert_eq!(report.problems, check_data(&repository).problems);
        let mut lost = 0;
        for stored in repository.snapshots().unwrap() {
            let object = format!("snapshots/{}", stored.id);
            let told: Vec<_> = report
                .problems
                .iter()
                .filter(|p| p.object == object)
                .collect();
            let Ok(files) = restore(&repository, &stored) else {
                assert!(
                    told.iter().any(|p| p.what.contains("file list")),
                    "{told:?}"
                );
                lost += 1;
                continue;
            };
            for (path, bytes) in files {
                let named = told.iter().any(|p| p.what.contains(&path));
                assert_eq!(named, bytes.is_err(), "{pack} {path}: {told:?}");
                lost += u32::from(bytes.is_err());
            }
        }
        assert!(lost > 0, "{pack} was of no use: {:?}", report.notes);
    });
}

#[test]
fn what_is_lost_is_stored_again_and_everything_new_restores() {
    each_loss(3, |storage, cache, pack| {
        let (repository, _) = open_noticed(storage.clone(), cache).unwrap();
        // The very same files once more: dedup must not take a frame whose base is gone for the chunk.
        let stored = back_up_without_previous(&repository, 3);
        assert_restores(&repository, &stored, &night(3));
        let new = format!("snapshots/{}", stored.id);
        let report = check_data(&repository);
        assert!(
            report.problems.iter().all(|problem| problem.object != new),
            "{pack}: {:?}",
            report.problems
        );
        let next = back_up(&repository, &night(4)).unwrap();
        assert_restores(&repository, &next, &night(4));
    });
}

/// The previous file list may be lost: such a run starts without it.
fn back_up_without_previous(
    repository: &std::sync::Arc<nightfold_repo::Repository>,
    number: u64,
) -> nightfold_repo::repository::StoredSnapshot {
    super::support::back_up_against(repository, &night(number), None).unwrap()
}

#[test]
fn storing_the_lost_chunks_again_heals_the_old_snapshots() {
    let (storage, cache) = fresh(1 << 20);
    nights(&storage, cache.path(), 1);
    let data = objects(&storage, Kind::Pack);
    for pack in data {
        let storage = storage.fork();
        storage.delete(pack).unwrap();
        let copy = tempfile::tempdir().unwrap();
        super::support::copy_folder(cache.path(), copy.path());
        let repository = open(storage, copy.path()).unwrap();
        assert_ne!(check(&repository).problems, []);
        back_up_without_previous(&repository, 1);
        let report = check_data(&repository);
        assert_eq!(report.problems, [], "{:?}", report.notes);
    }
}
