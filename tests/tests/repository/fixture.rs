//! Repositories that earlier versions made open and restore (`examples/make-fixture.rs` tells how they are made).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nightfold_repo::format::{Content, Extension, Node, escape_path};
use nightfold_repo::storage::LocalStorage;

use super::support::{assert_clean, copy_folder, entries, open, read_all};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/repository-v1")
}

/// Snapshot and path to size and BLAKE3, as recorded when the fixture was made.
fn recorded() -> BTreeMap<(String, String), (u64, String)> {
    let text = std::fs::read_to_string(fixture().with_extension("digests")).unwrap();
    text.lines()
        .map(|line| {
            let fields: Vec<_> = line.splitn(4, ' ').collect();
            let key = (fields[0].to_owned(), fields[3].to_owned());
            (key, (fields[1].parse().unwrap(), fields[2].to_owned()))
        })
        .collect()
}

fn digest(bytes: &[u8]) -> (u64, String) {
    (bytes.len() as u64, blake3::hash(bytes).to_string())
}

#[test]
fn format_1_restores_to_what_was_recorded() {
    let cache = tempfile::tempdir().unwrap();
    let repository = open(LocalStorage::new(fixture()), cache.path()).unwrap();
    let recorded = recorded();
    let mut read = BTreeMap::new();
    for stored in repository.snapshots().unwrap() {
        let id = stored.id.to_string();
        let list = stored.snapshot.file_list("snapshot").unwrap();
        let bytes = read_all(&repository, &list).unwrap();
        read.insert((id.clone(), String::new()), digest(&bytes));
        for entry in entries(&repository, &list).unwrap() {
            if let Node::File(content) = &entry.node {
                let bytes = read_all(&repository, content).unwrap();
                read.insert((id.clone(), escape_path(&entry.path)), digest(&bytes));
            }
        }
    }
    assert_eq!(read.len(), 15);
    assert_eq!(read, recorded);
}

#[test]
fn format_1_is_clean_and_holds_every_kind_of_thing() {
    // A check puts down what it has read.
    let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy_folder(&fixture(), folder.path());
    let repository = open(LocalStorage::new(folder.path()), cache.path()).unwrap();
    let report = assert_clean(&repository);
    assert_eq!(report.notes, Vec::<String>::new());
    let stats = repository.stats().unwrap();
    let frames = stats.frames;
    assert!(
        frames.whole > 0 && frames.delta > 0 && frames.stored > 0,
        "{frames:?}"
    );
    assert!(stats.depth_histogram.len() > 2, "{stats:?}");
    let newest = repository.snapshots().unwrap().pop().unwrap();
    let list = newest.snapshot.file_list("snapshot").unwrap();
    let entries = entries(&repository, &list).unwrap();
    let kinds = |wanted: fn(&Node) -> bool| entries.iter().any(|entry| wanted(&entry.node));
    assert!(kinds(|node| matches!(node, Node::Directory)));
    assert!(kinds(|node| matches!(node, Node::Symlink(_))));
    assert!(kinds(|node| matches!(node, Node::Hardlink(_))));
    assert!(kinds(|node| matches!(node, Node::Fifo)));
    assert!(kinds(|node| matches!(node, Node::CharDevice(_))));
    assert!(kinds(|node| matches!(node, Node::BlockDevice(_))));
    let blob = entries
        .iter()
        .find(|entry| entry.path == b"/db/blob")
        .unwrap();
    assert!(kinds(|node| matches!(
        node,
        Node::File(Content::Chunks { depth: 1, .. })
    )));
    assert!(kinds(|node| matches!(node, Node::File(Content::Inline(_)))));
    assert!(matches!(blob.extensions[0], Extension::Holes(_)));
    assert!(matches!(blob.extensions[1], Extension::Xattr { .. }));
    assert!(matches!(
        blob.extensions[2],
        Extension::Unknown { tag: 999, .. }
    ));
    assert_eq!(blob.metadata.mtime.seconds, -1);
}

#[test]
fn format_1_takes_another_night() {
    let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy_folder(&fixture(), folder.path());
    let repository = open(LocalStorage::new(folder.path()), cache.path()).unwrap();
    let files = super::support::night(1);
    let stored = super::support::back_up_against(&repository, &files, None).unwrap();
    super::support::assert_restores(&repository, &stored, &files);
    assert_clean(&repository);
}
