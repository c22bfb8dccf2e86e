//! What a file or stream consists of: bytes in place, or a list of chunk ids that is itself stored as chunks when long.

use nightfold_chunker::ChunkId;

use super::varint::{Cursor, Malformed, put_bytes, put_varint};
use crate::limits::{CONTENT_DEPTH_MAX, CONTENT_IDS_MAX, INLINE_BYTES_MAX};

/// Bytes of a chunk id.
pub const CHUNK_ID_BYTES: usize = 20;

/// Where the bytes of a file or stream are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The bytes themselves, at most [`INLINE_BYTES_MAX`].
    Inline(Vec<u8>),
    /// Chunks, in order.
    Chunks {
        /// Bytes in all.
        size: u64,
        /// 0: `ids` are the chunks of the content. n: the bytes of the chunks `ids`, joined, are the ids of depth n-1.
        depth: u8,
        /// At most [`CONTENT_IDS_MAX`] ids.
        ids: Vec<ChunkId>,
    },
}

impl Content {
    /// Bytes of the content.
    pub fn size(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Chunks { size, .. } => *size,
        }
    }

    /// Appends the encoded form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Inline(bytes) => {
                out.push(0);
                put_bytes(out, bytes);
            }
            Self::Chunks { size, depth, ids } => {
                out.push(1 + depth);
                put_varint(out, *size);
                put_varint(out, ids.len() as u64);
                out.extend(ids.iter().flat_map(|id| id.0));
            }
        }
    }

    /// Reads one content.
    pub fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let start = *cursor;
        let form = cursor.byte("content form")?;
        if form == 0 {
            return Ok(Self::Inline(
                cursor.bytes(INLINE_BYTES_MAX, "inline bytes")?.to_vec(),
            ));
        }
        if form - 1 > CONTENT_DEPTH_MAX {
            return Err(start.malformed("content form"));
        }
        let size = cursor.varint("content size")?;
        let count = cursor.bounded(CONTENT_IDS_MAX, "number of chunk ids")?;
        let ids = cursor.take(count * CHUNK_ID_BYTES, "chunk ids")?;
        Ok(Self::Chunks {
            size,
            depth: form - 1,
            ids: decode_ids(ids),
        })
    }
}

/// Splits joined ids; a trailing part of an id is left out (the caller checks the length).
pub fn decode_ids(bytes: &[u8]) -> Vec<ChunkId> {
    bytes
        .as_chunks::<CHUNK_ID_BYTES>()
        .0
        .iter()
        .map(|id| ChunkId(*id))
        .collect()
}
