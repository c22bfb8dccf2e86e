//! `pg_dump` of a live PostgreSQL.

use std::path::PathBuf;
use std::process::Command;

use nightfold_tests::Sandbox;

use super::server::{Scratch, Server, feed, succeed};

const SCHEMA: &str = "
    CREATE TABLE customers (id int PRIMARY KEY, name text, joined timestamp);
    CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, note text, paid numeric);
    INSERT INTO customers SELECT id, 'customer ' || md5(id::text), timestamp '2026-01-01' + id * interval '1 minute'
        FROM generate_series(1, 20000) id;
    INSERT INTO orders SELECT id, 1 + id % 20000, repeat(md5((id * 7)::text), 2), id / 100.0
        FROM generate_series(1, 100000) id;";
const A_DAY: &str = "
    UPDATE orders SET note = 'changed ' || md5(random()::text) WHERE id % 100 = 42;
    INSERT INTO orders SELECT max(id) + 1, 1, 'late', 1 FROM orders;";
/// Counts and checksums of every table.
const SUMS: &str = "
    SELECT count(*), md5(string_agg(t::text, '' ORDER BY id)) FROM customers t
    UNION ALL SELECT count(*), md5(string_agg(t::text, '' ORDER BY id)) FROM orders t;";

#[test]
fn postgres_nights_come_back_and_load() {
    let cluster = Cluster::start();
    let sandbox = Sandbox::encrypted();
    cluster.sql("app", SCHEMA);
    let mut nights = Vec::new();
    for night in 0..3 {
        if night > 0 {
            cluster.sql("app", A_DAY);
        }
        let dump = cluster.dump_command("app");
        let plain = succeed(&mut command(&dump));
        let id = sandbox.backup(backup_arguments(&dump));
        nights.push((id, plain, cluster.sql("app", SUMS)));
    }
    assert!(nights[0].1 != nights[1].1, "the nights differ");

    for (number, (id, plain, sums)) in nights.iter().enumerate() {
        let stored = sandbox.content(id, "app.sql");
        assert!(stored == *plain, "night {number}");
        let database = format!("restored_{number}");
        cluster.create(&database);
        feed(&mut cluster.psql(&database), &stored);
        assert_eq!(cluster.sql(&database, SUMS), *sums, "night {number}");
    }
    let listed = sandbox.snapshots();
    let added = |night: usize| listed[night]["added"].as_u64().unwrap();
    assert!(added(1) < added(0) / 8, "{} after {}", added(1), added(0));
    sandbox.check();
}

#[test]
fn a_failing_pg_dump_makes_no_snapshot() {
    let cluster = Cluster::start();
    let sandbox = Sandbox::open();
    let dump = cluster.dump_command("no_such_database");
    sandbox
        .call(["backup"])
        .args(backup_arguments(&dump))
        .run()
        .exits(1)
        .tells("pg_dump exited with status 1: no snapshot was made")
        .tells("database \"no_such_database\" does not exist");
    assert!(sandbox.snapshots().is_empty());
}

fn backup_arguments(dump: &[String]) -> Vec<String> {
    let first = ["--stdin-name", "app.sql", "--command", "--"];
    let first = first.into_iter().map(str::to_owned);
    first.chain(dump.iter().cloned()).collect()
}

fn command(argv: &[String]) -> Command {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]);
    command
}

/// A private cluster. Fields are dropped in this order: the server stops before its folder goes.
pub struct Cluster {
    server: Option<Server>,
    scratch: Scratch,
}

impl Cluster {
    pub fn start() -> Self {
        Self::start_with("trust", "unused")
    }

    /// With a way to log in, and the password of `postgres`.
    pub fn start_with(auth: &str, password: &str) -> Self {
        let scratch = Scratch::new("postgres");
        let data = scratch.path().join("data");
        let password_file = scratch.path().join("password");
        std::fs::write(&password_file, password).unwrap();
        let mut initdb = scratch.command(program("initdb"));
        initdb.args(["--username=postgres", "--encoding=UTF8", "--pwfile"]);
        initdb.arg(password_file).arg(format!("--auth={auth}"));
        succeed(initdb.args(["--locale=C", "--no-sync", "-D"]).arg(&data));
        let mut postgres = scratch.server(program("postgres"));
        postgres.arg("-D").arg(&data).arg("-k").arg(scratch.path());
        for setting in ["listen_addresses=", "fsync=off", "full_page_writes=off"] {
            postgres.args(["-c", setting]);
        }
        let log = scratch.path().join("server.log");
        let server = Server::start(postgres, &log, || {
            let mut probe = client(&scratch, "psql");
            probe.args(["-d", "postgres", "-c", "SELECT 1"]);
            probe.env("PGPASSWORD", password);
            probe
        });
        let cluster = Self {
            server: Some(server),
            scratch,
        };
        if auth != "trust" {
            return cluster;
        }
        cluster.create("app");
        cluster
    }

    /// Stops it at once.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        let socket = self.scratch.path().display();
        format!("postgres://postgres@/{database}?host={socket}")
    }

    pub fn create(&self, database: &str) {
        self.sql("postgres", &format!("CREATE DATABASE {database};"));
    }

    pub fn psql(&self, database: &str) -> Command {
        let mut psql = client(&self.scratch, "psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        psql.args(["-d", database]);
        psql
    }

    pub fn sql(&self, database: &str, statements: &str) -> Vec<u8> {
        feed(&mut self.psql(database), statements.as_bytes())
    }

    /// As an admin would write it.
    fn dump_command(&self, database: &str) -> Vec<String> {
        let dump = program("pg_dump");
        let help = succeed(Command::new(&dump).arg("--help"));
        let mut argv = vec![dump.display().to_string(), "-h".into()];
        argv.push(self.scratch.path().display().to_string());
        argv.extend(["-U", "postgres", "-d", database].map(str::to_owned));
        // Newer releases write a random key into every dump unless they are given one.
        if String::from_utf8_lossy(&help).contains("--restrict-key") {
            argv.push("--restrict-key=test".into());
        }
        argv
    }
}

fn client(scratch: &Scratch, name: &str) -> Command {
    let mut command = Command::new(program(name));
    command.arg("-h").arg(scratch.path());
    command.args(["-U", "postgres"]);
    command
}

/// Distributions keep the server's programs out of `PATH`, a folder per release: the newest is taken.
pub fn program(name: &str) -> PathBuf {
    let releases = std::fs::read_dir("/usr/lib/postgresql");
    let releases = releases.into_iter().flatten().flatten();
    let newest = releases.map(|release| release.path().join("bin").join(name));
    newest
        .filter(|path| path.exists())
        .max()
        .unwrap_or_else(|| name.into())
}
