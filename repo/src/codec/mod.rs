//! Frame payloads: stored, zstd, rows as columns, or a delta against a base; each inverted and compared before it is used.

mod columns;
mod patch;
mod zstd_frame;

use crate::error::{Error, Result};
use crate::format::CodecKind;
pub(crate) use patch::Patcher;

/// What chunks are compressed with unless told otherwise.
pub(crate) const LEVEL: i32 = 3;
/// Frames that save less than 1/32 are stored as they are.
const SAVING_SHIFT: u32 = 5;
/// Columns that take less than this part of their chunk are kept without a look at what zstd alone makes of it.
const CLEARLY_SMALLER: usize = 2;

/// On smaller chunks, what zstd makes of chunk and base is looked at too: that costs little, and often gains a few
/// bytes. On larger ones a patch is kept if it saves half …
const LARGE_CHUNK: usize = 64 << 10;
/// … and on all of them if it has at most this many bytes.
const TINY_PATCH: usize = 48;

/// A chunk in the form that a frame holds.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) codec: CodecKind,
    pub(crate) payload: Vec<u8>,
}

/// Encodes a chunk by itself.
pub(crate) fn encode_whole(chunk: &[u8], level: i32) -> Result<Encoded> {
    let laid_out = match lay_out(chunk, level)? {
        // Where rows became this small, zstd alone never came near: trying it would be most of the work.
        Some(rows) if rows.payload.len() < chunk.len() / CLEARLY_SMALLER => return Ok(rows),
        laid_out => laid_out,
    };
    let payload = zstd_frame::compress(chunk, level)?;
    if let Some(laid_out) = laid_out.filter(|laid_out| laid_out.payload.len() < payload.len()) {
        return Ok(laid_out);
    }
    if payload.len() + (chunk.len() >> SAVING_SHIFT) >= chunk.len() {
        return Ok(Encoded {
            codec: CodecKind::Stored,
            payload: chunk.to_vec(),
        });
    }
    verify(chunk, &zstd_frame::decompress(&payload, chunk.len())?)?;
    Ok(Encoded {
        codec: CodecKind::Zstd,
        payload,
    })
}

/// The chunk as columns, if it looks like rows, they save something, and they make the same chunk again.
fn lay_out(chunk: &[u8], level: i32) -> Result<Option<Encoded>> {
    let Some(payload) = columns::encode(chunk, level)? else {
        return Ok(None);
    };
    let saves = payload.len() + (chunk.len() >> SAVING_SHIFT) < chunk.len();
    // Should the layout ever not be inverse, that costs space here and no backup.
    let inverse = saves && columns::decodes_to(&payload, chunk);
    Ok(inverse.then_some(Encoded {
        codec: CodecKind::Columns,
        payload,
    }))
}

/// The delta that is the smallest: the patch, if there is one, or what zstd makes of the chunk with the whole base as
/// prefix.
pub(crate) fn best_delta(
    patch: Option<Encoded>,
    chunk: &[u8],
    base: &[u8],
    level: i32,
) -> Result<Encoded> {
    let patch = match patch {
        Some(patch) if is_good(&patch, chunk) => return Ok(patch),
        other => other,
    };
    let payload = zstd_frame::compress_against(chunk, base, level)?;
    Ok(match patch {
        Some(patch) if patch.payload.len() <= payload.len() => patch,
        _ => Encoded {
            codec: CodecKind::ZstdDelta,
            payload,
        },
    })
}

/// Whether it is not worth to look for a smaller delta.
fn is_good(patch: &Encoded, chunk: &[u8]) -> bool {
    let bytes = patch.payload.len();
    bytes <= TINY_PATCH || (chunk.len() >= LARGE_CHUNK && bytes <= chunk.len() / 2)
}

/// Encodes a chunk against a base.
#[cfg(any(test, feature = "internals"))]
pub(crate) fn encode_delta(chunk: &[u8], base: &[u8], level: i32) -> Result<Encoded> {
    let patch = Patcher::new(chunk, base).encode(chunk, base, level)?;
    best_delta(patch, chunk, base, level)
}

/// Decodes a delta again and compares, before it may be sealed.
pub(crate) fn verify_delta(chunk: &[u8], base: &[u8], delta: &Encoded) -> Result<()> {
    let decoded = decode(delta.codec, &delta.payload, Some(base), chunk.len())?;
    verify(chunk, &decoded)
}

/// The chunk of `raw_bytes` that a payload holds; `base` is given for deltas.
pub(crate) fn decode(
    codec: CodecKind,
    payload: &[u8],
    base: Option<&[u8]>,
    raw_bytes: usize,
) -> Result<Vec<u8>> {
    let chunk = match (codec, base) {
        (CodecKind::Stored, _) => payload.to_vec(),
        (CodecKind::Zstd, _) => zstd_frame::decompress(payload, raw_bytes)?,
        (CodecKind::Columns, _) => columns::decode(payload, raw_bytes)?,
        (CodecKind::ZstdDelta, Some(base)) => {
            zstd_frame::decompress_against(payload, base, raw_bytes)?
        }
        (CodecKind::Patch, Some(base)) => patch::apply(payload, base, raw_bytes)?,
        (CodecKind::ZstdDelta | CodecKind::Patch, None) => {
            return Err(Error::corrupt("frame", "it is a delta without its base"));
        }
    };
    if chunk.len() == raw_bytes {
        Ok(chunk)
    } else {
        Err(Error::corrupt(
            "frame",
            format!("it decodes to {} bytes instead of {raw_bytes}", chunk.len()),
        ))
    }
}

fn verify(chunk: &[u8], decoded: &[u8]) -> Result<()> {
    if decoded == chunk {
        Ok(())
    } else {
        // A broken machine: storing what decodes to something else would be silent loss.
        Err(Error::corrupt(
            "a frame just made",
            "it does not decode to its chunk: memory or processor fault?",
        ))
    }
}

/// Whether deltas can be made against this chunk.
pub(crate) fn may_be_base(chunk: &[u8]) -> bool {
    zstd_frame::may_be_base(chunk)
}

/// Compresses a snapshot's JSON; always as a zstd frame.
pub(crate) fn encode_snapshot(json: &[u8]) -> Result<Vec<u8>> {
    let payload = zstd_frame::compress(json, LEVEL)?;
    verify(json, &zstd_frame::decompress(&payload, json.len())?)?;
    Ok(payload)
}

#[cfg(test)]
mod tests;
