//! The storages that stand in for others in tests.

use super::super::{Fault, FaultStorage, MemoryStorage, Storage as _};
use super::{is_missing, name};
use crate::format::Kind;

#[test]
fn faults_come_when_they_are_told_to() {
    let a = name(Kind::Pack, 1, 1);
    let b = name(Kind::Pack, 2, 2);
    let run = |fault| {
        let inner = MemoryStorage::new();
        let storage = FaultStorage::new(inner.clone(), Some(fault));
        let results = [
            storage.put(a, b"a").is_ok(),
            storage.put(b, b"b").is_ok(),
            storage.get(a).is_ok(),
        ];
        assert_eq!(storage.operations(), 3);
        let stored = inner.objects().len();
        (results, stored)
    };
    assert_eq!(run(Fault::CutBefore(1)), ([true, false, false], 1));
    assert_eq!(run(Fault::CutAfter(1)), ([true, false, false], 2));
    assert_eq!(run(Fault::FullFrom(1)), ([true, false, true], 1));
    assert_eq!(run(Fault::CutBefore(9)), ([true, true, true], 2));
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
