//! The verbs whose every operation goes wrong once. A new one is one more row of [`VERBS`].

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use nightfold_ingest::{CopyRequest, Error as CopyError, Progress, copy};
use nightfold_repo::compact::CompactOptions;
use nightfold_repo::copy::original;
use nightfold_repo::format::{Kind, ObjectId};
use nightfold_repo::prune::PruneOptions;
use nightfold_repo::repair::{RepairOptions, RepairReport};
use nightfold_repo::repository::{InitOptions, Password, RotateOptions, Unreadable};
use nightfold_repo::storage::MemoryStorage;
use nightfold_repo::{Error, Repository, Result};

use super::client::{Before, Client};
use crate::support::{
    CHEAP, Files, SIZES, assert_restores, back_up, begin_against, check_data, fresh, noise,
    objects, open, password, table,
};

const PASSWORD: &str = "nightfold";
const OTHER: &str = "another";
const PACK_BYTES: u64 = 2048;
/// Nights that are there before.
const NIGHTS: u64 = 4;
/// Of these so many are forgotten, the first.
const FORGOTTEN: u64 = 2;
/// Much is rewritten; packs so small that half of them is no frame are not, over and over.
const EVERYTHING: PruneOptions = PruneOptions {
    dry_run: false,
    copied_max: 1.0,
    pack_unused_min: 0.3,
};

/// Of prune, until nothing is left to do.
const RUNS_MAX: usize = 6;

/// Something that a client does with a repository.
pub struct Verb {
    pub name: &'static str,
    /// The repository before.
    pub prepare: fn() -> Before,
    /// Passwords in the order in which they are tried: one of them opens the repository at any time.
    pub passwords: &'static [&'static str],
    /// Does it; done again after it went wrong, it finishes what is left.
    pub run: fn(&Client) -> Result<()>,
    /// Panics unless it is done.
    pub assert_done: fn(&Client),
}

pub const VERBS: [Verb; 20] = [
    Verb {
        name: "init",
        prepare: nothing,
        passwords: &[PASSWORD],
        run: init,
        assert_done: |client| assert!(client.open().is_ok()),
    },
    Verb {
        name: "backup",
        prepare: nights,
        passwords: &[PASSWORD],
        run: back_up_tonight,
        assert_done: tonight_is_there,
    },
    Verb {
        name: "backup by a new client",
        prepare: || Before {
            cache: tempfile::tempdir().unwrap(),
            ..nights()
        },
        passwords: &[PASSWORD],
        run: back_up_tonight,
        assert_done: tonight_is_there,
    },
    Verb {
        name: "key add",
        prepare: nights,
        passwords: &[PASSWORD],
        run: |client| {
            let other = Password::new(OTHER.into());
            client.open()?.key_add(&other, CHEAP, "testhost", "other")?;
            Ok(())
        },
        assert_done: |client| assert!(client.open_by(OTHER).is_ok()),
    },
    Verb {
        name: "key passwd",
        prepare: nights,
        passwords: &[PASSWORD, OTHER],
        run: |client| {
            let other = Password::new(OTHER.into());
            client.open()?.key_passwd(&other, CHEAP, "testhost")?;
            Ok(())
        },
        assert_done: |client| {
            assert!(client.open_by(OTHER).is_ok());
            assert_is_refused(client, PASSWORD);
        },
    },
    Verb {
        name: "key remove",
        prepare: || {
            let before = nights();
            let repository = open(before.disk.clone(), before.cache.path()).unwrap();
            let other = Password::new(OTHER.into());
            repository
                .key_add(&other, CHEAP, "testhost", "other")
                .unwrap();
            before
        },
        passwords: &[PASSWORD],
        run: |client| {
            let repository = client.open()?;
            for key in repository.keys()?.iter().filter(|key| !key.current) {
                repository.key_remove(&key.id.to_string())?;
            }
            // It knows its id from before, and a listing may not show it.
            match objects(&client.disk, Kind::Key).len() {
                1 => Ok(()),
                _ => Err(Error::NoSuch("the key is not listed".to_owned())),
            }
        },
        assert_done: |client| assert_is_refused(client, OTHER),
    },
    Verb {
        name: "index rebuild",
        prepare: nights,
        passwords: &[PASSWORD],
        run: |client| client.open()?.rebuild_index().map(drop),
        assert_done: |_| (),
    },
    Verb {
        name: "forget",
        prepare: nights_to_forget,
        passwords: &[PASSWORD],
        run: |client| forget(&*client.open()?, &to_forget(&client.disk)),
        assert_done: |client| assert_eq!(to_forget(&client.disk), []),
    },
    Verb {
        name: "prune",
        prepare: forgotten,
        passwords: &[PASSWORD],
        run: prune,
        assert_done: prune_comes_to_its_end,
    },
    Verb {
        name: "prune, second run",
        prepare: || pruned(1),
        passwords: &[PASSWORD],
        run: prune,
        assert_done: prune_comes_to_its_end,
    },
    Verb {
        name: "prune, third run",
        prepare: || pruned(2),
        passwords: &[PASSWORD],
        run: prune,
        assert_done: prune_comes_to_its_end,
    },
    Verb {
        name: "prune that rescues",
        prepare: needed_again,
        passwords: &[PASSWORD],
        run: prune,
        assert_done: prune_comes_to_its_end,
    },
    Verb {
        name: "backup beside a verdict",
        prepare: || Before {
            coming: vec![source(1)],
            ..pruned(1)
        },
        passwords: &[PASSWORD],
        run: |client| back_up(&client.open()?, &source(1)).map(drop),
        assert_done: |client| newest_holds(client, &source(1)),
    },
    Verb {
        name: "compact",
        prepare: nights,
        passwords: &[PASSWORD],
        run: compact,
        assert_done: |_| (),
    },
    Verb {
        name: "compact, second run",
        prepare: || {
            let before = nights();
            let repository = open(before.disk.clone(), before.cache.path()).unwrap();
            compact_all(&repository).unwrap();
            before
        },
        passwords: &[PASSWORD],
        run: compact,
        assert_done: |_| (),
    },
    Verb {
        name: "repair",
        prepare: damaged,
        passwords: &[PASSWORD],
        run: repair,
        assert_done: |client| {
            let report = check_data(&client.open().unwrap());
            assert!(report.problems.is_empty(), "{:?}", report.problems);
        },
    },
    Verb {
        name: "repair of copies",
        prepare: without_copies,
        passwords: &[PASSWORD],
        run: repair_listed,
        assert_done: |client| {
            let mut report = check_data(&client.open().unwrap());
            // A cut may leave temporary files and torn leases.
            report.notes.retain(|note| note.contains("without"));
            let found = (report.problems, report.notes);
            assert_eq!(found, Default::default());
        },
    },
    Verb {
        name: "key rotate",
        prepare: nights,
        passwords: &[OTHER, PASSWORD],
        run: rotate,
        assert_done: |client| {
            assert!(client.open_by(OTHER).unwrap().newest_epoch() == 1);
            assert_is_refused(client, PASSWORD);
        },
    },
    Verb {
        name: "copy from one alike",
        prepare: || copied_once(like_the_source()),
        passwords: &[PASSWORD],
        run: copy_all,
        assert_done: copies_are_there,
    },
    Verb {
        name: "copy from another",
        prepare: || copied_once(fresh(PACK_BYTES).0),
        passwords: &[PASSWORD],
        run: copy_all,
        assert_done: copies_are_there,
    },
];

fn nothing() -> Before {
    Before {
        disk: MemoryStorage::new(),
        cache: tempfile::tempdir().unwrap(),
        kept: Vec::new(),
        going: Vec::new(),
        coming: Vec::new(),
        damaged: Vec::new(),
    }
}

/// Few chunks, so that every operation can be tried.
fn source(night: u64) -> Files {
    Files::from([
        ("/db/blob".to_owned(), noise(1, 1500)),
        ("/db/new".to_owned(), noise(10 + night, 700)),
        ("/db/table.sql".to_owned(), table(night, 60)),
    ])
}

fn nights() -> Before {
    let (disk, cache) = fresh(PACK_BYTES);
    let back_up = |night| {
        let repository = open(disk.clone(), cache.path()).unwrap();
        let files = source(night);
        (back_up(&repository, &files).unwrap().id, files)
    };
    let kept = (1..=NIGHTS).map(back_up).collect();
    Before {
        disk,
        cache,
        kept,
        going: Vec::new(),
        coming: vec![source(NIGHTS + 1)],
        damaged: Vec::new(),
    }
}

fn init(client: &Client) -> Result<()> {
    let mut options = InitOptions::new(Some(password()), "testhost".to_owned());
    options.kdf = CHEAP;
    options.sizes = SIZES;
    options.pack_bytes = PACK_BYTES;
    let made = Repository::init(&*client.storage, &options);
    let Err(Error::NotEmpty { .. }) = made else {
        return made.map(drop);
    };
    // It is there, though its maker was not told; or what was left of it must be removed by hand.
    if client.open().is_ok() {
        return Ok(());
    }
    client.disk.clear();
    Repository::init(&*client.storage, &options).map(drop)
}

fn back_up_tonight(client: &Client) -> Result<()> {
    back_up(&client.open()?, &source(NIGHTS + 1)).map(drop)
}

fn tonight_is_there(client: &Client) {
    newest_holds(client, &source(NIGHTS + 1));
}

fn newest_holds(client: &Client, files: &Files) {
    let repository = client.open().unwrap();
    let newest = repository.snapshots().unwrap().pop().unwrap();
    assert_restores(&repository, &newest, files);
}

fn nights_to_forget() -> Before {
    let mut before = nights();
    before.going = before.kept.drain(..FORGOTTEN as usize).collect();
    before.coming = Vec::new();
    before
}

/// Snapshots of the first nights that are there, whatever a listing shows.
fn to_forget(disk: &MemoryStorage) -> Vec<ObjectId> {
    let cache = tempfile::tempdir().unwrap();
    let repository = open(disk.clone(), cache.path()).unwrap();
    let snapshots = repository.snapshots().unwrap().into_iter();
    let old = snapshots.filter(|stored| stored.snapshot.writer.sequence <= FORGOTTEN);
    old.map(|stored| stored.id).collect()
}

fn forget(repository: &Repository, ids: &[ObjectId]) -> Result<()> {
    match repository.forget(ids, Unreadable::Refuse)? {
        count if count == ids.len() as u64 => Ok(()),
        _ => Err(Error::NoSuch("a snapshot is not listed".to_owned())),
    }
}

/// The first nights are forgotten.
fn forgotten() -> Before {
    let mut before = nights_to_forget();
    let repository = open(before.disk.clone(), before.cache.path()).unwrap();
    forget(&repository, &to_forget(&before.disk)).unwrap();
    before.going.clear();
    before
}

/// After some runs of prune.
fn pruned(runs: usize) -> Before {
    let before = forgotten();
    for _ in 0..runs {
        let repository = open(before.disk.clone(), before.cache.path()).unwrap();
        repository.prune(&EVERYTHING).unwrap();
    }
    before
}

/// A backup that was at work when prune condemned what it needs. By chance packs may be filled so that prune condemns
/// none; then with other keys.
fn needed_again() -> Before {
    let mut tries = 0..RUNS_MAX;
    let found = tries.find_map(|_| condemned_meanwhile());
    found.expect("prune condemns nothing")
}

fn condemned_meanwhile() -> Option<Before> {
    let mut before = nights_to_forget();
    let repository = open(before.disk.clone(), before.cache.path()).unwrap();
    let oldest = repository.snapshots().unwrap().remove(0);
    let begun = begin_against(&repository, &source(1), Some(&oldest)).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let pruner = open(before.disk.clone(), elsewhere.path()).unwrap();
    forget(&pruner, &to_forget(&before.disk)).unwrap();
    if pruner.prune(&EVERYTHING).unwrap().waiting_packs == 0 {
        return None;
    }
    before.going.clear();
    before.kept.push((begun.publish().unwrap().id, source(1)));
    Some(before)
}

fn prune(client: &Client) -> Result<()> {
    client.open()?.prune(&EVERYTHING).map(drop)
}

fn compact(client: &Client) -> Result<()> {
    compact_all(&client.open()?)
}

/// A bit of every object is flipped that parity or a copy restores, and one object is gone.
fn damaged() -> Before {
    let mut before = nights();
    let kinds = [Kind::Pack, Kind::Snapshot, Kind::Key, Kind::Config];
    let damaged = kinds.iter().flat_map(|kind| objects(&before.disk, *kind));
    before.damaged = damaged.collect();
    let mut all = before.disk.objects();
    for name in &before.damaged {
        let bytes = all.get_mut(name).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }
    let gone = before
        .damaged
        .iter()
        .find(|name| name.kind == Kind::Snapshot);
    all.remove(gone.unwrap());
    drop(all);
    before.coming.clear();
    before
}

/// Sidecars and copies are damaged or gone.
fn without_copies() -> Before {
    let mut before = nights();
    before.damaged = objects(&before.disk, Kind::Parity);
    let mut all = before.disk.objects();
    for (at, name) in before.damaged.iter().enumerate() {
        if at % 2 == 0 {
            all.remove(name);
        } else {
            all.get_mut(name).unwrap()[20] ^= 1;
        }
    }
    drop(all);
    before.coming.clear();
    before
}

/// Whatever goes wrong, a snapshot that can be restored is not forgotten.
fn repair(client: &Client) -> Result<()> {
    repair_all(client).map(drop)
}

/// Nothing tells of an object without a copy that is not listed: then the report counts fewer than there are.
fn repair_listed(client: &Client) -> Result<()> {
    let looked_at = repair_all(client)?.objects;
    let kinds = [Kind::Pack, Kind::Snapshot, Kind::Key, Kind::Config];
    let there = kinds.map(|kind| objects(&client.disk, kind).len() as u64);
    if looked_at == there.iter().sum::<u64>() {
        Ok(())
    } else {
        Err(Error::NoSuch("an object is not listed".to_owned()))
    }
}

fn repair_all(client: &Client) -> Result<RepairReport> {
    let options = RepairOptions {
        forget_damaged: true,
        ..RepairOptions::default()
    };
    let report = client.open()?.repair(&options, &|_, _| ())?;
    match report.lost.first() {
        None => Ok(report),
        Some(lost) => Err(Error::NoSuch(format!("{lost:?}"))),
    }
}

/// Nothing is young.
fn compact_all(repository: &Arc<Repository>) -> Result<()> {
    let options = CompactOptions {
        young_snapshots: 0,
        ..CompactOptions::default()
    };
    repository
        .compact(&options, &AtomicBool::new(false))
        .map(drop)
}

/// If it was interrupted both slots may be there: then the old one is what is left to remove.
fn rotate(client: &Client) -> Result<()> {
    let password = Password::new(OTHER.into());
    if let Ok(repository) = client.open_by(OTHER) {
        for key in repository.keys()?.iter().filter(|key| !key.current) {
            repository.key_remove(&key.id.to_string())?;
        }
        return one_key_is_left(client);
    }
    let options = RotateOptions {
        password: &password,
        cost: CHEAP,
        host: "testhost",
        remove_others: true,
    };
    client.open()?.key_rotate(&options)?;
    one_key_is_left(client)
}

/// A listing may not show a slot that its owner knows of.
fn one_key_is_left(client: &Client) -> Result<()> {
    match objects(&client.disk, Kind::Key).len() {
        1 => Ok(()),
        _ => Err(Error::NoSuch("the key is not listed".to_owned())),
    }
}

/// Whatever is left to do, a few more runs do it.
fn prune_comes_to_its_end(client: &Client) {
    let repository = client.open().unwrap();
    for _ in 0..RUNS_MAX {
        repository.prune(&EVERYTHING).unwrap();
        if objects(&client.disk, Kind::Condemned).is_empty() {
            return;
        }
    }
    let report = repository.prune(&EVERYTHING).unwrap();
    panic!("prune does not come to its end: {report:?}");
}

/// A repository to copy from, the same for all, and the folder for its index.
fn source_of_copies() -> (Arc<Repository>, tempfile::TempDir) {
    static NIGHTS_OF_SOURCE: OnceLock<MemoryStorage> = OnceLock::new();
    let disk = NIGHTS_OF_SOURCE.get_or_init(|| nights().disk);
    let cache = tempfile::tempdir().unwrap();
    (open(disk.fork(), cache.path()).unwrap(), cache)
}

/// An empty repository that is like it.
fn like_the_source() -> MemoryStorage {
    let disk = MemoryStorage::new();
    let mut options = InitOptions::new(Some(password()), "testhost".to_owned());
    options.kdf = CHEAP;
    Repository::init_like(&disk, options, &source_of_copies().0).unwrap();
    disk
}

/// With a copy of the first night.
fn copied_once(disk: MemoryStorage) -> Before {
    let cache = tempfile::tempdir().unwrap();
    let repository = open(disk.clone(), cache.path()).unwrap();
    copy_nights(&repository, 1).unwrap();
    let first = repository.snapshots().unwrap().remove(0);
    Before {
        disk,
        cache,
        kept: vec![(first.id, source(1))],
        going: Vec::new(),
        // Where a listing does not show the first, it is copied again.
        coming: (1..=NIGHTS).map(source).collect(),
        damaged: Vec::new(),
    }
}

fn copy_all(client: &Client) -> Result<()> {
    copy_nights(&client.open()?, NIGHTS as usize)
}

fn copy_nights(destination: &Arc<Repository>, count: usize) -> Result<()> {
    let (from, _cache) = source_of_copies();
    let snapshots = from.snapshots()?;
    let first = snapshots.iter().take(count);
    let request = CopyRequest {
        snapshots: &snapshots,
        wanted: first.map(|stored| stored.id).collect(),
        dry_run: false,
    };
    let cancel = AtomicBool::new(false);
    let copied = copy(&from, destination, &request, &Progress::default(), &cancel);
    let stopped = copied.map_or_else(Some, |report| report.stopped);
    match stopped {
        None => Ok(()),
        Some(CopyError::Repository(error)) => Err(error),
        Some(other) => Err(Error::NoSuch(other.to_string())),
    }
}

fn copies_are_there(client: &Client) {
    let copies = client.open().unwrap().snapshots().unwrap();
    let (from, _cache) = source_of_copies();
    for stored in from.snapshots().unwrap() {
        let id = stored.id.to_string();
        assert!(copies.iter().any(|copy| original(copy) == id), "{id}");
    }
}

fn assert_is_refused(client: &Client, password: &str) {
    let opened = client.open_by(password);
    assert!(
        matches!(opened, Err(Error::WrongPassword { .. })),
        "a password that was taken away opens the repository"
    );
}
