//! Tables, connection settings, and the translation of SQLite's errors.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{Error, Result};

/// Counts up when the tables change: another version is rebuilt, not converted.
const SCHEMA_VERSION: i64 = 3;
/// How long a writer waits for another process.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(120);
/// Memory for pages of all connections for questions together, of which there is about one for each core; of one of
/// them at least and at most. A hundred million chunks have 40 MB of inner pages. Small indexes never take it.
const READ_CACHES_KIB: i64 = 128 << 10;
const READ_CACHE_KIB: std::ops::RangeInclusive<i64> = (8 << 10)..=(48 << 10);
/// The same of the connection that enters packs, and while it fills an empty index.
const WRITE_CACHE_KIB: i64 = 32 << 10;
pub(super) const FILL_CACHE_KIB: i64 = 64 << 10;
/// Pages of the journal before they are moved to their places: packs that follow one another share pages.
const JOURNAL_PAGES: i64 = 8 << 10;

// Frames are numbered in the order in which they came; the number of a pack is that of its first frame, and
// numbers are never used again. `ids` finds frames by the first eight bytes of a chunk's id, `sketches` by a
// feature. Rows of packs, frames and ids carry a guard (decision 0006). `broken` lists the frames that are marked
// so, `lost` the keys of frames that went and whose dependents are to be looked for.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS packs (
        number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, epoch INTEGER NOT NULL, stream INTEGER NOT NULL,
        bytes INTEGER NOT NULL, frames INTEGER NOT NULL, guard INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS frames (number INTEGER PRIMARY KEY, row BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS ids (
        key INTEGER NOT NULL, number INTEGER NOT NULL, mark INTEGER NOT NULL,
        PRIMARY KEY (key, number)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS sketches (feature INTEGER PRIMARY KEY, frames BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS broken (number INTEGER PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS lost (key INTEGER PRIMARY KEY);
    INSERT OR IGNORE INTO meta VALUES ('next', 1), ('checked', 1), ('unfinished', 0);
";

/// Opens the index for writing, creating it where it is missing.
pub(super) fn open(path: &Path, repository: &str) -> Result<Connection> {
    let connection = Connection::open(path).map_err(|error| failed(path, error))?;
    prepare(&connection, repository).map_err(|error| failed(path, error))?;
    let found: (i64, String, i64) = connection
        .query_row(
            "SELECT (SELECT value FROM meta WHERE key = 'schema'),
                (SELECT value FROM meta WHERE key = 'repository'),
                (SELECT value FROM meta WHERE key = 'unfinished')",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .map_err(|error| failed(path, error))?;
    let reason = if (found.0, &*found.1) != (SCHEMA_VERSION, repository) {
        "it was made by another version or for another repository"
    } else if found.2 != 0 {
        "filling it was interrupted"
    } else {
        return Ok(connection);
    };
    Err(Error::IndexCorrupt {
        reason: reason.to_owned(),
    })
}

fn prepare(connection: &Connection, repository: &str) -> rusqlite::Result<()> {
    settings(connection)?;
    // A power cut may cost the newest rows, which are then read from the packs again.
    connection.pragma_update(None, "synchronous", "OFF")?;
    keep_journal(connection)?;
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

/// The journal, and the memory for pages, of a connection that enters packs.
pub(super) fn keep_journal(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", JOURNAL_PAGES)?;
    connection.pragma_update(None, "cache_size", -WRITE_CACHE_KIB)
}

/// Opens a new file for what is sorted before it is entered.
pub(super) fn open_staged(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "journal_mode", "OFF")?;
    connection.pragma_update(None, "page_size", 32 << 10)?;
    connection.execute_batch(
        "DROP TABLE IF EXISTS staged;
         CREATE TABLE staged (partition INTEGER NOT NULL, bytes BLOB NOT NULL);
         CREATE INDEX staged_by_partition ON staged (partition);
         BEGIN EXCLUSIVE",
    )?;
    Ok(connection)
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
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(32);
    // Otherwise statements may be planned anew for every value they are given.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as i64);
    let cache = (READ_CACHES_KIB / cores).clamp(*READ_CACHE_KIB.start(), *READ_CACHE_KIB.end());
    connection.pragma_update(None, "cache_size", -cache)?;
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
