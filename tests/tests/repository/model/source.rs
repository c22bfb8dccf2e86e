//! What clients back up: small files, and a dump of rows of which some change.

use std::fmt::Write as _;

use nightfold_tests::Random;

use crate::support::{Files, noise};

const TABLE: &str = "/db/table.sql";
const ROWS: u64 = 80;
const FILES: u64 = 6;

/// The same for all at first, so that they share chunks.
pub fn first_source(random: &mut Random) -> Files {
    let mut files = Files::from([("/db/blob".to_owned(), noise(1, 2000))]);
    let rows: Vec<String> = (0..ROWS).map(|id| row(id, random)).collect();
    files.insert(TABLE.to_owned(), rows.concat().into_bytes());
    for number in 0..FILES {
        files.insert(format!("/etc/{number}"), small(random));
    }
    files
}

/// A night passes: rows change, come and go, a file changes or goes, and sometimes one is what another client has.
pub fn mutate(files: &mut Files, other: &Files, random: &mut Random) {
    let table = String::from_utf8(files[TABLE].clone()).unwrap();
    let mut rows: Vec<String> = table.split_inclusive('\n').map(str::to_owned).collect();
    for _ in 0..random.below(6) {
        let at = random.below(rows.len() as u64) as usize;
        match random.below(4) {
            0 => rows.insert(at, row(1000 + random.below(1000), random)),
            1 if rows.len() > 20 => drop(rows.remove(at)),
            _ => rows[at] = row(at as u64, random),
        }
    }
    files.insert(TABLE.to_owned(), rows.concat().into_bytes());
    let path = format!("/etc/{}", random.below(2 * FILES));
    match random.below(4) {
        0 => drop(files.remove(&path)),
        1 => drop(files.insert(path, small(random))),
        2 if random.below(4) == 0 => other.clone_into(files),
        _ => {}
    }
}

fn row(id: u64, random: &mut Random) -> String {
    let mut row = String::new();
    let _ = writeln!(
        row,
        "{id}\tcustomer {}\tamount {:x}\t2026-11-20",
        id % 17,
        random.number()
    );
    row
}

fn small(random: &mut Random) -> Vec<u8> {
    let count = random.below(400) as usize;
    random.bytes(count)
}
