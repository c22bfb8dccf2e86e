//! Tables, connection settings, and the translation of SQLite's errors.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{Error, Result};

/// Counts up when the tables change: another version is rebuilt, not converted.
const SCHEMA_VERSION: i64 = 2;

// `guard` is a hash of the row: a flipped bit in the cache must not pass for a chunk we hold. Pack numbers are
// never used again: another process may still hold rows that name one.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS packs (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, epoch INTEGER NOT NULL,
        stream INTEGER NOT NULL, bytes INTEGER NOT NULL, guard INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS frames (
        id BLOB NOT NULL, pack INTEGER NOT NULL, ordinal INTEGER NOT NULL, offset INTEGER NOT NULL,
        sealed INTEGER NOT NULL, raw INTEGER NOT NULL, codec INTEGER NOT NULL, base BLOB,
        version INTEGER NOT NULL, rank INTEGER NOT NULL, root INTEGER NOT NULL,
        broken INTEGER NOT NULL, guard INTEGER NOT NULL,
        PRIMARY KEY (id, pack, ordinal)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS sketches (
        feature INTEGER NOT NULL, added INTEGER NOT NULL, chunk BLOB NOT NULL, root INTEGER NOT NULL,
        version INTEGER NOT NULL, whole INTEGER NOT NULL,
        PRIMARY KEY (feature, added)) WITHOUT ROWID;
";

/// Opens the index for writing, creating it where it is missing.
pub(super) fn open(path: &Path, repository: &str) -> Result<Connection> {
    let connection = Connection::open(path).map_err(|error| failed(path, error))?;
    prepare(&connection, repository).map_err(|error| failed(path, error))?;
    let found: (i64, String) = connection
        .query_row(
            "SELECT (SELECT value FROM meta WHERE key = 'schema'), (SELECT value FROM meta WHERE key = 'repository')",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(|error| failed(path, error))?;
    if found == (SCHEMA_VERSION, repository.to_owned()) {
        Ok(connection)
    } else {
        Err(Error::IndexCorrupt {
            reason: "it was made by another version or for another repository".to_owned(),
        })
    }
}

fn prepare(connection: &Connection, repository: &str) -> rusqlite::Result<()> {
    settings(connection)?;
    // A power cut may cost the newest rows, which are then read from the packs again.
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.execute_batch(TABLES)?;
    connection.execute(
        "INSERT OR IGNORE INTO meta VALUES ('schema', ?1)",
        [SCHEMA_VERSION],
    )?;
    connection.execute(
        "INSERT OR IGNORE INTO meta VALUES ('repository', ?1)",
        [repository],
    )?;
    Ok(())
}

/// Opens the index for lookups.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    // WAL readers write to the shared-memory file, so the connection is not opened read-only.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| failed(path, error))?;
    settings(&connection).map_err(|error| failed(path, error))?;
    Ok(connection)
}

fn settings(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(120))?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.pragma_update(None, "cache_size", -4096)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cell_size_check", true)
}

/// Damage is told from other failures: damage is mended by a rebuild.
pub(super) fn failed(path: &Path, source: rusqlite::Error) -> Error {
    let damaged = match &source {
        // What the machine or another process is to blame for; anything else comes of the file's own bytes.
        rusqlite::Error::SqliteFailure(error, _) => !matches!(
            error.code,
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted
                | ErrorCode::FileLockingProtocolFailed
        ),
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::QueryReturnedNoRows => true,
        _ => false,
    };
    if damaged {
        Error::IndexCorrupt {
            reason: source.to_string(),
        }
    } else {
        Error::Index {
            path: path.display().to_string(),
            source,
        }
    }
}
