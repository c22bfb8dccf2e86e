//! Conversations with a real server, said again: what this program asks, and what it makes of the
//! answers, as they were when they were recorded.

use std::fs;
use std::path::{Path, PathBuf};

use nightfold_ingest::mssql::{DumpOptions, Event, Tables, dump, load};
use nightfold_tests::tds::Replay;

use super::open;

pub(super) fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mssql");
    folder.join(name)
}

#[test]
fn a_recorded_database_is_dumped_as_it_was() {
    let server = Replay::start(&fixture("types-dump.txt"));
    let mut script = Vec::new();
    let options = DumpOptions::default();
    let report = dump(&mut open(server.port()), options, &mut script).unwrap();
    server.finish();
    assert_eq!(report.server.version, "12.0.2000.8");
    let recorded = fs::read_to_string(fixture("types.sql")).unwrap();
    assert_eq!(String::from_utf8(script).unwrap(), recorded);

    let mut counted: Vec<(String, u64)> = Vec::new();
    let mut tables = Tables::new();
    let mut tell = |event: Event<'_>| match event {
        Event::Table(name) => counted.push((name.to_string(), 0)),
        Event::Row(..) => counted.last_mut().unwrap().1 += 1,
    };
    tables.push(recorded.as_bytes(), &mut tell).unwrap();
    tables.finish().unwrap();
    let reported = report.tables.iter();
    let reported: Vec<_> = reported
        .map(|(name, rows)| (name.to_string(), *rows))
        .collect();
    assert_eq!(counted, reported);
}

#[test]
fn a_recorded_dump_is_loaded_as_it_was() {
    let server = Replay::start(&fixture("types-load.txt"));
    let script = fs::read(fixture("types.sql")).unwrap();
    let report = load(&mut open(server.port()), &mut &script[..]).unwrap();
    server.finish();
    assert!(report.batches > 40, "{report:?}");
}
