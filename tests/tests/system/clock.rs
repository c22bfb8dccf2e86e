//! Clocks that jump back: `latest` goes by the time that a snapshot names, and the user is told.

use nightfold_tests::Sandbox;

#[test]
fn latest_goes_by_time_when_a_clock_jumps_back() {
    let sandbox = Sandbox::open();
    let path = sandbox.file("work/dump", "of the future");
    let future = backup_at(&sandbox, "2030-01-02 03:00");
    sandbox.file("work/dump", "of today");
    // Today's clock is far behind the newest snapshot's.
    let ran = sandbox.call(["backup", "dump"]).run().exits(0);
    ran.tells("warning: ").tells("2030-01-02 03:00:00");
    assert_eq!(sandbox.snapshot_ids().len(), 2);
    assert_eq!(sandbox.snapshot_ids()[1], future);
    assert_eq!(sandbox.content("latest", &path), b"of the future");
    let ran = sandbox
        .call(["cat", "latest", "--at", "2029-12-31 23:59"])
        .arg(&path)
        .run()
        .exits(0);
    assert_eq!(ran.stdout, b"of today");
    sandbox.check();
}

#[test]
fn snapshots_are_listed_by_time_whatever_their_order_was() {
    let sandbox = Sandbox::open();
    let times = ["2026-11-20 03:00", "2026-11-18 03:00", "2026-11-19 03:00"];
    let mut made = Vec::new();
    for time in times {
        sandbox.file("work/dump", time);
        made.push(backup_at(&sandbox, time));
    }
    let by_time = [1, 2, 0].map(|nth: usize| made[nth].clone());
    assert_eq!(sandbox.snapshot_ids(), by_time);
    for (at, held) in [
        ("2026-11-18 03:00", "2026-11-18 03:00"),
        ("2026-11-20 02:59:59", "2026-11-19 03:00"),
        ("2026-11-21 00:00", "2026-11-20 03:00"),
    ] {
        let path = sandbox.path("work/dump");
        let ran = sandbox.call(["cat", "latest", "--at", at]).arg(path).run();
        assert_eq!(ran.exits(0).text(), held);
    }
    sandbox
        .call(["ls", "latest", "--at", "2026-11-18 02:59"])
        .run()
        .exits(1)
        .tells("no snapshot was taken at or before 2026-11-18 02:59:00+00:00")
        .tells("the oldest is of 2026-11-18 03:00:00+00:00");
}

fn backup_at(sandbox: &Sandbox, time: &str) -> String {
    sandbox.backup(["dump", "--time", time])
}
