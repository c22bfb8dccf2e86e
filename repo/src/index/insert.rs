//! Rows into the index: packs' directories, a few or all of a repository's.
//!
//! Frames are appended in the order of their packs. What finds them (ids, features) goes to random places of its
//! tables, so it is gathered, sorted, and entered last.

use rusqlite::{Connection, params};

use super::lookup::{damaged, meta, set_meta};
use super::row::{IdRow, StoredFrame, encode_frame, key_of_base, pack_guard};
use super::sketches::{self, FeatureEntry, features};
use super::{FrameRow, Index, IndexedPack};
use crate::error::Result;
use crate::format::Directory;

/// What finds the frames of some packs.
#[derive(Default)]
pub(super) struct Finders {
    pub(super) ids: Vec<IdRow>,
    pub(super) features: Vec<FeatureEntry>,
    /// The base that each delta needs: any frame of this key that ranks lower.
    pub(super) bases: Vec<IdRow>,
}

impl Index {
    /// Enters packs that storage holds; ones already entered are left as they are.
    pub(crate) fn insert(&self, packs: &[(IndexedPack, Directory)]) -> Result<()> {
        self.insert_rows(packs, false)
            .map_err(|error| self.failed(error))
    }

    /// The same for packs of our own making, whose deltas are known to have their bases.
    pub(crate) fn insert_sound(&self, packs: &[(IndexedPack, Directory)]) -> Result<()> {
        self.insert_rows(packs, true)
            .map_err(|error| self.failed(error))
    }

    fn insert_rows(&self, packs: &[(IndexedPack, Directory)], sound: bool) -> rusqlite::Result<()> {
        let mut connection = self.write();
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let first = meta(&transaction, "next")?;
        let mut finders = Finders::default();
        let next = append(&transaction, packs, &mut finders)?;
        finders.ids.sort_unstable();
        finders.features.sort_unstable();
        insert_ids(&transaction, &finders.ids)?;
        sketches::insert(&transaction, &finders.features)?;
        if sound && meta(&transaction, "checked")? == first {
            set_meta(&transaction, "checked", next)?;
        }
        transaction.commit()
    }
}

/// Appends packs and frames, and tells the number that the next frame will have.
pub(super) fn append(
    connection: &Connection,
    packs: &[(IndexedPack, Directory)],
    finders: &mut Finders,
) -> rusqlite::Result<i64> {
    let mut next = meta(connection, "next")?;
    for (pack, directory) in packs {
        let frames = directory.entries.len() as u32;
        let added = connection
            .prepare_cached(
                "INSERT INTO packs SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
                 WHERE NOT EXISTS (SELECT 1 FROM packs WHERE id = ?2)",
            )?
            .execute(params![
                next,
                pack.id.0,
                pack.epoch,
                pack.stream as u8,
                pack.bytes as i64,
                frames,
                pack_guard(next, frames, pack)
            ])?;
        if added == 1 {
            append_frames(connection, next, directory, finders)?;
            // Numbers are never used again: another process may still hold rows that name one.
            next = next
                .checked_add(i64::from(frames.max(1)))
                .filter(|next| *next < NUMBER_MAX)
                .ok_or_else(|| damaged(0, "the number of the next frame was changed"))?;
        }
    }
    set_meta(connection, "next", next)?;
    Ok(next)
}

/// Numbers of frames have a place of 39 bits in the lists of features.
const NUMBER_MAX: i64 = 1 << 39;

fn append_frames(
    connection: &Connection,
    pack: i64,
    directory: &Directory,
    finders: &mut Finders,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO frames VALUES (?1, ?2)")?;
    for (ordinal, (offset, entry)) in directory.offsets().enumerate() {
        let number = pack + ordinal as i64;
        let stored = StoredFrame {
            frame: FrameRow {
                id: entry.id,
                pack,
                ordinal: ordinal as u32,
                offset,
                sealed_bytes: entry.sealed_bytes,
                raw_bytes: entry.raw_bytes,
                codec: entry.codec,
                base: entry.base,
                version: entry.version,
                rank: entry.rank,
            },
            broken: false,
        };
        insert.execute(params![number, encode_frame(&stored)])?;
        finders.ids.push(IdRow::of(&stored));
        if let Some(base) = entry.base {
            finders.bases.push(IdRow {
                key: key_of_base(base),
                ..IdRow::of(&stored)
            });
        }
        let whole = entry.base.is_none();
        for feature in entry.sketch.iter().flat_map(features) {
            finders.features.push(FeatureEntry {
                feature,
                number,
                whole,
            });
        }
    }
    Ok(())
}

pub(super) fn insert_ids(connection: &Connection, rows: &[IdRow]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO ids VALUES (?1, ?2, ?3)")?;
    for row in rows {
        insert.execute([row.key, row.number, row.mark()])?;
    }
    Ok(())
}
