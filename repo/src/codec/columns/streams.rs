//! The compressed streams that a payload is made of.

use crate::codec::zstd_frame;
use crate::error::{Error, Result};
use crate::format::{Cursor, put_varint};

/// Shorter ones are not worth a zstd frame of their own.
const COMPRESSED_BYTES_MIN: usize = 32;

const STORED: u64 = 0;
const ZSTD: u64 = 1;

/// Packs streams one behind the other.
pub(super) struct Writer {
    level: i32,
    packed: Vec<u8>,
    raw_bytes: usize,
    plane: Vec<u8>,
    numbers: Vec<u64>,
}

impl Writer {
    pub(super) fn new(level: i32) -> Self {
        Self {
            level,
            packed: Vec::new(),
            raw_bytes: 0,
            plane: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// Bytes of all streams before compression.
    pub(super) fn raw_bytes(&self) -> usize {
        self.raw_bytes
    }

    pub(super) fn into_packed(self) -> Vec<u8> {
        self.packed
    }

    /// A buffer to prepare numbers in, kept between columns.
    pub(super) fn take_numbers(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.numbers)
    }

    pub(super) fn give_numbers(&mut self, numbers: Vec<u64>) {
        self.numbers = numbers;
    }

    /// Words: there are matches to be found.
    pub(super) fn text(&mut self, bytes: &[u8]) -> Result<()> {
        self.raw_bytes += bytes.len();
        put_stream(&mut self.packed, bytes, |bytes| {
            zstd_frame::compress(bytes, self.level)
        })
    }

    /// Numbers, of which only the frequencies tell something.
    pub(super) fn plane(&mut self, bytes: impl Iterator<Item = u8>) -> Result<()> {
        self.plane.clear();
        self.plane.extend(bytes);
        self.raw_bytes += self.plane.len();
        put_stream(&mut self.packed, &self.plane, zstd_frame::compress_plane)
    }
}

/// Appends one stream: how it is packed, in how many bytes, and these.
pub(super) fn put_stream(
    out: &mut Vec<u8>,
    bytes: &[u8],
    compress: impl FnOnce(&[u8]) -> Result<Vec<u8>>,
) -> Result<()> {
    if bytes.len() >= COMPRESSED_BYTES_MIN {
        let packed = compress(bytes)?;
        if packed.len() < bytes.len() {
            put_varint(out, (packed.len() as u64) << 1 | ZSTD);
            out.extend_from_slice(&packed);
            return Ok(());
        }
    }
    put_varint(out, (bytes.len() as u64) << 1 | STORED);
    out.extend_from_slice(bytes);
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

    /// The next stream, which has `raw_bytes`.
    pub(super) fn next(&mut self, raw_bytes: usize) -> Result<Vec<u8>> {
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
        let bytes = if head & 1 == ZSTD {
            zstd_frame::decompress(packed, raw_bytes)?
        } else {
            packed.to_vec()
        };
        if bytes.len() == raw_bytes {
            Ok(bytes)
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
