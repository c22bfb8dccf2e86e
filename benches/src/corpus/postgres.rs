//! Nights of a `PostgreSQL` server: pgbench's tables and an application's, dumped as plain SQL.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use super::postgres_rows::{TABLES, Table};
use super::server::{Scratch, Server, feed, run};
use super::{Plan, words};
use crate::random::Random;

const SCHEMA: &str = include_str!("postgres.sql");
const PGBENCH_SCALE: u64 = 25;
const ACCOUNTS_PER_SCALE: u64 = 100_000;
/// One row in so many is updated every night, of every large table.
const UPDATED_ONE_IN: u64 = 100;
/// One new row for so many first ones is inserted every night.
const INSERTED_ONE_IN: u64 = 200;

/// Builds every night under `out`.
pub fn build(plan: &Plan, out: &Path) -> Result<()> {
    let cluster = Cluster::start(Use::Dump)?;
    cluster.initialize(plan)?;
    for night in 1..=plan.nights {
        if night > 1 {
            cluster.pass_day(plan, night)?;
        }
        cluster.dump(&plan.night_folder(out, night)?.join("app.sql"))?;
    }
    Ok(())
}

/// What a cluster is made for.
#[derive(Debug, Clone, Copy)]
pub enum Use {
    /// `pg_dump`.
    Dump,
    /// `pg_basebackup`, which is a replication client.
    BaseBackup,
}

impl Use {
    fn settings(self) -> [&'static str; 2] {
        match self {
            Self::Dump => ["wal_level=minimal", "max_wal_senders=0"],
            Self::BaseBackup => ["wal_level=replica", "max_wal_senders=2"],
        }
    }
}

/// A private cluster. Fields are dropped in this order: the server stops before its folder goes.
#[derive(Debug)]
pub struct Cluster {
    _server: Server,
    scratch: Scratch,
}

impl Cluster {
    /// Starts an empty one.
    pub fn start(use_: Use) -> Result<Self> {
        let scratch = Scratch::new("postgres")?;
        let data = scratch.path().join("data");
        let mut initdb = scratch.command(program("initdb"));
        initdb.args([
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        run(initdb
            .args(["--no-sync", "-D"])
            .arg(&data)
            .stdout(io::stderr()))?;
        let mut postgres = scratch.server(program("postgres"));
        postgres.arg("-D").arg(&data).arg("-k").arg(scratch.path());
        // Without autovacuum and parallel plans the order of rows depends on nothing but the seed.
        for setting in [
            "listen_addresses=",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "max_wal_size=4GB",
            "shared_buffers=512MB",
            "autovacuum=off",
            "synchronize_seqscans=off",
            "max_parallel_workers_per_gather=0",
        ] {
            postgres.arg("-c").arg(setting);
        }
        for setting in use_.settings() {
            postgres.arg("-c").arg(setting);
        }
        let log = scratch.path().join("server.log");
        let server = Server::start(postgres, &log, || {
            client(
                &scratch,
                "psql",
                &["-X", "-d", "postgres", "-c", "SELECT 1"],
            )
        })?;
        Ok(Self {
            _server: server,
            scratch,
        })
    }

    /// Fills it with what it holds on the first night.
    pub fn initialize(&self, plan: &Plan) -> Result<()> {
        run(&mut client(&self.scratch, "createdb", &["app"]))?;
        let scale = scale(plan).to_string();
        run(&mut client(
            &self.scratch,
            "pgbench",
            &["-i", "-q", "-s", &scale, "app"],
        ))?;
        self.execute(|sql| {
            sql.write_all(SCHEMA.as_bytes())?;
            for table in &TABLES {
                copy_rows(sql, plan, table, 1, 1..=plan.size.of(table.rows))?;
            }
            Ok(())
        })
    }

    /// Everything that the application does between two dumps.
    pub fn pass_day(&self, plan: &Plan, night: u32) -> Result<()> {
        let scale = scale(plan);
        let salt = plan.seed.wrapping_mul(1000).wrapping_add(u64::from(night)) as i64;
        self.execute(|sql| {
            write_updates(sql, salt, night)?;
            for table in &TABLES {
                let first_rows = plan.size.of(table.rows);
                copy_rows(sql, plan, table, night, inserted(first_rows, night))?;
            }
            let accounts = inserted(scale * ACCOUNTS_PER_SCALE, night);
            writeln!(
                sql,
                "INSERT INTO pgbench_accounts SELECT aid, 1 + aid % {scale}, 0, ''
                 FROM generate_series({}, {}) aid;",
                accounts.start(),
                accounts.end()
            )?;
            // A live server's autovacuum lets the next night reuse the space of old row versions.
            writeln!(sql, "VACUUM;")
        })
    }

    fn dump(&self, to: &Path) -> Result<()> {
        let mut dump = client(&self.scratch, "pg_dump", &["-d", "app"]);
        // Newer releases write a random key into every dump unless they are given one.
        let help = Command::new(program("pg_dump"))
            .arg("--help")
            .output()?
            .stdout;
        if String::from_utf8_lossy(&help).contains("--restrict-key") {
            dump.arg("--restrict-key=corpus");
        }
        run(dump.stdout(File::create(to)?))
    }

    /// A client program's command, connected to this cluster.
    pub fn client(&self, name: &str, arguments: &[&str]) -> Command {
        client(&self.scratch, name, arguments)
    }

    /// A folder for clients' output, on the cluster's disk.
    pub fn output_folder(&self) -> Result<TempDir> {
        Ok(TempDir::new_in(self.scratch.path())?)
    }

    /// Runs what `write` writes.
    pub fn execute(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "app"];
        feed(&mut client(&self.scratch, "psql", &options), write)
    }
}

fn scale(plan: &Plan) -> u64 {
    plan.size.of(PGBENCH_SCALE).max(1)
}

/// The ids that are new on `night`.
fn inserted(first_rows: u64, night: u32) -> std::ops::RangeInclusive<u64> {
    let a_night = first_rows / INSERTED_ONE_IN;
    let before = first_rows + u64::from(night - 2) * a_night;
    before + 1..=before + a_night
}

fn copy_rows(
    sql: &mut dyn Write,
    plan: &Plan,
    table: &Table,
    night: u32,
    ids: std::ops::RangeInclusive<u64>,
) -> io::Result<()> {
    let mut random = Random::new(plan.seed, table.name, night);
    writeln!(sql, "COPY {} FROM stdin;", table.name)?;
    for id in ids {
        (table.write_row)(sql, &mut random, id, night)?;
    }
    writeln!(sql, "\\.")
}

/// Which rows change, and to what, is a hash of their id: the server draws, and repeatably.
fn write_updates(sql: &mut dyn Write, salt: i64, night: u32) -> io::Result<()> {
    let draw = |id: &str, use_: i64| {
        format!("(hashint8extended({id}, {salt} + {use_} * 1000000007) & 9223372036854775807)")
    };
    let now = words::time(words::night_seconds(night));
    let today = |id: &str| {
        format!(
            "timestamp '{now}' - {} % 86400 * interval '1 second'",
            draw(id, 1)
        )
    };
    let statuses = "(ARRAY['paid','packed','shipped','returned','closed'])";
    for (table, id, assignments) in [
        (
            "pgbench_accounts",
            "aid",
            format!("abalance = {} % 10000 - 5000", draw("aid", 2)),
        ),
        (
            "customers",
            "id",
            format!(
                "last_seen_at = {}, loyalty_points = {} % 5000",
                today("id"),
                draw("id", 2)
            ),
        ),
        (
            "orders",
            "id",
            format!(
                "status = {statuses}[1 + {} % 5], updated_at = {}",
                draw("id", 2),
                today("id")
            ),
        ),
        (
            "order_lines",
            "id",
            format!("quantity = 1 + {} % 12, shipped = true", draw("id", 2)),
        ),
        ("audit_log", "id", format!("reviewed_at = {}", today("id"))),
    ] {
        let drawn = draw(id, 0);
        writeln!(
            sql,
            "UPDATE {table} SET {assignments} WHERE {drawn} % {UPDATED_ONE_IN} = 0;"
        )?;
    }
    Ok(())
}

fn client(scratch: &Scratch, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program(name));
    command
        .arg("-h")
        .arg(scratch.path())
        .args(["-U", "postgres"])
        .args(arguments);
    command.env("PGOPTIONS", "-c client_min_messages=warning");
    command
}

/// Distributions keep the server's programs out of `PATH`, a folder per release: the newest is taken.
fn program(name: &str) -> PathBuf {
    let releases = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = releases.map(|release| release.path().join("bin").join(name));
    newest
        .filter(|path| path.exists())
        .max()
        .unwrap_or_else(|| name.into())
}
