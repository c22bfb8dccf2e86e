//! Bringing the index level with the packs that storage lists.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::Index;
use super::lookup::{damaged, each_stored, frame_at, meta, pack_row, set_meta};
use super::row::{IdRow, StoredFrame, encode_frame, key_of, key_of_base, number_of};
use crate::error::Result;
use crate::format::ObjectId;
use crate::storage::Listed;

/// What differs between index and storage.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CatchUp {
    /// Packs whose directories the index has not seen.
    pub(crate) unseen: Vec<Listed>,
    /// Numbers of packs that are gone, or have another size than when they were entered.
    pub(crate) gone: Vec<i64>,
    /// Whether the index holds no packs at all.
    pub(crate) empty: bool,
}

impl Index {
    /// Compares the index with the packs that `list` lists. It is called after the index was asked: a pack that
    /// another process puts and enters meanwhile must not look like one that is gone.
    pub(crate) fn compare(&self, list: impl FnOnce() -> Result<Vec<Listed>>) -> Result<CatchUp> {
        let mut known: HashMap<ObjectId, (i64, u64)> = self
            .packs()?
            .into_iter()
            .map(|(number, pack)| (pack.id, (number, pack.bytes)))
            .collect();
        let mut difference = CatchUp {
            empty: known.is_empty(),
            ..CatchUp::default()
        };
        for object in list()? {
            match known.get(&object.id) {
                Some((_, bytes)) if *bytes == object.bytes => {
                    known.remove(&object.id);
                }
                _ => difference.unseen.push(object),
            }
        }
        difference.gone = known.into_values().map(|(number, _)| number).collect();
        Ok(difference)
    }

    /// Forgets packs that are gone, before unseen ones are entered.
    pub(crate) fn remove_packs(&self, gone: &[i64]) -> Result<()> {
        let mut connection = self.write();
        let remove = |connection: &mut Connection| {
            // Begun as a write: one that reads first and writes then fails at once if somebody else wrote meanwhile.
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for number in gone {
                remove_pack(&transaction, *number)?;
            }
            transaction.commit()
        };
        remove(&mut connection).map_err(|error| self.failed(error))
    }

    /// Marks the frames that cannot be decoded for want of a base, so that nothing is deduplicated against
    /// them; returns how many there are. To be called after packs came or went outside of a backup's own.
    pub(crate) fn mark_broken(&self) -> Result<u64> {
        if self.read(is_settled)? {
            return self.read(broken_frames);
        }
        let mut connection = self.write();
        let mark = |connection: &mut Connection| {
            // Begun as a write: one that reads first and writes then fails at once if somebody else wrote meanwhile.
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            mark_broken(&transaction)?;
            let broken = broken_frames(&transaction)?;
            transaction.commit()?;
            Ok(broken)
        };
        mark(&mut connection).map_err(|error| self.failed(error))
    }
}

/// Whether nothing came or went since it was last looked for broken frames.
fn is_settled(connection: &Connection) -> rusqlite::Result<bool> {
    let lost = connection.query_row("SELECT EXISTS (SELECT 1 FROM lost)", [], |row| {
        row.get::<_, bool>(0)
    })?;
    Ok(!lost && meta(connection, "checked")? == meta(connection, "next")?)
}

pub(super) fn broken_frames(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT count(*) FROM broken", [], |row| {
        row.get::<_, i64>(0).map(|count| count as u64)
    })
}

fn remove_pack(connection: &Connection, pack: i64) -> rusqlite::Result<()> {
    let row = connection
        .prepare_cached(
            "SELECT id, epoch, stream, bytes, guard, number, frames FROM packs WHERE number = ?1",
        )?
        .query_row([pack], pack_row)
        .optional()?;
    // Another process may have removed it since it was found to be gone.
    let Some((_, _, frames)) = row else {
        return Ok(());
    };
    for number in pack..pack + i64::from(frames) {
        let stored = frame_at(connection, number)?
            .ok_or_else(|| damaged(0, "a frame of a pack is not listed"))?;
        let key = key_of(stored.frame.id);
        connection
            .prepare_cached("DELETE FROM ids WHERE key = ?1 AND number = ?2")?
            .execute([key, number])?;
        connection
            .prepare_cached("INSERT OR IGNORE INTO lost VALUES (?1)")?
            .execute([key])?;
        for table in ["frames", "broken"] {
            connection
                .prepare_cached(&format!("DELETE FROM {table} WHERE number = ?1"))?
                .execute([number])?;
        }
    }
    connection.execute("DELETE FROM packs WHERE number = ?1", [pack])?;
    Ok(())
}

/// A delta is usable if a usable frame of its base ranks lower. Only those have to be looked at that are new, that
/// were broken, or whose base went or broke.
fn mark_broken(connection: &Connection) -> rusqlite::Result<()> {
    let mut suspects = Vec::new();
    for number in numbers(connection, "SELECT number FROM broken")? {
        let stored = frame_at(connection, number)?
            .ok_or_else(|| damaged(0, "a frame marked as broken is not listed"))?;
        set_broken(connection, stored, false)?;
        suspects.push(stored);
    }
    let mut lost: HashSet<i64> = numbers(connection, "SELECT key FROM lost")?
        .into_iter()
        .collect();
    let mut without_base = Vec::new();
    each_stored(connection, meta(connection, "checked")?, |stored| {
        if !has_base(connection, &stored)? {
            without_base.push(stored);
        }
        Ok(())
    })?;
    suspects.append(&mut without_base);
    loop {
        if !lost.is_empty() {
            each_stored(connection, 0, |stored| {
                let base = stored.frame.base.map(key_of_base);
                if base.is_some_and(|base| lost.contains(&base)) {
                    suspects.push(stored);
                }
                Ok(())
            })?;
            lost.clear();
        }
        for stored in suspects.drain(..) {
            if !has_base(connection, &stored)? && set_broken(connection, stored, true)? {
                lost.insert(key_of(stored.frame.id));
            }
        }
        if lost.is_empty() {
            break;
        }
    }
    connection.execute("DELETE FROM lost", [])?;
    set_meta(connection, "checked", meta(connection, "next")?)
}

fn numbers(connection: &Connection, query: &str) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Whether a frame is whole, or a usable frame of its base ranks lower (I10). Eight bytes of the base's id decide.
fn has_base(connection: &Connection, stored: &StoredFrame) -> rusqlite::Result<bool> {
    let Some(base) = stored.frame.base else {
        return Ok(true);
    };
    let key = key_of_base(base);
    let mut statement = connection.prepare_cached("SELECT number, mark FROM ids WHERE key = ?1")?;
    let mut rows = statement.query([key])?;
    while let Some(row) = rows.next()? {
        let found = IdRow::from_mark(key, row.get(0)?, row.get(1)?)
            .ok_or_else(|| damaged(1, "a row was changed"))?;
        if !found.broken && found.rank < stored.frame.rank {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Marks a frame as broken or usable wherever it is told of; `false` if it was marked so already.
fn set_broken(
    connection: &Connection,
    stored: StoredFrame,
    broken: bool,
) -> rusqlite::Result<bool> {
    let number = number_of(&stored.frame);
    let change = if broken {
        "INSERT OR IGNORE INTO broken VALUES (?1)"
    } else {
        "DELETE FROM broken WHERE number = ?1"
    };
    if connection.prepare_cached(change)?.execute([number])? == 0 {
        return Ok(false);
    }
    let stored = StoredFrame { broken, ..stored };
    let row = IdRow::of(&stored);
    connection
        .prepare_cached("UPDATE ids SET mark = ?3 WHERE key = ?1 AND number = ?2")?
        .execute([row.key, number, row.mark()])?;
    connection
        .prepare_cached("UPDATE frames SET row = ?2 WHERE number = ?1")?
        .execute(params![number, encode_frame(&stored)])?;
    Ok(true)
}
