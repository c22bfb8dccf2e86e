//! Makes the golden repository that later versions must open:
//!
//! ```text
//! cargo run -p nightfold-tests --example make-fixture -- tests/fixtures/repository-v1
//! ```
//!
//! Keys and object ids are random, so every run makes other bytes. A fixture that was released is never made
//! anew: it stands for the repositories that people have. Beside the folder goes a text file with the digests
//! of what was stored, one line each: snapshot, size, BLAKE3, path (as `escape_path` writes it; empty: the file
//! list).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[allow(dead_code)]
#[path = "../tests/repository/support.rs"]
mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use nightfold_chunker::ChunkSizes;
use nightfold_repo::Repository;
use nightfold_repo::format::{
    Content, Entry, Extension, Metadata, Node, StreamKind, Timestamp, escape_path,
};
use nightfold_repo::repository::{InitOptions, RunWriter, StoredSnapshot, WriteOptions};
use nightfold_repo::storage::LocalStorage;

const NIGHTS: u64 = 3;

fn main() {
    let folder = std::env::args().nth(1).expect("usage: make-fixture FOLDER");
    let folder = Path::new(&folder);
    let storage = LocalStorage::new(folder);
    let mut options = InitOptions::new(Some(support::password()), "fixture".to_owned());
    options.kdf = support::CHEAP;
    // Large enough for chunks that have sketches, small enough for a few kilobytes.
    options.sizes = ChunkSizes {
        min: 1024,
        avg: 4096,
        max: 16384,
    };
    Repository::init(&storage, &options).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let mut digests = String::new();
    let mut previous = None;
    for night in 1..=NIGHTS {
        let repository = support::open(LocalStorage::new(folder), cache.path()).unwrap();
        previous = Some(back_up(&repository, night, previous.as_ref(), &mut digests));
    }
    std::fs::write(folder.with_extension("digests"), digests).unwrap();
    println!("made {}", folder.display());
}

/// Rows alike enough to compress well: the fixture is to stay small.
fn table(night: u64) -> Vec<u8> {
    let mut text = String::new();
    for row in 0..3500 {
        let paid = if row % 97 == night { night } else { 0 };
        writeln!(text, "{row}\tcustomer {}\tpaid {paid}\t2026-11-20", row % 7).unwrap();
    }
    text.into_bytes()
}

/// Path, bytes if it is a file, what it is otherwise.
type Item = (Vec<u8>, Result<Vec<u8>, Node>);

fn source(night: u64) -> Vec<Item> {
    vec![
        (b"/db".to_vec(), Err(Node::Directory)),
        (b"/db/blob".to_vec(), Ok(support::noise(1, 600))),
        (b"/db/empty".to_vec(), Ok(Vec::new())),
        (
            b"/db/link".to_vec(),
            Err(Node::Symlink(b"../db/table.sql".to_vec())),
        ),
        (
            b"/db/new\nline \xff".to_vec(),
            Ok(format!("night {night}").into_bytes()),
        ),
        (b"/db/pipe".to_vec(), Err(Node::Fifo)),
        (b"/db/table.sql".to_vec(), Ok(table(night))),
        (
            b"/db/twin".to_vec(),
            Err(Node::Hardlink(b"/db/table.sql".to_vec())),
        ),
        (b"/dev/null".to_vec(), Err(Node::CharDevice(0x103))),
        (b"/dev/sda".to_vec(), Err(Node::BlockDevice(0x800))),
    ]
}

fn metadata(night: u64) -> Metadata {
    Metadata {
        mode: 0o640,
        uid: 104,
        gid: 1_000_000,
        user: b"postgres".to_vec(),
        group: Vec::new(),
        mtime: Timestamp {
            seconds: -1,
            nanos: 999_999_999,
        },
        ctime: Timestamp {
            seconds: 1_795_000_000 + night as i64,
            nanos: 1,
        },
        inode: 12_345,
    }
}

fn extensions(path: &[u8]) -> Vec<Extension> {
    if path != b"/db/blob" {
        return Vec::new();
    }
    vec![
        Extension::Holes(vec![(0, 100), (300, 50)]),
        Extension::Xattr {
            name: b"user.note".to_vec(),
            value: b"\x00kept".to_vec(),
        },
        Extension::Unknown {
            tag: 999,
            value: b"of a newer program".to_vec(),
        },
    ]
}

fn back_up(
    repository: &Arc<Repository>,
    night: u64,
    previous: Option<&StoredSnapshot>,
    digests: &mut String,
) -> StoredSnapshot {
    let writer = RunWriter::start(repository, WriteOptions::default()).unwrap();
    let previous_list = previous.map(|stored| stored.snapshot.file_list("").unwrap());
    let before = previous_list.as_ref().map_or(Vec::new(), |list| {
        support::entries(repository, list).unwrap()
    });
    let (mut list, mut lines, mut size) = (Vec::new(), Vec::new(), 0);
    for (path, item) in source(night) {
        let node = match item {
            Err(node) => node,
            Ok(bytes) => {
                size += bytes.len() as u64;
                lines.push(line(&path, &bytes));
                let same_path = before.iter().find(|entry| entry.path == path);
                let old = same_path.and_then(|entry| match &entry.node {
                    Node::File(content) => Some(content),
                    _ => None,
                });
                Node::File(content(repository, &writer, bytes, old))
            }
        };
        let entry = Entry {
            metadata: metadata(night),
            extensions: extensions(&path),
            path,
            node,
        };
        entry.encode(&mut list);
    }
    lines.push(line(b"", &list));
    let previous_list = previous_list.as_ref();
    let list = support::store(repository, &writer, StreamKind::Meta, &list, previous_list).unwrap();
    let mut files = Vec::new();
    list.encode(&mut files);
    let published = writer.publish(|_| support::snapshot(files, size)).unwrap();
    let stored = published.unwrap();
    for line in lines {
        writeln!(digests, "{} {line}", stored.id).unwrap();
    }
    stored
}

fn content(
    repository: &Repository,
    writer: &RunWriter,
    bytes: Vec<u8>,
    previous: Option<&Content>,
) -> Content {
    if bytes.len() <= 256 {
        Content::Inline(bytes)
    } else {
        support::store(repository, writer, StreamKind::Data, &bytes, previous).unwrap()
    }
}

fn line(path: &[u8], bytes: &[u8]) -> String {
    format!(
        "{} {} {}",
        bytes.len(),
        blake3::hash(bytes),
        escape_path(path)
    )
}
