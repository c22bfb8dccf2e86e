//! Files that change, vanish or refuse while they are read.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command};

use nightfold_tests::{Call, Ran, Sandbox, program};
use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::signals::until_reading;

/// Holes take no space and are read slowly enough to be caught reading.
const BIG_BYTES: u64 = 1 << 30;

#[test]
fn a_file_that_shrinks_is_stored_as_far_as_it_went() {
    let sandbox = Sandbox::open();
    let ran = while_reading(&sandbox, |path| set_len(path, 1 << 20));
    let ran = ran
        .exits(0)
        .tells("/folder/big: it shrank while it was read");
    let size = ran.json()["size"].as_u64().unwrap();
    assert!(size < BIG_BYTES, "{size}");
    sandbox.check();
    let restored = sandbox.restore("latest", "restored");
    let restored = fs::metadata(below(&restored, &sandbox.path("folder/big"))).unwrap();
    assert_eq!(restored.len(), size - "firstlast".len() as u64);
}

#[test]
fn a_file_that_grows_is_stored_as_it_was() {
    let sandbox = Sandbox::open();
    let ran = while_reading(&sandbox, |path| set_len(path, BIG_BYTES + 4096));
    let ran = ran.exits(0).tells("/folder/big: it grew while it was read");
    let size = ran.json()["size"].as_u64().unwrap();
    assert_eq!(size, BIG_BYTES + "firstlast".len() as u64);
}

#[test]
fn a_file_that_vanishes_while_it_is_read_is_stored() {
    let sandbox = Sandbox::open();
    let ran = while_reading(&sandbox, |path| fs::remove_file(path).unwrap());
    ran.exits(0)
        .tells("/folder/big: it vanished while it was read");
}

#[test]
fn a_file_that_vanishes_before_it_is_read_costs_nobody_else() {
    let sandbox = Sandbox::open();
    // The folder was listed before the big file was opened, so `last` is expected there.
    let ran = while_reading(&sandbox, |path| {
        fs::remove_file(path.with_file_name("last")).unwrap();
    });
    let ran = ran.exits(3).tells("not read: /");
    let told = ran.json();
    assert_eq!(told["incomplete"], true, "{told}");
    assert_eq!(told["failures"].as_array().unwrap().len(), 1, "{told}");
    let first = sandbox.content("latest", sandbox.path("folder/a"));
    assert_eq!(first, b"first");
}

#[test]
fn an_unreadable_file_makes_the_snapshot_incomplete() {
    let sandbox = Sandbox::open();
    let readable = sandbox.file("folder/readable", "this");
    let secret = sandbox.file("folder/secret", "that");
    let complete = sandbox.backup(["../folder"]);

    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    let ran = unprivileged(&sandbox, &["backup", "../folder"])
        .run()
        .exits(3)
        .tells("not read: /")
        .tells("/folder/secret: Permission denied");
    assert!(ran.text().contains("incomplete"), "{ran:?}");

    let listed = sandbox.snapshots();
    assert_eq!(listed[0]["incomplete"], false);
    assert_eq!(listed[1]["incomplete"], true);
    assert_eq!(sandbox.content("latest", &secret), b"that");
    let partial = listed[1]["short_id"].as_str().unwrap();
    assert_eq!(sandbox.content(partial, &readable), b"this");
    let by_default = sandbox.call(["ls", "latest"]).run().exits(0);
    let by_default = by_default
        .tells("is newer but misses files")
        .tells(&format!("note: snapshot {}", &complete[..8]));
    assert!(by_default.text().contains("secret"));
    sandbox.check();
}

#[test]
fn nothing_readable_at_all_makes_no_snapshot() {
    let sandbox = Sandbox::open();
    let secret = sandbox.file("work/secret", "that");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    unprivileged(&sandbox, &["backup", "secret"])
        .run()
        .exits(1)
        .tells("nothing could be read, no snapshot was made");
    assert!(sandbox.snapshots().is_empty());
}

#[test]
fn a_path_that_is_not_there_makes_no_snapshot() {
    let sandbox = Sandbox::open();
    for path in ["./nowhere", "nowhere", "../folder/nowhere"] {
        sandbox
            .call(["backup", path])
            .run()
            .exits(1)
            .tells("nowhere");
    }
    assert!(sandbox.snapshots().is_empty());
}

/// Backs up a folder, and does something to the big file in it while that is being read.
fn while_reading(sandbox: &Sandbox, meddle: impl FnOnce(&Path)) -> Ran {
    sandbox.file("folder/a", "first");
    let big = sandbox.file("folder/big", "");
    sandbox.file("folder/last", "last");
    set_len(&big, BIG_BYTES);
    let child = sandbox.call(["backup", "--json", "../folder"]).spawn();
    until_reading(&child, "big");
    send(&child, Signal::STOP);
    meddle(&big);
    send(&child, Signal::CONT);
    Ran::new("backup of a moving file", child.wait_with_output().unwrap())
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn set_len(path: &Path, bytes: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(bytes).unwrap();
}

/// Where a file stands below the folder that it was restored to.
fn below(restored: &Path, path: &Path) -> std::path::PathBuf {
    restored.join(path.strip_prefix("/").unwrap())
}

/// Root may read everything unless it gives that up; anybody else runs the program as it is.
fn unprivileged(sandbox: &Sandbox, arguments: &[&str]) -> Call {
    if !geteuid().is_root() {
        return sandbox.call(arguments);
    }
    let mut command: Command = sandbox.command("setpriv");
    command.arg("--bounding-set=-dac_override,-dac_read_search");
    command.arg("--").arg(program()).args(arguments);
    Call::new(command)
}
