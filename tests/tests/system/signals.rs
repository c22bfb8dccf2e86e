//! Ctrl-C and `kill` in the middle of a backup: it ends at once, and nothing has happened.

use std::io::{Read as _, Write as _};
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use nightfold_tests::{Ran, Random, Sandbox};
use rustix::process::{Pid, Signal, kill_process};

const FED_BYTES: usize = 24 << 20;

#[test]
fn an_interrupted_pipe_makes_no_snapshot() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let sandbox = Sandbox::encrypted();
        let earlier = earlier(&sandbox);
        let mut child = sandbox
            .call(["backup", "-", "--stdin-name", "big.sql"])
            .spawn();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&Random::new(1).bytes(FED_BYTES)).unwrap();
        // The pipe stays open: the dump goes on, for all it knows.
        send(&child, signal);
        interrupted(child);
        drop(stdin);
        only(&sandbox, &earlier);
    }
}

#[test]
fn an_interrupted_file_makes_no_snapshot() {
    let sandbox = Sandbox::encrypted();
    let earlier = earlier(&sandbox);
    // All of it holes, so that it takes no space and still a long time.
    let path = sandbox.file("work/big.sql", b"");
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let child = sandbox.call(["backup", "big.sql"]).spawn();
    // Until its handlers stand, a signal simply ends it.
    until_reading(&child, "big.sql");
    send(&child, Signal::INT);
    interrupted(child);
    only(&sandbox, &earlier);
}

#[test]
fn an_interrupted_command_is_ended_and_makes_no_snapshot() {
    let sandbox = Sandbox::encrypted();
    let earlier = earlier(&sandbox);
    let mark = sandbox.path("work/started");
    let script = "echo data; echo $$ >started.new; mv started.new started; exec sleep 1000";
    let child = sandbox
        .call(["backup", "--command", "--", "sh", "-c", script])
        .spawn();
    while !mark.exists() {
        sleep(Duration::from_millis(10));
    }
    send(&child, Signal::TERM);
    interrupted(child);
    let dump: i32 = std::fs::read_to_string(&mark)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let dump = rustix::process::test_kill_process(Pid::from_raw(dump).unwrap());
    assert!(dump.is_err(), "the dump command still runs");
    only(&sandbox, &earlier);
}

fn earlier(sandbox: &Sandbox) -> (String, Vec<u8>) {
    let bytes = Random::new(7).bytes(3 << 20);
    let path = sandbox.file("work/earlier", &bytes);
    (sandbox.backup([path]), bytes)
}

/// The earlier snapshot is whole and the only one, and the next backup goes through.
fn only(sandbox: &Sandbox, (id, bytes): &(String, Vec<u8>)) {
    assert_eq!(sandbox.snapshot_ids(), std::slice::from_ref(id));
    assert!(sandbox.content(id, sandbox.path("work/earlier")) == *bytes);
    sandbox.check();
    sandbox.backup(["earlier"]);
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn interrupted(mut child: Child) {
    let mut stderr = String::new();
    let stdin = child.stdin.take();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    let mut output = child.wait_with_output().unwrap();
    output.stderr = stderr.into_bytes();
    drop(stdin);
    Ran::new("the interrupted backup", output)
        .exits(130)
        .tells("interrupted: no snapshot was made");
}

/// Waits until the program has the file open.
pub fn until_reading(child: &Child, name: &str) {
    loop {
        let files = format!("/proc/{}/fd", child.id());
        let open = std::fs::read_dir(files).expect("it runs").flatten();
        let targets = open.filter_map(|file| std::fs::read_link(file.path()).ok());
        if targets.into_iter().any(|path| path.ends_with(name)) {
            return;
        }
        sleep(Duration::from_millis(1));
    }
}
