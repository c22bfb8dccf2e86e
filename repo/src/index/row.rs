//! Rows of the tables as bytes, and the guards that tell of changed ones ([decision 0006]).
//!
//! [decision 0006]: ../../../docs/decisions/0006-guarded-index-rows.md

use nightfold_chunker::ChunkId;

use super::{FrameRow, IndexedPack};
use crate::format::{BaseRef, CodecKind, Cursor, Malformed, put_varint};

/// In a frame's head byte: the frame cannot be decoded for want of a base.
const BROKEN: u8 = 0x80;
/// In a frame's head byte: rank and base follow.
const DELTA: u8 = 0x40;
const GUARD_BYTES: usize = 4;

/// What the table of frames says of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredFrame {
    pub(super) frame: FrameRow,
    pub(super) broken: bool,
}

/// The number of a frame: that of its pack is its first frame's.
pub(super) fn number_of(frame: &FrameRow) -> i64 {
    frame.pack + i64::from(frame.ordinal)
}

/// `id ‖ head ‖ ordinal ‖ offset ‖ sealed ‖ raw ‖ version ‖ [rank ‖ base] ‖ guard`, integers as varints.
pub(super) fn encode_frame(stored: &StoredFrame) -> Vec<u8> {
    let frame = &stored.frame;
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(&frame.id.0);
    let mut head = frame.codec as u8;
    if frame.base.is_some() {
        head |= DELTA;
    }
    if stored.broken {
        head |= BROKEN;
    }
    bytes.push(head);
    put_varint(&mut bytes, u64::from(frame.ordinal));
    put_varint(&mut bytes, frame.offset);
    put_varint(&mut bytes, u64::from(frame.sealed_bytes));
    put_varint(&mut bytes, u64::from(frame.raw_bytes));
    put_varint(&mut bytes, u64::from(frame.version));
    if let Some(base) = frame.base {
        bytes.push(frame.rank);
        bytes.extend_from_slice(&base.0);
    }
    let guard = frame_guard(number_of(frame), &bytes);
    bytes.extend_from_slice(&guard.to_le_bytes());
    bytes
}

/// Inverse of [`encode_frame`]; bytes that were changed are told by their guard.
pub(super) fn decode_frame(number: i64, row: &[u8]) -> Result<StoredFrame, Malformed> {
    let end = row.len().saturating_sub(GUARD_BYTES);
    let (bytes, guard) = row.split_at(end);
    let mut cursor = Cursor::new(bytes);
    if guard != frame_guard(number, bytes).to_le_bytes() {
        return Err(cursor.malformed("a row as it was written"));
    }
    let id = ChunkId(cursor.array("id")?);
    let head = cursor.byte("head")?;
    let codec = CodecKind::from_number(head & !(BROKEN | DELTA))
        .ok_or_else(|| cursor.malformed("a known codec"))?;
    let ordinal = number_below_32_bits(&mut cursor, "ordinal")?;
    let offset = cursor.varint("offset")?;
    let sealed_bytes = number_below_32_bits(&mut cursor, "sealed length")?;
    let raw_bytes = number_below_32_bits(&mut cursor, "length")?;
    let version = number_below_32_bits(&mut cursor, "version")?;
    let (rank, base) = if head & DELTA == 0 {
        (0, None)
    } else {
        let rank = cursor.byte("rank")?;
        (rank, Some(BaseRef(cursor.array("base")?)))
    };
    let pack = number
        .checked_sub(i64::from(ordinal))
        .ok_or_else(|| cursor.malformed("the number of a pack"))?;
    Ok(StoredFrame {
        frame: FrameRow {
            id,
            pack,
            ordinal,
            offset,
            sealed_bytes,
            raw_bytes,
            codec,
            base,
            version,
            rank,
        },
        broken: head & BROKEN != 0,
    })
}

fn number_below_32_bits(cursor: &mut Cursor<'_>, what: &'static str) -> Result<u32, Malformed> {
    cursor
        .bounded(u32::MAX as usize, what)
        .map(|value| value as u32)
}

/// A row of the table that finds frames by chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IdRow {
    pub(super) key: i64,
    pub(super) number: i64,
    pub(super) rank: u8,
    pub(super) broken: bool,
}

impl IdRow {
    pub(super) fn of(stored: &StoredFrame) -> Self {
        Self {
            key: key_of(stored.frame.id),
            number: number_of(&stored.frame),
            rank: stored.frame.rank,
            broken: stored.broken,
        }
    }

    /// Guard, mark and rank in one integer of 40 bits.
    pub(super) fn mark(&self) -> i64 {
        let flags = self.rank & !BROKEN | if self.broken { BROKEN } else { 0 };
        let mut hash = Fnv::new();
        hash.word(self.key as u64);
        hash.word(self.number as u64);
        hash.word(u64::from(flags));
        i64::from(hash.finish()) << 8 | i64::from(flags)
    }

    /// What tells it from every other row.
    pub(super) fn fingerprint(&self) -> u128 {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.key.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..].copy_from_slice(&self.mark().to_le_bytes());
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..16]);
        u128::from_le_bytes(fingerprint)
    }

    /// `None` if the row was changed.
    pub(super) fn from_mark(key: i64, number: i64, mark: i64) -> Option<Self> {
        let flags = mark as u8;
        let row = Self {
            key,
            number,
            rank: flags & !BROKEN,
            broken: flags & BROKEN != 0,
        };
        (row.mark() == mark).then_some(row)
    }
}

/// What a chunk is found by: the first eight bytes of its id.
pub(super) fn key_of(id: ChunkId) -> i64 {
    key_of_bytes(&id.0)
}

/// What the chunks that a base reference may mean are found by.
pub(super) fn key_of_base(base: BaseRef) -> i64 {
    key_of_bytes(&base.0)
}

fn key_of_bytes(bytes: &[u8]) -> i64 {
    let mut key = [0; 8];
    key.copy_from_slice(&bytes[..8]);
    i64::from_be_bytes(key)
}

pub(super) fn pack_guard(number: i64, frames: u32, pack: &IndexedPack) -> i64 {
    let mut hash = Fnv::new();
    hash.word(number as u64);
    hash.bytes(&pack.id.0);
    hash.word(u64::from(pack.epoch) << 8 | u64::from(pack.stream as u8));
    hash.word(pack.bytes);
    hash.word(u64::from(frames));
    i64::from(hash.finish())
}

fn frame_guard(number: i64, bytes: &[u8]) -> u32 {
    let mut hash = Fnv::new();
    hash.word(number as u64);
    hash.word(bytes.len() as u64);
    hash.bytes(bytes);
    hash.finish()
}

/// FNV-1a over words with a final mix: a few nanoseconds a row, which a lookup does not notice. Not a MAC: it
/// guards against flipped bits, not against forgers.
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

    fn finish(mut self) -> u32 {
        self.word(0x9e37_79b9_7f4a_7c15);
        (self.0 >> 32) as u32
    }
}
