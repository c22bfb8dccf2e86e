//! Snapshots.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::content::Content;
use super::super::snapshot::{Snapshot, SnapshotStats, Writer};
use super::{bytes, content, damaged, flips};

fn sound() -> Snapshot {
    let time = "2026-11-22T03:00:00+01:00".to_owned();
    Snapshot {
        time: time.clone(),
        started: time.clone(),
        finished: time,
        host: "db1".to_owned(),
        user: "root".to_owned(),
        source: "app-db".to_owned(),
        paths: vec!["/a\\x0ab".to_owned()],
        tags: vec!["nightly".to_owned()],
        incomplete: false,
        program: "nightfold 0.1.0".to_owned(),
        files: Vec::new(),
        stats: SnapshotStats::default(),
        writer: Writer::default(),
        extensions: BTreeMap::new(),
    }
}

proptest! {
    #[test]
    fn snapshots_are_inverse(
        host in ".*", tags in proptest::collection::vec(".*", 0..3), list in content(), size: u64,
        sequence: u64, incomplete: bool,
    ) {
        let mut snapshot = Snapshot { host, tags, incomplete, ..sound() };
        list.encode(&mut snapshot.files);
        snapshot.stats.size = size;
        snapshot.writer.sequence = sequence;
        let decoded = Snapshot::decode("snapshot", &snapshot.encode()).unwrap();
        prop_assert_eq!(&decoded, &snapshot);
        prop_assert_eq!(decoded.file_list("snapshot").unwrap(), list);
    }

    #[test]
    fn damaged_snapshots_never_panic(flips in flips(), kept: usize, noise in bytes(100)) {
        let json = damaged(&sound().encode(), &flips, kept);
        if let Ok(snapshot) = Snapshot::decode("snapshot", &json) {
            let _ = (snapshot.timestamp(), snapshot.file_list("snapshot"));
        }
        prop_assert!(Snapshot::decode("snapshot", &noise).is_err());
        let listed = Snapshot { files: noise, ..sound() };
        let _ = listed.file_list("snapshot");
    }
}

#[test]
fn what_a_newer_program_adds_survives() {
    let mut json: serde_json::Value = serde_json::from_slice(&sound().encode()).unwrap();
    json["consistency"] = serde_json::json!({ "lsn": "0/16B3748", "paused": true });
    let decoded = Snapshot::decode("snapshot", json.to_string().as_bytes()).unwrap();
    let again: serde_json::Value = serde_json::from_slice(&decoded.encode()).unwrap();
    assert_eq!(again, json);
}

#[test]
fn a_snapshot_without_a_valid_time_is_refused() {
    for time in [
        "",
        "yesterday",
        "2026-13-01T00:00:00Z",
        "2026-11-22T03:00:00",
    ] {
        let snapshot = Snapshot {
            time: time.to_owned(),
            ..sound()
        };
        assert!(
            Snapshot::decode("snapshot", &snapshot.encode()).is_err(),
            "{time}"
        );
    }
    let snapshot = sound();
    assert_eq!(snapshot.timestamp().to_string(), "2026-11-22T02:00:00Z");
}

#[test]
fn a_file_list_of_junk_is_refused() {
    for files in [vec![], vec![200], vec![1]] {
        let snapshot = Snapshot { files, ..sound() };
        assert!(snapshot.file_list("snapshot").is_err());
    }
    let mut snapshot = sound();
    Content::Inline(Vec::new()).encode(&mut snapshot.files);
    assert_eq!(snapshot.file_list("snapshot").unwrap().size(), 0);
}
