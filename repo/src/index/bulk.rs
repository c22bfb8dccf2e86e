//! Filling an index that holds nothing yet, of any size, in bounded memory and mostly sequential writes.
//!
//! Ids and features are random: entered pack by pack, each would change a page of its own. So they are dealt into
//! partitions by their leading bits, which are kept in a file beside the index; then each partition is sorted and
//! appended to its table.

use std::path::Path;
use std::time::Duration;

use rayon::prelude::*;
use rusqlite::{Connection, ErrorCode, params};

use super::insert::{Finders, append, insert_ids};
use super::lookup::{meta, set_meta};
use super::row::IdRow;
use super::sketches::{self, FeatureEntry};
use super::{Index, IndexedPack, schema};
use crate::error::Result;
use crate::format::Directory;

/// Partitions of ids and bases, by their first byte, and of features, by position and first bits of the value.
const PARTITIONS: usize = 256;
const IDS: usize = 0;
const BASES: usize = PARTITIONS;
const FEATURES: usize = 2 * PARTITIONS;
/// A partition's bytes in memory before they go to the file.
const BUFFER_BYTES: usize = 24 << 10;
const ID_BYTES: usize = 8 + 6 + 1;
const FEATURE_BYTES: usize = 5 + 6;

impl Index {
    /// Enters the packs of a repository into an index that holds none yet. Until it is done no other process can
    /// use the index; one that finds it unfinished makes it anew.
    pub(crate) fn fill(
        &self,
        mut batches: impl Iterator<Item = Result<Vec<(IndexedPack, Directory)>>>,
    ) -> Result<()> {
        self.close_readers();
        let connection = self.write();
        let alone = begin(&connection).map_err(|error| self.failed(error))?;
        if !alone {
            drop(connection);
            return batches.try_for_each(|batch| self.insert(&batch?));
        }
        let mut staged = Staged::new(&self.path);
        let filled = batches.try_for_each(|batch| {
            let mut finders = Finders::default();
            append(&connection, &batch?, &mut finders)
                .and_then(|_| staged.put(&finders))
                .map_err(|error| self.failed(error))
        });
        filled.and_then(|()| finish(&connection, &mut staged).map_err(|error| self.failed(error)))
    }
}

/// Marks the index as unfinished and turns journals off; `false` if another process uses it.
fn begin(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(Duration::ZERO)?;
    let off = connection.query_row("PRAGMA journal_mode = OFF", [], |row| {
        row.get::<_, String>(0)
    });
    connection.busy_timeout(schema::BUSY_TIMEOUT)?;
    match off {
        Ok(mode) if mode == "off" => {}
        Err(rusqlite::Error::SqliteFailure(error, _))
            if !matches!(
                error.code,
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked
            ) =>
        {
            return Err(rusqlite::Error::SqliteFailure(error, None));
        }
        _ => return Ok(false),
    }
    set_meta(connection, "unfinished", 1)?;
    connection.pragma_update(None, "cache_size", -schema::FILL_CACHE_KIB)?;
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    Ok(true)
}

fn finish(connection: &Connection, staged: &mut Staged) -> rusqlite::Result<()> {
    let mut sound = true;
    for partition in 0..PARTITIONS {
        let mut rows = staged.rows(IDS + partition, decode_id)?;
        rows.par_sort_unstable();
        insert_ids(connection, &rows)?;
        let deltas: Vec<IdRow> = staged.rows(BASES + partition, decode_id)?;
        sound &= deltas.par_iter().all(|delta| has_base(&rows, delta));
    }
    for partition in 0..PARTITIONS {
        let mut entries = staged.rows(FEATURES + partition, decode_feature)?;
        entries.par_sort_unstable();
        sketches::insert(connection, &entries)?;
    }
    if sound {
        // Otherwise what lacks a base is looked for later, frame by frame.
        set_meta(connection, "checked", meta(connection, "next")?)?;
    }
    connection.execute_batch("COMMIT")?;
    set_meta(connection, "unfinished", 0)?;
    schema::keep_journal(connection)
}

/// Whether a row of the delta's base ranks lower; `rows` are all of its partition, sorted.
fn has_base(rows: &[IdRow], delta: &IdRow) -> bool {
    let first = rows.partition_point(|row| row.key < delta.key);
    let alike = rows[first..].iter().take_while(|row| row.key == delta.key);
    alike.into_iter().any(|row| row.rank < delta.rank)
}

/// Rows dealt into partitions, in memory and, when that fills, in a file of their own.
struct Staged {
    path: std::path::PathBuf,
    file: Option<Connection>,
    buffers: Vec<Vec<u8>>,
}

impl Staged {
    fn new(index: &Path) -> Self {
        Self {
            path: super::beside(index, super::STAGED_SUFFIX),
            file: None,
            buffers: vec![Vec::new(); 3 * PARTITIONS],
        }
    }

    fn put(&mut self, finders: &Finders) -> rusqlite::Result<()> {
        for row in &finders.ids {
            self.push(IDS + partition_of(row.key), &encode_id(row))?;
        }
        for delta in &finders.bases {
            self.push(BASES + partition_of(delta.key), &encode_id(delta))?;
        }
        for entry in &finders.features {
            let partition = entry.feature >> 27 & 0xff;
            self.push(FEATURES + partition as usize, &encode_feature(entry))?;
        }
        Ok(())
    }

    fn push(&mut self, partition: usize, bytes: &[u8]) -> rusqlite::Result<()> {
        let buffer = &mut self.buffers[partition];
        // Whole rows: pieces of a partition are decoded one by one.
        buffer.extend_from_slice(bytes);
        if buffer.len() < BUFFER_BYTES {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            file => file.insert(schema::open_staged(&self.path)?),
        };
        file.prepare_cached("INSERT INTO staged (partition, bytes) VALUES (?1, ?2)")?
            .execute(params![partition as i64, &*buffer])?;
        buffer.clear();
        Ok(())
    }

    /// All rows of a partition, which is empty then.
    fn rows<const N: usize, T>(
        &mut self,
        partition: usize,
        decode: impl Fn(&[u8; N]) -> T,
    ) -> rusqlite::Result<Vec<T>> {
        let mut decoded = Vec::new();
        let mut add = |bytes: &[u8]| decoded.extend(bytes.as_chunks::<N>().0.iter().map(&decode));
        if let Some(file) = &self.file {
            let mut statement =
                file.prepare_cached("SELECT bytes FROM staged WHERE partition = ?1")?;
            let mut rows = statement.query([partition as i64])?;
            while let Some(row) = rows.next()? {
                add(row.get_ref(0)?.as_blob()?);
            }
        }
        add(&std::mem::take(&mut self.buffers[partition]));
        Ok(decoded)
    }
}

/// Keys are sorted as signed integers.
fn partition_of(key: i64) -> usize {
    ((key as u64 ^ 1 << 63) >> 56) as usize
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            drop(file);
            // Left behind, it is removed with the index.
            let _ = super::remove_file(&self.path);
        }
    }
}

fn encode_id(row: &IdRow) -> [u8; ID_BYTES] {
    let mut bytes = [0; ID_BYTES];
    bytes[..8].copy_from_slice(&row.key.to_le_bytes());
    bytes[8..14].copy_from_slice(&row.number.to_le_bytes()[..6]);
    bytes[14] = row.rank;
    bytes
}

fn decode_id(bytes: &[u8; ID_BYTES]) -> IdRow {
    IdRow {
        key: little_endian(&bytes[..8]),
        number: little_endian(&bytes[8..14]),
        rank: bytes[14],
        broken: false,
    }
}

fn encode_feature(entry: &FeatureEntry) -> [u8; FEATURE_BYTES] {
    let mut bytes = [0; FEATURE_BYTES];
    bytes[..5].copy_from_slice(&entry.feature.to_le_bytes()[..5]);
    let frame = entry.number << 1 | i64::from(entry.whole);
    bytes[5..].copy_from_slice(&frame.to_le_bytes()[..6]);
    bytes
}

fn decode_feature(bytes: &[u8; FEATURE_BYTES]) -> FeatureEntry {
    let frame = little_endian(&bytes[5..]);
    FeatureEntry {
        feature: little_endian(&bytes[..5]),
        number: frame >> 1,
        whole: frame & 1 == 1,
    }
}

fn little_endian(bytes: &[u8]) -> i64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(word)
}
