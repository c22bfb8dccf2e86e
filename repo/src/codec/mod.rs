//! Frame payloads: stored, zstd, or zstd against a base; each inverted and compared before it is used.

mod zstd_frame;

use crate::error::{Error, Result};
use crate::format::CodecKind;

/// What chunks are compressed with unless told otherwise.
pub(crate) const LEVEL: i32 = 3;
/// Frames that save less than 1/32 are stored as they are.
const SAVING_SHIFT: u32 = 5;

/// A chunk in the form that a frame holds.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) codec: CodecKind,
    pub(crate) payload: Vec<u8>,
}

/// Encodes a chunk by itself.
pub(crate) fn encode_whole(chunk: &[u8], level: i32) -> Result<Encoded> {
    let payload = zstd_frame::compress(chunk, level)?;
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

/// Encodes a chunk against a base.
pub(crate) fn encode_delta(chunk: &[u8], base: &[u8], level: i32) -> Result<Encoded> {
    let payload = zstd_frame::compress_against(chunk, base, level)?;
    Ok(Encoded {
        codec: CodecKind::ZstdDelta,
        payload,
    })
}

/// Decodes a delta again and compares, before it may be sealed.
pub(crate) fn verify_delta(chunk: &[u8], base: &[u8], payload: &[u8]) -> Result<()> {
    verify(
        chunk,
        &zstd_frame::decompress_against(payload, base, chunk.len())?,
    )
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
        (CodecKind::ZstdDelta, Some(base)) => {
            zstd_frame::decompress_against(payload, base, raw_bytes)?
        }
        (CodecKind::ZstdDelta, None) => {
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
