//! What goes wrong leaves no snapshot, no process and no file.

use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nightfold_tests::{Ran, Sandbox};

use super::{Shims, which};
use crate::servers::mariadb::Database;
use crate::servers::postgres::Cluster;

/// Passes on the beginning of a dump, makes `stalled`, and goes on when `go` is there.
fn stalling(sandbox: &Sandbox) -> String {
    format!(
        "case \"$*\" in *--snapshot*|*--single-transaction*) ;; *) exec $real \"$@\";; esac
         $real \"$@\" | (head -c 300000; touch {}; while [ ! -e {} ]; do sleep 0.02; done; cat)",
        sandbox.path("stalled").display(),
        sandbox.path("go").display()
    )
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what}");
        sleep(Duration::from_millis(20));
    }
}

const TWO_ROWS: &str = "CREATE TABLE t (a int PRIMARY KEY, b text);
     INSERT INTO t SELECT x, 'row' FROM (SELECT 1 AS x UNION SELECT 2) AS y;";

/// Processes whose environment or arguments name the sandbox.
fn left_over(sandbox: &Sandbox) -> Vec<String> {
    let mark = sandbox.path("").display().to_string();
    let mut left = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| std::fs::read(process.path().join(name)).unwrap_or_default();
        let (environment, arguments) = (read("environ"), read("cmdline"));
        let all = [environment, arguments.clone()].concat();
        if String::from_utf8_lossy(&all).contains(mark.trim_end_matches('/'))
            && !arguments.is_empty()
        {
            left.push(String::from_utf8_lossy(&arguments).replace('\0', " "));
        }
    }
    left
}

struct Stalled {
    sandbox: Sandbox,
    child: Option<Child>,
}

impl Stalled {
    /// A backup that waits in the middle of its dump.
    fn start(url: &str, dump: &str) -> Self {
        let sandbox = Sandbox::open();
        let shims = Shims::new(&sandbox);
        shims.put(dump, &which(dump), &stalling(&sandbox));
        let mut child = shims.call(sandbox.call(["backup", url])).spawn();
        wait_for("the dump began", || {
            sandbox.path("stalled").exists() || child.try_wait().unwrap().is_some()
        });
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        Self {
            sandbox,
            child: Some(child),
        }
    }

    fn goes_on(&mut self) -> Ran {
        std::fs::write(self.sandbox.path("go"), "").unwrap();
        let child = self.child.take().unwrap();
        Ran::new("backup", child.wait_with_output().unwrap())
    }

    fn nothing_is_left(&self) {
        assert!(self.sandbox.snapshots().is_empty());
        wait_for("processes are left", || left_over(&self.sandbox).is_empty());
        self.sandbox.check();
    }
}

fn large_postgres() -> Cluster {
    let cluster = Cluster::start();
    let rows = "INSERT INTO t SELECT x, repeat(md5(x::text), 10) FROM generate_series(3, 30000) x;";
    cluster.sql("app", &[TWO_ROWS, rows].concat());
    cluster
}

fn large_mariadb() -> Database {
    let database = Database::start();
    let rows = "INSERT INTO t SELECT seq, REPEAT(MD5(seq), 10) FROM seq_3_to_30000;";
    database.sql("app", &[TWO_ROWS, rows].concat());
    database
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_dump() {
    let mut cluster = large_postgres();
    // Rows beyond what pipes and buffers hold.
    cluster.sql(
        "app",
        "INSERT INTO t SELECT x, repeat(md5(x::text), 40) FROM generate_series(30001, 90000) x;",
    );
    let mut stalled = Stalled::start(&cluster.url("app"), "pg_dump");
    cluster.stop();
    stalled.goes_on().exits(1).tells("no snapshot was made");
    stalled.nothing_is_left();

    let mut database = large_mariadb();
    database.sql(
        "app",
        "INSERT INTO t SELECT seq, REPEAT(MD5(seq), 40) FROM seq_30001_to_90000;",
    );
    let mut stalled = Stalled::start(&database.url("app"), "mariadb-dump");
    database.stop();
    stalled.goes_on().exits(1).tells("no snapshot was made");
    stalled.nothing_is_left();
}

#[test]
fn a_dump_program_that_is_killed() {
    let cluster = large_postgres();
    let database = large_mariadb();
    for (url, dump) in [
        (cluster.url("app"), "pg_dump"),
        (database.url("app"), "mariadb-dump"),
    ] {
        let sandbox = Sandbox::open();
        let shims = Shims::new(&sandbox);
        let script =
            "case \"$*\" in *--snapshot*|*--single-transaction*) ;; *) exec $real \"$@\";; esac
                      $real \"$@\" | head -c 500000; kill -9 $$";
        shims.put(dump, &which(dump), script);
        let ran = shims.call(sandbox.call(["backup", &url])).run().exits(1);
        ran.tells("was killed by signal 9: no snapshot was made");
        assert!(sandbox.snapshots().is_empty());
        wait_for("processes are left", || left_over(&sandbox).is_empty());
        // What it left serves the next run.
        sandbox.call(["backup", &url]).run().exits(0);
        sandbox.call(["drill"]).run().exits(0);
    }
}

#[test]
fn a_backup_that_is_killed_leaves_nothing_running() {
    let cluster = large_postgres();
    let database = large_mariadb();
    for (url, dump) in [
        (cluster.url("app"), "pg_dump"),
        (database.url("app"), "mariadb-dump"),
    ] {
        let mut stalled = Stalled::start(&url, dump);
        stalled.child.as_mut().unwrap().kill().unwrap();
        let ran = stalled.goes_on();
        assert_eq!(ran.code(), None);
        stalled.nothing_is_left();
    }
}

#[test]
fn a_restore_that_is_killed_commits_nothing() {
    let cluster = large_postgres();
    let sandbox = Sandbox::open();
    sandbox
        .call(["backup"])
        .arg(cluster.url("app"))
        .run()
        .exits(0);
    let shims = Shims::new(&sandbox);
    let script = format!(
        "case \"$*\" in *--output=/dev/null*) ;; *) exec $real \"$@\";; esac
         (head -c 3000000; touch {}; cat) | $real \"$@\"",
        sandbox.path("stalled").display()
    );
    shims.put("psql", &which("psql"), &script);
    let call = shims.call(
        sandbox
            .call(["restore", "latest", "--to"])
            .arg(cluster.url("new")),
    );
    let mut child = call.spawn();
    wait_for("the load began", || sandbox.path("stalled").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("processes are left", || left_over(&sandbox).is_empty());
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public';";
    let there = cluster.sql(
        "postgres",
        "SELECT count(*) FROM pg_database WHERE datname = 'new';",
    );
    if there == b"1\n" {
        // Whole, if the last bytes were on their way already; else empty.
        let count = cluster.sql("new", tables);
        assert!(count == b"0\n" || cluster.sql("new", "SELECT count(*) FROM t;") == b"30000\n");
    }
}

#[test]
fn a_load_that_fails_leaves_no_database() {
    let cluster = large_postgres();
    let database = large_mariadb();
    for (url, new, psql) in [
        (cluster.url("app"), cluster.url("new"), "psql"),
        (database.url("app"), database.url("new"), "mariadb"),
    ] {
        let sandbox = Sandbox::open();
        sandbox.call(["backup", &url]).run().exits(0);
        let shims = Shims::new(&sandbox);
        let script =
            "case \"$*\" in *--output=/dev/null*|*--binary-mode*) ;; *) exec $real \"$@\";; esac
                      (cat; echo 'SELECT nonsense FROM nowhere;') | $real \"$@\"";
        shims.put(psql, &which(psql), script);
        let restore = || shims.call(sandbox.call(["restore", "latest", "--to", &new]));
        restore().run().exits(1).tells("nowhere");
        // The same again: it is not in the way.
        let ran = restore().run().exits(1);
        if psql == "mariadb" {
            ran.tells("nowhere");
        } else {
            // By then psql had committed.
            assert!(!ran.stderr.contains("exists already"), "{ran:?}");
        }
    }
}

#[test]
fn wrong_logins_and_names_are_told() {
    let cluster = Cluster::start_with("scram-sha-256", "hunter2");
    let database = Database::start();
    let sandbox = Sandbox::open();
    let backup = |url: String| sandbox.call(["backup"]).arg(url);
    backup(cluster.url("postgres"))
        .run()
        .exits(1)
        .tells("no password supplied");
    let wrong = backup(cluster.url("postgres")).env("NIGHTFOLD_DATABASE_PASSWORD", "swordfish");
    wrong
        .run()
        .exits(1)
        .tells("password authentication failed")
        .hides("swordfish");
    backup(database.url("nix")).run().exits(1).tells("nix");
    backup("postgres://postgres@127.0.0.1:1/x".into())
        .run()
        .exits(1)
        .tells("Connection refused");
    backup("mysql://root@127.0.0.1:1/x".into())
        .run()
        .exits(1)
        .tells("127.0.0.1");
    backup("postgres://me:hunter2@db/x".into())
        .run()
        .exits(2)
        .tells("must not hold a password")
        .hides("hunter2");
    let call = backup(cluster.url("postgres")).env("PATH", "/nonexistent");
    call.run().exits(1).tells("there is no such program");
    assert!(sandbox.snapshots().is_empty());
}

#[test]
fn a_server_newer_than_its_tool_is_refused() {
    let cluster = Cluster::start();
    let sandbox = Sandbox::open();
    let shims = Shims::new(&sandbox);
    let script = "case \"$*\" in *--version*) echo 'pg_dump (PostgreSQL) 9.6.1';; *) exec $real \"$@\";; esac";
    shims.put("pg_dump", &which("pg_dump"), script);
    let ran = shims
        .call(sandbox.call(["backup"]).arg(cluster.url("app")))
        .run()
        .exits(1);
    ran.tells("pg_dump is of version 9.6.1");
    assert!(sandbox.snapshots().is_empty());
}

#[test]
fn secrets_are_shown_nowhere() {
    let secret = "hunter2-9f:\\'\"x";
    let cluster = Cluster::start_with("scram-sha-256", secret);
    let database = Database::start();
    let escaped = secret.replace('\\', "\\\\").replace('\'', "''");
    database.sql(
        "app",
        &format!(
            "CREATE USER me@localhost IDENTIFIED BY '{escaped}'; GRANT ALL ON *.* TO me@localhost;"
        ),
    );
    let sandbox = Sandbox::encrypted();
    let file = sandbox.file("work/secret", format!("{secret}\n"));
    let shims = Shims::new(&sandbox);
    let seen = sandbox.path("seen");
    // While each program runs, with all arguments and environments.
    let script = format!("ps axeww >> {}; exec $real \"$@\"", seen.display());
    for program in ["psql", "pg_dump", "pg_dumpall", "mariadb", "mariadb-dump"] {
        shims.put(program, &which(program), &script);
    }
    let mysql = database.url("app").replace("root@", "me@");
    let password =
        |call: nightfold_tests::Call| shims.call(call).arg("--database-password-file").arg(&file);
    for url in [cluster.url("postgres"), mysql.clone()] {
        password(sandbox.call(["backup", &url]))
            .run()
            .exits(0)
            .hides(secret);
        password(
            sandbox
                .call(["backup", &url])
                .env("NIGHTFOLD_DATABASE_PASSWORD", "unused"),
        )
        .run()
        .exits(0);
    }
    let new = cluster.url("new");
    let source = sandbox.snapshots()[0]["source"]
        .as_str()
        .unwrap()
        .to_owned();
    password(sandbox.call(["restore", "latest", "--source", &source, "--to", &new]))
        .run()
        .exits(0)
        .hides(secret);
    let seen = String::from_utf8_lossy(&std::fs::read(seen).unwrap()).into_owned();
    assert!(seen.contains("nightfold") && seen.contains("pg_dump"));
    assert!(!seen.contains("hunter2-9f"), "shown by ps");
    let grep = |folder: &str| {
        let ran = Command::new("grep")
            .args(["-rlF", "hunter2-9f"])
            .arg(sandbox.path(folder))
            .output();
        String::from_utf8(ran.unwrap().stdout).unwrap()
    };
    for folder in ["repository", "cache", "tmp", "home"] {
        assert_eq!(grep(folder), "", "{folder}");
    }
    for verb in [&["snapshots", "--json"][..], &["ls", "latest"], &["stats"]] {
        sandbox.call(verb).run().exits(0).hides("hunter2-9f");
    }
}
