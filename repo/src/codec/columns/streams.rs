//! The compressed streams that a payload is made of.

use super::pool::Pool;
use crate::codec::zstd_frame;
use crate::error::{Error, Result};
use crate::format::{Cursor, put_varint};

/// Shorter ones are not worth a zstd frame of their own.
const COMPRESSED_BYTES_MIN: usize = 32;

const STORED: u64 = 0;
const ZSTD: u64 = 1;

/// Packs streams one behind the other. Its buffers serve one chunk after another.
#[derive(Default)]
pub(super) struct Writer {
    level: i32,
    packed: Vec<u8>,
    raw_bytes: usize,
    plane: Vec<u8>,
    numbers: Vec<u64>,
    /// What zstd makes of a stream.
    frame: Vec<u8>,
}

impl Writer {
    pub(super) fn start(&mut self, level: i32) {
        self.level = level;
        self.packed.clear();
        self.raw_bytes = 0;
    }

    /// Bytes of all streams before compression.
    pub(super) fn raw_bytes(&self) -> usize {
        self.raw_bytes
    }

    pub(super) fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// A buffer to prepare numbers in.
    pub(super) fn take_numbers(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.numbers)
    }

    pub(super) fn give_numbers(&mut self, numbers: Vec<u64>) {
        self.numbers = numbers;
    }

    /// Words: there are matches to be found. Two levels lower than whole chunks: among the words of one column that
    /// costs 1 to 4 % of the size, and what more levels would save is not worth it.
    pub(super) fn text(&mut self, bytes: &[u8]) -> Result<()> {
        self.raw_bytes += bytes.len();
        put(
            bytes,
            Some(text_level(self.level)),
            &mut self.frame,
            &mut self.packed,
        )
    }

    /// Numbers, of which only the frequencies tell something.
    pub(super) fn plane(&mut self, bytes: impl Iterator<Item = u8>) -> Result<()> {
        self.plane.clear();
        self.plane.extend(bytes);
        self.raw_bytes += self.plane.len();
        put(&self.plane, None, &mut self.frame, &mut self.packed)
    }

    /// Appends a stream of its own to `out`, packed as text.
    pub(super) fn apart(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        put(bytes, Some(text_level(self.level)), &mut self.frame, out)
    }
}

fn text_level(level: i32) -> i32 {
    (level - 2).max(1)
}

/// Appends one stream: how it is packed, in how many bytes, and these. Without a level it is a plane.
fn put(bytes: &[u8], level: Option<i32>, frame: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<()> {
    let mut packed = bytes;
    if bytes.len() >= COMPRESSED_BYTES_MIN {
        packed = match level {
            Some(level) => zstd_frame::compress_into(bytes, level, frame)?,
            None => zstd_frame::compress_plane(bytes, frame)?,
        };
    }
    if packed.len() < bytes.len() {
        put_varint(out, (packed.len() as u64) << 1 | ZSTD);
        out.extend_from_slice(packed);
    } else {
        put_varint(out, (bytes.len() as u64) << 1 | STORED);
        out.extend_from_slice(bytes);
    }
    Ok(())
}

/// Unpacks them in the same order.
pub(super) struct Reader<'a> {
    cursor: Cursor<'a>,
    /// So many bytes may still come out.
    budget: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(cursor: Cursor<'a>, budget: usize) -> Self {
        Self { cursor, budget }
    }

    /// The next stream, which has `raw_bytes`, into the pool; where it begins.
    pub(super) fn next(&mut self, raw_bytes: usize, pool: &mut Pool) -> Result<usize> {
        self.budget = self
            .budget
            .checked_sub(raw_bytes)
            .ok_or_else(|| damaged("its streams are longer than the chunk"))?;
        let head = self
            .cursor
            .varint("length of a stream")
            .map_err(malformed)?;
        let packed_bytes = usize::try_from(head >> 1).unwrap_or(usize::MAX);
        let packed = self
            .cursor
            .take(packed_bytes, "a stream")
            .map_err(malformed)?;
        let start = pool.take(raw_bytes);
        let to = &mut pool.bytes_mut()[start..start + raw_bytes];
        let unpacked_bytes = if head & 1 == ZSTD {
            zstd_frame::decompress_into(packed, to)?
        } else {
            if packed.len() == raw_bytes {
                to.copy_from_slice(packed);
            }
            packed.len()
        };
        if unpacked_bytes == raw_bytes {
            Ok(start)
        } else {
            Err(damaged("a stream has another length"))
        }
    }

    pub(super) fn remaining(&self) -> usize {
        self.cursor.remaining()
    }
}

pub(super) fn damaged(reason: &str) -> Error {
    Error::corrupt("frame", format!("rows as columns: {reason}"))
}

pub(super) fn malformed(malformed: crate::format::Malformed) -> Error {
    damaged(&malformed.to_string())
}
