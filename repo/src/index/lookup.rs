//! Questions to the index.

use std::collections::HashMap;
use std::sync::PoisonError;

use nightfold_chunker::{ChunkId, Sketch};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{FrameRow, Index, IndexedPack};
use crate::error::{Error, Result};
use crate::format::{BaseRef, CodecKind, ObjectId, StreamKind};

pub(super) const FRAME_COLUMNS: &str =
    "id, pack, ordinal, offset, sealed, raw, codec, base, version, rank, root, guard";

impl Index {
    /// The usable frames of a chunk, whole ones first.
    pub(crate) fn frames(&self, id: ChunkId) -> Result<Vec<FrameRow>> {
        self.frames_between(id, id)
    }

    /// The usable frames of the chunks that a base reference may mean.
    pub(crate) fn base_frames(&self, base: BaseRef) -> Result<Vec<FrameRow>> {
        let (low, high) = base.range();
        self.frames_between(low, high)
    }

    fn frames_between(&self, low: ChunkId, high: ChunkId) -> Result<Vec<FrameRow>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {FRAME_COLUMNS} FROM frames WHERE id BETWEEN ?1 AND ?2 AND broken = 0 ORDER BY rank, pack DESC"
            ))?;
            let rows = statement.query_map(params![low.0, high.0], frame_row)?;
            rows.collect()
        })
    }

    /// Whether a usable frame holds the chunk.
    pub(crate) fn holds(&self, id: ChunkId) -> Result<bool> {
        Ok(!self.frames(id)?.is_empty())
    }

    /// Chunks that share features with the sketch: most first, the most recent on a tie.
    pub(crate) fn similar(&self, sketch: &Sketch) -> Result<Vec<(ChunkId, u32)>> {
        let mut found: HashMap<ChunkId, (u32, i64)> = HashMap::new();
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT chunk, added FROM sketches WHERE feature = ?1")?;
            for feature in features(sketch) {
                let mut rows = statement.query([feature])?;
                while let Some(row) = rows.next()? {
                    let entry = found.entry(ChunkId(row.get(0)?)).or_default();
                    entry.0 += 1;
                    entry.1 = entry.1.max(row.get(1)?);
                }
            }
            Ok(())
        })?;
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_unstable_by_key(|(_, rating)| std::cmp::Reverse(*rating));
        Ok(found
            .into_iter()
            .map(|(id, (matches, _))| (id, matches))
            .collect())
    }

    /// The pack of this number.
    pub(crate) fn pack(&self, number: i64) -> Result<IndexedPack> {
        if let Some(pack) = self
            .packs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&number)
        {
            return Ok(*pack);
        }
        let row = self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT id, epoch, stream, bytes, guard FROM packs WHERE number = ?1",
                )?
                .query_row([number], pack_row)
                .optional()
        })?;
        let Some(pack) = row else {
            return Err(Error::IndexCorrupt {
                reason: format!("it names a pack, number {number}, that it does not list"),
            });
        };
        let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        if packs.len() >= 65_536 {
            packs.clear();
        }
        packs.insert(number, pack);
        Ok(pack)
    }

    /// All packs.
    pub(crate) fn packs(&self) -> Result<Vec<(i64, IndexedPack)>> {
        self.read(|connection| {
            let mut statement =
                connection.prepare("SELECT id, epoch, stream, bytes, guard, number FROM packs")?;
            let rows = statement.query_map([], |row| Ok((row.get(5)?, pack_row(row)?)))?;
            rows.collect()
        })
    }

    /// Every usable frame, passed to `visit`.
    pub(crate) fn each_frame(&self, mut visit: impl FnMut(FrameRow)) -> Result<()> {
        self.read(|connection| {
            let mut statement = connection.prepare(&format!(
                "SELECT {FRAME_COLUMNS} FROM frames WHERE broken = 0"
            ))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                visit(frame_row(row)?);
            }
            Ok(())
        })
    }
}

/// The keys under which a sketch is found: position and value of each super-feature.
pub(super) fn features(sketch: &Sketch) -> [i64; 6] {
    let mut position = 0;
    sketch.0.map(|value| {
        position += 1;
        (position << 32) | i64::from(value)
    })
}

pub(super) fn damaged(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Null, what.into())
}

/// A usable frame. A row that was marked as broken does not pass for one when that mark's bit is flipped: the
/// guard tells.
fn frame_row(row: &Row<'_>) -> rusqlite::Result<FrameRow> {
    guarded_frame_row(row, false)
}

pub(super) fn guarded_frame_row(row: &Row<'_>, broken: bool) -> rusqlite::Result<FrameRow> {
    let codec: u8 = row.get(6)?;
    let frame = FrameRow {
        id: ChunkId(row.get(0)?),
        pack: row.get(1)?,
        ordinal: row.get(2)?,
        offset: row.get::<_, i64>(3)? as u64,
        sealed_bytes: row.get(4)?,
        raw_bytes: row.get(5)?,
        codec: CodecKind::from_number(codec).ok_or_else(|| damaged(6, "unknown codec"))?,
        base: row.get::<_, Option<[u8; 12]>>(7)?.map(BaseRef),
        version: row.get(8)?,
        rank: row.get(9)?,
        root: row.get(10)?,
    };
    if row.get::<_, i64>(11)? == frame_guard(&frame) | i64::from(broken) << 32 {
        Ok(frame)
    } else {
        Err(damaged(11, "a row was changed"))
    }
}

fn pack_row(row: &Row<'_>) -> rusqlite::Result<IndexedPack> {
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
    if row.get::<_, i64>(4)? == pack_guard(&pack) {
        Ok(pack)
    } else {
        Err(damaged(4, "a row was changed"))
    }
}

/// 32 bits over all that a frame's row says; the bit above them is set in rows marked as broken. Not a MAC: it guards against flipped bits, not against forgers.
pub(super) fn frame_guard(frame: &FrameRow) -> i64 {
    let mut hash = Fnv::new();
    hash.bytes(&frame.id.0);
    hash.word(frame.pack as u64);
    hash.word(u64::from(frame.ordinal) << 32 | u64::from(frame.sealed_bytes));
    hash.word(frame.offset);
    hash.word(u64::from(frame.raw_bytes) << 32 | u64::from(frame.version));
    hash.word(
        u64::from(frame.codec as u8) << 16
            | u64::from(frame.rank) << 8
            | u64::from(frame.base.is_some()),
    );
    hash.bytes(&frame.base.map_or([0; 12], |base| base.0));
    hash.word(frame.root as u64);
    hash.finish()
}

pub(super) fn pack_guard(pack: &IndexedPack) -> i64 {
    let mut hash = Fnv::new();
    hash.bytes(&pack.id.0);
    hash.word(u64::from(pack.epoch) << 8 | u64::from(pack.stream as u8));
    hash.word(pack.bytes);
    hash.finish()
}

/// FNV-1a over words with a final mix: a few nanoseconds a row, which a lookup does not notice.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.0 ^= self.0 >> 29;
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..piece.len()].copy_from_slice(piece);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn finish(mut self) -> i64 {
        self.word(0x9e37_79b9_7f4a_7c15);
        i64::from((self.0 >> 32) as u32)
    }
}

/// Reads a value of the table `meta`.
pub(super) fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
            row.get(0)
        })
        .optional()
}
