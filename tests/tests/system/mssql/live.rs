//! Against a real server. Without one these tests pass and say nothing.

use std::env;
use std::net::ToSocketAddrs as _;
use std::sync::Mutex;
use std::time::Instant;

use nightfold_ingest::mssql::{
    Address, Connection, DumpOptions, Encryption, MssqlError, Trust, create_database,
    database_exists, drop_database, dump, load,
};
use nightfold_ingest::{DatabaseUrl, ServerUrl};
use nightfold_tests::tds::Recorder;

use super::recorded::fixture;
use super::{message, password};

/// Statements that fill a database with every type that all servers here know.
const TYPES: &str = include_str!("types.sql");
/// What only Microsoft's server knows.
const MORE: &str = "CREATE TABLE dbo.more (id int IDENTITY(5,3) NOT NULL PRIMARY KEY, \
    h hierarchyid NULL, g geometry NULL, t time(7) NULL, d datetime2(7) NULL, rv rowversion)
GO
INSERT INTO dbo.more (h, g, t, d) VALUES ('/1/2/', geometry::STGeomFromText('POINT(1 2)', 0), \
    '23:59:59.9999999', '9999-12-31 23:59:59.9999999')
GO
INSERT INTO dbo.variants VALUES (13, CAST(N'two' + NCHAR(10) + N'lines' AS nvarchar(20)), NULL)
";
/// Columns that EXCEPT does not take, and what it takes instead.
const TABLES: [(&str, &str); 9] = [
    ("dbo.numbers", "*"),
    (
        "other.texts",
        "id, CAST(c AS varbinary(max)) c, CAST(vc AS varbinary(max)) vc, vm, nc, nv, nm, ph, \
         CAST(t AS nvarchar(max)) t, CAST(nt AS nvarchar(max)) nt",
    ),
    (
        "dbo.bytes",
        "id, b, vb, vm, CAST(im AS varbinary(max)) im, u",
    ),
    ("dbo.times", "*"),
    (
        "dbo.variants",
        "id, v, CAST(SQL_VARIANT_PROPERTY(v, 'BaseType') AS nvarchar(128)) t, \
         CAST(x AS nvarchar(max)) x",
    ),
    ("dbo.heap", "*"),
    ("dbo.empty", "*"),
    ("dbo.parent", "*"),
    ("dbo.child", "*"),
];

pub(super) struct Server {
    pub(super) address: Address,
    pub(super) secret: String,
}

impl Server {
    /// The one that the environment names.
    pub(super) fn named() -> Option<Self> {
        let url = env::var("NIGHTFOLD_TEST_MSSQL").ok()?;
        let Ok(DatabaseUrl::Server(url)) = url.parse() else {
            panic!("NIGHTFOLD_TEST_MSSQL is no URL of a server");
        };
        let ServerUrl {
            user,
            host,
            port,
            instance,
            ..
        } = url;
        let plain = env::var("NIGHTFOLD_TEST_MSSQL_ENCRYPT").is_ok_and(|value| value == "off");
        let address = Address {
            host: host.unwrap_or_else(|| "localhost".to_owned()),
            port,
            instance,
            database: "master".to_owned(),
            user: user.unwrap(),
            encryption: if plain {
                Encryption::Off
            } else {
                Encryption::Required
            },
            trust: Trust::Anyone,
        };
        let secret = env::var("NIGHTFOLD_TEST_MSSQL_PASSWORD").unwrap();
        Some(Self { address, secret })
    }

    pub(super) fn open(&self, database: &str) -> Connection<'static> {
        let address = self.address.with_database(database);
        Connection::open(&address, &password(&self.secret), None).unwrap()
    }

    /// An empty database.
    pub(super) fn fresh(&self, name: &str) -> String {
        // Babelfish fails where two are made at once.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock();
        let name = format!("nightfold_test_{name}");
        let mut master = self.open("master");
        if database_exists(&mut master, &name).unwrap() {
            self.drop(&name);
        }
        create_database(&mut master, &name, None).unwrap();
        if !self.is_babelfish() {
            let sql = format!("ALTER DATABASE [{name}] SET ALLOW_SNAPSHOT_ISOLATION ON");
            master.run("setting up", &sql).unwrap();
        }
        name
    }

    pub(super) fn drop(&self, name: &str) {
        let mut master = self.open("master");
        if self.is_babelfish() {
            // It has no ALTER DATABASE, which ends the sessions.
            let sql = format!("DROP DATABASE [{name}]");
            master.run("cleaning up", &sql).unwrap();
        } else {
            drop_database(&mut master, name).unwrap();
        }
    }

    /// Whether it is talked to without encryption.
    pub(super) fn is_plain(&self) -> bool {
        self.address.encryption == Encryption::Off
    }

    fn is_babelfish(&self) -> bool {
        let rows = self
            .open("master")
            .rows("asking", "SELECT @@VERSION")
            .unwrap();
        rows[0].get::<&str, _>(0).unwrap().contains("Babelfish")
    }

    pub(super) fn run(&self, database: &str, statements: &str) {
        let mut connection = self.open(database);
        for sql in statements
            .split("\nGO\n")
            .filter(|sql| !sql.trim().is_empty())
        {
            connection.run("setting up", sql).unwrap();
        }
    }

    pub(super) fn count(&self, sql: &str) -> i32 {
        let rows = self.open("master").rows("counting", sql).unwrap();
        rows[0].get(0).unwrap()
    }

    /// Dumps, or records it too.
    fn dump(&self, database: &str, recording: Option<&str>) -> Vec<u8> {
        let mut script = Vec::new();
        self.recorded(database, recording, |connection| {
            dump(connection, DumpOptions::default(), &mut script).unwrap();
        });
        script
    }

    fn recorded(&self, database: &str, file: Option<&str>, act: impl FnOnce(&mut Connection<'_>)) {
        let about = env::var("NIGHTFOLD_TEST_MSSQL_RECORD").ok();
        let Some((about, file)) = about.zip(file) else {
            return act(&mut self.open(database));
        };
        let place = (
            self.address.host.as_str(),
            self.address.port.unwrap_or(1433),
        );
        let server = place.to_socket_addrs().unwrap().next().unwrap();
        let recorder = Recorder::start(server, &about, &fixture(file));
        let address = Address {
            host: "127.0.0.1".to_owned(),
            port: Some(recorder.port()),
            ..self.address.with_database(database)
        };
        act(&mut Connection::open(&address, &password(&self.secret), None).unwrap());
        recorder.finish();
    }
}

#[test]
fn every_type_comes_back_as_the_server_reports_it() {
    let Some(server) = Server::named() else {
        return;
    };
    let (from, to) = (server.fresh("types"), server.fresh("types_back"));
    server.run(&from, TYPES);
    let babelfish = server.is_babelfish();
    if !babelfish {
        server.run(&from, MORE);
    }
    let script = server.dump(&from, Some("types-dump.txt"));
    assert_eq!(script, server.dump(&from, None), "the same again");
    server.recorded(&to, Some("types-load.txt"), |connection| {
        load(connection, &mut &script[..]).unwrap();
    });
    if env::var("NIGHTFOLD_TEST_MSSQL_RECORD").is_ok() {
        std::fs::write(fixture("types.sql"), &script).unwrap();
    }
    for (table, columns) in TABLES {
        let rows = |database: &str| format!("SELECT {columns} FROM {database}.{table}");
        for (one, other) in [(&from, &to), (&to, &from)] {
            let differ = format!(
                "SELECT COUNT(*) FROM ({} EXCEPT {}) AS differ",
                rows(one),
                rows(other)
            );
            assert_eq!(server.count(&differ), 0, "{table}");
        }
        let count =
            |database: &str| server.count(&format!("SELECT COUNT(*) FROM {database}.{table}"));
        assert_eq!(count(&from), count(&to), "{table}");
    }
    // Babelfish makes up other names for what it makes.
    if !babelfish {
        assert_eq!(server.dump(&to, None), script);
    }
    server.drop(&from);
    server.drop(&to);
}

#[test]
fn four_megabytes_of_text_come_back() {
    let Some(server) = Server::named() else {
        return;
    };
    let (from, to) = (server.fresh("large"), server.fresh("large_back"));
    server.run(
        &from,
        "CREATE TABLE dbo.large (id int NOT NULL PRIMARY KEY, n nvarchar(max) NULL, v varchar(max) NULL, b varbinary(max) NULL)
GO
INSERT INTO dbo.large VALUES (1, REPLICATE(CAST(N'0123456789abcd' + NCHAR(10) + N'é' AS nvarchar(max)), 262144), REPLICATE(CAST('it''s' AS varchar(max)), 1048576), NULL)
GO
INSERT INTO dbo.large VALUES (2, NULL, NULL, CAST(REPLICATE(CAST('b' AS varchar(max)), 4194304) AS varbinary(max)))
",
    );
    let script = server.dump(&from, None);
    load(&mut server.open(&to), &mut &script[..]).unwrap();
    let differ = format!(
        "SELECT COUNT(*) FROM {from}.dbo.large a JOIN {to}.dbo.large b ON a.id = b.id \
         WHERE a.n = b.n AND a.v = b.v AND a.b IS NULL AND b.b IS NULL \
         OR a.b = b.b AND a.n IS NULL AND b.n IS NULL"
    );
    assert_eq!(server.count(&differ), 2);
    assert_eq!(
        server.count(&format!("SELECT LEN(n) FROM {to}.dbo.large WHERE id = 1")),
        4_194_304
    );
    server.drop(&from);
    server.drop(&to);
}

#[test]
fn a_failed_load_leaves_nothing() {
    let Some(server) = Server::named() else {
        return;
    };
    let (from, to) = (server.fresh("whole"), server.fresh("half"));
    server.run(&from, TYPES);
    let script = String::from_utf8(server.dump(&from, None)).unwrap();
    let broken = script.replace(
        "-- part of [dbo].[times]\n",
        "-- part of [dbo].[times]\nSELECT 1/0\n",
    );
    assert_ne!(broken, script);
    let failed = load(&mut server.open(&to), &mut broken.as_bytes());
    assert!(message(failed).contains("cannot run the batch at line"));
    let cut = script.split_at(script.len() * 2 / 3).0;
    assert!(load(&mut server.open(&to), &mut cut.as_bytes()).is_err());
    assert_eq!(
        server.count(&format!("SELECT COUNT(*) FROM {to}.sys.tables")),
        0
    );
    server.drop(&from);
    server.drop(&to);
}

#[test]
fn wrong_passwords_and_names_are_told_without_the_password() {
    let Some(server) = Server::named() else {
        return;
    };
    let opened = Connection::open(&server.address, &password("secret-1"), None);
    let refused = message(opened.map(|_| ()));
    assert!(refused.contains("18456"), "{refused}");
    let nowhere = server.address.with_database("nightfold_test_nowhere");
    let opened = Connection::open(&nowhere, &password(&server.secret), None);
    let refused = message(opened.map(|_| ()));
    assert!(refused.contains("nightfold_test_nowhere"), "{refused}");
}

#[test]
fn a_dump_sees_one_moment_while_rows_are_written() {
    let Some(server) = Server::named() else {
        return;
    };
    let name = server.fresh("moment");
    server.run(
        &name,
        "CREATE TABLE dbo.a (id int NOT NULL PRIMARY KEY)
GO
CREATE TABLE dbo.b (id int NOT NULL PRIMARY KEY)
",
    );
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = server.open(&name);
            for id in 0.. {
                let sql = format!(
                    "BEGIN TRANSACTION; INSERT INTO a VALUES ({id}); INSERT INTO b VALUES ({id}); COMMIT"
                );
                connection.run("writing", &sql).unwrap();
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..5 {
            let mut script = Vec::new();
            let mut connection = server.open(&name);
            let report = dump(&mut connection, DumpOptions::default(), &mut script).unwrap();
            assert_eq!(report.tables[0].1, report.tables[1].1);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    server.drop(&name);
}

#[test]
fn the_rate_of_a_million_rows() {
    let (Some(server), Ok(rows)) = (Server::named(), env::var("NIGHTFOLD_TEST_MSSQL_ROWS")) else {
        return;
    };
    let rows: i32 = rows.parse().unwrap();
    let (from, to) = (server.fresh("rate"), server.fresh("rate_back"));
    let digits = "(SELECT 0 n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL \
        SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 \
        UNION ALL SELECT 9)";
    server.run(
        &from,
        &format!(
            "CREATE TABLE dbo.calls (id int NOT NULL PRIMARY KEY, caller nvarchar(40) NOT NULL, \
             started datetime NOT NULL, cost money NULL, rate decimal(9,4) NULL, \
             token uniqueidentifier NOT NULL, note nvarchar(200) NULL)
GO
INSERT INTO calls SELECT n, N'sip:user' + CAST(n % 9973 AS nvarchar(10)) + N'@example.com', \
             DATEADD(second, n, '2026-01-01'), n * 0.0025, n % 7 * 0.125, NEWID(), N'it''s ' + \
             CAST(n % 31 AS nvarchar(10)) FROM (SELECT a.n + 10*b.n + 100*c.n + 1000*d.n + 10000*e.n \
             + 100000*f.n n FROM {digits} a, {digits} b, {digits} c, {digits} d, {digits} e, \
             {digits} f) x WHERE n < {rows}"
        ),
    );
    let begun = Instant::now();
    let script = server.dump(&from, None);
    let dumped = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    load(&mut server.open(&to), &mut &script[..]).unwrap();
    let loaded = begun.elapsed().as_secs_f64();
    let rate = f64::from(rows);
    eprintln!(
        "{rows} rows, {} bytes: dumped at {:.0} rows/s, loaded at {:.0} rows/s",
        script.len(),
        rate / dumped,
        rate / loaded
    );
    let differ = format!(
        "SELECT COUNT(*) FROM (SELECT * FROM {from}.dbo.calls EXCEPT SELECT * FROM {to}.dbo.calls) x"
    );
    assert_eq!(server.count(&differ), 0);
    assert_eq!(
        server.count(&format!("SELECT COUNT(*) FROM {to}.dbo.calls")),
        rows
    );
    server.drop(&from);
    server.drop(&to);
}

#[test]
fn a_session_that_is_killed_is_an_error() {
    let Some(server) = Server::named().filter(|server| !server.is_babelfish()) else {
        return;
    };
    let mut victim = server.open("master");
    let rows = victim.rows("asking", "SELECT CAST(@@SPID AS int)").unwrap();
    let session: i32 = rows[0].get(0).unwrap();
    server
        .open("master")
        .run("killing", &format!("KILL {session}"))
        .unwrap();
    let failed = victim.run("going on", "SELECT 1");
    assert!(matches!(
        failed,
        Err(MssqlError::Connection { .. } | MssqlError::Server { .. })
    ));
}
