use std::sync::Arc;

use nightfold_tests::Sandbox;

use super::{Shims, Writer, backed_up, facts, grows_as_a_file, which};
use crate::servers::postgres::Cluster;

const SCHEMA: &str = "
    CREATE TABLE customers (id int PRIMARY KEY, name text, joined timestamp);
    CREATE TABLE orders (id serial PRIMARY KEY, customer int REFERENCES customers, note text, paid numeric);
    CREATE TABLE \"odd; na\"\"me\" (a bytea, b text[], c double precision);
    CREATE TABLE empty (a int);
    CREATE VIEW paid AS SELECT * FROM orders WHERE paid > 10;
    CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'COPY public.orders (id) FROM stdin;
1
\\.
' $$;
    INSERT INTO customers SELECT id, 'customer ' || md5(id::text), timestamp '2026-01-01' + id * interval '1 minute'
        FROM generate_series(1, 20000) id;
    INSERT INTO orders (customer, note, paid) SELECT 1 + id % 20000, repeat(md5((id * 7)::text), 2), id / 100.0
        FROM generate_series(1, 60000) id;
    INSERT INTO \"odd; na\"\"me\" VALUES (decode('005c2e0a0d', 'hex'), ARRAY['a\\.', E'\\n\\\\.\\n', NULL], 'NaN'),
        (NULL, '{}', 1e-300), (repeat('x', 3000000)::bytea, NULL, '-Infinity');";
const A_DAY: &str =
    "UPDATE orders SET note = 'changed ' || md5(random()::text) WHERE id % 100 = 42;";
const SUMS: &str = "
    SELECT count(*), md5(string_agg(t::text, '' ORDER BY id)) FROM customers t
    UNION ALL SELECT count(*), md5(string_agg(t::text, '' ORDER BY id)) FROM orders t
    UNION ALL SELECT count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM \"odd; na\"\"me\" t;";

#[test]
fn nights_of_a_live_postgres_load_and_are_drilled() {
    let cluster = Arc::new(Cluster::start());
    let sandbox = Sandbox::open();
    cluster.sql("app", SCHEMA);
    let written = cluster.clone();
    let writer = Writer::start(move |number| {
        let insert = "INSERT INTO orders (customer, note, paid) VALUES";
        written.sql(
            "app",
            &format!("{insert} (1 + {number} % 20000, 'live {number}', {number});"),
        );
    });

    // The same snapshot that the dump uses, summed up by the server.
    let shims = Shims::new(&sandbox);
    let sums = sandbox.path("sums");
    let script = format!(
        "for a in \"$@\"; do case $p in --snapshot) id=$a;; esac; p=$a; done
         if [ -n \"$id\" ]; then
           psql -XqAt -v ON_ERROR_STOP=1 > {} <<END || exit 9
BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '$id'; {SUMS}
END
         fi
         exec $real \"$@\"",
        sums.display()
    );
    shims.put("pg_dump", &which("pg_dump"), &script);

    let mut nights = Vec::new();
    for night in 0..5 {
        if night > 0 {
            cluster.sql("app", A_DAY);
        }
        writer.wait_for_some();
        let id = backed_up(shims.call(sandbox.call(["backup"]).arg(cluster.url("app"))));
        nights.push((id, std::fs::read(&sums).unwrap()));
    }
    drop(writer);
    let facts = facts(&sandbox);
    assert_eq!(facts["engine"], "postgres");
    assert_eq!(facts["tables"], 4);
    assert_eq!(facts["tool"]["exit"], 0);
    assert!(
        facts["position"]["lsn"].as_str().unwrap().contains('/'),
        "{facts}"
    );

    // Night 2 beside the original, and in the place of another database.
    let (id, sums) = &nights[1];
    sandbox
        .call(["restore", id, "--to"])
        .arg(cluster.url("night2"))
        .run()
        .exits(0);
    assert_eq!(cluster.sql("night2", SUMS), *sums);
    assert_ne!(cluster.sql("app", SUMS), *sums, "the database went on");
    let again = || {
        sandbox
            .call(["restore", id, "--to"])
            .arg(cluster.url("night2"))
    };
    again().run().exits(1).tells("exists already");
    cluster.sql("night2", "DELETE FROM orders;");
    again().arg("--replace").run().exits(0);
    assert_eq!(cluster.sql("night2", SUMS), *sums);

    one_table(&cluster, &sandbox, id);

    let ran = sandbox.call(["drill", id]).run().exits(0);
    assert!(ran.text().contains("4 tables"), "{ran:?}");
    let on_it = sandbox
        .call(["drill", id, "--json", "--to"])
        .arg(cluster.url(""))
        .run()
        .exits(0);
    assert_eq!(on_it.json()["databases"][0]["passed"], true);
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE '%nightfold%';";
    assert_eq!(cluster.sql("postgres", left), b"0\n");

    // A row that is not as it was.
    let alter = "case \"$*\" in *--output=/dev/null*) sed 's/^7\\tcustomer ./7\\tcustomer x/' | $real \"$@\";;
                 *) exec $real \"$@\";; esac";
    shims.put("psql", &which("psql"), alter);
    shims
        .call(sandbox.call(["drill", id]))
        .run()
        .exits(1)
        .tells("rows of the table public.customers differ");
    let listed = sandbox.snapshots();
    assert_eq!(listed[1]["drill"]["passed"], false);
    assert!(listed[0]["drill"].is_null());

    let ids: Vec<String> = nights.into_iter().map(|(id, _)| id).collect();
    let path = facts["path"].as_str().unwrap();
    grows_as_a_file(&sandbox, &ids, path);
    sandbox.check();
}

/// Loads one table into an empty database.
fn one_table(cluster: &Cluster, sandbox: &Sandbox, id: &str) {
    cluster.create("part");
    let part = || {
        sandbox
            .call(["restore", id, "--table", "customers", "--to"])
            .arg(cluster.url("part"))
    };
    part().run().exits(0);
    part().run().exits(1).tells("already exists");
    part().arg("--replace").run().exits(0);
    assert_eq!(
        cluster.sql("part", "SELECT count(*) FROM customers;"),
        b"20000\n"
    );
    let text = sandbox
        .call(["cat", id, "app", "--table", "public.customers"])
        .run()
        .exits(0)
        .text();
    assert!(text.contains("ADD CONSTRAINT customers_pkey") && !text.contains("orders"));
}

#[test]
fn all_databases_of_a_server_make_one_snapshot() {
    let cluster = Cluster::start();
    let sandbox = Sandbox::open();
    cluster.create("\"a/b\"");
    let owned = "CREATE ROLE owner; CREATE TABLE t (a int); ALTER TABLE t OWNER TO owner; INSERT INTO t VALUES (1);";
    cluster.sql("app", owned);
    cluster.sql("a/b", "CREATE TABLE t (a int); INSERT INTO t VALUES (2);");
    let ran = sandbox
        .call(["backup", "--all-databases"])
        .arg(cluster.url(""))
        .run();
    ran.exits(0);
    let ran = sandbox.call(["ls", "latest"]).run().exits(0);
    for name in [
        "/a%2Fb.sql\n",
        "/app.sql\n",
        "/app.sql.tables\n",
        ".globals.sql\n",
    ] {
        assert!(ran.text().contains(name), "{name}: {ran:?}");
    }
    sandbox.call(["drill"]).run().exits(0);
    sandbox
        .call(["restore", "latest", "--to"])
        .arg(cluster.url("x"))
        .run()
        .exits(1)
        .tells("several databases");
    sandbox
        .call(["restore", "latest:a/b", "--to"])
        .arg(cluster.url("x"))
        .run()
        .exits(0);
    assert_eq!(cluster.sql("x", "SELECT a FROM t;"), b"2\n");
    sandbox
        .call(["backup"])
        .arg(cluster.url(""))
        .run()
        .exits(1)
        .tells("names no database");
}
