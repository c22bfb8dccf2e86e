//! `kill -9` at any moment of any verb that writes: nothing is lost, nothing has to be unlocked.
//!
//! A few kills here; `NIGHTFOLD_KILLS=500` spreads so many over all verbs.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nightfold_tests::{Call, Random, Sandbox, dump::Dump};
use serde_json::Value;

const KILLS: u64 = 18;
/// Some 2 MB.
const ROWS: usize = 20_000;
/// Every snapshot is restored after so many kills, a single one after each.
const ALL_RESTORED_EVERY: u64 = 25;
/// Nights that a policy keeps.
const KEPT: &str = "6";

const VERBS: [&str; 6] = ["backup", "forget", "prune", "compact", "copy", "key rotate"];

struct Story {
    sandbox: Sandbox,
    random: Random,
    dump: Dump,
    /// The hash of what each night holds, by the snapshot's first id.
    stored: HashMap<String, blake3::Hash>,
    /// What the night of a backup that is killed holds.
    tonight: blake3::Hash,
    /// Of the repository, and one that may have become its password when a change of keys was killed.
    passwords: Vec<String>,
    changes: u64,
    killed: HashMap<&'static str, u64>,
    /// How long each verb took when it was let to its end.
    takes: HashMap<&'static str, Duration>,
}

#[test]
fn whatever_is_killed_nothing_is_lost() {
    let kills = std::env::var("NIGHTFOLD_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let mut story = Story::begin();
    for round in 0..kills {
        story.round(round);
        if round % ALL_RESTORED_EVERY == ALL_RESTORED_EVERY - 1 {
            story.all_restore();
        }
    }
    story.all_restore();
    let mut killed: Vec<_> = story.killed.iter().collect();
    killed.sort();
    let sum: u64 = story.killed.values().sum();
    eprintln!("{sum} of {kills} were killed before they had ended: {killed:?}");
    assert!(sum > kills / 4, "{sum} of {kills}");
}

impl Story {
    fn begin() -> Self {
        let mut random = Random::new(4);
        let mut story = Self {
            sandbox: Sandbox::encrypted(),
            dump: Dump::new(ROWS, &mut random),
            random,
            stored: HashMap::new(),
            tonight: blake3::hash(b""),
            passwords: vec!["correct horse".to_owned()],
            changes: 0,
            killed: HashMap::new(),
            takes: HashMap::new(),
        };
        let other = story.sandbox.path("other");
        story
            .call(&["init", "--repo", other.to_str().unwrap()])
            .env("NIGHTFOLD_PASSWORD", "correct horse")
            .run()
            .exits(0);
        for _ in 0..3 {
            story.pass_night();
            let ran = story.call(&["backup", "--json", "app.sql"]).run().exits(0);
            let id = ran.json()["id"].as_str().unwrap().to_owned();
            story.stored.insert(id, story.tonight);
        }
        story
    }

    fn call(&self, arguments: &[&str]) -> Call {
        let password = self.passwords.last().unwrap();
        self.sandbox
            .call(arguments.iter().copied())
            .env("NIGHTFOLD_PASSWORD", password)
    }

    fn pass_night(&mut self) {
        self.dump.pass_day(&mut self.random);
        let text = self.dump.text();
        self.sandbox.file("work/app.sql", &text);
        self.tonight = blake3::hash(&text);
    }

    /// One verb, killed; then all that must hold, and the verb again, to its end.
    fn round(&mut self, round: u64) {
        let verb = VERBS[(round % VERBS.len() as u64) as usize];
        if verb == "backup" {
            self.pass_night();
        }
        let call = self.verb(verb);
        let begun = Instant::now();
        let mut child = call.spawn();
        let takes = self
            .takes
            .get(verb)
            .copied()
            .unwrap_or(Duration::from_millis(300));
        // The first third is spent on the password.
        let share = 0.3 + self.random.below(1000) as f64 / 1250.0;
        let delay = takes.mul_f64(share);
        while begun.elapsed() < delay && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        let killed = !child.wait().unwrap().success();
        *self.killed.entry(verb).or_default() += u64::from(killed);
        self.settle_password();

        let when = format!("round {round}: {verb} killed after {delay:?}");
        self.call(&["check"]).run().exits(0);
        self.take_stock(verb == "backup", verb == "forget", &when);
        let any = self.random.below(self.stored.len() as u64) as usize;
        let id = self.stored.keys().nth(any).unwrap().clone();
        self.restores(&id, &when);
        if !verb.starts_with("key") {
            let begun = Instant::now();
            self.verb(verb).run().exits(0);
            self.takes.insert(verb, begun.elapsed());
            self.take_stock(verb == "backup", verb == "forget", &when);
        }
    }

    fn verb(&mut self, verb: &str) -> Call {
        match verb {
            "backup" => self.call(&["backup", "app.sql"]),
            "forget" => self.call(&["forget", "--keep-last", KEPT]),
            "copy" => {
                let (from, to) = (self.sandbox.repository(), self.sandbox.path("other"));
                let password = self.passwords.last().unwrap().clone();
                self.sandbox
                    .call(["copy", "--from-repo", from.to_str().unwrap()])
                    .env("NIGHTFOLD_REPO", to)
                    .env("NIGHTFOLD_PASSWORD", "correct horse")
                    .env("NIGHTFOLD_FROM_PASSWORD", password)
            }
            "key rotate" => {
                self.changes += 1;
                let new = format!("password {}", self.changes);
                let call = self.call(&["key", "rotate", "--remove-others"]);
                let call = call.env("NIGHTFOLD_NEW_PASSWORD", &new);
                self.passwords.push(new);
                call
            }
            verb => self.call(&[verb]),
        }
    }

    /// After a change of keys was killed the old password is good, or the new one, or both.
    fn settle_password(&mut self) {
        if self.passwords.len() == 1 {
            return;
        }
        let opens = |password: &String| {
            let call = self
                .sandbox
                .call(["key", "list"])
                .env("NIGHTFOLD_PASSWORD", password);
            call.run().code() == Some(0)
        };
        let good = self.passwords.iter().rev().find(|password| opens(password));
        self.passwords = vec![good.expect("one of the passwords opens it").clone()];
    }

    /// All that were stored still are, but for what a policy removed; a new one can only be tonight's.
    fn take_stock(&mut self, backed_up: bool, forgot: bool, when: &str) {
        let listed = self.call(&["snapshots", "--json"]).run().exits(0).json();
        let ids: Vec<String> = listed.as_array().unwrap().iter().map(first_id).collect();
        if forgot {
            self.stored.retain(|id, _| ids.contains(id));
            assert!(self.stored.len() >= 3, "{when}");
        }
        for id in self.stored.keys() {
            assert!(ids.contains(id), "{id} is gone after {when}");
        }
        for id in ids {
            let tonight = self.tonight;
            let known = self.stored.contains_key(&id);
            assert!(known || backed_up, "{id} came with {when}");
            self.stored.entry(id).or_insert(tonight);
        }
    }

    fn restores(&self, id: &str, when: &str) {
        let file = self.sandbox.path("work/app.sql");
        let ran = self
            .call(&["cat", id, file.to_str().unwrap()])
            .run()
            .exits(0);
        assert_eq!(
            blake3::hash(&ran.stdout),
            self.stored[id],
            "{id} after {when}"
        );
    }

    fn all_restore(&self) {
        self.call(&["check", "--read-data"]).run().exits(0);
        let other = self.sandbox.path("other");
        self.sandbox
            .call(["check", "--read-data", "--repo", other.to_str().unwrap()])
            .run()
            .exits(0);
        for id in self.stored.keys() {
            self.restores(id, "all of it");
        }
    }
}

/// The id under which a snapshot was made: a change of keys gives it another.
fn first_id(snapshot: &Value) -> String {
    let original = snapshot["original"].as_str();
    original.or(snapshot["id"].as_str()).unwrap().to_owned()
}
