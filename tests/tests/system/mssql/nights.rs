//! Nights of a live database on a real server, by the command line. Without one this passes and says
//! nothing.

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nightfold_tests::{Call, Sandbox};

use super::live::Server;
use crate::databases::{backed_up, facts, grows_as_a_file};

const NIGHT_OF_PROOF: usize = 1;

fn url(server: &Server, database: &str) -> String {
    let address = &server.address;
    let port = address
        .port
        .map_or(String::new(), |port| format!(":{port}"));
    let encrypt = if server.is_plain() { "off" } else { "trust" };
    format!(
        "mssql://{}@{}{port}/{database}?encrypt={encrypt}",
        address.user, address.host
    )
}

fn call(server: &Server, sandbox: &Sandbox, arguments: &[&str]) -> Call {
    let call = sandbox.call(arguments);
    call.env("NIGHTFOLD_DATABASE_PASSWORD", &server.secret)
}

/// What differs between two tables.
fn differences(server: &Server, one: &str, other: &str) -> i32 {
    let extra = |one: &str, other: &str| {
        let sql =
            format!("SELECT COUNT(*) FROM (SELECT * FROM {one} EXCEPT SELECT * FROM {other}) x");
        server.count(&sql)
    };
    extra(one, other) + extra(other, one)
}

#[test]
fn five_nights_come_back_and_grow_as_files_do() {
    let Some(server) = Server::named() else {
        return;
    };
    let rows: u32 =
        env::var("NIGHTFOLD_TEST_MSSQL_ROWS").map_or(100_000, |rows| rows.parse().unwrap());
    let (name, kept, back) = (
        server.fresh("nights"),
        server.fresh("nights_kept"),
        server.fresh("nights_back"),
    );
    server.drop(&back);
    let tables =
        "CREATE TABLE dbo.users (id int NOT NULL PRIMARY KEY, sip nvarchar(100) NOT NULL, \
         seen datetime NOT NULL, credit money NULL)
GO
CREATE TABLE dbo.calls (id int NOT NULL PRIMARY KEY, usr int NOT NULL, note nvarchar(200) NULL)
";
    server.run(&name, tables);
    server.run(&kept, tables);
    let mut connection = server.open(&name);
    for first in (0..rows).step_by(500) {
        let ids = first..(first + 500).min(rows);
        let user = |id: u32| {
            let sip = blake3::hash(&id.to_le_bytes()).to_hex();
            let credit = id % 977;
            format!("({id}, N'sip:{sip}@example.com', '2026-01-01T00:00:00', {credit})")
        };
        let users: Vec<String> = ids.map(user).collect();
        let sql = format!("INSERT INTO users VALUES {}", users.join(", "));
        connection.run("filling", &sql).unwrap();
    }
    drop(connection);
    let sandbox = Sandbox::open();
    let (pause, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let turns = std::sync::Mutex::new(0_u32);
    let from = url(&server, &name);
    let mut ids = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = server.open(&name);
            while !stop.load(Ordering::Relaxed) {
                let mut turn = turns.lock().unwrap();
                if !pause.load(Ordering::Relaxed) {
                    *turn += 1;
                    let (id, user) = (*turn, *turn * 7919 % rows);
                    let sql = format!(
                        "BEGIN TRANSACTION; INSERT INTO calls VALUES ({id}, {user}, N'call {id}'); \
                         UPDATE users SET credit = credit - 0.25 WHERE id = {user}; COMMIT"
                    );
                    connection.run("writing", &sql).unwrap();
                }
                drop(turn);
                thread::sleep(Duration::from_millis(2));
            }
        });
        for night in 0..5 {
            let before = *turns.lock().unwrap();
            while *turns.lock().unwrap() < before + 150 {
                thread::sleep(Duration::from_millis(5));
            }
            if night == NIGHT_OF_PROOF {
                let turn = turns.lock().unwrap();
                pause.store(true, Ordering::Relaxed);
                drop(turn);
                for table in ["users", "calls"] {
                    let sql = format!("INSERT INTO {table} SELECT * FROM {name}.dbo.{table}");
                    server.run(&kept, &sql);
                }
            }
            ids.push(backed_up(call(&server, &sandbox, &["backup", &from])));
            pause.store(false, Ordering::Relaxed);
        }
        stop.store(true, Ordering::Relaxed);
    });

    let facts = facts(&sandbox);
    assert_eq!(facts["tables"], 2);
    let to = url(&server, &back);
    let night = &ids[NIGHT_OF_PROOF];
    call(&server, &sandbox, &["restore", night, "--to", &to])
        .run()
        .exits(0);
    for table in ["users", "calls"] {
        let (restored, then) = (format!("{back}.dbo.{table}"), format!("{kept}.dbo.{table}"));
        assert_eq!(differences(&server, &restored, &then), 0, "{table}");
    }
    let ran = call(&server, &sandbox, &["restore", night, "--to", &to]).run();
    assert!(ran.exits(1).stderr.contains("exists already"));

    let master = url(&server, "master");
    let ran = call(&server, &sandbox, &["drill", night, "--to", &master]).run();
    let ran = ran.exits(0);
    assert!(ran.text().contains("passed"), "{}", ran.text());

    grows_as_a_file(&sandbox, &ids, facts["path"].as_str().unwrap());
    for name in [&name, &kept, &back] {
        server.drop(name);
    }
}
