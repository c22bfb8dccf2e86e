//! The parameters of a sidecar: a block of fixed size that stands in it three times, far apart.

use super::{CHECKSUM_BYTES, sidecar_name};
use crate::format::{HEADER_BYTES, Kind, ObjectId, ObjectName};
use crate::limits::{PACK_BYTES_MAX, PARITY_SIDECAR_BYTES_MAX};

/// Bytes of a block.
pub(super) const BLOCK_BYTES: usize = 128;
/// How often it is stored.
const COPIES: usize = 3;
const MAGIC: [u8; 8] = *b"NFPARITY";
/// Where the checksum of the block stands.
const CHECK_AT: usize = 112;
/// Bytes of the checksums of a block and of a table.
pub(super) const CHECK_BYTES: usize = 16;
/// Largest shard that a reader takes.
const SHARD_BYTES_MAX: u32 = 64 << 10;
/// The library works on this many bytes at a time.
const SHARD_BYTES_STEP: u32 = 64;

/// Reed–Solomon shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shards {
    /// Bytes of each.
    pub(super) bytes: u32,
    /// Shards of the object. The last ones are filled up with zeros.
    pub(super) data: u32,
    /// Shards of redundancy: as many damaged ones can be restored.
    pub(super) parity: u32,
}

impl Shards {
    /// Bytes of the checksums, those of the object's shards first.
    pub(super) fn table_bytes(self) -> usize {
        (self.data + self.parity) as usize * CHECKSUM_BYTES
    }

    fn are_valid(self, object_bytes: u64) -> bool {
        let data = object_bytes.div_ceil(u64::from(self.bytes.max(1))).max(4);
        self.bytes.is_multiple_of(SHARD_BYTES_STEP)
            && (SHARD_BYTES_STEP..=SHARD_BYTES_MAX).contains(&self.bytes)
            && u64::from(self.data) == data
            && reed_solomon_simd::ReedSolomonEncoder::supports(
                self.data as usize,
                self.parity as usize,
            )
    }
}

/// What a sidecar is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) object: ObjectName,
    pub(super) object_bytes: u64,
    /// Of the whole object.
    pub(super) hash: [u8; 32],
    /// `None`: the body is the object itself.
    pub(super) shards: Option<Shards>,
    /// Start of the hash of the table.
    pub(super) table_check: [u8; CHECK_BYTES],
}

impl Parameters {
    /// Bytes between the blocks: the table and the parity shards, or the object.
    pub(super) fn body_bytes(&self) -> u64 {
        match self.shards {
            None => self.object_bytes,
            Some(shards) => {
                shards.table_bytes() as u64 + u64::from(shards.parity) * u64::from(shards.bytes)
            }
        }
    }

    pub(super) fn encode(&self) -> [u8; BLOCK_BYTES] {
        let mut out = [0; BLOCK_BYTES];
        out[..8].copy_from_slice(&MAGIC);
        out[8] = u8::from(self.shards.is_some());
        out[9] = self.object.kind as u8;
        if let Some(shards) = self.shards {
            out[12..16].copy_from_slice(&shards.bytes.to_le_bytes());
            out[24..28].copy_from_slice(&shards.data.to_le_bytes());
            out[28..32].copy_from_slice(&shards.parity.to_le_bytes());
        }
        out[16..24].copy_from_slice(&self.object_bytes.to_le_bytes());
        out[32..64].copy_from_slice(&self.object.id.0);
        out[64..96].copy_from_slice(&self.hash);
        out[96..CHECK_AT].copy_from_slice(&self.table_check);
        let check = short_hash(&out[..CHECK_AT]);
        out[CHECK_AT..].copy_from_slice(&check);
        out
    }

    /// Reads a block; `None` if it is damaged, another sidecar's, or asks for more than anything may have.
    pub(super) fn decode(sidecar: ObjectName, bytes: &[u8]) -> Option<Self> {
        let block = bytes.first_chunk::<BLOCK_BYTES>()?;
        if block[..8] != MAGIC || block[CHECK_AT..] != short_hash(&block[..CHECK_AT]) {
            return None;
        }
        let number = |at: usize| {
            let four = block[at..].first_chunk::<4>();
            four.map_or(0, |four| u32::from_le_bytes(*four))
        };
        let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == block[9])?;
        let object = ObjectName::new(kind, ObjectId(*block[32..].first_chunk()?));
        let object_bytes = u64::from_le_bytes(*block[16..].first_chunk()?);
        let shards = match block[8] {
            0 => None,
            1 => Some(Shards {
                bytes: number(12),
                data: number(24),
                parity: number(28),
            }),
            _ => return None,
        };
        if object_bytes > PACK_BYTES_MAX
            || shards.is_some_and(|shards| !shards.are_valid(object_bytes))
        {
            return None;
        }
        let parameters = Self {
            object,
            object_bytes,
            hash: *block[64..].first_chunk()?,
            shards,
            table_check: *block[96..].first_chunk()?,
        };
        let fits = parameters.body_bytes() <= PARITY_SIDECAR_BYTES_MAX;
        (fits && sidecar_name(object) == sidecar).then_some(parameters)
    }
}

/// The first bytes of a hash.
pub(super) fn short_hash(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mut short = [0; CHECK_BYTES];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECK_BYTES]);
    short
}

/// Where the three blocks stand in a sidecar with so many bytes of body: behind the header, in the middle, at the end.
pub(super) fn block_places(body_bytes: usize) -> [usize; COPIES] {
    let first = HEADER_BYTES;
    let second = first + BLOCK_BYTES + body_bytes / 2;
    let third = first + 2 * BLOCK_BYTES + body_bytes;
    [first, second, third]
}

/// Bytes of a sidecar beside its body.
pub(super) const FRAMING_BYTES: usize = HEADER_BYTES + COPIES * BLOCK_BYTES;

/// Finds a sound block: where it should be by the length of the sidecar, or anywhere (a sidecar that was cut short).
pub(super) fn find(sidecar: ObjectName, bytes: &[u8]) -> Option<Parameters> {
    let at = |place: usize| Parameters::decode(sidecar, bytes.get(place..)?);
    let body_bytes = bytes.len().checked_sub(FRAMING_BYTES);
    let places = body_bytes.map_or([HEADER_BYTES; COPIES], block_places);
    places.into_iter().find_map(at).or_else(|| {
        let mut found = memchr::memmem::find_iter(bytes, &MAGIC);
        found.find_map(at)
    })
}

/// What a sidecar is of, told from its first bytes; `None` if they are damaged.
pub(crate) fn object_of(sidecar: ObjectName, head: &[u8]) -> Option<ObjectName> {
    let parameters = Parameters::decode(sidecar, head.get(HEADER_BYTES..)?)?;
    Some(parameters.object)
}
