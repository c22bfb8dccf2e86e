//! Packs: `header ‖ frame… ‖ sealed directory ‖ footer`.
//!
//! A frame is a varint with the number of sealed bytes, then those: codec, base and payload in one
//! seal. So a pack whose directory is lost can still be walked from its header.

use nightfold_chunker::{ChunkId, Sketch};

use super::content::CHUNK_ID_BYTES;
use super::header::HEADER_BYTES;
use super::varint::{Cursor, Malformed, put_varint};
use crate::limits::{CHUNK_BYTES_MAX, PACK_BYTES_MAX, RANK_MAX};

/// Bytes that a seal adds.
pub const SEAL_TAG_BYTES: usize = 16;
/// Bytes of a footer.
pub const FOOTER_BYTES: usize = 16;
const BASE_REF_BYTES: usize = 12;
const FOOTER_MAGIC: [u8; 4] = *b"NFPE";
const FLAG_SKETCH: u8 = 0x10;

/// The first 12 bytes of a base's id: enough to find it, and the id of what a delta decodes to is checked anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BaseRef(pub [u8; BASE_REF_BYTES]);

impl From<ChunkId> for BaseRef {
    fn from(id: ChunkId) -> Self {
        let mut short = [0; BASE_REF_BYTES];
        short.copy_from_slice(&id.0[..BASE_REF_BYTES]);
        Self(short)
    }
}

impl BaseRef {
    /// The smallest and the largest id that this refers to.
    pub fn range(self) -> (ChunkId, ChunkId) {
        let mut low = [0; CHUNK_ID_BYTES];
        let mut high = [0xff; CHUNK_ID_BYTES];
        low[..BASE_REF_BYTES].copy_from_slice(&self.0);
        high[..BASE_REF_BYTES].copy_from_slice(&self.0);
        (ChunkId(low), ChunkId(high))
    }
}

/// How a frame's payload becomes the chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CodecKind {
    /// It is the chunk.
    Stored = 0,
    /// A zstd frame (RFC 8878) without magic number.
    Zstd = 1,
    /// A zstd frame with the base's bytes as prefix.
    ZstdDelta = 2,
    /// Rows, column by column, each column compressed with zstd.
    Columns = 3,
    /// Runs of the base's bytes, and the bytes between them.
    Patch = 4,
}

impl CodecKind {
    /// The codec of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        [
            Self::Stored,
            Self::Zstd,
            Self::ZstdDelta,
            Self::Columns,
            Self::Patch,
        ]
        .into_iter()
        .find(|codec| *codec as u8 == number)
    }

    /// Whether frames of this codec need a base.
    pub fn is_delta(self) -> bool {
        matches!(self, Self::ZstdDelta | Self::Patch)
    }
}

/// What a pack's frames are parts of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum StreamKind {
    /// Contents of files.
    Data = 0,
    /// File lists and recipes.
    Meta = 1,
}

/// The start of a frame's sealed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// How the rest is to be read.
    pub codec: CodecKind,
    /// The base, for deltas.
    pub base: Option<BaseRef>,
}

impl FrameHead {
    /// Appends the encoded form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.codec as u8);
        out.extend(self.base.iter().flat_map(|base| base.0));
    }

    /// Splits an opened frame into head and payload.
    pub fn decode(frame: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let mut c = Cursor::new(frame);
        let codec = CodecKind::from_number(c.byte("codec")?)
            .ok_or(Cursor::new(frame).malformed("known codec"))?;
        let base = if codec.is_delta() {
            Some(BaseRef(c.array("base")?))
        } else {
            None
        };
        let payload = &frame[c.offset()..];
        Ok((Self { codec, base }, payload))
    }
}

/// Appends the length that a frame starts with.
pub fn encode_frame_length(out: &mut Vec<u8>, sealed_bytes: u32) {
    put_varint(out, u64::from(sealed_bytes));
}

/// Reads the length at the front of a frame: sealed bytes, and bytes of the length itself.
pub fn decode_frame_length(frame: &[u8]) -> Result<(usize, usize), Malformed> {
    let mut c = Cursor::new(frame);
    let length = c.bounded(PACK_BYTES_MAX as usize, "frame length")?;
    Ok((length, c.offset()))
}

/// A frame, as the directory tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The chunk.
    pub id: ChunkId,
    /// Bytes of the sealed frame, without the length in front of it.
    pub sealed_bytes: u32,
    /// Bytes of the chunk.
    pub raw_bytes: u32,
    /// Its codec.
    pub codec: CodecKind,
    /// Its base, for deltas.
    pub base: Option<BaseRef>,
    /// The nearest match's plus one; 0 without one.
    pub version: u32,
    /// Frames between this and a whole one: 0 for whole frames, else above its base's.
    pub rank: u8,
    /// Features by which similar chunks find it.
    pub sketch: Option<Sketch>,
}

impl DirEntry {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.0);
        put_varint(out, u64::from(self.sealed_bytes));
        put_varint(out, u64::from(self.raw_bytes));
        out.push(
            self.codec as u8
                | if self.sketch.is_some() {
                    FLAG_SKETCH
                } else {
                    0
                },
        );
        put_varint(out, u64::from(self.version));
        if let Some(base) = self.base {
            out.push(self.rank);
            out.extend_from_slice(&base.0);
        }
        for feature in self.sketch.iter().flat_map(|sketch| sketch.0) {
            out.extend_from_slice(&feature.to_le_bytes());
        }
    }

    fn decode(c: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let id = ChunkId(c.array("chunk id")?);
        let sealed_bytes = c.bounded(PACK_BYTES_MAX as usize, "sealed bytes")? as u32;
        let raw_bytes = c.bounded(CHUNK_BYTES_MAX, "raw bytes")? as u32;
        let start = *c;
        let codec_and_flags = c.byte("codec")?;
        let codec = CodecKind::from_number(codec_and_flags & !FLAG_SKETCH)
            .ok_or(start.malformed("known codec and flags"))?;
        let version = c.bounded(u32::MAX as usize, "version")? as u32;
        let (rank, base) = if codec.is_delta() {
            let start = *c;
            let rank = c.byte("rank")?;
            if rank == 0 || rank > RANK_MAX {
                return Err(start.malformed("rank from 1 to 32"));
            }
            (rank, Some(BaseRef(c.array("base")?)))
        } else {
            (0, None)
        };
        let mut sketch = None;
        if codec_and_flags & FLAG_SKETCH != 0 {
            let mut features = Sketch([0; 6]);
            for feature in &mut features.0 {
                *feature = c.u32("sketch")?;
            }
            sketch = Some(features);
        }
        Ok(Self {
            id,
            sealed_bytes,
            raw_bytes,
            codec,
            base,
            version,
            rank,
            sketch,
        })
    }

    /// Bytes of the length in front of the frame.
    pub fn length_bytes(&self) -> u64 {
        u64::from((32 - (self.sealed_bytes | 1).leading_zeros()).div_ceil(7))
    }
}

/// What a pack holds, frame by frame, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// What the frames are parts of.
    pub stream: StreamKind,
    /// The frames.
    pub entries: Vec<DirEntry>,
}

impl Directory {
    /// The form that is sealed: stream, sketch version, count, entries.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.entries.len() * 72);
        out.push(self.stream as u8);
        out.push(nightfold_chunker::SKETCH_VERSION);
        put_varint(&mut out, self.entries.len() as u64);
        self.entries.iter().for_each(|entry| entry.encode(&mut out));
        out
    }

    /// Reads what [`Self::encode`] wrote. Sketches of another version are dropped: they find nothing.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut c = Cursor::new(bytes);
        let start = c;
        let stream = match c.byte("stream kind")? {
            0 => StreamKind::Data,
            1 => StreamKind::Meta,
            _ => return Err(start.malformed("stream kind")),
        };
        let known_sketches = c.byte("sketch version")? == nightfold_chunker::SKETCH_VERSION;
        // Every entry takes more than 20 bytes: the count cannot make us allocate more than we were given.
        let count = c.bounded(bytes.len() / CHUNK_ID_BYTES, "number of frames")?;
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let mut entry = DirEntry::decode(&mut c)?;
            if !known_sketches {
                entry.sketch = None;
            }
            entries.push(entry);
        }
        if c.remaining() != 0 {
            return Err(c.malformed("end of directory"));
        }
        Ok(Self { stream, entries })
    }

    /// Where each frame's sealed bytes start, in bytes from the start of the pack, and after the last where they end.
    pub fn offsets(&self) -> impl Iterator<Item = (u64, &DirEntry)> {
        self.entries.iter().scan(HEADER_BYTES as u64, |end, entry| {
            let start = *end + entry.length_bytes();
            *end = start + u64::from(entry.sealed_bytes);
            Some((start, entry))
        })
    }

    /// Bytes from the start of the pack to the end of its last frame.
    pub fn frames_end(&self) -> u64 {
        self.offsets()
            .last()
            .map_or(HEADER_BYTES as u64, |(start, entry)| {
                start + u64::from(entry.sealed_bytes)
            })
    }
}

/// The last bytes of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Bytes of the sealed directory in front of the footer.
    pub directory_bytes: u32,
}

impl Footer {
    /// The encoded form: directory length 4, checksum 8, magic 4.
    pub fn encode(&self, header: &[u8; HEADER_BYTES]) -> [u8; FOOTER_BYTES] {
        let mut out = [0; FOOTER_BYTES];
        out[..4].copy_from_slice(&self.directory_bytes.to_le_bytes());
        out[4..12].copy_from_slice(&Self::checksum(header, self.directory_bytes));
        out[12..].copy_from_slice(&FOOTER_MAGIC);
        out
    }

    /// Reads the footer of a pack with this header.
    pub fn decode(
        bytes: &[u8; FOOTER_BYTES],
        header: &[u8; HEADER_BYTES],
    ) -> Result<Self, Malformed> {
        let mut c = Cursor::new(bytes);
        let directory_bytes = c.u32("directory length")?;
        if bytes[4..12] != Self::checksum(header, directory_bytes) || bytes[12..] != FOOTER_MAGIC {
            return Err(c.malformed("footer that fits its checksum"));
        }
        Ok(Self { directory_bytes })
    }

    fn checksum(header: &[u8; HEADER_BYTES], directory_bytes: u32) -> [u8; 8] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(header).update(&directory_bytes.to_le_bytes());
        let mut short = [0; 8];
        short.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        short
    }
}
