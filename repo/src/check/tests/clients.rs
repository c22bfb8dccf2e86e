//! For tests of what checks keep: clients at given times, and storages that are up to something.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::forge::Forge;
use crate::check::select::Candidate;
use crate::check::{CheckOptions, CheckReport, Clock, ReadData};
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectId, ObjectName};
use crate::repository::{OpenOptions, Password, Repository, StoredSnapshot};
use crate::storage::{Listed, MemoryStorage, Storage};

pub(super) fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(super) fn check_at(repository: &Repository, second: i64, read_data: ReadData) -> CheckReport {
    let clock = Clock {
        now: time(second),
        elapsed: &|| Duration::ZERO,
    };
    let options = CheckOptions { read_data };
    repository.check_by(&clock, &options, &|_, _| ()).unwrap()
}

pub(super) fn clean_at(forge: &Forge, second: i64, read_data: ReadData) -> CheckReport {
    let report = check_at(&forge.repository, second, read_data);
    assert_eq!(
        (&report.problems, &report.notes),
        (&Vec::new(), &Vec::new())
    );
    report
}

/// A group so small that no other pack is in it.
pub(super) fn only(pack: ObjectName) -> ReadData {
    let pack = Candidate {
        id: pack.id,
        bytes: 1,
        read: None,
    };
    let of = 1 << 20;
    (1..=of)
        .map(|number| ReadData::Group { number, of })
        .find(|group| group.choose(&[pack]) == [0])
        .unwrap()
}

impl Forge {
    pub(super) fn proven(&self, stored: &StoredSnapshot) -> Option<Timestamp> {
        let proven = self.repository.proven_snapshots().unwrap();
        proven.get(&stored.id).copied()
    }

    pub(super) fn pack_proven(&self, pack: ObjectName) -> Option<Timestamp> {
        self.repository.proofs().unwrap().of_pack(pack.id)
    }

    pub(super) fn proof_records(&self) -> Vec<ObjectId> {
        let listed = self.storage.list(Kind::Proof).unwrap();
        listed.iter().map(|listed| listed.id).collect()
    }

    pub(super) fn flip(&self, pack: ObjectName, at: usize) {
        self.storage.objects().get_mut(&pack).unwrap()[at] ^= 1;
    }
}

/// A client that has not seen the repository before.
pub(super) struct Client {
    pub(super) repository: Repository,
    /// Holds the index while it is in use.
    _cache: tempfile::TempDir,
}

impl Client {
    pub(super) fn open(storage: impl Storage + 'static) -> Self {
        let cache = tempfile::tempdir().unwrap();
        let password = Some(Password::new(b"nightfold".to_vec()));
        let options = OpenOptions::new(cache.path().to_owned(), password, Arc::new(|_| ()));
        Self {
            repository: Repository::open(Arc::new(storage), options).unwrap(),
            _cache: cache,
        }
    }
}

/// Refuses whatever would change it.
pub(super) struct ReadOnly(pub(super) MemoryStorage);

fn refused() -> Error {
    Error::io(
        "write",
        "memory",
        std::io::ErrorKind::ReadOnlyFilesystem.into(),
    )
}

/// Something happens before the first put.
pub(super) struct Meanwhile {
    pub(super) inner: MemoryStorage,
    pub(super) before_put: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

/// Lists a pack that is gone.
pub(super) struct Listing(pub(super) MemoryStorage, pub(super) ObjectName);

/// Hands on what only reads.
macro_rules! reads {
    ($($inner:tt)*) => {
        fn location(&self) -> String {
            self.$($inner)*.location()
        }
        fn is_vacant(&self) -> Result<bool> {
            self.$($inner)*.is_vacant()
        }
        fn get(&self, name: ObjectName) -> Result<Vec<u8>> {
            self.$($inner)*.get(name)
        }
        fn get_range(&self, name: ObjectName, offset: u64, count: usize) -> Result<Vec<u8>> {
            self.$($inner)*.get_range(name, offset, count)
        }
        fn strays(&self, kind: Kind) -> Result<Vec<String>> {
            self.$($inner)*.strays(kind)
        }
    };
}

impl Storage for ReadOnly {
    reads!(0);

    fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        self.0.list(kind)
    }

    fn put(&self, _: ObjectName, _: &[u8]) -> Result<()> {
        Err(refused())
    }

    fn delete(&self, _: ObjectName) -> Result<()> {
        Err(refused())
    }
}

impl Storage for Meanwhile {
    reads!(inner);

    fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        self.inner.list(kind)
    }

    fn put(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        let act = self.before_put.lock().unwrap().take();
        if let Some(act) = act {
            act();
        }
        self.inner.put(name, bytes)
    }

    fn delete(&self, name: ObjectName) -> Result<()> {
        self.inner.delete(name)
    }
}

impl Storage for Listing {
    reads!(0);

    fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        let mut listed = self.0.list(kind)?;
        if kind == self.1.kind {
            let (id, bytes) = (self.1.id, 1000);
            listed.push(Listed { id, bytes });
        }
        Ok(listed)
    }

    fn put(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.0.put(name, bytes)
    }

    fn delete(&self, name: ObjectName) -> Result<()> {
        self.0.delete(name)
    }
}
