//! Bringing the index level with the packs that storage lists.

use std::collections::HashMap;

use rusqlite::Connection;

use super::Index;
use super::lookup::meta;
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
}

// A delta whose base no usable frame of lower rank holds is not usable either.
const MARK_BROKEN: &str = "
    UPDATE frames SET broken = 1, guard = guard | 4294967296 WHERE broken = 0 AND base IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM frames AS lower
        WHERE lower.id BETWEEN frames.base AND CAST(frames.base || x'ffffffffffffffff' AS BLOB)
            AND lower.rank < frames.rank AND lower.broken = 0)";

const UNMARK_BROKEN: &str =
    "UPDATE frames SET broken = 0, guard = guard & 4294967295 WHERE broken = 1";

impl Index {
    /// Compares the index with the packs that `list` lists. It is called after the index was asked: a pack that
    /// another process puts and enters meanwhile must not look like one that is gone.
    pub(crate) fn compare(&self, list: impl FnOnce() -> Result<Vec<Listed>>) -> Result<CatchUp> {
        let mut known: HashMap<ObjectId, (i64, u64)> = self
            .packs()?
            .into_iter()
            .map(|(number, pack)| (pack.id, (number, pack.bytes)))
            .collect();
        let mut difference = CatchUp::default();
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
            let transaction = connection.transaction()?;
            for number in gone {
                transaction.execute("DELETE FROM frames WHERE pack = ?1", [number])?;
                transaction.execute("DELETE FROM packs WHERE number = ?1", [number])?;
            }
            transaction.commit()
        };
        remove(&mut connection).map_err(|error| self.failed(error))
    }

    /// Marks the frames that cannot be decoded for want of a base, so that nothing is deduplicated against
    /// them; returns how many there are. To be called after packs came or went outside of a backup's own.
    pub(crate) fn mark_broken(&self) -> Result<u64> {
        let mut connection = self.write();
        let mark = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            if meta(&transaction, "broken")?.unwrap_or(0) != 0 {
                transaction.execute(UNMARK_BROKEN, [])?;
            }
            let mut broken = 0;
            loop {
                let more = transaction.execute(MARK_BROKEN, [])?;
                if more == 0 {
                    break;
                }
                broken += more as u64;
            }
            transaction.execute(
                "INSERT OR REPLACE INTO meta VALUES ('broken', ?1)",
                [broken as i64],
            )?;
            transaction.commit()?;
            Ok(broken)
        };
        mark(&mut connection).map_err(|error| self.failed(error))
    }
}

impl Index {
    /// Whether frames are marked as not decodable.
    pub(crate) fn has_broken(&self) -> Result<bool> {
        Ok(self
            .read(|connection| meta(connection, "broken"))?
            .unwrap_or(0)
            != 0)
    }
}
