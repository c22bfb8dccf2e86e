//! SQL Server's own backups by the command line: chains, points in time, drills, and what goes wrong.

use std::fs;

use nightfold_ingest::mssql::native::BackupKind;
use nightfold_tests::{Call, Ran, Sandbox};

use super::acted::{Acted, STAGE, Trouble};

const SECRET: &str = "geheim-5f21";

struct Site {
    sandbox: Sandbox,
    server: Acted,
}

impl Site {
    fn new() -> Self {
        Self {
            sandbox: Sandbox::open(),
            server: Acted::new(),
        }
    }

    /// A verb with a staging folder.
    fn call(&self, arguments: &[&str]) -> Call {
        let call = self.sandbox.call(arguments);
        call.args(["--staging-server", STAGE, "--staging-local"])
            .arg(self.server.folder.path())
            .env("NIGHTFOLD_DATABASE_PASSWORD", SECRET)
    }

    fn back_up(&self, kind: &str) -> Ran {
        let url = self.server.url("rtc");
        match kind {
            "copy" => self.call(&["backup", &url]).run(),
            kind => self.call(&["backup", &url, "--chain", kind]).run(),
        }
    }

    /// What went wrong, where nothing may be left of it.
    #[track_caller]
    fn fails(&self, kind: &str) -> String {
        let before = self.sandbox.snapshot_ids();
        let ran = self.back_up(kind).exits(1);
        assert_eq!(self.sandbox.snapshot_ids(), before);
        assert_eq!(self.server.staged().len(), 0, "{:?}", self.server.staged());
        ran.stderr
    }

    fn restore(&self, arguments: &[&str]) -> Ran {
        let to = self.server.url("rtc2");
        self.call(&["restore", "latest", "--to", &to])
            .args(arguments)
            .run()
    }

    /// Full at 3:00 UTC, differential at 4:00, logs at 5:00 and 6:00.
    fn with_chain() -> Self {
        let site = Self::new();
        for (hour, kind) in [(4, "full"), (5, "differential"), (6, "log"), (7, "log")] {
            site.server.goes_on_until(hour * 60);
            site.back_up(kind).exits(0);
        }
        site
    }

    fn facts(&self) -> Vec<serde_json::Value> {
        let snapshots = self.sandbox.snapshots();
        let of = |snapshot: &serde_json::Value| snapshot["databases"].as_array().unwrap().clone();
        snapshots.iter().flat_map(of).collect()
    }
}

/// The restores that the server was asked for, without names of files.
fn steps(server: &Acted) -> Vec<String> {
    let steps = server.asked("RESTORE");
    let steps = steps.iter().filter(|sql| sql.contains("RECOVERY"));
    let short = steps.map(|sql| {
        let (verb, _) = sql.split_once(" FROM").unwrap();
        let (_, end) = sql.split_once("CHECKSUM").unwrap();
        format!("{verb}{end}")
    });
    short.collect()
}

#[test]
fn a_backup_alone_is_copy_only_and_comes_back() {
    let site = Site::new();
    site.server.goes_on_until(240);
    let ran = site.back_up("copy").exits(0);
    assert!(!ran.stderr.contains("chain"), "{}", ran.stderr);
    let asked = site.server.asked("BACKUP");
    assert!(asked[0].contains("COPY_ONLY"), "{asked:?}");
    assert!(site.server.staged().is_empty());

    let facts = &site.facts()[0];
    assert_eq!(facts["method"], "native, full backup, COPY_ONLY");
    assert_eq!(facts["position"]["lsn"], "1110");
    assert_eq!(facts["time"], "2026-11-20T03:01:00Z");
    assert_eq!(facts["details"]["backup"]["first_lsn"], "1100");

    let ran = site.restore(&["--json"]).exits(0);
    assert_eq!(ran.json()["backups"][0]["kind"], "full");
    assert_eq!(site.server.databases(), ["rtc", "rtc2"]);
    assert_eq!(
        steps(&site.server),
        [
            r"RESTORE DATABASE [rtc2], MOVE N'rtc_data' TO N'D:\SQL\DATA\rtc2-0.mdf', MOVE N'rtc_log' TO N'L:\LOG\rtc2-1.ldf', RECOVERY"
        ]
    );
    assert!(site.server.staged().is_empty());

    // Over one that is there only if that is wanted.
    let ran = site.restore(&[]).exits(1);
    assert!(ran.stderr.contains("exists already"), "{}", ran.stderr);
    site.restore(&["--replace"]).exits(0);
    assert_eq!(site.server.databases(), ["rtc", "rtc2"]);
}

#[test]
fn a_chain_is_restored_to_its_end() {
    let site = Site::with_chain();
    let kinds: Vec<_> = site
        .facts()
        .iter()
        .map(|facts| facts["details"]["backup"]["kind"].clone())
        .collect();
    assert_eq!(kinds, ["full", "differential", "log", "log"]);
    assert!(
        site.server
            .asked("BACKUP")
            .iter()
            .all(|sql| !sql.contains("COPY_ONLY"))
    );

    // The newest snapshot is the second log.
    let ran = site.restore(&[]).exits(0);
    assert!(
        ran.text()
            .contains("restored 4 backups to the database rtc2"),
        "{}",
        ran.text()
    );
    let all = steps(&site.server);
    assert_eq!(all.len(), 4);
    assert!(all[3].ends_with("RESTORE LOG [rtc2], RECOVERY"), "{all:?}");
    let told = site.sandbox.call(["snapshots", "--json"]).run();
    told.exits(0).hides(SECRET);
    assert!(
        site.server
            .asked("")
            .iter()
            .all(|sql| !sql.contains(SECRET))
    );
}

#[test]
fn restores_stop_at_the_moment_that_was_asked_for() {
    let site = Site::new();
    for (hour, kind) in [(4, "full"), (5, "log"), (6, "log")] {
        site.server.goes_on_until(hour * 60);
        // The clock of this machine and that of the server are an hour apart.
        let time = format!("2026-11-20T{:02}:00:00Z", hour - 1);
        let url = site.server.url("rtc");
        site.call(&["backup", &url, "--chain", kind, "--time", &time])
            .run()
            .exits(0);
    }
    site.restore(&["--at", "2026-11-20T03:30:00Z"]).exits(0);
    let asked = steps(&site.server);
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(
        asked[1],
        "RESTORE LOG [rtc2], STOPAT = '2026-11-20T04:30:00.000', RECOVERY"
    );

    let ran = site
        .restore(&["--replace", "--at", "2026-11-20T09:00:00Z"])
        .exits(1);
    let told = ran.stderr;
    assert!(
        told.contains("no chain of backups reaches 2026-11-20T09:00:00Z"),
        "{told}"
    );
    assert!(
        told.contains("the nearest before it that can be reached is 2026-11-20T05:00:00Z"),
        "{told}"
    );
    assert_eq!(steps(&site.server).len(), 2, "nothing was begun");
}

#[test]
fn what_does_not_fit_is_refused_before_it_is_made() {
    let site = Site::new();
    let told = site.fails("differential");
    assert!(told.contains("COPY_ONLY ones do not count"), "{told}");
    let told = site.fails("log");
    assert!(told.contains("Take a full backup first"), "{told}");

    // A full backup of another program: a differential would rest on it.
    site.back_up("full").exits(0);
    site.server.goes_on_until(300);
    site.server.others_back_up(BackupKind::Full);
    let told = site.fails("differential");
    assert!(told.contains("is not held here"), "{told}");
    site.server.goes_on_until(360);
    let ran = site.back_up("full").exits(0);
    let told = ran.stderr;
    assert!(
        told.contains("another program took a full backup of rtc at 2026-11-20T05:01:00"),
        "{told}"
    );

    // Its log backup: the chain has a gap.
    site.server.goes_on_until(420);
    site.server.others_back_up(BackupKind::Log);
    site.server.goes_on_until(480);
    let told = site.fails("log");
    assert!(
        told.contains("a log backup that another program took, or that was lost"),
        "{told}"
    );
    assert_eq!(
        site.server.asked("BACKUP LOG").len(),
        0,
        "the log is as it was"
    );

    site.server.is_simple();
    let told = site.fails("log");
    assert!(told.contains("recovery model is simple"), "{told}");
}

#[test]
fn a_chain_is_begun_with_a_warning_to_those_who_have_one() {
    let site = Site::new();
    let told = site.back_up("full").exits(0).stderr;
    assert!(told.contains("this begins a chain"), "{told}");
    site.server.goes_on_until(60);
    let told = site.back_up("log").exits(0).stderr;
    assert!(!told.contains("chain"), "{told}");
}

#[test]
fn trouble_with_a_backup_leaves_nothing() {
    for (trouble, said) in [
        (Trouble::DiskFull, "not enough space"),
        (Trouble::Unverified, "does not verify"),
        (Trouble::Elsewhere, "do both name the same folder"),
        (Trouble::Unreadable, "may this user read"),
    ] {
        let site = Site::new();
        site.server.has(trouble);
        let told = site.fails("copy");
        assert!(told.contains(said), "{told}");
        assert!(!told.contains(SECRET), "{told}");
    }
}

#[test]
fn a_staging_folder_that_is_not_there_is_named() {
    let site = Site::new();
    let url = site.server.url("rtc");
    let missing = site.sandbox.path("missing");
    let call = site
        .sandbox
        .call(["backup", &url, "--staging-server", STAGE]);
    let ran = call
        .arg("--staging-local")
        .arg(&missing)
        .env("NIGHTFOLD_DATABASE_PASSWORD", SECRET)
        .run()
        .exits(1);
    assert!(
        ran.stderr.contains(&missing.display().to_string()),
        "{}",
        ran.stderr
    );
    assert_eq!(site.server.asked("BACKUP").len(), 0);
}

#[test]
fn a_log_backup_that_could_not_be_stored_is_taken_up_by_the_next_run() {
    let site = Site::new();
    site.back_up("full").exits(0);
    site.server.goes_on_until(60);
    // Made, but it does not verify: the log is empty, so what there is stays.
    site.server.has(Trouble::Unverified);
    let ran = site.back_up("log").exits(1);
    assert!(
        ran.stderr
            .contains("the next run with --chain log takes it up"),
        "{}",
        ran.stderr
    );
    let left = site.server.staged();
    assert_eq!(left.len(), 1);
    assert_eq!(site.sandbox.snapshots().len(), 1);

    site.server.has(None);
    site.server.goes_on_until(120);
    // A file that the server knows nothing of, and one of somebody else.
    let unknown = site.server.folder.path().join("nightfold-unknown.trn");
    let theirs = site.server.folder.path().join("theirs.trn");
    fs::write(&unknown, b"half").unwrap();
    fs::write(&theirs, b"").unwrap();
    let told = site.back_up("log").exits(0).stderr;
    assert!(told.contains("this server has no record"), "{told}");
    assert!(!told.contains("cannot be restored"), "{told}");
    let mut staged = site.server.staged();
    staged.sort();
    assert_eq!(staged, [unknown, theirs]);
    let lsns: Vec<_> = site
        .facts()
        .iter()
        .map(|facts| facts["position"].clone())
        .collect();
    assert_eq!(lsns.len(), 3, "{lsns:?}");
    assert_eq!(lsns[1]["lsn"], lsns[2]["first_lsn"]);
    let ran = site.restore(&["--json"]).exits(0);
    assert_eq!(ran.json()["backups"].as_array().unwrap().len(), 3);
}

#[test]
fn a_forgotten_log_backup_is_no_reason_to_lose_the_chain() {
    let site = Site::with_chain();
    let ids = site.sandbox.snapshot_ids();
    let told = site.sandbox.call(["forget", &ids[0]]).run().exits(1).stderr;
    assert!(told.contains("cannot be restored without"), "{told}");
    let ran = site
        .sandbox
        .call(["forget", "--keep-last", "1"])
        .run()
        .exits(0);
    assert!(ran.text().contains("rests on it"), "{}", ran.text());
    assert_eq!(
        site.sandbox.snapshot_ids(),
        ids,
        "the last log needs them all"
    );
    site.sandbox
        .call(["forget", "--keep-last", "1"])
        .run()
        .exits(0);

    // A new full one needs none of them.
    site.server.goes_on_until(600);
    site.back_up("full").exits(0);
    site.sandbox
        .call(["forget", "--keep-last", "1"])
        .run()
        .exits(0);
    assert_eq!(site.sandbox.snapshot_ids().len(), 1);
    site.restore(&[]).exits(0);
}

#[test]
fn a_drill_has_the_server_look() {
    let site = Site::with_chain();
    let to = site.server.url("master");
    let drill = || site.call(&["drill", "--to", &to]).run();
    let ran = drill().exits(0);
    assert!(
        ran.text()
            .contains("1 table, 2 rows read; the engine's own check was made too: passed"),
        "{}",
        ran.text()
    );
    assert_eq!(
        site.server.databases(),
        ["rtc"],
        "the scratch database is gone"
    );
    let call = site.call(&["drill", "--to", "postgres://x@127.0.0.1/y"]);
    let told = call.run().exits(1).stderr;
    assert!(told.contains("only a SQL Server can read it"), "{told}");
    site.server.has(Trouble::Damaged);
    let ran = drill().exits(1);
    assert!(ran.stderr.contains("Page (1:153)"), "{}", ran.stderr);
    assert_eq!(site.server.databases(), ["rtc"]);
    assert!(site.server.staged().is_empty());
}

#[test]
fn what_makes_no_sense_is_said() {
    let site = Site::new();
    let url = site.server.url("rtc");
    site.sandbox
        .call(["backup", &url, "--chain", "log"])
        .run()
        .exits(2);
    site.call(&["backup", &url, "--chain", "full", "--dry-run"])
        .run()
        .exits(2);
    site.call(&["backup", "/etc/hostname"]).run().exits(2);
    site.call(&["backup", "postgres://x/y"]).run().exits(1);
    site.call(&["backup", &url, "--chain", "some"])
        .run()
        .exits(2);
    assert_eq!(site.server.asked("BACKUP").len(), 0);

    site.back_up("copy").exits(0);
    let to = site.server.url("rtc2");
    let told = site
        .sandbox
        .call(["restore", "--to", &to])
        .env("SQLCMDPASSWORD", SECRET)
        .run()
        .exits(1)
        .stderr;
    assert!(told.contains("--staging-server"), "{told}");
    let told = site.restore(&["--table", "t"]).exits(1).stderr;
    assert!(told.contains("single tables"), "{told}");
    let told = site
        .sandbox
        .call(["cat", "latest", "rtc", "--table", "t"])
        .run()
        .exits(1)
        .stderr;
    assert!(told.contains("single tables"), "{told}");
}

#[test]
fn a_log_backup_is_kept_though_the_server_calls_it_failed() {
    let site = Site::new();
    site.back_up("full").exits(0);
    site.server.goes_on_until(60);
    site.server.has(Trouble::NoRecord);
    let told = site.back_up("log").exits(1).stderr;
    assert!(told.contains("takes it up"), "{told}");
    assert_eq!(site.server.staged().len(), 1);
    site.server.has(None);
    site.server.goes_on_until(120);
    site.back_up("log").exits(0);
    assert!(site.server.staged().is_empty());
    assert_eq!(site.facts().len(), 3);

    // One that was not made is none.
    site.server.goes_on_until(180);
    site.server.has(Trouble::DiskFull);
    site.fails("log");
}

#[test]
fn a_log_backup_that_is_left_is_taken_up_only_where_it_fits() {
    let site = Site::new();
    site.back_up("full").exits(0);
    site.server.goes_on_until(60);
    site.server.has(Trouble::Unverified);
    site.back_up("log").exits(1);
    site.server.has(None);
    // Another repository, which has nothing that it follows.
    let other = Sandbox::open();
    let url = site.server.url("rtc");
    let call = |sandbox: &Sandbox, chain: &[&str]| {
        let call = sandbox.call(["backup", &url, "--staging-server", STAGE, "--staging-local"]);
        let call = call.arg(site.server.folder.path()).args(chain);
        call.env("NIGHTFOLD_DATABASE_PASSWORD", SECRET).run()
    };
    let told = call(&other, &["--chain", "log"]).exits(1).stderr;
    assert!(
        told.contains("does not go on from what is held here"),
        "{told}"
    );
    assert_eq!(site.server.staged().len(), 1, "it stays for the first");
    site.server.goes_on_until(240);
    site.back_up("log").exits(0);
    assert_eq!(site.facts().len(), 3);
    assert!(site.server.staged().is_empty());
}

#[test]
fn a_data_file_that_came_later_is_moved_too() {
    let site = Site::new();
    site.back_up("full").exits(0);
    site.server.goes_on_until(60);
    site.server.grows();
    site.back_up("log").exits(0);
    site.restore(&[]).exits(0);
    let last = steps(&site.server).pop().unwrap();
    let moved = r"MOVE N'rtc_more' TO N'D:\SQL\DATA\rtc2-1-2.ndf'";
    assert!(last.contains(moved), "{last}");
}

#[test]
fn a_database_that_was_set_back_goes_on() {
    let site = Site::new();
    for (hour, kind) in [(4, "full"), (5, "log"), (6, "log")] {
        site.server.goes_on_until(hour * 60);
        site.back_up(kind).exits(0);
    }
    let newest = site.facts()[2]["position"]["first_lsn"].clone();
    let newest: i128 = newest.as_str().unwrap().parse().unwrap();
    site.server.is_set_back_to(newest);
    site.server.goes_on_until(7 * 60);
    let told = site.back_up("log").exits(0).stderr;
    assert!(!told.contains("cannot be restored"), "{told}");
    site.restore(&[]).exits(0);
    let taken = steps(&site.server).len();
    assert_eq!(taken, 3, "not by what was left behind");
    let ids = site.sandbox.snapshot_ids();
    let to = site.server.url("rtc3");
    let call = site.call(&["restore", &ids[2], "--to", &to]);
    call.run().exits(0);
}

#[test]
fn a_copy_brings_what_is_needed() {
    let site = Site::with_chain();
    let other = Sandbox::open();
    let from = site.sandbox.repository();
    let call = other.call(["copy", "--from-repo"]).arg(&from);
    call.arg("latest").run().exits(0);
    assert_eq!(other.snapshot_ids().len(), 4);
}

#[test]
fn a_database_of_somebody_else_is_not_dropped() {
    let site = Site::new();
    site.back_up("copy").exits(0);
    site.server.gets("rtc2");
    site.restore(&[]).exits(1);
    assert_eq!(site.server.databases(), ["rtc", "rtc2"]);
    assert_eq!(site.server.asked("DROP").len(), 0);
}
