//! `mariadb-dump` of a live MariaDB.

use std::process::Command;

use nightfold_tests::Sandbox;

use super::server::{Scratch, Server, feed, succeed};

const SCHEMA: &str = "
    CREATE TABLE customers (id int PRIMARY KEY, name text, joined datetime);
    CREATE TABLE orders (id int PRIMARY KEY, customer int, note text, paid decimal(10, 2));
    INSERT INTO customers SELECT seq, CONCAT('customer ', MD5(seq)), '2026-01-01' + INTERVAL seq MINUTE
        FROM seq_1_to_20000;
    INSERT INTO orders SELECT seq, 1 + seq MOD 20000, REPEAT(MD5(seq * 7), 2), seq / 100 FROM seq_1_to_100000;";
const A_DAY: &str = "
    UPDATE orders SET note = CONCAT('changed ', MD5(RAND())) WHERE id MOD 100 = 42;
    INSERT INTO orders SELECT MAX(id) + 1, 1, 'late', 1 FROM orders;";
/// Counts and checksums of every table.
const SUMS: &str = "
    SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('|', id, name, joined))) FROM customers
    UNION ALL SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('|', id, customer, note, paid))) FROM orders;";

#[test]
fn mariadb_nights_come_back_and_load() {
    let database = Database::start();
    let sandbox = Sandbox::encrypted();
    database.sql("app", SCHEMA);
    let mut nights = Vec::new();
    for night in 0..3 {
        if night > 0 {
            database.sql("app", A_DAY);
        }
        let plain = succeed(&mut database.dump("app"));
        let id = sandbox.backup(backup_arguments(&database.dump("app")));
        nights.push((id, plain, database.sql("app", SUMS)));
    }
    assert!(nights[0].1 != nights[1].1, "the nights differ");

    for (number, (id, plain, sums)) in nights.iter().enumerate() {
        let stored = sandbox.content(id, "app.sql");
        assert!(stored == *plain, "night {number}");
        let name = format!("restored_{number}");
        database.create(&name);
        feed(database.client("mariadb").arg(&name), &stored);
        assert_eq!(database.sql(&name, SUMS), *sums, "night {number}");
    }
    let listed = sandbox.snapshots();
    let added = |night: usize| listed[night]["added"].as_u64().unwrap();
    assert!(added(1) < added(0) / 8, "{} after {}", added(1), added(0));
    sandbox.check();
}

#[test]
fn a_failing_mariadb_dump_makes_no_snapshot() {
    let database = Database::start();
    let sandbox = Sandbox::open();
    sandbox
        .call(["backup"])
        .args(backup_arguments(&database.dump("no_such_database")))
        .run()
        .exits(1)
        .tells("mariadb-dump exited with status 2: no snapshot was made")
        .tells("no_such_database");
    assert!(sandbox.snapshots().is_empty());
}

fn backup_arguments(dump: &Command) -> Vec<String> {
    let first = ["--stdin-name", "app.sql", "--command", "--"];
    let argv = std::iter::once(dump.get_program()).chain(dump.get_args());
    let argv = argv.map(|argument| argument.to_str().unwrap());
    first.into_iter().chain(argv).map(str::to_owned).collect()
}

/// A private server. Fields are dropped in this order: the server stops before its folder goes.
pub struct Database {
    server: Option<Server>,
    scratch: Scratch,
}

impl Database {
    pub fn start() -> Self {
        let scratch = Scratch::new("mysql");
        let data = format!("--datadir={}", scratch.path().join("data").display());
        let mut install = scratch.command("mariadb-install-db");
        install.args(["--no-defaults", &data, "--skip-test-db"]);
        succeed(install.arg("--auth-root-authentication-method=normal"));
        let mut mariadbd = scratch.server("mariadbd");
        mariadbd.args(["--no-defaults", &data, "--skip-networking"]);
        mariadbd.arg(socket(&scratch));
        mariadbd.args([
            "--innodb-flush-method=nosync",
            "--innodb-log-file-size=16M",
            "--character-set-server=utf8mb4",
        ]);
        let log = scratch.path().join("server.log");
        let server = Server::start(mariadbd, &log, || {
            let mut probe = client(&scratch, "mariadb");
            probe.args(["-e", "SELECT 1"]);
            probe
        });
        let database = Self {
            server: Some(server),
            scratch,
        };
        database.create("app");
        database
    }

    /// Stops it at once.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        let socket = self.scratch.path().join("socket");
        format!(
            "mysql://root@localhost/{database}?socket={}",
            socket.display()
        )
    }

    pub fn create(&self, name: &str) {
        let statement = format!("CREATE DATABASE {name}");
        succeed(self.client("mariadb").args(["-e", &statement]));
    }

    pub fn sql(&self, database: &str, statements: &str) -> Vec<u8> {
        feed(self.client("mariadb").arg(database), statements.as_bytes())
    }

    /// As an admin would write it.
    fn dump(&self, database: &str) -> Command {
        let mut dump = self.client("mariadb-dump");
        dump.args(["--single-transaction", "--skip-dump-date", database]);
        dump
    }

    pub fn client(&self, name: &str) -> Command {
        client(&self.scratch, name)
    }
}

fn socket(scratch: &Scratch) -> String {
    format!("--socket={}", scratch.path().join("socket").display())
}

fn client(scratch: &Scratch, name: &str) -> Command {
    let mut command = Command::new(name);
    command.args(["--no-defaults", &socket(scratch), "-u", "root"]);
    command.arg("--default-character-set=utf8mb4");
    command
}
