//! What the logical dump does with a server that misbehaves.

use std::net::TcpListener;
use std::sync::atomic::AtomicBool;

use nightfold_ingest::mssql::{
    Address, Connection, DumpOptions, Encryption, Isolation, MssqlError, ServerFacts,
    drop_database, dump, load, rename_database,
};
use nightfold_tests::tds::{Answer, Scripted, Value};

use super::{local, message, open, password, server_2008};

/// A database with one table of two rows, whose `SELECT` and `COUNT_BIG` a test chooses.
fn database(sql: &str, snapshots: i64, rows: &Answer, count: i64) -> Answer {
    let text = |text: &str| Value::from(text);
    let null = Value::Text(None);
    if sql.contains("ProductVersion") {
        return server_2008(snapshots, 3);
    }
    if sql.contains("GETUTCDATE") {
        return Answer::row(vec![text("2026-11-20T03:00:00.000"), Value::Int(Some(1))]);
    }
    if sql.starts_with("SELECT t.object_id") {
        return Answer::row(vec![Value::Int(Some(7)), text("dbo"), text("t")]);
    }
    if sql.starts_with("SELECT c.object_id") {
        let int = [
            text("int"),
            text("sys"),
            Value::Bit(false),
            Value::Bit(false),
            text("int"),
        ];
        let mut row = vec![Value::Int(Some(7)), text("a")];
        row.extend(int);
        row.extend([4, 10, 0].map(|number| Value::Int(Some(number))));
        row.extend([null.clone(), Value::Bit(false)]);
        row.extend([
            Value::Decimal(None),
            Value::Decimal(None),
            Value::Decimal(None),
        ]);
        row.extend([null, Value::Bit(false), Value::Bit(false)]);
        return Answer::row(row);
    }
    if sql.starts_with("SELECT [a] FROM [dbo].[t]") {
        return rows.clone();
    }
    if sql.starts_with("SELECT COUNT_BIG") {
        return Answer::row(vec![Value::Int(Some(count))]);
    }
    Answer::Done
}

/// A database with one table of two rows.
pub(super) fn two_rows_of(sql: &str) -> Answer {
    let (names, rows) = two_rows();
    database(sql, 1, &Answer::Rows(names, rows), 2)
}

fn two_rows() -> (Vec<&'static str>, Vec<Vec<Value>>) {
    (
        vec!["a"],
        vec![vec![Value::Int(Some(1))], vec![Value::Int(Some(2))]],
    )
}

fn dumped(server: &Scripted, options: DumpOptions) -> (Result<u64, MssqlError>, String) {
    let mut out = Vec::new();
    let report = dump(&mut open(server.port()), options, &mut out);
    let rows = report.map(|report| report.tables.iter().map(|(_, rows)| rows).sum());
    (rows, String::from_utf8(out).unwrap())
}

#[test]
fn a_small_database_is_dumped() {
    let (names, rows) = two_rows();
    let rows = Answer::Rows(names, rows);
    let server = Scripted::start(move |sql| database(sql, 1, &rows, 2));
    let (rows, script) = dumped(&server, DumpOptions::default());
    assert_eq!(rows.unwrap(), 2);
    assert!(
        script.contains("INSERT INTO [dbo].[t] ([a]) VALUES\n(1),\n(2);\nGO\n"),
        "{script}"
    );
    assert!(script.ends_with("-- end of dump\n"));
    let asked = server.asked();
    let place = |start: &str| asked.iter().position(|sql| sql.starts_with(start)).unwrap();
    assert!(place("SET TRANSACTION ISOLATION LEVEL SNAPSHOT") < place("BEGIN TRANSACTION"));
    assert!(place("BEGIN TRANSACTION") < place("SELECT c.object_id"));
    assert_eq!(place("COMMIT TRANSACTION"), asked.len() - 1);
}

#[test]
fn without_snapshots_it_says_what_to_do() {
    let server = Scripted::start(|sql| database(sql, 0, &Answer::Done, 0));
    let (rows, script) = dumped(&server, DumpOptions::default());
    let message = message(rows);
    assert!(
        message.contains("ALTER DATABASE [rtc] SET ALLOW_SNAPSHOT_ISOLATION ON"),
        "{message}"
    );
    assert!(message.contains("serializable"), "{message}");
    assert_eq!(script, "");
    let options = DumpOptions {
        isolation: Isolation::Serializable,
        ..DumpOptions::default()
    };
    assert_eq!(dumped(&server, options).0.unwrap(), 0);
}

#[test]
fn a_connection_cut_among_rows_is_no_short_dump() {
    let (names, rows) = two_rows();
    let rows = Answer::Cut(names, rows);
    let server = Scripted::start(move |sql| database(sql, 1, &rows, 2));
    let (rows, script) = dumped(&server, DumpOptions::default());
    assert!(message(rows).contains("cannot read the rows of [dbo].[t]"));
    assert!(!script.contains("-- end of dump"));
}

#[test]
fn fewer_rows_than_the_server_counts_are_no_dump() {
    let (names, rows) = two_rows();
    let rows = Answer::Rows(names, rows);
    let server = Scripted::start(move |sql| database(sql, 1, &rows, 3));
    let (rows, script) = dumped(&server, DumpOptions::default());
    assert!(message(rows).contains("2 rows came, the server counts 3"));
    assert!(!script.contains("-- end of dump"));
}

#[test]
fn a_table_dropped_meanwhile_is_named() {
    let gone = Answer::Error(3961, "modified by a DDL statement".to_owned());
    let server = Scripted::start(move |sql| database(sql, 1, &gone, 0));
    let (rows, _) = dumped(&server, DumpOptions::default());
    let message = message(rows);
    assert!(
        message.contains("[dbo].[t]") && message.contains("3961"),
        "{message}"
    );
}

#[test]
fn the_protocol_of_2005_is_understood() {
    let server = Scripted::start_version(0x7209_0002, |sql| database(sql, 1, &Answer::Done, 0));
    let facts = ServerFacts::read(&mut open(server.port())).unwrap();
    assert_eq!((facts.major, facts.recovery_model), (10, 3));
}

#[test]
fn a_failing_batch_takes_the_load_back() {
    let server = Scripted::start(|sql| match sql {
        "SELECT 2\n" => Answer::Error(8134, "Divide by zero".to_owned()),
        _ => Answer::Done,
    });
    let script = "-- SQL Server database dumped by nightfold, form 1\nSELECT 1\nGO\nSELECT 2\nGO\n\
                  -- end of dump\n";
    let loaded = load(&mut open(server.port()), &mut script.as_bytes());
    assert!(message(loaded).contains("line 4"));
    let asked = server.asked();
    assert!(
        asked.last().unwrap().contains("ROLLBACK TRANSACTION"),
        "{asked:?}"
    );
    assert!(!asked.iter().any(|sql| sql.contains("COMMIT")));
}

#[test]
fn a_script_that_is_cut_off_is_taken_back() {
    let server = Scripted::start(|_| Answer::Done);
    let script = "-- SQL Server database dumped by nightfold, form 1\nSELECT 1\nGO\n";
    let loaded = load(&mut open(server.port()), &mut script.as_bytes());
    assert!(message(loaded).contains("parts are missing"));
    assert!(!server.asked().iter().any(|sql| sql.contains("COMMIT")));
}

#[test]
fn nobody_at_the_address_is_told_with_it() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let opened = Connection::open(&local(port, "rtc"), &password("secret-1"), None);
    let message = message(opened.map(|_| ()));
    assert!(message.contains(&format!("127.0.0.1:{port}")), "{message}");
}

#[test]
fn a_silent_server_can_be_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = local(listener.local_addr().unwrap().port(), "rtc");
    let interrupt = AtomicBool::new(true);
    let opened = Connection::open(&address, &password("secret-1"), Some(&interrupt));
    assert!(matches!(opened.map(|_| ()), Err(MssqlError::Interrupted)));
}

#[test]
fn encryption_that_the_server_lacks_is_not_given_up_silently() {
    let server = Scripted::start(|_| Answer::Done);
    let address = Address {
        encryption: Encryption::Required,
        ..local(server.port(), "rtc")
    };
    let opened = Connection::open(&address, &password("secret-1"), None);
    assert!(message(opened.map(|_| ())).contains("no encrypted connection"));
}

#[test]
fn a_database_is_dropped_and_renamed_without_its_sessions() {
    let server = Scripted::start(|_| Answer::Done);
    let mut master = open(server.port());
    drop_database(&mut master, "a]b").unwrap();
    rename_database(&mut master, "new", "old").unwrap();
    let asked = server.asked();
    let alone =
        |name: &str| format!("ALTER DATABASE {name} SET SINGLE_USER WITH ROLLBACK IMMEDIATE");
    assert!(asked[0].ends_with(&alone("[a]]b]")), "{asked:?}");
    assert_eq!(asked[1], "DROP DATABASE [a]]b]");
    assert!(asked[2].ends_with(&alone("[new]")), "{asked:?}");
    assert_eq!(asked[3], "ALTER DATABASE [new] MODIFY NAME = [old]");
    assert_eq!(asked[4], "ALTER DATABASE [old] SET MULTI_USER");
}

#[test]
fn a_renamed_database_that_stays_closed_gets_its_name_back() {
    let server = Scripted::start(|sql| match sql {
        "ALTER DATABASE [old] SET MULTI_USER" => Answer::Error(5061, "in use".to_owned()),
        _ => Answer::Done,
    });
    let renamed = rename_database(&mut open(server.port()), "new", "old");
    assert!(message(renamed).contains("cannot rename the database new to old"));
    let asked = server.asked();
    assert_eq!(
        asked.last().unwrap(),
        "ALTER DATABASE [old] MODIFY NAME = [new]"
    );
}

#[test]
fn a_view_that_the_server_does_not_take_is_told_and_left_out() {
    let script = "-- SQL Server database dumped by nightfold, form 1\nSELECT 1\nGO\n\
                  -- program [dbo].[v]\nSET ANSI_NULLS ON\nGO\nCREATE VIEW v AS SELECT 1 FROM gone\nGO\n\
                  SELECT 2\nGO\n-- end of dump\n";
    for (state, loaded) in [(1, true), (-1, false)] {
        let server = Scripted::start(move |sql| match sql {
            "CREATE VIEW v AS SELECT 1 FROM gone\n" => {
                Answer::Error(208, "Invalid object name 'gone'.".to_owned())
            }
            "SELECT CAST(XACT_STATE() AS int)" => Answer::row(vec![Value::Int(Some(state))]),
            "SELECT @@TRANCOUNT" => Answer::row(vec![Value::Int(Some(1))]),
            _ => Answer::Done,
        });
        let report = load(&mut open(server.port()), &mut script.as_bytes());
        let asked = server.asked();
        let committed = asked.iter().any(|sql| sql == "COMMIT TRANSACTION");
        assert_eq!((report.is_ok(), committed), (loaded, loaded), "{report:?}");
        assert_eq!(asked.iter().any(|sql| sql == "SELECT 2\n"), loaded);
        match report {
            Ok(report) => assert!(report.warnings[0].contains("cannot make [dbo].[v]: Invalid")),
            Err(error) => assert!(error.to_string().contains("cannot make [dbo].[v]")),
        }
    }
}
