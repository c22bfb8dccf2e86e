//! SQLite: a copy of the file, made by SQLite itself while others write.

mod restore;
mod table;

pub(super) use restore::{look_at, restore};
pub(super) use table::{restore_table, write_table};

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde_json::{Value, json};

use super::Dump;
use super::checksum::RowSum;
use super::facts::{DatabaseFacts, TableFacts};
use super::sink::Sink;
use super::stage::{Stage, unusable};
use crate::error::{Error, Result};
use crate::fs::path_bytes;

/// How long a lock of another program is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pages copied between two looks at whether to stop.
const PAGES: i32 = 4096;

/// The file at a path, as it is at one moment.
pub(super) struct SqliteDump {
    file: PathBuf,
    path: Vec<u8>,
}

/// Where the copy of a file lies in a snapshot.
pub(super) fn dump_path(file: &Path) -> Result<Vec<u8>> {
    let absolute = std::path::absolute(file).map_err(|error| failed(file, &error))?;
    Ok([b"/sqlite", path_bytes(&absolute)].concat())
}

impl SqliteDump {
    pub(super) fn of(file: &Path) -> Result<Self> {
        let path = dump_path(file)?;
        Ok(Self {
            file: file.to_owned(),
            path,
        })
    }
}

impl Dump for SqliteDump {
    fn path(&self) -> &[u8] {
        &self.path
    }

    fn make(&self, sink: &mut Sink<'_, '_>) -> Result<()> {
        let time = jiff::Timestamp::now();
        let copy = Copy::of(&self.file, sink.cancel())?;
        sink.store(&self.path, &copy.file)?;
        let tables =
            tables(&copy.connection, sink.cancel()).map_err(|error| failed(&self.file, &error))?;
        if sink.cancel().load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let (details, check) = copy.details().map_err(|error| failed(&self.file, &error))?;
        if check != "ok" {
            let text = format!("stored as it is, but integrity_check says: {check}");
            sink.warn(&self.path, text)?;
        }
        let facts = DatabaseFacts {
            engine: "sqlite".to_owned(),
            version: format!("SQLite {}", rusqlite::version()),
            database: self.file.display().to_string(),
            method: "online backup".to_owned(),
            time: time.to_string(),
            details,
            ..DatabaseFacts::default()
        };
        sink.record(&self.path, facts, tables);
        Ok(())
    }
}

/// A private copy of a database.
struct Copy {
    connection: Connection,
    file: File,
    _stage: Stage,
}

impl Copy {
    fn of(source: &Path, cancel: &AtomicBool) -> Result<Self> {
        let told = |error: &dyn std::fmt::Display| failed(source, error);
        let from = open(source).map_err(|error| told(&error))?;
        let stage = Stage::new().map_err(unusable)?;
        let path = stage.path("copy");
        let mut to = Connection::open(&path).map_err(|error| told(&error))?;
        // A copy that is thrown away when anything fails needs no journal.
        to.execute_batch("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF")
            .map_err(|error| told(&error))?;
        copy(&from, &mut to, cancel).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => unusable(ErrorKind::StorageFull.into()),
            _ => told(&error),
        })?;
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        drop(to);
        Ok(Self {
            file: File::open(&path).map_err(|error| told(&error))?,
            connection: open_still(&path).map_err(|error| told(&error))?,
            _stage: stage,
        })
    }

    fn details(&self) -> rusqlite::Result<(BTreeMap<String, Value>, String)> {
        let pragma = |name: &str| -> rusqlite::Result<Value> {
            self.connection
                .pragma_query_value(None, name, |row| match row.get_ref(0)? {
                    ValueRef::Integer(number) => Ok(json!(number)),
                    other => Ok(json!(other.as_str().unwrap_or_default())),
                })
        };
        let mut details = BTreeMap::new();
        for name in [
            "page_size",
            "page_count",
            "schema_version",
            "user_version",
            "encoding",
        ] {
            details.insert(name.to_owned(), pragma(name)?);
        }
        let check = integrity(&self.connection)?;
        details.insert("integrity_check".to_owned(), json!(check));
        Ok((details, check))
    }
}

/// What `integrity_check` says: `ok`, or the first of its complaints.
pub(super) fn integrity(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
}

/// Opened for reading; in WAL mode SQLite needs to write beside the file for that.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_WRITE)
        .or_else(|_| {
        Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY)
    })?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

/// Opens a file that nobody writes to, whatever it says of a write-ahead log: nothing is written beside it.
fn open_still(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(still_uri(path), flags)
}

fn still_uri(path: &Path) -> String {
    let path = percent_encode(path_bytes(path), NON_ALPHANUMERIC);
    format!("file:{path}?immutable=1")
}

/// Copies all pages as they are at one moment. With a write-ahead log others go on writing meanwhile; with a rollback
/// journal they wait.
fn copy(from: &Connection, to: &mut Connection, cancel: &AtomicBool) -> rusqlite::Result<()> {
    // Without a transaction around it the copy would begin anew each time somebody writes.
    from.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
    let backup = Backup::new(from, to)?;
    while !cancel.load(Ordering::Relaxed) {
        match backup.step(PAGES)? {
            StepResult::Done => break,
            StepResult::Busy | StepResult::Locked => std::thread::sleep(Duration::from_millis(20)),
            _ => {}
        }
    }
    drop(backup);
    from.execute_batch("COMMIT")
}

/// The rows and checksums of all tables but SQLite's own and virtual ones.
pub(super) fn tables(
    connection: &Connection,
    cancel: &AtomicBool,
) -> rusqlite::Result<Vec<TableFacts>> {
    let mut names = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
    )?;
    let names: Vec<String> = names
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut tables = Vec::with_capacity(names.len());
    for name in names {
        let sum = sum_of(connection, &name, cancel)?;
        tables.push(TableFacts::new(name, sum));
    }
    Ok(tables)
}

fn sum_of(connection: &Connection, table: &str, cancel: &AtomicBool) -> rusqlite::Result<RowSum> {
    let mut query = connection.prepare(&format!("SELECT * FROM {}", quoted(table)))?;
    let columns = query.column_count();
    let mut rows = query.query([])?;
    let (mut sum, mut row_bytes) = (RowSum::default(), Vec::new());
    while let Some(row) = rows.next()? {
        if cancel.load(Ordering::Relaxed) {
            break;
        }
        row_bytes.clear();
        for column in 0..columns {
            encode(row.get_ref(column)?, &mut row_bytes);
        }
        sum.add(&blake3::hash(&row_bytes));
    }
    Ok(sum)
}

/// A value with its type and length, so that different rows never look alike.
fn encode(value: ValueRef<'_>, out: &mut Vec<u8>) {
    let (kind, bytes): (u8, &[u8]) = match value {
        ValueRef::Null => (b'n', &[]),
        ValueRef::Integer(number) => {
            out.push(b'i');
            return out.extend(number.to_le_bytes());
        }
        ValueRef::Real(number) => {
            out.push(b'r');
            return out.extend(number.to_bits().to_le_bytes());
        }
        ValueRef::Text(text) => (b't', text),
        ValueRef::Blob(blob) => (b'b', blob),
    };
    out.push(kind);
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
}

fn failed(file: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Database {
        database: format!("sqlite:{}", file.display()),
        reason: error.to_string(),
    }
}

/// A name in a statement.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    /// What a drill sees of a file with these bytes.
    fn seen(bytes: &[u8]) -> (Vec<TableFacts>, Vec<String>) {
        let mut write = |out: &mut dyn std::io::Write| out.write_all(bytes).map_err(Error::Output);
        look_at(&mut write, &AtomicBool::new(false)).unwrap()
    }

    #[test]
    fn a_drill_sees_one_altered_row_and_what_is_no_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let database = Connection::open(&path).unwrap();
        let made = "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2, NULL), (3, x'00');";
        database.execute_batch(made).unwrap();
        let (recorded, complaints) = seen(&std::fs::read(&path).unwrap());
        assert_eq!((recorded[0].rows, complaints.len()), (3, 0));
        database
            .execute_batch("UPDATE t SET b = '' WHERE a = 2")
            .unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let (altered, complaints) = seen(&bytes);
        assert_eq!((altered[0].rows, complaints.len()), (3, 0));
        assert_ne!(altered[0].checksum, recorded[0].checksum);
        bytes.truncate(bytes.len() / 2);
        assert_eq!(seen(&bytes).1.len(), 1, "half a file");
        assert_eq!(seen(&[b'x'; 5000]).1.len(), 1, "no database");
    }
}
