#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{LeaseState, LeaseTimes};
use crate::check::tests::forge::Forge;
use crate::error::Error;
use crate::format::{
    CondemnedRecord, Kind, Lease, LeaseRecord, ObjectId, ProcessIdentity, Verdict, Work,
};
use crate::platform;
use crate::repository::{OpenOptions, Password, Repository};
use crate::storage::{MemoryStorage, Storage as _};

fn open(storage: &MemoryStorage, cache: &Path, times: LeaseTimes) -> Arc<Repository> {
    let password = Password::new(b"nightfold".to_vec());
    let mut options = OpenOptions::new(cache.to_owned(), Some(password), Arc::new(|_| ()));
    options.leases = times;
    Arc::new(Repository::open(Arc::new(storage.clone()), options).unwrap())
}

fn patient() -> LeaseTimes {
    LeaseTimes {
        renewed_every: Duration::from_secs(3600),
        dead_after: Duration::from_secs(3600),
    }
}

fn lease(name: &str, counter: u64, process: ProcessIdentity) -> LeaseRecord {
    LeaseRecord::Held(Lease {
        name: name.to_owned(),
        counter,
        command: "backup".to_owned(),
        work: Work::Writing,
        host: "elsewhere".to_owned(),
        started: String::new(),
        process,
    })
}

#[test]
fn a_lease_is_there_until_it_is_dropped() {
    let forge = Forge::new();
    let held = forge.repository.lease("backup").unwrap();
    let leases = forge.repository.leases().unwrap();
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].state, LeaseState::Alive);
    assert_eq!(leases[0].lease.name, held.name());
    drop(held);
    assert_eq!(forge.storage.list(Kind::Lease).unwrap(), []);
}

#[test]
fn a_renewal_moves_the_counter_and_leaves_one_object() {
    let forge = Forge::new();
    let cache = tempfile::tempdir().unwrap();
    let times = LeaseTimes {
        renewed_every: Duration::from_millis(1),
        ..patient()
    };
    let repository = open(&forge.storage, cache.path(), times);
    let held = repository.lease("backup").unwrap();
    let counter = || {
        let leases = forge.repository.read_leases().unwrap();
        leases.held.get(held.name()).map(|held| held.lease.counter)
    };
    // Between putting the new object and deleting the old one a reader may even see none, never an older one.
    let mut last = 0;
    while last < 5 {
        if let Some(counter) = counter() {
            assert!(counter >= last);
            last = counter;
        }
    }
    drop(held);
    assert_eq!(forge.storage.list(Kind::Lease).unwrap(), []);
}

#[test]
fn maintenance_excludes_maintenance_and_nothing_else() {
    let forge = Forge::new();
    let backup = forge.repository.lease("backup").unwrap();
    let first = forge.repository.exclusive_lease("prune").unwrap();
    let cache = tempfile::tempdir().unwrap();
    let other = open(&forge.storage, cache.path(), patient());
    let refused = other.exclusive_lease("compact");
    assert!(
        matches!(&refused, Err(Error::InUse { holder }) if holder.contains("prune")),
        "{:?}",
        refused.map(|_| ())
    );
    drop(other.lease("backup").unwrap());
    drop(first);
    drop(other.exclusive_lease("compact").unwrap());
    drop(backup);
}

#[test]
fn a_lease_whose_process_has_ended_here_is_gone() {
    let forge = Forge::new();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let mut process = platform::this_process();
    process.pid = child.id();
    child.wait().unwrap();
    let alive = platform::this_process();
    // Another process may have the number by now, but did not start when this one did.
    let reused = ProcessIdentity {
        start: alive.start + 1,
        ..alive.clone()
    };
    let elsewhere = ProcessIdentity {
        system: "another machine".to_owned(),
        ..process.clone()
    };
    for (name, process) in [
        ("ended", process),
        ("alive", alive),
        ("reused", reused),
        ("elsewhere", elsewhere),
    ] {
        let record = lease(name, 1, process);
        forge.repository.put_record(Kind::Lease, &record).unwrap();
    }
    let leases = forge.repository.read_leases().unwrap();
    let states: Vec<_> = leases
        .held
        .iter()
        .map(|(name, held)| (name.as_str(), held.state))
        .collect();
    assert_eq!(
        states,
        [
            ("alive", LeaseState::Alive),
            ("elsewhere", LeaseState::Alive),
            ("ended", LeaseState::Gone),
            ("reused", LeaseState::Gone),
        ]
    );
}

#[test]
fn only_a_counter_that_stands_still_makes_a_stranger_dead() {
    let forge = Forge::new();
    let cache = tempfile::tempdir().unwrap();
    let observer = open(&forge.storage, cache.path(), patient());
    let put = |counter| {
        let record = lease("stranger", counter, ProcessIdentity::default());
        forge.repository.put_record(Kind::Lease, &record).unwrap()
    };
    let state = |observer: &Repository| observer.read_leases().unwrap().held["stranger"].state;
    put(1);
    assert_eq!(state(&observer), LeaseState::Alive);
    // As if it had been seen an hour and a half ago.
    let age = |observer: &Repository| {
        let mut seen = observer.sightings();
        for sighting in seen.values_mut() {
            sighting.seconds = sighting.seconds.saturating_sub(5400);
        }
        observer.save_sightings(&seen);
    };
    age(&observer);
    let is_long_up = platform::monotonic_seconds() > 5400;
    if is_long_up {
        assert_eq!(state(&observer), LeaseState::Still);
    }
    put(2);
    assert_eq!(state(&observer), LeaseState::Alive);
    // The clock of another start of the machine says nothing.
    age(&observer);
    let mut seen = observer.sightings();
    for sighting in seen.values_mut() {
        sighting.boot = "earlier".to_owned();
    }
    observer.save_sightings(&seen);
    assert_eq!(state(&observer), LeaseState::Alive);
}

#[test]
fn whoever_is_waited_for_says_what_he_published() {
    let forge = Forge::new();
    let held = forge.repository.lease("backup").unwrap();
    let verdict = CondemnedRecord::Verdict(Verdict::default());
    let verdict = forge
        .repository
        .put_record(Kind::Condemned, &verdict)
        .unwrap();
    let witnessed = CondemnedRecord::Witnessed {
        verdict,
        leases: vec![held.name().to_owned()],
    };
    forge
        .repository
        .put_record(Kind::Condemned, &witnessed)
        .unwrap();
    let name = held.name().to_owned();
    held.published(ObjectId([7; 32]));
    drop(held);
    let leases = forge.repository.read_leases().unwrap();
    assert_eq!(leases.held.len(), 0);
    assert_eq!(leases.ended[&name], [ObjectId([7; 32])]);
}
