//! The storages that stand in for others in tests.

use std::sync::Arc;
use std::time::Duration;

use super::super::{Fault, FaultStorage, MemoryStorage, Plan, Storage as _};
use super::{is_missing, name};
use crate::format::{Kind, ObjectName};

fn packs<const N: usize>() -> [ObjectName; N] {
    std::array::from_fn(|at| name(Kind::Pack, 1 + at as u8, 0))
}

fn faulty(seed: u64, fault: Fault) -> (MemoryStorage, FaultStorage) {
    let disk = MemoryStorage::new();
    let storage = FaultStorage::new(disk.clone(), Plan::new(seed, fault));
    (disk, storage)
}

#[test]
fn a_cut_leaves_the_put_it_falls_into_undone_done_or_torn() {
    let [a, b] = packs();
    for (seed, objects, strays) in [(0, 1, 0), (1, 2, 0), (2, 1, 1)] {
        let (disk, storage) = faulty(seed, Fault::Cut(1));
        storage.put(a, b"a").unwrap();
        assert!(!storage.is_down());
        assert!(storage.put(b, b"b").is_err());
        assert!(storage.is_down() && storage.get(a).is_err());
        assert_eq!(storage.operations(), 3);
        assert_eq!(disk.objects().len(), objects);
        assert_eq!(disk.strays(Kind::Pack).unwrap().len(), strays);
        assert_eq!(disk.fork().strays(Kind::Pack).unwrap().len(), strays);
    }
}

#[test]
fn a_cut_leaves_the_delete_it_falls_into_undone_or_done() {
    let [a] = packs();
    for (seed, is_there) in [(0, true), (1, false), (2, true)] {
        let (disk, storage) = faulty(seed, Fault::Cut(1));
        storage.put(a, b"a").unwrap();
        assert!(storage.delete(a).is_err());
        assert_eq!(disk.get(a).ok().as_deref() == Some(b"a"), is_there);
    }
}

#[test]
fn a_tearing_cut_leaves_the_beginning_of_an_object() {
    let [a] = packs();
    let (disk, storage) = faulty(2, Fault::TearingCut(0));
    assert!(storage.put(a, b"whole").is_err());
    assert_eq!(storage.torn(), [a]);
    let left = disk.get(a).unwrap();
    assert!(left.len() < 5 && b"whole".starts_with(&left[..]));
}

#[test]
fn a_cut_finds_the_puts_of_other_threads_in_flight() {
    let names: [ObjectName; 4] = packs();
    let lost = |seed| {
        let (disk, storage) = faulty(seed, Fault::Cut(3));
        std::thread::scope(|scope| {
            for name in names {
                let storage = &storage;
                scope.spawn(move || storage.put(name, b"bytes"));
            }
        });
        assert!(storage.is_down());
        4 - disk.objects().len()
    };
    // One at a time, at most the one that is struck could be lost.
    assert!((0..60).any(|seed| lost(seed) > 1));
}

#[test]
fn one_operation_fails_and_the_next_does_not() {
    let [a, b] = packs();
    for (seed, is_done) in [(0, false), (1, true), (2, false)] {
        let (disk, storage) = faulty(seed, Fault::Fail(0));
        assert!(storage.put(a, b"a").is_err());
        storage.put(b, b"b").unwrap();
        assert_eq!(disk.get(a).is_ok(), is_done);
        assert!(disk.get(b).is_ok());
    }
}

#[test]
fn a_full_disk_takes_nothing_and_gives_everything() {
    let [a, b] = packs();
    let (_, storage) = faulty(0, Fault::FullFrom(1));
    storage.put(a, b"a").unwrap();
    assert!(storage.put(b, b"b").is_err());
    assert_eq!(storage.get(a).unwrap(), b"a");
    storage.delete(a).unwrap();
    assert!(storage.put(a, b"a").is_err());
    assert_eq!(
        (storage.operations(), storage.changes()),
        (5, vec![0, 1, 3, 4])
    );
}

#[test]
fn what_cannot_be_deleted_or_read_stays() {
    let [a, b] = packs();
    let (disk, storage) = faulty(0, Fault::KeptFrom(2));
    storage.put(a, b"a").unwrap();
    storage.delete(a).unwrap();
    storage.put(b, b"b").unwrap();
    assert!(storage.delete(b).is_err());
    assert_eq!(disk.objects().len(), 1);

    let bad = storage.beside(Plan::new(0, Fault::Unreadable(b)));
    assert!(bad.get(b).is_err() && bad.get_range(b, 0, 1).is_err());
    bad.put(a, b"a").unwrap();
    assert_eq!(bad.get(a).unwrap(), b"a");
}

#[test]
fn listings_lag_by_some_operations_of_all_clients() {
    let [a, b] = packs();
    let (_, storage) = faulty(0, Fault::Lag(2));
    let other = storage.beside(Plan::default());
    other.put(a, b"a").unwrap();
    assert_eq!(storage.list(Kind::Pack).unwrap(), []);
    assert_eq!(storage.list(Kind::Pack).unwrap().len(), 1);
    storage.put(b, b"b").unwrap();
    assert_eq!(other.list(Kind::Pack).unwrap().len(), 2);
}

#[test]
fn listings_come_short_by_seed() {
    let disk = MemoryStorage::new();
    for last in 0..100 {
        disk.put(name(Kind::Pack, 1, last), b"pack").unwrap();
    }
    disk.put(name(Kind::Key, 1, 1), b"key").unwrap();
    let listed = |seed| {
        let plan = Plan::new(seed, Fault::Short(Kind::Pack, 4));
        let storage = FaultStorage::new(disk.clone(), plan);
        assert_eq!(storage.list(Kind::Key).unwrap().len(), 1);
        storage.list(Kind::Pack).unwrap()
    };
    let first = listed(1);
    assert!((50..95).contains(&first.len()), "{}", first.len());
    assert_eq!(first, listed(1));
    assert_ne!(first, listed(2));
}

#[test]
fn a_client_that_is_held_stands_still_while_others_go_on() {
    let [a, b] = packs();
    let disk = MemoryStorage::new();
    let storage = Arc::new(FaultStorage::new(disk.clone(), Plan::default()));
    storage.hold_from(1);
    let stopped = Arc::clone(&storage);
    let thread = std::thread::spawn(move || {
        stopped.put(a, b"a").unwrap();
        stopped.put(b, b"b").unwrap();
    });
    assert!(storage.wait_until_held(|| thread.is_finished()));
    std::thread::sleep(Duration::from_millis(5));
    let other = storage.beside(Plan::default());
    assert_eq!(other.list(Kind::Pack).unwrap().len(), 1);
    storage.release();
    thread.join().unwrap();
    assert_eq!(other.list(Kind::Pack).unwrap().len(), 2);
    // One that ends before it comes so far.
    storage.hold_from(100);
    assert!(!storage.wait_until_held(|| true));
}

#[test]
fn a_fork_shares_nothing() {
    let storage = MemoryStorage::new();
    let name = name(Kind::Pack, 1, 1);
    storage.put(name, b"bytes").unwrap();
    let (clone, fork) = (storage.clone(), storage.fork());
    storage.delete(name).unwrap();
    assert!(is_missing(clone.get(name), name));
    assert_eq!(fork.get(name).unwrap(), b"bytes");
}
