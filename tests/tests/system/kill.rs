//! `kill -9` at any moment: nothing that was stored is lost, nothing is left locked.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nightfold_ingest::{find_entry, write_content};
use nightfold_tests::{Random, Sandbox, dump::Dump};

const ROUNDS: u64 = 50;
/// Some 40 MB.
const ROWS: usize = 380_000;
const SEED: u64 = 2;
/// A little longer than the last objects of a backup take to be written.
const DURING_WRITES: Duration = Duration::from_millis(30);

#[test]
fn a_killed_backup_costs_nothing_that_was_stored() {
    let mut story = Story::begin();
    let duration = story.backup_of_a_new_night();
    let mut killed = 0;
    for round in 0..ROUNDS {
        let share = story.random.below(1000) as f64 / 1000.0;
        let moment = if round % 2 == 0 {
            // Spread evenly, in a random order, from before its first read to after its end.
            let slot = (round * 27 % ROUNDS) as f64;
            Moment::Begun(duration.mul_f64(1.05 * (slot + share) / ROUNDS as f64))
        } else {
            Moment::Writing(DURING_WRITES.mul_f64(share))
        };
        killed += u64::from(story.round(round, moment));
    }
    // Otherwise the delays are off, and the rounds prove nothing.
    assert!(killed >= ROUNDS / 2, "{killed} of {ROUNDS} were killed");
    story.end();
}

/// When to kill.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after the start.
    Begun(Duration),
    /// So long after something new was seen in the repository: all that could be torn happens here.
    Writing(Duration),
}

struct Story {
    sandbox: Sandbox,
    random: Random,
    dump: Dump,
    /// The hash of what each snapshot holds.
    stored: HashMap<String, blake3::Hash>,
}

impl Story {
    fn begin() -> Self {
        let mut random = Random::new(SEED);
        Self {
            sandbox: Sandbox::encrypted(),
            dump: Dump::new(ROWS, &mut random),
            random,
            stored: HashMap::new(),
        }
    }

    /// One killed backup and all that must hold after it. Tells whether it was killed in time.
    fn round(&mut self, round: u64, moment: Moment) -> bool {
        self.dump.pass_day(&mut self.random);
        let hash = self.write();
        let mut child = self.sandbox.call(["backup", "app.sql"]).spawn();
        match moment {
            Moment::Begun(delay) => sleep(delay),
            Moment::Writing(delay) => {
                let before = self.objects();
                while self.objects() == before && child.try_wait().unwrap().is_none() {
                    sleep(Duration::from_micros(200));
                }
                sleep(delay);
            }
        }
        child.kill().unwrap();
        let killed = !child.wait().unwrap().success();

        self.sandbox.call(["check"]).run().exits(0);
        self.list(hash);
        let any = self.random.below(self.stored.len() as u64) as usize;
        let id = self.stored.keys().nth(any).unwrap().clone();
        self.restores(&id, &format!("round {round}, killed at {moment:?}"));
        self.backup(hash);
        killed
    }

    /// Files and folders in the repository.
    fn objects(&self) -> usize {
        let repository = self.sandbox.repository();
        let mut count = 0;
        let mut folders = vec![repository.join("packs"), repository.join("snapshots")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                count += 1;
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(entry.path());
                }
            }
        }
        count
    }

    /// The first backups of this story; how long one with changes takes.
    fn backup_of_a_new_night(&mut self) -> Duration {
        let hash = self.write();
        self.backup(hash);
        self.dump.pass_day(&mut self.random);
        let hash = self.write();
        let begun = Instant::now();
        self.backup(hash);
        begun.elapsed()
    }

    fn write(&self) -> blake3::Hash {
        let text = self.dump.text();
        self.sandbox.file("work/app.sql", &text);
        blake3::hash(&text)
    }

    fn backup(&mut self, hash: blake3::Hash) {
        let id = self.sandbox.backup(["app.sql"]);
        self.stored.insert(id, hash);
    }

    /// All that were there still are; a new one can only be of the night whose backup was killed too late.
    fn list(&mut self, tonight: blake3::Hash) {
        let folder = std::fs::read_dir(self.sandbox.repository().join("snapshots")).unwrap();
        let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // What a killed writer leaves behind.
        let listed: Vec<_> = names.filter(|name| !name.starts_with(".tmp-")).collect();
        for id in self.stored.keys() {
            assert!(listed.contains(id), "{id} is gone");
        }
        for id in listed {
            self.stored.entry(id).or_insert(tonight);
        }
    }

    fn restores(&self, id: &str, when: &str) {
        let content = self.sandbox.content(id, self.sandbox.path("work/app.sql"));
        assert_eq!(blake3::hash(&content), self.stored[id], "{id} after {when}");
    }

    /// Every snapshot is whole. Read in this process: a hundred runs would spend their time on the password.
    fn end(self) {
        self.sandbox.check();
        let mut listed = self.sandbox.snapshot_ids();
        listed.sort();
        let mut stored: Vec<_> = self.stored.keys().cloned().collect();
        stored.sort();
        assert_eq!(listed, stored);

        let repository = self.sandbox.library();
        let path = self.sandbox.path("work/app.sql").into_os_string();
        for id in listed {
            let snapshot = repository.snapshot(&id).unwrap();
            let entry = find_entry(&repository, &snapshot, path.as_encoded_bytes());
            let mut hasher = blake3::Hasher::new();
            write_content(&repository, &entry.unwrap().unwrap(), &mut hasher).unwrap();
            assert_eq!(hasher.finalize(), self.stored[&id], "{id} at the end");
        }
    }
}
