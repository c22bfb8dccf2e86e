//! Files that did not change are not read again, and those that did are, however they look.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use nightfold_tests::Sandbox;
use serde_json::Value;

const FILES: u64 = 20;

#[test]
fn an_untouched_tree_is_not_read_again() {
    let sandbox = Sandbox::open();
    old_tree(&sandbox);
    let first = backup(&sandbox, &[]);
    assert_eq!(first["files_unchanged"], 0);
    let second = backup(&sandbox, &[]);
    assert_eq!(second["files"], FILES, "{second}");
    assert_eq!(second["files_unchanged"], FILES, "{second}");
    assert_eq!(second["read"], 0, "{second}");
    assert_eq!(second["size"], first["size"]);
    let forced = backup(&sandbox, &["--force"]);
    assert_eq!(forced["files_unchanged"], 0, "{forced}");
    assert_eq!(forced["read"], first["size"], "{forced}");
    // All contents are known. The file list may not be: other tests change the folder that holds this sandbox.
    let known = forced["chunks_known"].as_u64().unwrap();
    assert!(known >= FILES, "{forced}");
    assert_eq!(forced["chunks_whole"], 0, "{forced}");
}

#[test]
fn a_change_that_keeps_size_and_times_is_seen() {
    let sandbox = Sandbox::open();
    old_tree(&sandbox);
    backup(&sandbox, &[]);
    let path = sandbox.path("folder/file-7");
    let mtime = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[500] ^= 1;
    fs::write(&path, &bytes).unwrap();
    set_mtime(&path, mtime);
    let second = backup(&sandbox, &[]);
    assert_eq!(second["files_unchanged"], FILES - 1, "{second}");
    assert!(sandbox.content("latest", &path) == bytes);
}

#[test]
fn a_file_in_the_place_of_another_is_seen() {
    let sandbox = Sandbox::open();
    old_tree(&sandbox);
    backup(&sandbox, &[]);
    let path = sandbox.path("folder/file-7");
    let mtime = fs::metadata(&path).unwrap().modified().unwrap();
    let other = sandbox.file("work/other", content(99));
    set_mtime(&other, mtime);
    fs::rename(&other, &path).unwrap();
    backup(&sandbox, &[]);
    assert!(sandbox.content("latest", &path) == content(99));
}

#[test]
fn a_file_written_just_before_a_backup_is_read_by_the_next() {
    let sandbox = Sandbox::open();
    let path = sandbox.file("folder/fresh", content(1));
    backup(&sandbox, &[]);
    // The clock of the file system may not have ticked since.
    let second = backup(&sandbox, &[]);
    assert_eq!(second["files_unchanged"], 0, "{second}");
    assert!(sandbox.content("latest", path) == content(1));
}

fn backup(sandbox: &Sandbox, more: &[&str]) -> Value {
    let call = sandbox.call(["backup", "--json", "../folder"]);
    call.args(more).run().exits(0).json()
}

/// A folder of files that were written an hour ago.
fn old_tree(sandbox: &Sandbox) {
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for number in 0..FILES {
        let path = sandbox.file(format!("folder/file-{number}"), content(number));
        set_mtime(&path, hour_ago);
    }
}

fn content(number: u64) -> Vec<u8> {
    format!("{number:0>2}").repeat(1000).into_bytes()
}

fn set_mtime(path: &Path, time: SystemTime) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}
