//! For tests of what checks keep: clients at given times, and what they have kept.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::forge::Forge;
use crate::check::select::Candidate;
use crate::check::{CheckOptions, CheckReport, Clock, ReadData};
use crate::format::{Kind, ObjectId, ObjectName};
use crate::repository::{OpenOptions, Password, Repository, StoredSnapshot};
use crate::storage::Storage;

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
