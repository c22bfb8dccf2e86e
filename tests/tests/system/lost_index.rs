//! The index is derived: whatever happens to it, the same answers come back.

use std::fs;
use std::path::{Path, PathBuf};

use nightfold_tests::{Random, Sandbox, dump::Dump};

/// Some 6 MB.
const ROWS: usize = 60_000;
const NIGHTS: usize = 3;
/// SQLite's.
const PAGE_BYTES: usize = 4096;

#[test]
fn a_deleted_index_is_made_anew() {
    let nights = Nights::new();
    nights.harm("was not there", |index| fs::remove_file(index).unwrap());
}

#[test]
fn a_lost_cache_is_made_anew() {
    let nights = Nights::new();
    nights.harm("was not there", |index| {
        fs::remove_dir_all(index.parent().unwrap()).unwrap();
    });
}

#[test]
fn garbage_in_place_of_the_index_is_replaced() {
    let nights = Nights::new();
    nights.harm("was damaged", |index| {
        fs::write(index, Random::new(5).bytes(100_000)).unwrap();
    });
}

#[test]
fn an_index_cut_short_is_made_anew() {
    let nights = Nights::new();
    let whole = nights.whole_index();
    for share in [2, 3, 10] {
        nights.harm("was damaged", |index| {
            fs::write(index, &whole[..whole.len() / share]).unwrap();
        });
    }
}

#[test]
fn flipped_bytes_of_the_index_never_give_wrong_answers() {
    let nights = Nights::new();
    let whole = nights.whole_index();
    let mut told = 0;
    let pages = whole.len() / PAGE_BYTES;
    for page in (0..pages).step_by(pages.div_ceil(12)) {
        let mut bytes = whole.clone();
        // The start of a page tells what it is and where its cells lie.
        let head = page * PAGE_BYTES..page * PAGE_BYTES + 512;
        for byte in &mut bytes[head] {
            *byte ^= 0xa5;
        }
        fs::write(nights.index(), bytes).unwrap();
        told += nights.answers_as_before().matches("made anew").count();
        nights.repair();
    }
    assert!(told > 0, "not one flip was noticed");
}

#[test]
fn an_empty_index_file_is_filled() {
    let nights = Nights::new();
    // To SQLite an empty file is a new database: nothing is damaged, all is missing.
    fs::write(nights.index(), b"").unwrap();
    nights.answers_as_before();
}

#[test]
fn rebuild_gives_the_same_answers() {
    let nights = Nights::new();
    fs::write(nights.index(), b"garbage").unwrap();
    let ran = nights.sandbox.call(["index", "rebuild"]).run().exits(0);
    assert!(ran.text().contains("anew from"), "{ran:?}");
    assert!(
        nights.answers_as_before().is_empty(),
        "nothing more to tell"
    );
}

#[test]
fn a_backup_after_the_index_is_lost_stores_only_what_is_new() {
    let mut nights = Nights::new();
    fs::remove_file(nights.index()).unwrap();
    let added = nights.next();
    assert!(added < 200_000, "{added} bytes for one row in a hundred");
    nights.answers_as_before();
}

struct Nights {
    sandbox: Sandbox,
    dump: Dump,
    random: Random,
    stored: Vec<(String, Vec<u8>)>,
}

impl Nights {
    fn new() -> Self {
        let mut random = Random::new(4);
        let mut nights = Self {
            sandbox: Sandbox::open(),
            dump: Dump::new(ROWS, &mut random),
            random,
            stored: Vec::new(),
        };
        for _ in 0..NIGHTS {
            nights.next();
        }
        nights
    }

    /// One more night; the bytes that it took.
    fn next(&mut self) -> u64 {
        self.dump.pass_day(&mut self.random);
        let text = self.dump.text();
        self.sandbox.file("work/app.sql", &text);
        let id = self.sandbox.backup(["app.sql"]);
        self.stored.push((id, text));
        let listed = self.sandbox.snapshots();
        listed.last().unwrap()["added"].as_u64().unwrap()
    }

    fn index(&self) -> PathBuf {
        let ran = self.sandbox.call(["index", "path"]).run().exits(0);
        PathBuf::from(ran.text().trim_end())
    }

    /// All of it in one file, as SQLite leaves it when nobody has it open.
    fn whole_index(&self) -> Vec<u8> {
        let index = self.index();
        let log = index.with_extension("sqlite-wal");
        assert!(!log.exists() || fs::metadata(log).unwrap().len() == 0);
        fs::read(index).unwrap()
    }

    /// The next command tells that the index was made anew, once, and why.
    fn harm(&self, why: &str, harm: impl FnOnce(&Path)) {
        harm(&self.index());
        let told = self.answers_as_before();
        assert_eq!(told.matches("made anew").count(), 1, "{told}");
        assert!(told.contains(why), "{told}");
    }

    /// Every night comes back byte for byte, and the check is clean. Returns all warnings.
    fn answers_as_before(&self) -> String {
        let path = self.sandbox.path("work/app.sql");
        let mut told = String::new();
        for (id, text) in &self.stored {
            let ran = self.sandbox.call(["cat", id]).arg(&path).run().exits(0);
            assert!(ran.stdout == *text, "{id}");
            told += &ran.stderr;
        }
        let ran = self.sandbox.call(["check", "--read-data"]).run().exits(0);
        told + &ran.stderr
    }

    fn repair(&self) {
        self.sandbox.call(["index", "rebuild"]).run().exits(0);
    }
}
