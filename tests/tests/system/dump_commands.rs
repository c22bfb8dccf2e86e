//! Dump commands that fail, and what may be said of them.

use nightfold_tests::{Call, Ran, Sandbox};

#[test]
fn a_command_that_succeeds_is_stored() {
    let sandbox = Sandbox::open();
    let ran = command(&sandbox, &["sh", "-c", "echo data; echo a word >&2"])
        .exits(0)
        .tells("sh said: a word");
    assert!(ran.text().contains("snapshot "), "{ran:?}");
    let ids = sandbox.snapshot_ids();
    assert_eq!(sandbox.content(&ids[0], "sh"), b"data\n");
}

#[test]
fn a_command_that_fails_makes_no_snapshot() {
    let sandbox = Sandbox::open();
    let script = "for n in $(seq 30); do echo line $n >&2; done; echo data; exit 3";
    let ran = command(&sandbox, &["sh", "-c", script])
        .exits(1)
        .tells("sh exited with status 3: no snapshot was made")
        .tells("  | line 30");
    assert!(!ran.stderr.contains("line 1\n"), "only the last lines");
    assert!(sandbox.snapshots().is_empty());
}

#[test]
fn a_command_that_fails_late_makes_no_snapshot() {
    let sandbox = Sandbox::open();
    let script = "head -c 50000000 /dev/urandom; exit 1";
    command(&sandbox, &["sh", "-c", script])
        .exits(1)
        .tells("sh exited with status 1");
    assert!(sandbox.snapshots().is_empty());
    // What it stored before it failed is an orphan, not damage.
    sandbox.check();
}

#[test]
fn a_killed_command_makes_no_snapshot() {
    let sandbox = Sandbox::open();
    command(&sandbox, &["sh", "-c", "echo data; kill -9 $$"])
        .exits(1)
        .tells("sh was killed by signal 9: no snapshot was made");
    assert!(sandbox.snapshots().is_empty());
}

#[test]
fn a_command_that_is_not_there_makes_no_snapshot() {
    let sandbox = Sandbox::open();
    command(&sandbox, &["no-such-dump", "--password=hunter2"])
        .exits(1)
        .tells("no-such-dump could not be started")
        .hides("hunter2");
    assert!(sandbox.snapshots().is_empty());
}

#[test]
fn a_command_that_prints_nothing_makes_no_snapshot() {
    let sandbox = Sandbox::open();
    command(&sandbox, &["true"])
        .exits(1)
        .tells("true gave no data at all");
    assert!(sandbox.snapshots().is_empty());
}

#[test]
fn empty_standard_input_makes_no_snapshot() {
    let sandbox = Sandbox::open();
    let ran = sandbox.call(["backup", "-"]).run().exits(1);
    ran.tells("no data at all");
    assert!(sandbox.snapshots().is_empty());
}

#[test]
fn arguments_are_shown_nowhere() {
    let sandbox = Sandbox::open();
    let secret = "--password=hunter2";
    for script in ["echo data", "echo data; exit 3", "exit 4", "kill -9 $$"] {
        command(&sandbox, &["sh", "-c", script, secret]).hides("hunter2");
        backup(&sandbox)
            .args(["--json", "--command", "--", "sh", "-c", script, secret])
            .run()
            .hides("hunter2");
    }
    assert_eq!(sandbox.snapshots().len(), 2);
    for verb in [
        &["snapshots"][..],
        &["snapshots", "--json"],
        &["ls", "latest"],
        &["ls", "latest", "--json"],
        &["stats"],
        &["check"],
    ] {
        sandbox.call(verb).run().exits(0).hides("hunter2");
    }
}

fn command(sandbox: &Sandbox, argv: &[&str]) -> Ran {
    backup(sandbox).args(["--command", "--"]).args(argv).run()
}

fn backup(sandbox: &Sandbox) -> Call {
    sandbox.call(["backup"])
}
