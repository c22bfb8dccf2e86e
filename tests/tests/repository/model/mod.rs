//! Several clients do what comes to mind with one repository, by seed, beside a plain map of what must be in it.
//!
//! `NIGHTFOLD_MODEL_SEEDS=500` tries so many seeds, `NIGHTFOLD_MODEL_SEED=17` a single one.

mod source;
mod task;

use std::collections::BTreeMap;
use std::sync::Arc;

use nightfold_repo::format::{Kind, ObjectId};
use nightfold_repo::repository::StoredSnapshot;
use nightfold_repo::storage::{FaultStorage, MemoryStorage, Plan};
use nightfold_repo::{Error, Repository, Result};
use nightfold_tests::Random;

use super::support::{Files, assert_clean, assert_restores, fresh, objects, restore};
use source::{first_source, mutate};
use task::{Opener, Task, prune};

const SEEDS: u64 = 8;
const CLIENTS: usize = 3;
const STEPS: u64 = 30;
const PACK_BYTES: u64 = 4096;
/// Within so many operations a client that is to be stopped stops.
const STOPPED_WITHIN: u64 = 120;
/// What others do meanwhile.
const STEPS_MEANWHILE: u64 = 4;

struct Client {
    cache: tempfile::TempDir,
    source: Files,
}

struct World {
    random: Random,
    disk: MemoryStorage,
    clients: Vec<Client>,
    /// What must be there.
    expected: BTreeMap<ObjectId, Files>,
    /// Of backups that were told that they failed: what may be there.
    possible: Vec<Files>,
    /// To each other, clients that stand still are dead at once.
    impatient: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (disk, _) = fresh(PACK_BYTES);
        let source = first_source(&mut random);
        let clients = (0..CLIENTS).map(|_| Client {
            cache: tempfile::tempdir().unwrap(),
            source: source.clone(),
        });
        Self {
            disk,
            clients: clients.collect(),
            expected: BTreeMap::new(),
            possible: Vec::new(),
            impatient: seed % 2 == 1,
            random,
        }
    }

    fn opener(&self, client: usize, storage: Arc<FaultStorage>) -> Opener {
        Opener {
            storage,
            cache: self.clients[client].cache.path().to_owned(),
            impatient: self.impatient,
        }
    }

    /// Decides what a client does. `stopped`: what another is in the middle of.
    fn choose(&mut self, client: usize, stopped: Option<&Task>) -> Task {
        loop {
            let task = match self.random.below(20) {
                0..=7 => {
                    let other = self.random.below(CLIENTS as u64) as usize;
                    let other = self.clients[other].source.clone();
                    let source = &mut self.clients[client].source;
                    mutate(source, &other, &mut self.random);
                    Task::Backup(source.clone())
                }
                8..=10 => match self.any_snapshot() {
                    Some((id, files)) => Task::Restore(id, files),
                    None => continue,
                },
                11 | 12 => Task::Check,
                13..=15 => {
                    let count = 1 + self.random.below(3);
                    let ids = (0..count).filter_map(|_| {
                        let (id, _) = self.any_snapshot()?;
                        self.expected.remove(&id);
                        Some(id)
                    });
                    Task::Forget(ids.collect())
                }
                16 => {
                    self.clients[client].cache = tempfile::tempdir().unwrap();
                    continue;
                }
                _ => Task::Prune,
            };
            // The one would wait for the other in vain.
            let is_blocked = |other: &Task| task.is_exclusive() && other.is_exclusive();
            if !stopped.is_some_and(is_blocked) || self.impatient {
                return task;
            }
        }
    }

    fn any_snapshot(&mut self) -> Option<(ObjectId, Files)> {
        let count = self.expected.len() as u64;
        let at = self.random.below(count.max(1)) as usize;
        let (id, files) = self.expected.iter().nth(at)?;
        Some((*id, files.clone()))
    }

    /// One client does something from its beginning to its end.
    fn step(&mut self, client: usize, stopped: Option<&Task>) {
        let task = self.choose(client, stopped);
        println!("client {client}: {}", task.name());
        let storage = FaultStorage::new(self.disk.clone(), Plan::default());
        let done = task.run(&self.opener(client, Arc::new(storage)));
        self.settle(task, done, false);
    }

    /// One client is stopped in the middle of something, others go on, and then it does too.
    fn step_with_stop(&mut self, client: usize) {
        let task = self.choose(client, None);
        let operation = self.random.below(STOPPED_WITHIN);
        println!(
            "client {client}: {}, stopped at operation {operation}",
            task.name()
        );
        let storage = Arc::new(FaultStorage::new(self.disk.clone(), Plan::default()));
        storage.hold_from(operation);
        let opener = self.opener(client, Arc::clone(&storage));
        let done = std::thread::scope(|scope| {
            // Threads of its own: others must not wait for those that stand still.
            let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
            let pool = pool.expect("threads");
            let (task, opener) = (&task, &opener);
            let thread = scope.spawn(move || pool.install(|| task.run(opener)));
            if storage.wait_until_held(|| thread.is_finished()) {
                let _release = Release(&storage);
                for _ in 0..=self.random.below(STEPS_MEANWHILE) {
                    let others =
                        (client + 1 + self.random.below(CLIENTS as u64 - 1) as usize) % CLIENTS;
                    self.step(others, Some(task));
                }
            }
            storage.release();
            thread.join()
        });
        println!("client {client}: goes on");
        match done {
            Ok(done) => self.settle(task, done, true),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn settle(&mut self, task: Task, done: Result<Option<ObjectId>>, was_stopped: bool) {
        let was_taken_for_dead = was_stopped && self.impatient;
        match (task, done) {
            (Task::Backup(files), Ok(Some(id))) => {
                self.expected.insert(id, files);
            }
            (_, Ok(_)) => {}
            (Task::Backup(files), Err(_)) if was_taken_for_dead => self.possible.push(files),
            (Task::Prune, Err(Error::Overtaken)) if was_taken_for_dead => {}
            // Of a snapshot that was forgotten meanwhile.
            (Task::Restore(id, _), Err(_)) if was_stopped && !self.expected.contains_key(&id) => {}
            (task, Err(error)) => panic!("{}: {error}", task.name()),
        }
    }

    /// Whether it is what a backup stored that was told that it failed.
    fn is_possible(&self, repository: &Repository, stored: &StoredSnapshot) -> bool {
        let restored = restore(repository, stored).unwrap().into_iter();
        let restored: Files = restored
            .map(|(path, bytes)| (path, bytes.unwrap()))
            .collect();
        self.possible.contains(&restored)
    }

    /// All that must be there is, to a client that knows nothing of it, before prune and after.
    fn assert_as_expected(&self) {
        let cache = tempfile::tempdir().unwrap();
        let storage = Arc::new(FaultStorage::new(self.disk.clone(), Plan::default()));
        let opener = Opener {
            storage,
            cache: cache.path().to_owned(),
            impatient: true,
        };
        for round in 0..6 {
            let repository = opener.open().unwrap();
            let snapshots = repository.snapshots().unwrap();
            for stored in &snapshots {
                match self.expected.get(&stored.id) {
                    Some(files) => assert_restores(&repository, stored, files),
                    None => assert!(self.is_possible(&repository, stored), "it was forgotten"),
                }
            }
            let ids: Vec<_> = snapshots.iter().map(|stored| stored.id).collect();
            for id in self.expected.keys() {
                assert!(ids.contains(id), "{id} is gone in round {round}");
            }
            assert_clean(&repository);
            prune(&repository).unwrap();
        }
        assert_eq!(objects(&self.disk, Kind::Condemned), []);
    }
}

/// Releases a client even if the test panics: otherwise its thread would never end.
struct Release<'a>(&'a FaultStorage);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

fn run(seed: u64) {
    println!("NIGHTFOLD_MODEL_SEED={seed}");
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        let client = world.random.below(CLIENTS as u64) as usize;
        if world.random.below(3) == 0 {
            world.step_with_stop(client);
        } else {
            world.step(client, None);
        }
    }
    world.assert_as_expected();
}

#[test]
fn what_the_model_holds_the_repository_holds() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    match number("NIGHTFOLD_MODEL_SEED") {
        Some(seed) => run(seed),
        None => (0..number("NIGHTFOLD_MODEL_SEEDS").unwrap_or(SEEDS)).for_each(run),
    }
}
