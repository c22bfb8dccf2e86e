//! The way back: a patch and its base make the chunk.

use super::{Form, prefix};
use crate::codec::zstd_frame;
use crate::error::{Error, Result};
use crate::format::{Cursor, Malformed, unzigzag};

/// The chunk of `raw_bytes` that `payload` makes of `base`. No more than that is allocated for it or for the body.
pub(in crate::codec) fn apply(payload: &[u8], base: &[u8], raw_bytes: usize) -> Result<Vec<u8>> {
    if !zstd_frame::may_be_base(base) {
        let reason = "its base is one that no delta may have";
        return Err(Error::corrupt("frame", reason));
    }
    let mut cursor = Cursor::new(payload);
    let form = form(&mut cursor).map_err(malformed)?;
    if form == Form::Plain {
        if cursor.remaining() > raw_bytes {
            return Err(malformed(
                cursor.malformed("a body no longer than the chunk"),
            ));
        }
        return patched(cursor, base, raw_bytes).map_err(malformed);
    }
    let body_bytes = cursor
        .bounded(raw_bytes, "the length of a patch's body")
        .map_err(malformed)?;
    let frame = rest(&mut cursor).map_err(malformed)?;
    let body = match form {
        Form::Plain | Form::Zstd => zstd_frame::decompress(frame, body_bytes)?,
        _ => zstd_frame::decompress_against(frame, prefix(form, base), body_bytes)?,
    };
    if body.len() != body_bytes {
        return Err(malformed(cursor.malformed("a body of the length stated")));
    }
    patched(Cursor::new(&body), base, raw_bytes).map_err(malformed)
}

fn malformed(malformed: Malformed) -> Error {
    Error::corrupt("frame", format!("its patch: {malformed}"))
}

fn form(cursor: &mut Cursor<'_>) -> std::result::Result<Form, Malformed> {
    let before = *cursor;
    match cursor.byte("the form of a patch")? {
        0 => Ok(Form::Plain),
        1 => Ok(Form::Zstd),
        2 => Ok(Form::ZstdPrefix),
        3 => Ok(Form::ZstdBase),
        _ => Err(before.malformed("the form of a patch")),
    }
}

fn rest<'a>(cursor: &mut Cursor<'a>) -> std::result::Result<&'a [u8], Malformed> {
    cursor.take(cursor.remaining(), "the rest")
}

/// Runs of the base and bytes between them, as the body says.
fn patched(
    mut body: Cursor<'_>,
    base: &[u8],
    raw_bytes: usize,
) -> std::result::Result<Vec<u8>, Malformed> {
    // Every copy takes three bytes at least.
    let copies = body.bounded(body.remaining() / 3, "the number of copies")?;
    let mut literals = body;
    skip_varints(&mut literals, copies)?;
    let mut places = literals;
    skip_varints(&mut literals, copies)?;
    let mut lengths = literals;
    skip_varints(&mut literals, copies)?;
    let mut chunk = Vec::with_capacity(raw_bytes);
    let mut expected = 0i64;
    for _ in 0..copies {
        let literal_bytes = body.bounded(raw_bytes - chunk.len(), "the bytes before a copy")?;
        chunk.extend_from_slice(literals.take(literal_bytes, "bytes between copies")?);
        let place = unzigzag(places.varint("the place of a copy")?);
        let bytes = lengths.bounded(raw_bytes - chunk.len(), "the length of a copy")?;
        let run = (expected + literal_bytes as i64)
            .checked_add(place)
            .and_then(|start| usize::try_from(start).ok())
            .and_then(|start| Some((start.checked_add(bytes)?, base.get(start..start + bytes)?)));
        let Some((end, run)) = run else {
            return Err(places.malformed("the place of a copy within the base"));
        };
        chunk.extend_from_slice(run);
        expected = end as i64;
    }
    let tail = rest(&mut literals)?;
    if tail.len() != raw_bytes - chunk.len() {
        return Err(literals.malformed("as many bytes as the chunk still lacks"));
    }
    chunk.extend_from_slice(tail);
    Ok(chunk)
}

fn skip_varints(cursor: &mut Cursor<'_>, count: usize) -> std::result::Result<(), Malformed> {
    for _ in 0..count {
        cursor.varint("a number")?;
    }
    Ok(())
}
