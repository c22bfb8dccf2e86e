//! One suite for every backend; what only some of them do lies in the modules.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod doubles;
mod local;

use std::io::ErrorKind;

use super::{FaultStorage, Listed, LocalStorage, MemoryStorage, Plan, Storage};
use crate::error::Error;
use crate::format::{Kind, ObjectId, ObjectName};

fn name(kind: Kind, first: u8, last: u8) -> ObjectName {
    let mut id = [0x5a; 32];
    (id[0], id[31]) = (first, last);
    ObjectName::new(kind, ObjectId(id))
}

fn is_missing<T>(result: crate::Result<T>, name: ObjectName) -> bool {
    matches!(result, Err(Error::Missing { object }) if object == name.to_string())
}

/// Runs a claim on every backend, each time on an empty one.
fn on_all(claim: impl Fn(&dyn Storage)) {
    claim(&MemoryStorage::new());
    claim(&FaultStorage::new(MemoryStorage::new(), Plan::default()));
    let folder = tempfile::tempdir().unwrap();
    claim(&LocalStorage::new(folder.path()));
    // A root that is not there yet.
    claim(&LocalStorage::new(folder.path().join("deep/er")));
}

#[test]
fn what_was_put_is_there() {
    on_all(|storage| {
        for kind in Kind::ALL {
            let name = if kind == Kind::Config {
                ObjectName::CONFIG
            } else {
                name(kind, 1, 2)
            };
            assert!(is_missing(storage.get(name), name));
            assert!(is_missing(storage.get_range(name, 0, 1), name));
            let bytes = kind.folder().as_bytes();
            storage.put(name, bytes).unwrap();
            assert_eq!(storage.get(name).unwrap(), bytes);
        }
        let empty = name(Kind::Pack, 9, 9);
        storage.put(empty, &[]).unwrap();
        assert!(storage.get(empty).unwrap().is_empty());
    });
}

#[test]
fn nothing_is_put_twice() {
    on_all(|storage| {
        let name = name(Kind::Snapshot, 1, 1);
        storage.put(name, b"first").unwrap();
        for bytes in [&b"first"[..], b"second"] {
            let again = storage.put(name, bytes);
            assert!(
                matches!(&again, Err(Error::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists)
            );
        }
        assert_eq!(storage.get(name).unwrap(), b"first");
    });
}

#[test]
fn ranges_end_where_the_object_ends() {
    on_all(|storage| {
        let name = name(Kind::Pack, 3, 3);
        let bytes: Vec<u8> = (0..=255).collect();
        storage.put(name, &bytes).unwrap();
        for (offset, count) in [
            (0, 0),
            (0, 1),
            (0, 256),
            (0, 257),
            (10, 20),
            (255, 1),
            (255, 2),
            (256, 0),
            (256, 5),
            (300, 5),
            (1 << 40, 5),
        ] {
            let start = offset.min(256);
            let end = (start + count).min(256);
            let got = storage.get_range(name, offset as u64, count).unwrap();
            assert_eq!(got, bytes[start..end], "{count} bytes from {offset}");
        }
    });
}

#[test]
fn every_object_is_listed_with_its_size_under_its_kind() {
    on_all(|storage| {
        assert_eq!(storage.list(Kind::Pack).unwrap(), []);
        let mut expected = Vec::new();
        for (at, (first, last)) in [(0, 0), (0, 1), (255, 0), (16, 7)].into_iter().enumerate() {
            let name = name(Kind::Pack, first, last);
            storage.put(name, &vec![1; at * 100]).unwrap();
            expected.push(Listed {
                id: name.id,
                bytes: at as u64 * 100,
            });
        }
        storage.put(name(Kind::Key, 0, 0), b"key").unwrap();
        storage.put(ObjectName::CONFIG, b"config").unwrap();
        let mut listed = storage.list(Kind::Pack).unwrap();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
        assert_eq!(storage.list(Kind::Key).unwrap().len(), 1);
        assert_eq!(storage.list(Kind::Snapshot).unwrap(), []);
        let config = storage.list(Kind::Config).unwrap();
        assert_eq!((config.len(), config[0].bytes), (1, 6));
        for kind in Kind::ALL {
            assert_eq!(storage.strays(kind).unwrap(), Vec::<String>::new());
        }
    });
}

#[test]
fn what_was_deleted_is_gone() {
    on_all(|storage| {
        let (gone, kept) = (name(Kind::Pack, 4, 1), name(Kind::Pack, 4, 2));
        assert!(is_missing(storage.delete(gone), gone));
        storage.put(gone, b"gone").unwrap();
        storage.put(kept, b"kept").unwrap();
        // Opened before it is deleted: a kept handle must not bring it back.
        assert_eq!(storage.get_range(gone, 0, 2).unwrap(), b"go");
        storage.delete(gone).unwrap();
        assert!(is_missing(storage.get(gone), gone));
        assert!(is_missing(storage.get_range(gone, 0, 2), gone));
        assert!(is_missing(storage.delete(gone), gone));
        assert_eq!(storage.get(kept).unwrap(), b"kept");
        assert_eq!(storage.list(Kind::Pack).unwrap().len(), 1);
        storage.put(gone, b"again").unwrap();
        assert_eq!(storage.get_range(gone, 0, 9).unwrap(), b"again");
    });
}

#[test]
fn what_is_replaced_is_read_anew() {
    on_all(|storage| {
        let name = name(Kind::Pack, 5, 5);
        storage.put(name, b"damaged").unwrap();
        // Opened before it is replaced: a kept handle must not bring it back.
        assert_eq!(storage.get_range(name, 0, 3).unwrap(), b"dam");
        for bytes in [&b"as it was"[..], b"longer than it was before"] {
            storage.replace(name, bytes).unwrap();
            assert_eq!(storage.get(name).unwrap(), bytes);
            assert_eq!(storage.get_range(name, 0, 99).unwrap(), bytes);
        }
        let new = self::name(Kind::Parity, 6, 6);
        storage.replace(new, b"was not there").unwrap();
        assert_eq!(storage.get(new).unwrap(), b"was not there");
        assert_eq!(storage.list(Kind::Pack).unwrap().len(), 1);
        assert_eq!(storage.strays(Kind::Pack).unwrap(), Vec::<String>::new());
    });
}

#[test]
fn a_place_is_vacant_until_something_is_put() {
    on_all(|storage| {
        assert!(storage.is_vacant().unwrap());
        storage.put(name(Kind::Key, 0, 0), b"key").unwrap();
        assert!(!storage.is_vacant().unwrap());
        assert!(!storage.location().is_empty());
    });
}

#[test]
fn many_writers_put_at_once() {
    on_all(|storage| {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for at in 0..8 {
                        storage
                            .put(name(Kind::Pack, at, thread), &[thread; 50])
                            .unwrap();
                    }
                });
            }
        });
        assert_eq!(storage.list(Kind::Pack).unwrap().len(), 32);
        for thread in 0..4 {
            let bytes = storage.get(name(Kind::Pack, 3, thread)).unwrap();
            assert_eq!(bytes, [thread; 50]);
        }
    });
}
