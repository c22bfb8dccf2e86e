//! A chunk as a patch of its base: what it takes over, and what it has for itself.
//!
//! zstd against a base has to enter the whole base into its tables and to look at every byte of the chunk. A new
//! version of a chunk is its base with scattered edits: following both side by side finds nearly everything at a
//! fraction of the cost, and leaves little for zstd to compress. The layout is told in `docs/format.md`, 9.1.

mod apply;
mod matcher;

use std::cell::RefCell;

use super::{Encoded, zstd_frame};
use crate::error::Result;
use crate::format::{CodecKind, put_varint, zigzag};
use matcher::{Copy, Matcher};

pub(super) use apply::apply;

/// How the body of a patch is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Form {
    /// As it is.
    Plain = 0,
    /// As a zstd frame.
    Zstd = 1,
    /// The same, with the first [`PREFIX_BYTES`] of the base as prefix.
    ZstdPrefix = 2,
    /// The same, with the whole base as prefix.
    ZstdBase = 3,
}

/// Of the base, so much serves as prefix for the words and forms that new rows share with old ones.
const PREFIX_BYTES: usize = 16 << 10;
/// A body below this many bytes gains nothing by a prefix.
const PREFIX_BODY_MIN: usize = 256;
/// From here on a body is worth entering the whole base into zstd's tables.
const BASE_BODY_MIN: usize = 4096;

/// The base as far as it is prefix in this form.
fn prefix(form: Form, base: &[u8]) -> &[u8] {
    match form {
        Form::Plain | Form::Zstd => &[],
        Form::ZstdPrefix => &base[..base.len().min(PREFIX_BYTES)],
        Form::ZstdBase => base,
    }
}

thread_local! {
    static MATCHER: RefCell<Matcher> = RefCell::default();
}

/// What a chunk takes over from a base.
pub(crate) struct Patcher(Vec<Copy>);

impl Patcher {
    /// Follows `chunk` and `base` side by side.
    pub(crate) fn new(chunk: &[u8], base: &[u8]) -> Self {
        Self(MATCHER.with_borrow_mut(|matcher| matcher.copies(chunk, base)))
    }

    /// How far the last run that both have in common reaches in the chunk and in the base.
    pub(crate) fn followed(&self) -> (usize, usize) {
        self.0
            .last()
            .map_or((0, 0), |last| (end(&self.0), last.base_end()))
    }

    /// The same of the last run that is too long to be found by chance.
    pub(crate) fn surely_followed(&self) -> Option<(usize, usize)> {
        let last = self.0.iter().rposition(Copy::is_sure)?;
        Some((end(&self.0[..=last]), self.0[last].base_end()))
    }

    /// Leaves out all behind the run that reaches into the last sixteenth of the base: there runs are found only by
    /// chance. False if none reaches it.
    pub(crate) fn end_with(&mut self, base: &[u8]) -> bool {
        let reached = base.len() - base.len() / 16;
        let Some(first) = self
            .0
            .iter()
            .position(|copy| copy.is_sure() && copy.base_end() >= reached)
        else {
            return false;
        };
        let follow = self.0[first..]
            .windows(2)
            .take_while(|pair| pair[1].base_at >= pair[0].base_end());
        let runs = first + 1 + follow.count();
        self.0.truncate(runs);
        true
    }

    /// The patch that makes `chunk` of `base`: those of [`Patcher::new`], or of that chunk its first bytes, as far as
    /// the last run reaches. `None` if little of the base is in it.
    pub(crate) fn encode(&self, chunk: &[u8], base: &[u8], level: i32) -> Result<Option<Encoded>> {
        let body = body(chunk, &self.0);
        if body.len() >= chunk.len() {
            return Ok(None);
        }
        let payload = payload(&body, base, level)?;
        Ok(Some(Encoded {
            codec: CodecKind::Patch,
            payload,
        }))
    }
}

/// How far copies reach in the chunk.
fn end(copies: &[Copy]) -> usize {
    copies
        .iter()
        .map(|copy| copy.literal_bytes + copy.bytes)
        .sum()
}

/// A body in the form in which it is smallest, as far as that can be told from its length.
fn payload(body: &[u8], base: &[u8], level: i32) -> Result<Vec<u8>> {
    let form = match body.len() {
        BASE_BODY_MIN.. => Form::ZstdBase,
        PREFIX_BODY_MIN.. => Form::ZstdPrefix,
        _ => Form::Zstd,
    };
    // Little is left to find: the levels above 1 would spend their time on entering the base.
    let level = if level <= super::LEVEL { 1 } else { level };
    let frame = zstd_frame::compress_with_prefix(body, prefix(form, base), level)?;
    let (form, stored) = if frame.len() < body.len() {
        (form, &frame[..])
    } else {
        (Form::Plain, body)
    };
    let mut payload = Vec::with_capacity(stored.len() + 6);
    payload.push(form as u8);
    if form != Form::Plain {
        put_varint(&mut payload, body.len() as u64);
    }
    payload.extend_from_slice(stored);
    Ok(payload)
}

/// Numbers of one kind together, then the bytes that the chunk has for itself.
fn body(chunk: &[u8], copies: &[Copy]) -> Vec<u8> {
    let mut body = Vec::with_capacity(copies.len() * 5 + 16);
    put_varint(&mut body, copies.len() as u64);
    for copy in copies {
        put_varint(&mut body, copy.literal_bytes as u64);
    }
    let mut expected = 0;
    for copy in copies {
        // An edit that keeps the length leaves the place in the base where it was expected.
        let place = copy.base_at as i64 - (expected + copy.literal_bytes as i64);
        put_varint(&mut body, zigzag(place));
        expected = (copy.base_at + copy.bytes) as i64;
    }
    for copy in copies {
        put_varint(&mut body, copy.bytes as u64);
    }
    let mut at = 0;
    for copy in copies {
        body.extend_from_slice(&chunk[at..at + copy.literal_bytes]);
        at += copy.literal_bytes + copy.bytes;
    }
    body.extend_from_slice(&chunk[at..]);
    body
}

#[cfg(test)]
mod tests;
