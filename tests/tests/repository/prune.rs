//! Prune beside writers: what is needed stays, what is not goes in two steps.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nightfold_repo::format::{Content, Entry, Kind, Metadata, Node, StreamKind};
use nightfold_repo::prune::{PruneOptions, PruneReport};
use nightfold_repo::repository::{
    LeaseTimes, OpenOptions, RunWriter, StoredSnapshot, Unreadable, WriteOptions,
};
use nightfold_repo::storage::{MemoryStorage, Storage as _};
use nightfold_repo::{Error, Repository};

use crate::support::{
    Files, assert_clean, assert_restores, back_up, fresh, night, objects, open, password, snapshot,
    store,
};

/// As much as there is to rewrite.
const EVERYTHING: PruneOptions = PruneOptions {
    dry_run: false,
    pack_unused_min: 0.25,
    copied_max: 1.0,
};

fn prune(repository: &Arc<Repository>) -> PruneReport {
    repository.prune(&EVERYTHING).unwrap()
}

fn forget(repository: &Repository, snapshots: &[&StoredSnapshot]) {
    let ids: Vec<_> = snapshots.iter().map(|stored| stored.id).collect();
    repository.forget(&ids, Unreadable::Refuse).unwrap();
}

/// A client for whom every lease that does not move is dead at once.
fn impatient(storage: &MemoryStorage, cache: &Path) -> Arc<Repository> {
    let mut options = OpenOptions::new(cache.to_owned(), Some(password()), Arc::new(|_| ()));
    options.leases = LeaseTimes {
        renewed_every: Duration::from_secs(3600),
        dead_after: Duration::ZERO,
    };
    Arc::new(Repository::open(Arc::new(storage.clone()), options).unwrap())
}

fn pack_bytes(storage: &MemoryStorage) -> u64 {
    let listed = storage.list(Kind::Pack).unwrap();
    listed.iter().map(|pack| pack.bytes).sum()
}

/// Nights one after the other.
fn nights(repository: &Arc<Repository>, count: u64) -> Vec<(StoredSnapshot, Files)> {
    (0..count)
        .map(|number| {
            let files = night(number);
            (back_up(repository, &files).unwrap(), files)
        })
        .collect()
}

/// A run that has stored a file and waits to be published.
fn begin(repository: &Arc<Repository>, bytes: &[u8]) -> (RunWriter, Vec<u8>) {
    let writer = RunWriter::start(repository, WriteOptions::default()).unwrap();
    let content = store(repository, &writer, StreamKind::Data, bytes, None).unwrap();
    let mut list = Vec::new();
    let entry = Entry {
        path: b"/db/table.sql".to_vec(),
        metadata: Metadata::default(),
        node: Node::File(content),
        extensions: Vec::new(),
    };
    entry.encode(&mut list);
    let list: Content = store(repository, &writer, StreamKind::Meta, &list, None).unwrap();
    let mut encoded = Vec::new();
    list.encode(&mut encoded);
    (writer, encoded)
}

#[test]
fn what_no_snapshot_needs_goes_in_two_runs() {
    let (storage, cache) = fresh(8000);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let nights = nights(&repository, 12);
    let before = pack_bytes(&storage);
    let kept = [3, 7, 11];
    let gone: Vec<_> = (0..12).filter(|n| !kept.contains(n)).collect();
    let forgotten: Vec<_> = gone.iter().map(|n| &nights[*n].0).collect();
    forget(&repository, &forgotten);

    let first = prune(&repository);
    assert_eq!((first.deleted_packs, first.snapshots), (0, 3));
    assert!(first.dead_packs + first.repacked_packs > 0, "{first:?}");
    assert_clean(&repository);
    let second = prune(&repository);
    assert_eq!(second.deleted_bytes, first.waiting_bytes);
    assert!(pack_bytes(&storage) < before);
    let third = prune(&repository);
    assert_eq!(
        (third.waiting_packs, third.written_packs),
        (0, 0),
        "{third:?}"
    );

    assert_clean(&repository);
    for n in kept {
        assert_restores(&repository, &nights[n].0, &nights[n].1);
    }
    // Another client, which has seen none of this.
    let other = tempfile::tempdir().unwrap();
    let other = open(storage.clone(), other.path()).unwrap();
    for n in kept {
        assert_restores(&other, &nights[n].0, &nights[n].1);
    }
    assert_eq!(objects(&storage, Kind::Condemned), []);
    assert_eq!(objects(&storage, Kind::Lease), []);
}

#[test]
fn a_dry_run_changes_nothing() {
    let (storage, cache) = fresh(8000);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let nights = nights(&repository, 4);
    forget(&repository, &[&nights[0].0, &nights[2].0]);
    let before: Vec<_> = storage.objects().keys().copied().collect();
    let options = PruneOptions {
        dry_run: true,
        ..EVERYTHING
    };
    let planned = repository.prune(&options).unwrap();
    let after: Vec<_> = storage.objects().keys().copied().collect();
    assert_eq!(before, after);
    let done = prune(&repository);
    assert_eq!(planned.dead_packs, done.dead_packs);
    assert_eq!(planned.repacked_bytes, done.repacked_bytes);
}

#[test]
fn a_running_backup_keeps_what_it_built_on() {
    let (storage, cache) = fresh(4000);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let nights = nights(&repository, 3);
    let bytes = nights[2].1["/db/table.sql"].clone();
    // It finds most of the last night's table in the repository.
    let (writer, list) = begin(&repository, &bytes);
    let elsewhere = tempfile::tempdir().unwrap();
    let pruner = open(storage.clone(), elsewhere.path()).unwrap();
    forget(&pruner, &[&nights[2].0]);
    let first = prune(&pruner);
    assert!(first.spared_packs > 0, "{first:?}");
    let second = prune(&pruner);
    assert_eq!(second.deleted_packs, 0, "{second:?}");
    let published = writer
        .publish(|_| snapshot(list, bytes.len() as u64))
        .unwrap()
        .unwrap();
    prune(&pruner);
    prune(&pruner);
    prune(&pruner);
    let files = Files::from([("/db/table.sql".to_owned(), bytes)]);
    assert_restores(&pruner, &published, &files);
    assert_restores(&repository, &published, &files);
    assert_clean(&pruner);
}

#[test]
fn nothing_new_rests_on_what_is_condemned() {
    let (storage, cache) = fresh(4000);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let nights = nights(&repository, 5);
    forget(&repository, &[&nights[0].0, &nights[1].0, &nights[3].0]);
    prune(&repository);
    // The same data again, from a client that knows the condemned packs.
    let again = back_up(&repository, &nights[1].1).unwrap();
    let second = prune(&repository);
    assert!(second.deleted_packs > 0, "{second:?}");
    assert_eq!(second.rescued_packs, 0, "{second:?}");
    assert_restores(&repository, &again, &nights[1].1);
    assert_restores(&repository, &nights[2].0, &nights[2].1);
    assert_restores(&repository, &nights[4].0, &nights[4].1);
    assert_clean(&repository);
}

#[test]
fn a_run_that_stood_still_for_too_long_fails_and_leaves_nothing() {
    let (storage, cache) = fresh(4000);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let nights = nights(&repository, 3);
    let bytes = nights[2].1["/db/table.sql"].clone();
    let (writer, list) = begin(&repository, &bytes);
    let elsewhere = tempfile::tempdir().unwrap();
    let pruner = impatient(&storage, elsewhere.path());
    forget(&pruner, &[&nights[2].0]);
    prune(&pruner);
    assert!(prune(&pruner).deleted_packs > 0);
    let published = writer.publish(|_| snapshot(list, bytes.len() as u64));
    assert!(matches!(published, Err(Error::Overtaken)), "{published:?}");
    let left = open(storage.clone(), cache.path()).unwrap();
    assert_eq!(left.snapshots().unwrap().len(), 2);
    assert_clean(&left);
    prune(&left);
    assert_restores(&left, &nights[1].0, &nights[1].1);
}

#[test]
fn a_run_that_was_taken_for_dead_and_lost_nothing_is_published() {
    let (storage, cache) = fresh(4000);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let nights = nights(&repository, 3);
    let bytes = nights[2].1["/db/table.sql"].clone();
    let (writer, list) = begin(&repository, &bytes);
    let elsewhere = tempfile::tempdir().unwrap();
    let pruner = impatient(&storage, elsewhere.path());
    forget(&pruner, &[&nights[0].0]);
    prune(&pruner);
    prune(&pruner);
    let published = writer
        .publish(|_| snapshot(list, bytes.len() as u64))
        .unwrap()
        .unwrap();
    prune(&pruner);
    prune(&pruner);
    let files = BTreeMap::from([("/db/table.sql".to_owned(), bytes)]);
    assert_restores(&pruner, &published, &files);
    assert_eq!(pruner.snapshots().unwrap().len(), 3);
    assert_clean(&pruner);
}

#[test]
fn a_snapshot_that_is_gone_without_a_tombstone_stops_prune() {
    let (storage, cache) = fresh(8000);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let nights = nights(&repository, 3);
    prune(&repository);
    for lost in [1, 2] {
        let storage = storage.fork();
        let name = nights[lost].0.id;
        storage
            .delete(nightfold_repo::format::ObjectName::new(
                Kind::Snapshot,
                name,
            ))
            .unwrap();
        // The newest one is missed only by who has seen it.
        let repository = open(storage, cache.path()).unwrap();
        let refused = repository.prune(&EVERYTHING);
        assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    }
}

#[test]
fn a_pack_that_is_gone_stops_prune() {
    let (storage, cache) = fresh(8000);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let nights = nights(&repository, 3);
    forget(&repository, &[&nights[0].0]);
    let pack = objects(&storage, Kind::Pack)[0];
    storage.delete(pack).unwrap();
    let refused = repository.prune(&EVERYTHING);
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
}

#[test]
fn what_was_copied_counts_as_proven_only_once_it_is_read() {
    let (storage, cache) = fresh(100_000);
    let repository = open(storage.clone(), cache.path()).unwrap();
    let nights = nights(&repository, 6);
    assert_clean(&repository);
    assert_eq!(repository.proven_snapshots().unwrap().len(), 6);
    // Its packs hold what later nights rest on, and what nobody else needs.
    forget(
        &repository,
        &[&nights[1].0, &nights[2].0, &nights[3].0, &nights[4].0],
    );
    let options = PruneOptions {
        pack_unused_min: 0.0,
        ..EVERYTHING
    };
    let report = repository.prune(&options).unwrap();
    assert!(report.written_packs > 0, "{report:?}");
    assert_eq!(repository.proven_snapshots().unwrap().len(), 0);
    assert_clean(&repository);
    assert_eq!(repository.proven_snapshots().unwrap().len(), 2);
}
