//! Every operation of every verb goes wrong once: nothing that was there is lost, and the next run does the work.
//!
//! A few operations of each are tried by default, all of them with `NIGHTFOLD_CUTS=all`. With any other text those
//! cases are tried whose description holds it, as a failure prints it.

mod client;
mod verbs;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nightfold_repo::format::Kind;
use nightfold_repo::storage::{Fault, FaultStorage, MemoryStorage, Plan};

use super::support::copy_folder;
use client::{Before, Client};
use verbs::{VERBS, Verb};

/// How an operation goes wrong.
struct Trouble {
    name: &'static str,
    fault: fn(u64) -> Fault,
    /// How many seeds make a difference.
    seeds: u64,
    /// Mostly of interest where something changes.
    of_changes: bool,
}

const fn of_change(name: &'static str, fault: fn(u64) -> Fault, seeds: u64) -> Trouble {
    Trouble {
        name,
        fault,
        seeds,
        of_changes: true,
    }
}

const fn of_lists(name: &'static str, fault: fn(u64) -> Fault) -> Trouble {
    Trouble {
        name,
        fault,
        seeds: 1,
        of_changes: false,
    }
}

const TROUBLES: [Trouble; 9] = [
    of_change("cut", Fault::Cut, 6),
    of_change("tearing cut", Fault::TearingCut, 3),
    of_change("failure", Fault::Fail, 2),
    of_change("full disk", Fault::FullFrom, 1),
    of_change("no deletes", Fault::KeptFrom, 1),
    of_lists("lists lag", Fault::Lag),
    of_lists("short lists of packs", |_| Fault::Short(Kind::Pack, 3)),
    of_lists("short lists of snapshots", |_| {
        Fault::Short(Kind::Snapshot, 2)
    }),
    of_lists("short lists of keys", |_| Fault::Short(Kind::Key, 2)),
];

/// What is left of the client's cache folder after the trouble.
#[derive(Clone, Copy, Debug)]
enum Cache {
    Kept,
    /// As it was before the run: the newest of it was not on disk yet.
    Old,
    Lost,
}

const CACHES: [Cache; 3] = [Cache::Kept, Cache::Old, Cache::Lost];

/// One run that goes wrong.
#[derive(Clone, Copy)]
struct Case<'a> {
    verb: &'a Verb,
    trouble: &'a Trouble,
    operation: u64,
    seed: u64,
}

impl Case<'_> {
    fn describe(&self) -> String {
        let Self { verb, trouble, .. } = self;
        let (operation, seed) = (self.operation, self.seed);
        format!(
            "{}: {} at {operation}, seed {seed}.",
            verb.name, trouble.name
        )
    }

    fn plan(&self) -> Plan {
        // Another seed for every operation, with the same remainder: that says how the one that is struck ends.
        let seed = self.seed + 6 * self.operation;
        Plan::new(seed, (self.trouble.fault)(self.operation))
    }

    fn try_out(&self, before: &Before) {
        let disk = before.disk.fork();
        let cache = copy_of(before.cache.path());
        let storage = Arc::new(FaultStorage::new(disk.clone(), self.plan()));
        let client = Client::new(
            storage.clone(),
            disk.clone(),
            cache.path(),
            self.verb.passwords,
        );
        let succeeded = (self.verb.run)(&client).is_ok();
        let torn = storage.torn();
        drop(client);
        for kept in CACHES {
            let lost = tempfile::tempdir().unwrap();
            let folder = match kept {
                Cache::Kept => cache.path(),
                Cache::Old => before.cache.path(),
                Cache::Lost => lost.path(),
            };
            let cache = copy_of(folder);
            self.assert_unharmed(before, disk.fork(), cache.path(), succeeded, &torn);
        }
    }

    fn assert_unharmed(
        &self,
        before: &Before,
        disk: MemoryStorage,
        cache: &Path,
        succeeded: bool,
        torn: &[nightfold_repo::format::ObjectName],
    ) {
        let client = Client::new(Arc::new(disk.clone()), disk, cache, self.verb.passwords);
        if before.damaged.is_empty() || client.assert_no_worse(before, torn) {
            client.assert_whole(before, torn);
        }
        if succeeded {
            (self.verb.assert_done)(&client);
        }
        match (self.verb.run)(&client) {
            Ok(()) => (self.verb.assert_done)(&client),
            // Some of what only a broken disk leaves stops a run; then it says why.
            Err(error) => assert!(
                torn.iter()
                    .any(|name| error.to_string().contains(&name.to_string())),
                "the next run does not do the work: {error}"
            ),
        }
        client.assert_whole(before, torn);
    }
}

fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(folder, copy.path());
    copy
}

/// What the verb does when nothing goes wrong: how many operations, and which of them change something.
fn usual(verb: &Verb, before: &Before) -> (u64, Vec<u64>) {
    let cache = copy_of(before.cache.path());
    let disk = before.disk.fork();
    let storage = Arc::new(FaultStorage::new(disk.clone(), Plan::default()));
    let client = Client::new(storage.clone(), disk, cache.path(), verb.passwords);
    (verb.run)(&client).unwrap();
    (verb.assert_done)(&client);
    (storage.operations(), storage.changes())
}

/// Every operation, every trouble, every seed.
fn all_cases(verb: &Verb, operations: u64) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    for trouble in &TROUBLES {
        // Reads overlap, so that their number differs a little from run to run.
        for operation in 0..operations + 4 {
            for seed in 0..trouble.seeds {
                cases.push(Case {
                    verb,
                    trouble,
                    operation,
                    seed,
                });
            }
        }
    }
    cases
}

/// Each change with each trouble of changes, and a few of all others.
fn few_cases<'a>(all: Vec<Case<'a>>, changes: &[u64]) -> Vec<Case<'a>> {
    let cases = all.into_iter().enumerate();
    let few = cases.filter(|(number, case)| {
        let is_change = case.trouble.of_changes && changes.contains(&case.operation);
        number % 53 == 0 || is_change && case.seed == case.operation % case.trouble.seeds
    });
    few.map(|(_, case)| case).collect()
}

/// Tries all cases on a thread for each core; descriptions of those that failed.
fn failures(before: &Before, cases: &[Case]) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failed = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if catch_unwind(AssertUnwindSafe(|| case.try_out(before))).is_err() {
                println!("this was {}", case.describe());
                failed.push(case.describe());
            }
        }
        failed
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let failed = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        failed.collect()
    })
}

#[test]
fn whatever_operation_fails_nothing_is_lost() {
    let wanted = std::env::var("NIGHTFOLD_CUTS").ok();
    let mut failed = Vec::new();
    for verb in &VERBS {
        let before = (verb.prepare)();
        let (operations, changes) = usual(verb, &before);
        let mut cases = all_cases(verb, operations);
        match wanted.as_deref() {
            None => cases = few_cases(cases, &changes),
            Some("all") => {}
            Some(text) => cases.retain(|case| case.describe().contains(text)),
        }
        let of_verb = failures(&before, &cases);
        println!(
            "{:<24} {operations:>4} operations {:>6} cases {:>4} losses",
            verb.name,
            cases.len(),
            of_verb.len()
        );
        failed.extend(of_verb);
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
