//! Rows into the index: a pack's directory at a time, in one transaction.

use rusqlite::{Connection, params};

use super::lookup::{features, frame_guard, pack_guard};
use super::{FrameRow, Index, IndexedPack, root_of};
use crate::error::Result;
use crate::format::{BaseRef, DirEntry, Directory};

/// Rows kept for one feature, so that a thousand alike nights cost no more than ten.
const ROWS_PER_FEATURE: usize = 8;
/// Of these, versions of one lineage beside its whole frames.
const VERSIONS_PER_LINEAGE: usize = 2;

impl Index {
    /// Enters packs that storage holds; ones already entered are left as they are. Returns how many deltas
    /// have a base that the index does not know (yet).
    pub(crate) fn insert(&self, packs: &[(IndexedPack, Directory)]) -> Result<u64> {
        self.insert_rows(packs).map_err(|error| self.failed(error))
    }

    fn insert_rows(&self, packs: &[(IndexedPack, Directory)]) -> rusqlite::Result<u64> {
        let mut dangling = 0;
        let mut connection = self.write();
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for (pack, directory) in packs {
            let added = transaction.execute(
                "INSERT OR IGNORE INTO packs (id, epoch, stream, bytes, guard) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![pack.id.0, pack.epoch, pack.stream as u8, pack.bytes as i64, pack_guard(pack)],
            )?;
            if added == 1 {
                let number = transaction.last_insert_rowid();
                dangling += insert_directory(&transaction, number, directory)?;
            }
        }
        transaction.commit()?;
        Ok(dangling)
    }
}

fn insert_directory(
    connection: &Connection,
    pack: i64,
    directory: &Directory,
) -> rusqlite::Result<u64> {
    let mut dangling = 0;
    for (ordinal, (offset, entry)) in directory.offsets().enumerate() {
        let found = entry
            .base
            .map(|base| base_root(connection, base, entry.rank))
            .transpose()?
            .flatten();
        dangling += u64::from(entry.base.is_some() && found.is_none());
        let root = found.unwrap_or_else(|| root_of(entry.id));
        insert_frame(connection, pack, ordinal as u32, offset, entry, root)?;
        insert_sketch(connection, entry, root)?;
    }
    Ok(dangling)
}

/// The lineage of the base. A frame of the base that does not rank lower cannot be it (I10).
fn base_root(connection: &Connection, base: BaseRef, rank: u8) -> rusqlite::Result<Option<i64>> {
    let (low, high) = base.range();
    let mut statement = connection.prepare_cached(
        "SELECT root FROM frames WHERE id BETWEEN ?1 AND ?2 AND rank < ?3 ORDER BY rank LIMIT 1",
    )?;
    let mut rows = statement.query(params![low.0, high.0, rank])?;
    rows.next()?.map(|row| row.get(0)).transpose()
}

fn insert_frame(
    connection: &Connection,
    pack: i64,
    ordinal: u32,
    offset: u64,
    entry: &DirEntry,
    root: i64,
) -> rusqlite::Result<()> {
    let frame = FrameRow {
        id: entry.id,
        pack,
        ordinal,
        offset,
        sealed_bytes: entry.sealed_bytes,
        raw_bytes: entry.raw_bytes,
        codec: entry.codec,
        base: entry.base,
        version: entry.version,
        rank: entry.rank,
        root,
    };
    connection
        .prepare_cached("INSERT OR REPLACE INTO frames VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?12)")?
        .execute(params![
            frame.id.0,
            frame.pack,
            frame.ordinal,
            frame.offset as i64,
            frame.sealed_bytes,
            frame.raw_bytes,
            frame.codec as u8,
            frame.base.map(|base| base.0),
            frame.version,
            frame.rank,
            frame.root,
            frame_guard(&frame),
        ])
        .map(drop)
}

/// What is needed of a sketch's row to decide which one gives way.
struct SketchRow {
    added: i64,
    root: i64,
    version: u32,
    whole: bool,
}

fn insert_sketch(connection: &Connection, entry: &DirEntry, root: i64) -> rusqlite::Result<()> {
    let Some(sketch) = &entry.sketch else {
        return Ok(());
    };
    let whole = entry.base.is_none();
    for feature in features(sketch) {
        let mut rows = sketch_rows(connection, feature)?;
        let added = rows.iter().map(|row| row.added).max().unwrap_or(0) + 1;
        while let Some(gone) = superseded(&rows, root) {
            remove_sketch(connection, feature, rows.remove(gone).added)?;
        }
        if rows.len() >= ROWS_PER_FEATURE {
            // The rows come in the order they were added: the first is the oldest.
            remove_sketch(connection, feature, rows[0].added)?;
        }
        connection
            .prepare_cached("INSERT INTO sketches VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                feature,
                added,
                entry.id.0,
                root,
                entry.version,
                whole
            ])?;
    }
    Ok(())
}

/// A row that the new one of the same lineage makes superfluous: its oldest version, once it has two.
fn superseded(rows: &[SketchRow], root: i64) -> Option<usize> {
    let versions = || {
        rows.iter()
            .enumerate()
            .filter(|(_, row)| row.root == root && !row.whole)
    };
    if versions().count() < VERSIONS_PER_LINEAGE {
        return None;
    }
    versions()
        .min_by_key(|(_, row)| row.version)
        .map(|(at, _)| at)
}

fn sketch_rows(connection: &Connection, feature: i64) -> rusqlite::Result<Vec<SketchRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT added, root, version, whole FROM sketches WHERE feature = ?1 ORDER BY added",
    )?;
    let rows = statement.query_map([feature], |row| {
        Ok(SketchRow {
            added: row.get(0)?,
            root: row.get(1)?,
            version: row.get(2)?,
            whole: row.get(3)?,
        })
    })?;
    rows.collect()
}

fn remove_sketch(connection: &Connection, feature: i64, added: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM sketches WHERE feature = ?1 AND added = ?2")?
        .execute([feature, added])
        .map(drop)
}
