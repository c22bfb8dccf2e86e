//! Nights of a `MariaDB` server: four million rows of a shop, dumped with `mariadb-dump`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::server::{Scratch, Server, feed, run};
use super::{Plan, words};
use crate::random::Random;

const SCHEMA: &str = include_str!("mariadb.sql");
const PRODUCTS: u64 = 20_000;
/// So many rows in a thousand are updated every night.
const UPDATED_PERMILLE: u64 = 6;

type WriteRow = fn(&mut dyn Write, &mut Random, u64) -> io::Result<()>;

/// A table and its full size: 4 million rows together.
struct Table {
    name: &'static str,
    rows: u64,
    write_row: WriteRow,
}

const TABLES: [Table; 5] = [
    Table {
        name: "customers",
        rows: 150_000,
        write_row: write_customer,
    },
    Table {
        name: "products",
        rows: PRODUCTS,
        write_row: write_product,
    },
    Table {
        name: "orders",
        rows: 600_000,
        write_row: write_order,
    },
    Table {
        name: "order_items",
        rows: 2_300_000,
        write_row: write_order_item,
    },
    Table {
        name: "stock_movements",
        rows: 930_000,
        write_row: write_movement,
    },
];

/// Builds every night under `out`.
pub fn build(plan: &Plan, out: &Path) -> Result<()> {
    let database = Database::start()?;
    database.initialize(plan)?;
    for night in 1..=plan.nights {
        if night > 1 {
            database.pass_day(plan, night)?;
        }
        database.dump(&plan.night_folder(out, night)?.join("app.sql"))?;
    }
    Ok(())
}

/// A private server. Fields are dropped in this order: the server stops before its folder goes.
struct Database {
    _server: Server,
    scratch: Scratch,
}

impl Database {
    fn start() -> Result<Self> {
        let scratch = Scratch::new("mysql")?;
        let data = format!("--datadir={}", scratch.path().join("data").display());
        let mut install = scratch.command("mariadb-install-db");
        install.args([
            "--no-defaults",
            &data,
            "--auth-root-authentication-method=normal",
        ]);
        run(install.arg("--skip-test-db").stdout(Stdio::null()))?;
        let mut mariadbd = scratch.server("mariadbd");
        mariadbd.args([
            "--no-defaults",
            &data,
            "--skip-networking",
            "--local-infile=1",
        ]);
        mariadbd.arg(format!("--socket={}", socket(&scratch)));
        // The data is thrown away at the end: no need to write it safely.
        mariadbd.args([
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0",
        ]);
        mariadbd.args([
            "--innodb-buffer-pool-size=1G",
            "--innodb-log-file-size=512M",
        ]);
        mariadbd.args([
            "--character-set-server=utf8mb4",
            "--innodb-flush-method=nosync",
        ]);
        let log = scratch.path().join("server.log");
        let server = Server::start(mariadbd, &log, || {
            let mut probe = client(&scratch, "mariadb");
            probe.args(["-e", "SELECT 1"]);
            probe
        })?;
        Ok(Self {
            _server: server,
            scratch,
        })
    }

    fn initialize(&self, plan: &Plan) -> Result<()> {
        run(client(&self.scratch, "mariadb").args(["-e", "CREATE DATABASE app"]))?;
        self.execute(|sql| sql.write_all(SCHEMA.as_bytes()))?;
        for table in &TABLES {
            let load = format!(
                "LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE {}",
                table.name
            );
            let mut loader = client(&self.scratch, "mariadb");
            feed(
                loader.args(["--local-infile=1", "app", "-e", &load]),
                |rows| {
                    let mut random = Random::new(plan.seed, table.name, 1);
                    for id in 1..=plan.size.of(table.rows) {
                        (table.write_row)(rows, &mut random, id)?;
                    }
                    Ok(())
                },
            )?;
        }
        Ok(())
    }

    /// Everything that the shop does between two dumps.
    fn pass_day(&self, plan: &Plan, night: u32) -> Result<()> {
        // Which rows change, and to what, is a hash of their id: the server draws, and repeatably.
        let draw = |purpose: &str| {
            let salted = format!("CONCAT('{}:{night}:{purpose}:', id)", plan.seed);
            format!("CONV(LEFT(MD5({salted}), 8), 16, 10)")
        };
        let (what, when) = (draw("what"), draw("when"));
        let now = words::time(words::night_seconds(night));
        let today = format!("'{now}' - INTERVAL {when} MOD 86400 SECOND");
        let statuses = "'paid', 'packed', 'shipped', 'returned', 'closed'";
        self.execute(|sql| {
            for (table, assignments) in [
                (
                    "customers",
                    format!("last_login = {today}, points = {what} MOD 5000"),
                ),
                ("products", format!("price_cents = 99 + {what} MOD 50000")),
                (
                    "orders",
                    format!("status = ELT(1 + {what} MOD 5, {statuses})"),
                ),
                ("order_items", format!("quantity = 1 + {what} MOD 12")),
                (
                    "stock_movements",
                    format!("quantity = {what} MOD 90, moved_at = {today}"),
                ),
            ] {
                let drawn = format!("{} MOD 1000 < {UPDATED_PERMILLE}", draw("which"));
                writeln!(sql, "UPDATE {table} SET {assignments} WHERE {drawn};")?;
            }
            Ok(())
        })
    }

    fn dump(&self, to: &Path) -> Result<()> {
        let mut dump = client(&self.scratch, "mariadb-dump");
        dump.args(["--single-transaction", "--skip-dump-date", "app"]);
        run(dump.stdout(File::create(to)?))
    }

    fn execute(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        feed(
            client(&self.scratch, "mariadb")
                .arg("app")
                .stdout(Stdio::null()),
            write,
        )
    }
}

fn write_customer(out: &mut dyn Write, random: &mut Random, id: u64) -> io::Result<()> {
    let name = words::name(random);
    let (email, city) = (words::email(&name, id), words::city(random));
    let (login, points) = (words::past(random), random.below(5000));
    writeln!(out, "{id}\t{name}\t{email}\t{city}\t{login}\t{points}")
}

fn write_product(out: &mut dyn Write, random: &mut Random, id: u64) -> io::Result<()> {
    let (name, length) = (words::goods(random), random.between(6, 20));
    let (description, price) = (words::sentence(random, length), random.between(99, 49_900));
    writeln!(out, "{id}\t{name}\t{description}\t{price}")
}

fn write_order(out: &mut dyn Write, random: &mut Random, id: u64) -> io::Result<()> {
    let (customer, placed) = (random.between(1, id / 4 + 1), words::past(random));
    let status = random.pick_common(&["closed", "shipped", "packed", "paid", "new"]);
    let total = random.between(500, 90_000);
    writeln!(out, "{id}\t{customer}\t{status}\t{placed}\t{total}")
}

fn write_order_item(out: &mut dyn Write, random: &mut Random, id: u64) -> io::Result<()> {
    let (order, product) = (id * 10 / 38 + 1, random.between(1, PRODUCTS));
    let (quantity, price) = (random.between(1, 12), random.between(99, 49_900));
    writeln!(out, "{id}\t{order}\t{product}\t{quantity}\t{price}")
}

fn write_movement(out: &mut dyn Write, random: &mut Random, id: u64) -> io::Result<()> {
    let (product, moved) = (random.between(1, PRODUCTS), words::past(random));
    let reason = random.pick_common(&["sale", "purchase", "return", "count", "scrap"]);
    let (quantity, length) = (random.below(90), random.between(1, 6));
    let note = words::sentence(random, length);
    writeln!(
        out,
        "{id}\t{product}\t{reason}\t{quantity}\t{moved}\t{note}"
    )
}

fn socket(scratch: &Scratch) -> String {
    scratch.path().join("socket").display().to_string()
}

fn client(scratch: &Scratch, name: &str) -> Command {
    let mut command = Command::new(name);
    command
        .arg("--no-defaults")
        .arg(format!("--socket={}", socket(scratch)));
    command.args(["-u", "root", "--default-character-set=utf8mb4"]);
    command
}
