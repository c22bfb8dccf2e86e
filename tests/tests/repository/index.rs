//! The local index is derived: lost, damaged or made anew, the answers stay the same.

use std::fs;
use std::path::{Path, PathBuf};

use nightfold_repo::repository::StoredSnapshot;
use nightfold_repo::storage::MemoryStorage;

use super::support::{
    Files, assert_clean, assert_restores, back_up, copy_folder, fresh, night, open, open_noticed,
};

struct Nights {
    storage: MemoryStorage,
    cache: tempfile::TempDir,
    snapshots: Vec<(StoredSnapshot, Files)>,
}

fn nights() -> Nights {
    let (storage, cache) = fresh(4000);
    let snapshots = (1..=3)
        .map(|number| {
            let repository = open(storage.clone(), cache.path()).unwrap();
            (back_up(&repository, &night(number)).unwrap(), night(number))
        })
        .collect();
    Nights {
        storage,
        cache,
        snapshots,
    }
}

fn index_in(cache: &Path) -> PathBuf {
    let folder = fs::read_dir(cache).unwrap().next().unwrap().unwrap().path();
    folder.join("index.sqlite")
}

impl Nights {
    fn assert_all_restore(&self, repository: &nightfold_repo::Repository) {
        for (stored, files) in &self.snapshots {
            assert_restores(repository, stored, files);
        }
    }
}

#[test]
fn a_rebuilt_index_gives_the_same_answers() {
    let nights = nights();
    let repository = open(nights.storage.clone(), nights.cache.path()).unwrap();
    let before = repository.stats().unwrap();
    let report = repository.rebuild_index().unwrap();
    assert_eq!((report.packs, report.damaged), (before.packs, 0));
    assert_eq!(repository.stats().unwrap(), before);
    nights.assert_all_restore(&repository);
    let report = assert_clean(&repository);
    assert_eq!(report.notes, Vec::<String>::new());
}

#[test]
fn a_deleted_index_is_made_anew_with_a_notice() {
    let nights = nights();
    fs::remove_file(index_in(nights.cache.path())).unwrap();
    let (repository, notices) = open_noticed(nights.storage.clone(), nights.cache.path()).unwrap();
    nights.assert_all_restore(&repository);
    let notices = notices.lock().unwrap().clone();
    assert!(
        notices.iter().any(|text| text.contains("made anew")),
        "{notices:?}"
    );
}

#[test]
fn an_index_of_another_repository_is_made_anew() {
    let (nights, others) = (nights(), nights());
    fs::copy(index_in(others.cache.path()), index_in(nights.cache.path())).unwrap();
    let repository = open(nights.storage.clone(), nights.cache.path()).unwrap();
    nights.assert_all_restore(&repository);
    assert_clean(&repository);
}

#[test]
fn a_flipped_byte_in_the_index_never_gives_wrong_answers() {
    let nights = nights();
    let whole = fs::read(index_in(nights.cache.path())).unwrap();
    let page = 4096;
    let positions = (0..whole.len()).filter(|at| *at < 100 || at % page < 8 || at % 251 == 0);
    let (mut rebuilt, mut bad) = (0, Vec::new());
    for at in positions {
        let cache = tempfile::tempdir().unwrap();
        copy_folder(nights.cache.path(), cache.path());
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(index_in(cache.path()), &bytes).unwrap();
        let (repository, notices) = open_noticed(nights.storage.clone(), cache.path()).unwrap();
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            nights.assert_all_restore(&repository);
            let next = back_up(&repository, &night(4)).unwrap();
            assert_restores(&repository, &next, &night(4));
        }));
        if failed.is_err() {
            bad.push(at);
        }
        rebuilt += usize::from(!notices.lock().unwrap().is_empty());
    }
    assert_eq!(bad, [0; 0], "of {} bytes", whole.len());
    assert!(rebuilt > 20, "only {rebuilt} flips were noticed");
}

#[test]
fn an_index_cut_short_is_made_anew() {
    let nights = nights();
    let whole = fs::read(index_in(nights.cache.path())).unwrap();
    for kept in [0, 1, 50, 99, 100, 4095, 4096, 9000, whole.len() - 1] {
        let cache = tempfile::tempdir().unwrap();
        copy_folder(nights.cache.path(), cache.path());
        fs::write(index_in(cache.path()), &whole[..kept]).unwrap();
        let repository = open(nights.storage.clone(), cache.path()).unwrap();
        nights.assert_all_restore(&repository);
        assert_clean(&repository);
    }
}
