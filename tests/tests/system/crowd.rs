//! Four writers, a pruner, a compactor and a restorer on one repository, each going on without a pause.
//!
//! For some seconds here; `NIGHTFOLD_CROWD_SECONDS=600` for ten minutes. What they share is the repository; two of the
//! writers and the maintenance have caches of their own, as if they were on other machines.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nightfold_tests::{Call, Random, Sandbox, dump::Dump};

const SECONDS: u64 = 8;
const WRITERS: u64 = 4;
const ROWS: usize = 30_000;
/// Snapshots of each writer that are kept.
const KEPT: &str = "5";
/// Another maintenance is at work.
const IN_USE: i32 = 11;

struct Crowd {
    sandbox: Sandbox,
    end: Instant,
    /// The hash of what each snapshot holds.
    stored: Mutex<HashMap<String, blake3::Hash>>,
    counts: [AtomicU64; 4],
}

/// What is counted.
#[derive(Clone, Copy)]
enum Count {
    Backups,
    Prunes,
    Compacts,
    Restores,
}

#[test]
fn a_crowd_leaves_a_clean_repository() {
    let seconds = std::env::var("NIGHTFOLD_CROWD_SECONDS");
    let seconds = seconds.map_or(SECONDS, |text| text.parse().unwrap());
    let crowd = Crowd {
        sandbox: Sandbox::open(),
        end: Instant::now() + Duration::from_secs(seconds),
        stored: Mutex::default(),
        counts: Default::default(),
    };
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let crowd = &crowd;
            scope.spawn(move || crowd.write(writer));
        }
        scope.spawn(|| crowd.prune());
        scope.spawn(|| crowd.compact());
        scope.spawn(|| crowd.restore());
    });
    crowd.is_clean();
    let [backups, prunes, compacts, restores] = crowd.counts.map(AtomicU64::into_inner);
    eprintln!(
        "{backups} backups, {prunes} prunes, {compacts} compacts, {restores} restores in {seconds} s"
    );
}

impl Crowd {
    fn goes_on(&self) -> bool {
        Instant::now() < self.end
    }

    fn count(&self, what: Count) {
        self.counts[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A run of a client with this cache.
    fn call(&self, client: &str, arguments: &[&str]) -> Call {
        let cache = self.sandbox.path(format!("cache-{client}"));
        self.sandbox
            .call(arguments.iter().copied())
            .env("XDG_CACHE_HOME", cache)
    }

    fn write(&self, writer: u64) {
        let mut random = Random::new(writer + 1);
        let mut dump = Dump::new(ROWS, &mut random);
        let (name, source) = (format!("work/{writer}.sql"), format!("db{writer}"));
        // Two share a cache, the others have their own.
        let client = if writer < 2 {
            "shared".to_owned()
        } else {
            source.clone()
        };
        while self.goes_on() {
            let text = dump.text();
            let file = self.sandbox.file(&name, &text);
            let file = file.to_str().unwrap();
            let arguments = ["backup", "--json", file];
            let ran = self.call(&client, &arguments).run().exits(0);
            let id = ran.json()["id"].as_str().unwrap().to_owned();
            self.stored.lock().unwrap().insert(id, blake3::hash(&text));
            self.count(Count::Backups);
            dump.pass_day(&mut random);
        }
    }

    fn maintain(&self, client: &str, arguments: &[&str], what: Count) {
        let ran = self.call(client, arguments).run();
        if ran.code() != Some(IN_USE) {
            ran.exits(0);
            self.count(what);
        }
    }

    fn prune(&self) {
        while self.goes_on() {
            let forget = ["forget", "--keep-last", KEPT, "--group-by", "source"];
            self.call("pruner", &forget).run().exits(0);
            self.maintain("pruner", &["prune"], Count::Prunes);
        }
    }

    fn compact(&self) {
        while self.goes_on() {
            self.maintain("compactor", &["compact"], Count::Compacts);
        }
    }

    fn restore(&self) {
        let mut random = Random::new(99);
        while self.goes_on() {
            let some = {
                let stored = self.stored.lock().unwrap();
                let any = random.below(stored.len().max(1) as u64) as usize;
                stored.iter().nth(any).map(|(id, hash)| (id.clone(), *hash))
            };
            let Some((id, hash)) = some else {
                thread::sleep(Duration::from_millis(20));
                continue;
            };
            self.restores(&id, hash);
        }
    }

    /// A snapshot reads back, unless it is forgotten by then.
    fn restores(&self, id: &str, hash: blake3::Hash) {
        let target = self.sandbox.path(format!("restored-{id}"));
        let path = target.to_str().unwrap();
        let ran = self
            .call("restorer", &["restore", id, "--target", path])
            .run();
        if ran.code() == Some(0) {
            let name = walk(&target).pop().expect("a file");
            assert_eq!(blake3::hash(&std::fs::read(name).unwrap()), hash, "{id}");
            self.count(Count::Restores);
        } else {
            let listed = self
                .call("restorer", &["snapshots", "--json"])
                .run()
                .exits(0);
            let listed = listed.json();
            let there = listed
                .as_array()
                .unwrap()
                .iter()
                .any(|snapshot| snapshot["id"] == id);
            assert!(
                !there,
                "{id} is there and cannot be restored: {}",
                ran.text()
            );
        }
        let _ = std::fs::remove_dir_all(target);
    }

    fn is_clean(&self) {
        for _ in 0..2 {
            self.call("pruner", &["prune"]).run().exits(0);
        }
        self.call("fresh", &["check", "--read-data"]).run().exits(0);
        let stored = self.stored.lock().unwrap().clone();
        let listed = self.call("fresh", &["snapshots", "--json"]).run().exits(0);
        let listed = listed.json();
        let listed = listed.as_array().unwrap();
        assert!(listed.len() >= WRITERS as usize, "{}", listed.len());
        for snapshot in listed {
            let id = snapshot["id"].as_str().unwrap();
            self.restores(id, stored[id]);
        }
        let locks = self
            .call("fresh", &["locks", "--json"])
            .run()
            .exits(0)
            .json();
        assert_eq!(locks.as_array().unwrap().len(), 0, "{locks}");
    }
}

/// All files below a folder.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files
}
