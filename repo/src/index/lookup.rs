//! Questions to the index.

use std::sync::PoisonError;

use nightfold_chunker::{ChunkId, Sketch};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::row::{IdRow, StoredFrame, decode_frame, key_of, key_of_base, pack_guard};
use super::{FrameRow, Index, IndexedPack};
use crate::error::{Error, Result};
use crate::format::{BaseRef, ObjectId, StreamKind};

/// Packs whose rows are kept in memory.
const PACKS_KEPT_MAX: usize = 65_536;

// The outer join tells of a frame that is named and not there.
const FRAMES_BY_KEY: &str = "
    SELECT ids.number, ids.mark, frames.row FROM ids LEFT JOIN frames ON frames.number = ids.number
    WHERE ids.key = ?1";

impl Index {
    /// The usable frames of a chunk, whole ones first.
    pub(crate) fn frames(&self, id: ChunkId) -> Result<Vec<FrameRow>> {
        self.read(|connection| frames(connection, id))
    }

    /// Whether a usable frame holds the chunk.
    #[cfg(any(test, feature = "internals"))]
    pub(crate) fn holds(&self, id: ChunkId) -> Result<bool> {
        self.read(|connection| holds(connection, id))
    }

    /// The same for many chunks, faster than one by one.
    pub(crate) fn holds_each(&self, ids: &[ChunkId]) -> Result<Vec<bool>> {
        let session = self.session()?;
        ids.iter().map(|id| session.holds(*id)).collect()
    }

    /// Chunks that share features with the sketch: most first, the most recent on a tie. Only the likeliest.
    pub(crate) fn similar(&self, sketch: &Sketch) -> Result<Vec<(ChunkId, u32)>> {
        self.session()?.similar(sketch)
    }

    /// The pack of this number.
    pub(crate) fn pack(&self, number: i64) -> Result<IndexedPack> {
        let kept = || self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pack) = kept().get(&number) {
            return Ok(*pack);
        }
        let row = self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT id, epoch, stream, bytes, guard, number, frames FROM packs WHERE number = ?1",
                )?
                .query_row([number], pack_row)
                .optional()
        })?;
        let Some((_, pack, _)) = row else {
            return Err(Error::IndexCorrupt {
                reason: format!("it names a pack, number {number}, that it does not list"),
            });
        };
        let mut packs = kept();
        if packs.len() >= PACKS_KEPT_MAX {
            packs.clear();
        }
        packs.insert(number, pack);
        Ok(pack)
    }

    /// Two numbers that change whenever packs come or go: how many there are, and the next frame's.
    pub(crate) fn packs_seen(&self) -> Result<(i64, i64)> {
        self.read(|connection| {
            let count = "SELECT count(*) FROM packs";
            let count = connection.query_row(count, [], |row| row.get(0))?;
            Ok((count, meta(connection, "next")?))
        })
    }

    /// All packs.
    pub(crate) fn packs(&self) -> Result<Vec<(i64, IndexedPack)>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare("SELECT id, epoch, stream, bytes, guard, number, frames FROM packs")?;
            let rows = statement.query_map([], |row| {
                pack_row(row).map(|(number, pack, _)| (number, pack))
            })?;
            rows.collect()
        })
    }

    /// How many frames are listed, usable or not.
    pub(crate) fn frames_listed(&self) -> Result<usize> {
        self.read(|connection| {
            let sum = "SELECT coalesce(sum(frames), 0) FROM packs";
            connection.query_row(sum, [], |row| row.get::<_, i64>(0))
        })
        .map(|frames| usize::try_from(frames).unwrap_or(0))
    }

    /// Every usable frame, passed to `visit`.
    pub(crate) fn each_frame(&self, mut visit: impl FnMut(FrameRow)) -> Result<()> {
        self.read(|connection| {
            each_stored(connection, 0, |stored| {
                usable(stored).into_iter().for_each(&mut visit);
                Ok(())
            })
        })
    }
}

pub(super) fn holds(connection: &Connection, id: ChunkId) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(FRAMES_BY_KEY)?;
    let key = key_of(id);
    let mut rows = statement.query([key])?;
    while let Some(row) = rows.next()? {
        if usable(found_frame(key, row)?).is_some_and(|frame| frame.id == id) {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn frames(connection: &Connection, id: ChunkId) -> rusqlite::Result<Vec<FrameRow>> {
    frames_where(connection, key_of(id), |found| *found == id)
}

pub(super) fn base_frames(
    connection: &Connection,
    base: BaseRef,
) -> rusqlite::Result<Vec<FrameRow>> {
    frames_where(connection, key_of_base(base), |found| {
        BaseRef::from(*found) == base
    })
}

fn frames_where(
    connection: &Connection,
    key: i64,
    wanted: impl Fn(&ChunkId) -> bool,
) -> rusqlite::Result<Vec<FrameRow>> {
    let mut statement = connection.prepare_cached(FRAMES_BY_KEY)?;
    let mut rows = statement.query([key])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.extend(usable(found_frame(key, row)?).filter(|frame| wanted(&frame.id)));
    }
    found.sort_unstable_by_key(|frame| (frame.rank, std::cmp::Reverse(frame.pack)));
    Ok(found)
}

/// A row of [`FRAMES_BY_KEY`]: both halves must say the same.
fn found_frame(key: i64, row: &Row<'_>) -> rusqlite::Result<StoredFrame> {
    let number = row.get(0)?;
    let id_row = IdRow::from_mark(key, number, row.get(1)?)
        .ok_or_else(|| damaged(1, "a row was changed"))?;
    let Some(bytes) = row.get_ref(2)?.as_blob_or_null()? else {
        return Err(damaged(2, "it names a frame that it does not list"));
    };
    let stored = stored_frame(number, bytes)?;
    if IdRow::of(&stored) == id_row {
        Ok(stored)
    } else {
        Err(damaged(2, "two rows of one frame differ"))
    }
}

fn stored_frame(number: i64, bytes: &[u8]) -> rusqlite::Result<StoredFrame> {
    decode_frame(number, bytes).map_err(|malformed| damaged(1, &malformed.to_string()))
}

/// A frame that can be decoded.
pub(super) fn usable(stored: StoredFrame) -> Option<FrameRow> {
    (!stored.broken).then_some(stored.frame)
}

/// The frame of this number.
pub(super) fn frame_at(
    connection: &Connection,
    number: i64,
) -> rusqlite::Result<Option<StoredFrame>> {
    let mut statement = connection.prepare_cached("SELECT row FROM frames WHERE number = ?1")?;
    let mut rows = statement.query([number])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    stored_frame(number, row.get_ref(0)?.as_blob()?).map(Some)
}

/// Every frame from a number on, usable or not, passed to `visit`.
pub(super) fn each_stored(
    connection: &Connection,
    first: i64,
    mut visit: impl FnMut(StoredFrame) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("SELECT number, row FROM frames WHERE number >= ?1")?;
    let mut rows = statement.query([first])?;
    while let Some(row) = rows.next()? {
        visit(stored_frame(row.get(0)?, row.get_ref(1)?.as_blob()?)?)?;
    }
    Ok(())
}

pub(super) fn damaged(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Null, what.into())
}

/// Number, pack and number of frames of `id, epoch, stream, bytes, guard, number, frames`.
pub(super) fn pack_row(row: &Row<'_>) -> rusqlite::Result<(i64, IndexedPack, u32)> {
    let pack = IndexedPack {
        id: ObjectId(row.get(0)?),
        epoch: row.get(1)?,
        stream: if row.get::<_, u8>(2)? == 0 {
            StreamKind::Data
        } else {
            StreamKind::Meta
        },
        bytes: row.get::<_, i64>(3)? as u64,
    };
    let (number, frames) = (row.get(5)?, row.get(6)?);
    if row.get::<_, i64>(4)? == pack_guard(number, frames, &pack) {
        Ok((number, pack, frames))
    } else {
        Err(damaged(4, "a row was changed"))
    }
}

/// Reads a number of the table `meta`.
pub(super) fn meta(connection: &Connection, key: &str) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
}

/// Changes a number of the table `meta`.
pub(super) fn set_meta(connection: &Connection, key: &str, value: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE meta SET value = ?2 WHERE key = ?1")?
        .execute(rusqlite::params![key, value])
        .map(drop)
}
