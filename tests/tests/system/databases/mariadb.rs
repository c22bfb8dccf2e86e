use std::sync::Arc;

use nightfold_tests::Sandbox;

use super::{Shims, Writer, backed_up, facts, grows_as_a_file, which};
use crate::servers::mariadb::Database;

const SCHEMA: &str = "
    CREATE TABLE customers (id int PRIMARY KEY, name text, joined datetime);
    CREATE TABLE orders (id int PRIMARY KEY AUTO_INCREMENT, customer int, note text, paid decimal(10, 2));
    CREATE TABLE `odd; na``me` (a varbinary(100), b text, c double);
    CREATE TABLE empty (a int);
    CREATE VIEW paid AS SELECT * FROM orders WHERE paid > 10;
    CREATE TABLE log (id int PRIMARY KEY AUTO_INCREMENT, t text);
    CREATE TRIGGER noted AFTER INSERT ON orders FOR EACH ROW INSERT INTO log (t) VALUES (NEW.note);
    INSERT INTO customers SELECT seq, CONCAT('customer ', MD5(seq)), '2026-01-01' + INTERVAL seq MINUTE
        FROM seq_1_to_20000;
    INSERT INTO orders (customer, note, paid) SELECT 1 + seq MOD 20000, REPEAT(MD5(seq * 7), 2), seq / 100
        FROM seq_1_to_60000;
    INSERT INTO `odd; na``me` VALUES (x'005c270a0d1a22', 'it''s\\n(\\'a\\'),\\\\', 1e-300), (NULL, '', NULL);";
const A_DAY: &str =
    "UPDATE orders SET note = CONCAT('changed ', MD5(RAND())) WHERE id MOD 100 = 42;";
const SUMS: &str = "
    SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('|', id, name, joined))) FROM customers
    UNION ALL SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('|', id, customer, note, paid))) FROM orders
    UNION ALL SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('|', HEX(a), b, c))) FROM `odd; na``me`
    UNION ALL SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('|', id, t))) FROM log;";

#[test]
fn nights_of_a_live_mariadb_load_and_are_drilled() {
    let database = Arc::new(Database::start());
    let sandbox = Sandbox::open();
    database.sql("app", SCHEMA);
    let (hold, held) = (sandbox.path("hold"), sandbox.path("held"));
    let (written, holding, told) = (database.clone(), hold.clone(), held.clone());
    let writer = Writer::start(move |number| {
        if holding.exists() {
            std::fs::write(&told, "").unwrap();
            return std::thread::sleep(std::time::Duration::from_millis(5));
        }
        drop(std::fs::remove_file(&told));
        let insert = "INSERT INTO orders (customer, note, paid) VALUES";
        written.sql("app", &format!("{insert} (1, 'live {number}', {number});"));
    });

    // The writer is held until both the dump's session and ours have begun.
    let shims = Shims::new(&sandbox);
    let sums = sandbox.path("sums");
    let script = format!(
        "case \"$*\" in *--single-transaction*) ;; *) exec $real \"$@\";; esac
         touch {hold}; while [ ! -e {held} ]; do sleep 0.01; done
         mariadb --no-defaults --default-character-set=utf8mb4 -uroot {socket} app > {sums} <<'END' || exit 9
{SUMS}
END
         $real \"$@\" | LC_ALL=C awk '/^CREATE TABLE/ && !r {{ system(\"rm {hold}\"); r = 1 }} {{ print }}'",
        hold = hold.display(),
        held = held.display(),
        sums = sums.display(),
        socket = format_args!("--socket={}", database.url("").split_once("socket=").unwrap().1),
    );
    shims.put("mariadb-dump", &which("mariadb-dump"), &script);

    let mut nights = Vec::new();
    for night in 0..5 {
        if night > 0 {
            database.sql("app", A_DAY);
        }
        writer.wait_for_some();
        let id = backed_up(shims.call(sandbox.call(["backup"]).arg(database.url("app"))));
        nights.push((id, std::fs::read(&sums).unwrap()));
    }
    drop(writer);
    let facts = facts(&sandbox);
    assert_eq!(facts["tables"], 5);
    assert!(
        facts["version"].as_str().unwrap().starts_with("MariaDB "),
        "{facts}"
    );

    let (id, sums) = &nights[1];
    let restore = |name: &str| {
        sandbox
            .call(["restore", id, "--to"])
            .arg(database.url(name))
    };
    // Ours was written with the names of columns.
    let sums_of = |name: &str| database.sql(name, SUMS);
    restore("night2").run().exits(0);
    assert_eq!(sums_of("night2"), *sums);
    assert_ne!(sums_of("app"), *sums, "the database went on");
    restore("night2").run().exits(1).tells("exists already");
    database.sql("night2", "DELETE FROM orders;");
    restore("night2").arg("--replace").run().exits(0);
    assert_eq!(sums_of("night2"), *sums);
    let triggers = database.sql("night2", "SHOW TRIGGERS;");
    assert!(String::from_utf8_lossy(&triggers).contains("noted"));

    database.create("part");
    let part = || {
        sandbox
            .call(["restore", id, "--table", "customers", "--to"])
            .arg(database.url("part"))
    };
    part().run().exits(0);
    part().run().exits(1).tells("already exists");
    part().arg("--replace").run().exits(0);

    let ran = sandbox.call(["drill", id]).run().exits(0);
    assert!(ran.text().contains("5 tables"), "{ran:?}");
    sandbox
        .call(["drill", id, "--to"])
        .arg(database.url(""))
        .run()
        .exits(0);
    let schemas = database.sql("app", "SHOW DATABASES;");
    assert!(!String::from_utf8_lossy(&schemas).contains("nightfold"));

    let alter = "case \"$*\" in *--binary-mode*) sed 's/^(7,.customer ./(7,'\"'\"'customer x/' | $real \"$@\";;
                 *) exec $real \"$@\";; esac";
    shims.put("mariadb-dump", &which("mariadb-dump"), "exec $real \"$@\"");
    shims.put("mariadb", &which("mariadb"), alter);
    shims
        .call(sandbox.call(["drill", id]))
        .run()
        .exits(1)
        .tells("rows of the table `customers` differ");

    let ids: Vec<String> = nights.into_iter().map(|(id, _)| id).collect();
    grows_as_a_file(&sandbox, &ids, facts["path"].as_str().unwrap());
    sandbox.check();
}

#[test]
fn tables_without_transactions_are_named() {
    let database = Database::start();
    let sandbox = Sandbox::open();
    database.sql(
        "app",
        "CREATE TABLE `my isam` (a int) ENGINE=MyISAM; CREATE TABLE t (a int);",
    );
    let backup = || {
        sandbox
            .call(["backup"])
            .arg(database.url("app"))
            .run()
            .exits(0)
    };
    backup().tells("the table my isam is of the engine MyISAM");
    database.sql("app", "DROP TABLE `my isam`;");
    assert!(!backup().stderr.contains("engine"));
}

#[test]
fn a_drill_knows_the_accounts_that_a_dump_names() {
    let database = Database::start();
    let sandbox = Sandbox::open();
    database.sql(
        "app",
        "CREATE USER definer@localhost IDENTIFIED BY 'x'; GRANT ALL ON app.* TO definer@localhost;
         ALTER USER root@localhost IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('y');
         CREATE TABLE t (a int); INSERT INTO t VALUES (1);
         CREATE DEFINER=definer@localhost VIEW v AS SELECT * FROM t;
         CREATE DEFINER=definer@localhost PROCEDURE p () SELECT 1;",
    );
    let call = sandbox.call(["backup"]).arg(database.url("app"));
    call.env("NIGHTFOLD_DATABASE_PASSWORD", "y").run().exits(0);
    sandbox.call(["drill"]).run().exits(0);
}
