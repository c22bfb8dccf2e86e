//! SQLite: a copy of the file, made by SQLite itself while others write.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::Dump;
use super::checksum::RowSum;
use super::facts::{DatabaseFacts, TableFacts};
use super::sink::Sink;
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
        let mut copy = Copy::of(&self.file, sink.cancel())?;
        copy.file
            .seek(SeekFrom::Start(0))
            .map_err(|error| failed(&self.file, &error))?;
        sink.store(&self.path, &copy.file)?;
        let tables = copy
            .tables(sink.cancel())
            .map_err(|error| failed(&self.file, &error))?;
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

/// A private copy of a database. Its file has no name any more: it is gone when this process is.
struct Copy {
    connection: Connection,
    file: File,
}

impl Copy {
    fn of(source: &Path, cancel: &AtomicBool) -> Result<Self> {
        let from = open(source).map_err(|error| failed(source, &error))?;
        let staged = tempfile::Builder::new()
            .prefix("nightfold-")
            .suffix(".sqlite")
            .tempfile()
            .map_err(|error| failed(&std::env::temp_dir(), &error))?;
        let mut to = Connection::open(staged.path()).map_err(|error| failed(source, &error))?;
        // A copy that is thrown away when anything fails needs no journal, which would have a name of its own.
        to.execute_batch(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; SELECT * FROM sqlite_schema;",
        )
        .map_err(|error| failed(source, &error))?;
        let file = staged.reopen().map_err(|error| failed(source, &error))?;
        staged.close().map_err(|error| failed(source, &error))?;
        copy(&from, &mut to, cancel).map_err(|error| failed(source, &error))?;
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        Ok(Self {
            connection: to,
            file,
        })
    }

    /// What every table holds.
    fn tables(&self, cancel: &AtomicBool) -> rusqlite::Result<Vec<TableFacts>> {
        tables(&self.connection, cancel)
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

/// Copies all pages as they are at one moment. With a write-ahead log others go on writing meanwhile; with a rollback
/// journal they wait.
fn copy(from: &Connection, to: &mut Connection, cancel: &AtomicBool) -> rusqlite::Result<()> {
    // Without a transaction around it the copy would begin anew each time somebody writes.
    from.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
    let backup = Backup::new(from, to)?;
    while !cancel.load(Ordering::Relaxed) {
        match backup.step(PAGES)? {
            StepResult::Done => break,
            StepResult::More => {}
            StepResult::Busy | StepResult::Locked => std::thread::sleep(Duration::from_millis(20)),
            // The type may grow: what is neither done nor more is tried again.
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
    let quoted = table.replace('"', "\"\"");
    let mut query = connection.prepare(&format!("SELECT * FROM \"{quoted}\""))?;
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
