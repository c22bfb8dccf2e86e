//! SQL Server, as far as it can be tested without one.
//!
//! | module | against |
//! |---|---|
//! | `scripted` | a server that a test makes up: what the logical dump does with bad answers |
//! | `native` | the same, acting the file part of BACKUP and RESTORE out: statement by statement |
//! | `acted`, `chains` | the whole program against a server that acts out which backup fits which |
//! | `recorded` | conversations with a real server, said again |
//! | `live`, `nights` | a real server, if `NIGHTFOLD_TEST_MSSQL` names one |
//!
//! `NIGHTFOLD_TEST_MSSQL=mssql://USER@HOST:PORT`, with the password in
//! `NIGHTFOLD_TEST_MSSQL_PASSWORD`, points the tests of `live` at a server. They make and drop
//! databases whose names begin with `nightfold_test_`, and go unencrypted if
//! `NIGHTFOLD_TEST_MSSQL_ENCRYPT=off`, else encrypted with whatever certificate there is. With
//! `NIGHTFOLD_TEST_MSSQL_RECORD="server and version"` as well, and no encryption, the
//! conversations that `recorded` replays are written anew.

mod acted;
mod chains;
mod live;
mod native;
mod nights;
mod recorded;
mod scripted;

use nightfold_ingest::mssql::{Address, Connection, Encryption, MssqlError, Password, Trust};
use nightfold_tests::tds::{Answer, Value};

/// What a server of 2008 R2 says of itself and its database: whether SNAPSHOT is allowed, and the
/// number of the recovery model.
fn server_2008(snapshots: i64, recovery: i64) -> Answer {
    Answer::row(vec![
        "10.50.6000.34".into(),
        "Express Edition".into(),
        "rtc".into(),
        "Latin1_General_CI_AS".into(),
        Value::Int(Some(snapshots)),
        Value::Int(Some(recovery)),
    ])
}

/// Where a server on this machine listens, without encryption.
fn local(port: u16, database: &str) -> Address {
    Address {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        instance: None,
        database: database.to_owned(),
        user: "someone".to_owned(),
        encryption: Encryption::Off,
        trust: Trust::System,
    }
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned().into())
}

fn open(port: u16) -> Connection<'static> {
    Connection::open(&local(port, "rtc"), &password("secret-1"), None).unwrap()
}

/// The message of what must fail.
fn message<T: std::fmt::Debug>(result: Result<T, MssqlError>) -> String {
    let message = result.unwrap_err().to_string();
    assert!(!message.contains("secret-1"), "{message}");
    message
}
