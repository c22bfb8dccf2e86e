//! Sidecars out of objects.

use reed_solomon_simd::ReedSolomonEncoder;

use super::block::{BLOCK_BYTES, FRAMING_BYTES, Parameters, Shards, block_places, short_hash};
use super::{checksum, sidecar_name};
use crate::error::{Error, Result};
use crate::format::{Header, ObjectName};
use crate::limits::PARITY_PERCENT_MAX;

/// Shards of large packs. Disks lose whole sectors of this size: one such is then one shard.
const SECTOR_BYTES: u32 = 4096;
/// Shards are not smaller.
const SHARD_BYTES_MIN: u32 = 512;
/// Shards are made smaller while an object has fewer of them: otherwise a few percent of them would be too many bytes.
const DATA_SHARDS_WANTED: u64 = 128;
/// However small the object.
const SHARDS_MIN: u32 = 4;
/// One half more where others rest on what is guarded.
const STRONG: (u64, u64) = (3, 2);

/// How much redundancy an object gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strength {
    /// Parity shards for each hundred shards of the object.
    pub(crate) percent: u8,
    /// One half more: much rests on this object.
    pub(crate) strong: bool,
}

/// How an object of this size is divided.
pub(super) fn shards_of(object_bytes: u64, strength: Strength) -> Shards {
    let mut bytes = SECTOR_BYTES;
    while bytes > SHARD_BYTES_MIN && object_bytes / u64::from(bytes) < DATA_SHARDS_WANTED {
        bytes /= 2;
    }
    let data = object_bytes
        .div_ceil(u64::from(bytes))
        .max(u64::from(SHARDS_MIN));
    let (times, of) = if strength.strong { STRONG } else { (1, 1) };
    let wanted = (data * u64::from(strength.percent) * times).div_ceil(100 * of);
    // One lost sector must be within reach, however small the object.
    let least = SHARDS_MIN.max(SECTOR_BYTES / bytes);
    Shards {
        bytes,
        data: data as u32,
        parity: (wanted as u32).max(least),
    }
}

/// A sidecar of Reed–Solomon shards for an object.
pub(crate) fn encode(object: ObjectName, bytes: &[u8], strength: Strength) -> Result<Vec<u8>> {
    if strength.percent > PARITY_PERCENT_MAX {
        let range = format!("parity is 0 to {PARITY_PERCENT_MAX} percent");
        return Err(Error::Invalid(range));
    }
    encode_in(object, bytes, shards_of(bytes.len() as u64, strength))
}

/// A sidecar with shards of this shape.
pub(super) fn encode_in(object: ObjectName, bytes: &[u8], shards: Shards) -> Result<Vec<u8>> {
    let shard_bytes = shards.bytes as usize;
    let failed = |error: reed_solomon_simd::Error| {
        Error::Invalid(format!("{object} gets no parity: {error}"))
    };
    let mut encoder =
        ReedSolomonEncoder::new(shards.data as usize, shards.parity as usize, shard_bytes)
            .map_err(failed)?;
    let mut body = Vec::with_capacity(
        shards.table_bytes() + shards.parity as usize * shard_bytes + FRAMING_BYTES,
    );
    for at in 0..shards.data as usize {
        let shard = padded(bytes, at, shard_bytes);
        body.extend_from_slice(&checksum(&shard));
        encoder.add_original_shard(&*shard).map_err(failed)?;
    }
    let encoded = encoder.encode().map_err(failed)?;
    for shard in encoded.recovery_iter() {
        body.extend_from_slice(&checksum(shard));
    }
    let table_check = short_hash(&body);
    for shard in encoded.recovery_iter() {
        body.extend_from_slice(shard);
    }
    let parameters = Parameters {
        object,
        object_bytes: bytes.len() as u64,
        hash: *blake3::hash(bytes).as_bytes(),
        shards: Some(shards),
        table_check,
    };
    Ok(frame(&parameters, &body))
}

/// A sidecar that holds the object itself.
pub(crate) fn copy(object: ObjectName, bytes: &[u8]) -> Vec<u8> {
    let parameters = Parameters {
        object,
        object_bytes: bytes.len() as u64,
        hash: *blake3::hash(bytes).as_bytes(),
        shards: None,
        table_check: short_hash(&[]),
    };
    frame(&parameters, bytes)
}

/// A shard of an object; what is behind the object's end counts as zeros.
pub(super) fn padded(object: &[u8], at: usize, shard_bytes: usize) -> std::borrow::Cow<'_, [u8]> {
    let start = (at * shard_bytes).min(object.len());
    let end = (start + shard_bytes).min(object.len());
    let mut shard = std::borrow::Cow::Borrowed(&object[start..end]);
    if shard.len() < shard_bytes {
        shard.to_mut().resize(shard_bytes, 0);
    }
    shard
}

/// Header, and the body with the blocks around and in it.
fn frame(parameters: &Parameters, body: &[u8]) -> Vec<u8> {
    let block = parameters.encode();
    let [_, second, _] = block_places(body.len());
    let half = body.len() / 2;
    let mut out = Vec::with_capacity(body.len() + FRAMING_BYTES);
    out.extend_from_slice(&Header::new(sidecar_name(parameters.object), 0).encode());
    out.extend_from_slice(&block);
    out.extend_from_slice(&body[..half]);
    debug_assert_eq!(out.len(), second);
    out.extend_from_slice(&block);
    out.extend_from_slice(&body[half..]);
    out.extend_from_slice(&block);
    debug_assert_eq!(
        out.len(),
        body.len() + 3 * BLOCK_BYTES + crate::format::HEADER_BYTES
    );
    out
}
