//! One-shot zstd frames (RFC 8878) without magic number, with contexts kept per thread.

use std::cell::RefCell;
use std::thread::LocalKey;

use zstd::zstd_safe::{
    CCtx, CParameter, DCtx, DParameter, FrameFormat, ParamSwitch, SafeResult, compress_bound,
    get_error_name,
};

use crate::error::{Error, Result};

/// Starts every ordinary zstd frame; left out of ours.
const FRAME_MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// Starts a trained dictionary. zstd would parse a base that begins so instead of taking it as it is.
const DICTIONARY_MAGIC: [u8; 4] = 0xEC30_A437_u32.to_le_bytes();
/// Above this many bytes of base and chunk together, zstd's tables for level 3 no longer reach over both;
/// those of level 4 do, with the same match finder.
const LEVEL_3_REACH: usize = 256 << 10;

/// Skips what has no matches as fast as zstd can; frequencies are made use of all the same.
const PLANE_LEVEL: i32 = -20;

thread_local! {
    static PLANE_COMPRESSOR: RefCell<CCtx<'static>> = RefCell::new(for_planes());
    static COMPRESSOR: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
    static DECOMPRESSOR: RefCell<DCtx<'static>> = RefCell::new(magicless());
}

fn for_planes() -> CCtx<'static> {
    let mut context = CCtx::create();
    // Cannot fail on a fresh context; if they did, planes would only come out larger.
    let _ = context.set_parameter(CParameter::CompressionLevel(PLANE_LEVEL));
    let _ = context.set_parameter(CParameter::LiteralCompressionMode(ParamSwitch::Enable));
    context
}

fn magicless() -> DCtx<'static> {
    let mut context = DCtx::create();
    // Cannot fail on a fresh context; if it did, every frame would be refused, none misread.
    let _ = context.set_parameter(DParameter::Format(FrameFormat::Magicless));
    context
}

/// Whether a chunk can be a base.
pub(super) fn may_be_base(base: &[u8]) -> bool {
    !base.is_empty() && !base.starts_with(&DICTIONARY_MAGIC)
}

pub(super) fn compress(chunk: &[u8], level: i32) -> Result<Vec<u8>> {
    compressed(chunk.len(), |context, out| {
        context.compress(out, chunk, level)
    })
}

/// Like [`compress`], but the frame lies in a buffer that is used again.
pub(super) fn compress_into<'o>(
    bytes: &[u8],
    level: i32,
    out: &'o mut Vec<u8>,
) -> Result<&'o [u8]> {
    compressed_into(bytes.len(), out, &COMPRESSOR, |context, out| {
        context.compress(out, bytes, level)
    })
}

/// Compresses bytes of which only the frequencies tell something.
pub(super) fn compress_plane<'o>(bytes: &[u8], out: &'o mut Vec<u8>) -> Result<&'o [u8]> {
    compressed_into(bytes.len(), out, &PLANE_COMPRESSOR, |context, out| {
        context.compress2(out, bytes)
    })
}

pub(super) fn compress_against(chunk: &[u8], base: &[u8], level: i32) -> Result<Vec<u8>> {
    let level = if level == 3 && chunk.len() + base.len() > LEVEL_3_REACH {
        4
    } else {
        level
    };
    compress_with_prefix(chunk, base, level)
}

/// Compresses bytes as if they followed `prefix`.
pub(super) fn compress_with_prefix(bytes: &[u8], prefix: &[u8], level: i32) -> Result<Vec<u8>> {
    compressed(bytes.len(), |context, out| {
        context.compress_using_dict(out, bytes, prefix, level)
    })
}

fn compressed(
    raw_bytes: usize,
    run: impl FnOnce(&mut CCtx<'static>, &mut Vec<u8>) -> SafeResult,
) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    Ok(compressed_into(raw_bytes, &mut out, &COMPRESSOR, run)?.to_vec())
}

fn compressed_into<'o>(
    raw_bytes: usize,
    out: &'o mut Vec<u8>,
    context: &'static LocalKey<RefCell<CCtx<'static>>>,
    run: impl FnOnce(&mut CCtx<'static>, &mut Vec<u8>) -> SafeResult,
) -> Result<&'o [u8]> {
    out.clear();
    out.reserve(compress_bound(raw_bytes));
    context
        .with_borrow_mut(|context| run(context, out))
        .map_err(failed)?;
    match out.split_first_chunk() {
        Some((&FRAME_MAGIC, payload)) => Ok(payload),
        _ => Err(Error::corrupt(
            "frame",
            "zstd made a frame without magic number",
        )),
    }
}

/// At most `raw_bytes` are allocated, whatever the payload says of itself.
pub(super) fn decompress(payload: &[u8], raw_bytes: usize) -> Result<Vec<u8>> {
    decompressed(raw_bytes, |context, out| context.decompress(out, payload))
}

/// Fills `out` from the front; how many bytes there are. More than it holds are refused.
pub(super) fn decompress_into(payload: &[u8], out: &mut [u8]) -> Result<usize> {
    DECOMPRESSOR
        .with_borrow_mut(|context| context.decompress(out, payload))
        .map_err(failed)
}

pub(super) fn decompress_against(payload: &[u8], base: &[u8], raw_bytes: usize) -> Result<Vec<u8>> {
    if !may_be_base(base) {
        return Err(Error::corrupt(
            "frame",
            "its base is one that no delta may have",
        ));
    }
    decompressed(raw_bytes, |context, out| {
        context.decompress_using_dict(out, payload, base)
    })
}

fn decompressed(
    raw_bytes: usize,
    run: impl FnOnce(&mut DCtx<'static>, &mut Vec<u8>) -> SafeResult,
) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(raw_bytes);
    DECOMPRESSOR
        .with_borrow_mut(|context| run(context, &mut out))
        .map_err(failed)?;
    Ok(out)
}

fn failed(code: usize) -> Error {
    Error::corrupt("frame", format!("zstd: {}", get_error_name(code)))
}
