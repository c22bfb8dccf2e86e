use std::path::Path;
use std::time::Duration;

use nightfold_tests::Sandbox;
use rusqlite::Connection;

use super::{Writer, backed_up, facts, grows_as_a_file};

const SUMS: &str =
    "SELECT count(*) || ' ' || sum(id) || ' ' || sum(length(note)) || ' ' || max(note) FROM orders";

fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(60)).unwrap();
    connection
}

fn sums(path: &Path) -> String {
    open(path).query_row(SUMS, [], |row| row.get(0)).unwrap()
}

fn nights(mode: &str) {
    let sandbox = Sandbox::open();
    let file = sandbox.path("work/app.db");
    let database = open(&file);
    database.pragma_update(None, "journal_mode", mode).unwrap();
    database
        .execute_batch(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, paid REAL, raw BLOB);
             CREATE INDEX notes ON orders (note);
             CREATE TABLE \"od\"\"d\" (a PRIMARY KEY, b) WITHOUT ROWID;
             INSERT INTO \"od\"\"d\" VALUES (1, NULL), ('x', x'00ff'), (1.5, 'a''b');
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
             INSERT INTO orders SELECT i, hex(randomblob(20)), i / 3.0, randomblob(10) FROM n;",
        )
        .unwrap();
    let written = file.clone();
    let writer = Writer::start(move |number| {
        let database = open(&written);
        // Two rows or none: a copy of half a transaction would show.
        database
            .execute_batch(&format!(
                "BEGIN IMMEDIATE; INSERT INTO orders (note) VALUES ('live {number} a');
                 INSERT INTO orders (note) VALUES ('live {number} b'); COMMIT;"
            ))
            .unwrap();
        std::thread::sleep(Duration::from_millis(2));
    });
    let mut ids = Vec::new();
    for night in 0..5 {
        if night > 0 {
            let change =
                "UPDATE orders SET note = hex(randomblob(20)) WHERE id % 100 = 42 AND id <= 60000";
            database.execute_batch(change).unwrap();
        }
        writer.wait_for_some();
        ids.push(backed_up(sandbox.call(["backup", "sqlite:app.db"])));
    }
    drop(writer);
    // The last night with nobody writing: what is restored is what is there.
    ids.push(backed_up(sandbox.call(["backup", "sqlite:app.db"])));
    let facts = facts(&sandbox);
    assert_eq!(facts["details"]["integrity_check"], "ok");
    assert_eq!(facts["tables"], 2);

    let restore = |id: &str, name: &str| {
        let path = sandbox.path("work").join(name);
        let url = format!("sqlite:{}", path.display());
        (path, sandbox.call(["restore", id, "--to"]).arg(url))
    };
    for (number, id) in ids.iter().enumerate() {
        let (path, call) = restore(id, &format!("night{number}.db"));
        call.run().exits(0);
        let copy = open(&path);
        let check: String = copy
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
        let live = "SELECT count(*) % 2 FROM orders WHERE note LIKE 'live%'";
        let halves: u32 = copy.query_row(live, [], |row| row.get(0)).unwrap();
        assert_eq!(halves, 0, "half a transaction in night {number}");
    }
    assert_eq!(sums(&sandbox.path("work/night5.db")), sums(&file));

    // In the place of another, which somebody has open.
    let (path, call) = restore(&ids[5], "night1.db");
    let user = open(&path);
    assert_ne!(sums(&path), sums(&file));
    call.arg("--replace").run().exits(0);
    let seen: String = user.query_row(SUMS, [], |row| row.get(0)).unwrap();
    assert_eq!(seen, sums(&file));
    let (_, call) = restore(&ids[5], "night1.db");
    call.run().exits(1).tells("exists already");

    sandbox.call(["drill", &ids[2]]).run().exits(0);
    let (part, call) = restore(&ids[5], "part.db");
    call.args(["--table", "orders"]).run().exits(0);
    assert_eq!(sums(&part), sums(&file));
    grows_as_a_file(&sandbox, &ids, facts["path"].as_str().unwrap());
    sandbox.check();
    assert_eq!(std::fs::read_dir(sandbox.path("tmp")).unwrap().count(), 0);
}

#[test]
fn nights_of_a_live_sqlite_with_a_write_ahead_log() {
    nights("wal");
}

#[test]
fn nights_of_a_live_sqlite_with_a_rollback_journal() {
    nights("delete");
}

#[test]
fn what_is_no_database_is_told() {
    let sandbox = Sandbox::open();
    let backup = |name: &str| {
        sandbox
            .call(["backup"])
            .arg(format!("sqlite:{name}"))
            .run()
            .exits(1)
    };
    backup("nothing.db").tells("nothing.db");
    assert!(!sandbox.path("work/nothing.db").exists(), "none was made");
    sandbox.file(
        "work/text.db",
        "this is no database, but it is long enough to be looked at".repeat(40),
    );
    backup("text.db").tells("not a database");
    assert!(sandbox.snapshots().is_empty());
}
