//! The frames of one pack, encoded anew where that pays.

use rayon::prelude::*;

use super::CompactOptions;
use super::plan::{CHAIN_STEPS_MAX, Input, Treatment, treatment};
use crate::codec;
use crate::error::{Error, Result};
use crate::pack::NewFrame;
use crate::prune::Reencoded;
use crate::repository::{Repository, encode_against, encode_whole};

/// A whole frame is replaced if that part of it is saved …
const SAVED_PART: usize = 33;
/// … and a delta with a shorter chain is taken if it is at most half larger, and for each step that is saved this part of
/// its chunk.
const STEP_PART: usize = 1024;
/// Ancestors that are tried as a base, the lowest first: with any of them the chain is short.
const BASES_MAX: usize = CHAIN_STEPS_MAX as usize;

/// A frame on its way to a new pack.
pub(super) struct Moved {
    /// Position in the catalog.
    pub(super) at: usize,
    pub(super) frame: NewFrame,
    pub(super) treatment: Treatment,
    /// Set if the treatment paid.
    pub(super) reencoded: Option<Reencoded>,
    /// Bytes of its payload before.
    pub(super) bytes_before: usize,
}

/// Reads the kept frames of a pack and encodes them anew; `None` if one of them cannot be read.
pub(super) fn frames_of(
    repository: &Repository,
    input: &Input<'_>,
    options: &CompactOptions,
    kept: &[usize],
    pack: usize,
) -> Result<Option<Vec<Moved>>> {
    let catalog = input.catalog;
    let listed = catalog.packs[pack];
    let ordinals: Vec<u32> = kept.iter().map(|at| catalog.frames[*at].ordinal).collect();
    let mut read = Vec::with_capacity(kept.len());
    let source = repository.source_pack(listed.name.id, listed.bytes);
    let taken = source.and_then(|source| {
        source.frames(&ordinals, |_, frame| {
            read.push(frame?);
            Ok(())
        })
    });
    if if_readable(taken)?.is_none() {
        return Ok(None);
    }
    kept.par_iter()
        .zip(read)
        .map(|(at, frame)| encode(repository, input, options, *at, frame))
        .collect::<Result<Vec<Moved>>>()
        .map(Some)
}

fn encode(
    repository: &Repository,
    input: &Input<'_>,
    options: &CompactOptions,
    at: usize,
    frame: NewFrame,
) -> Result<Moved> {
    let treatment = treatment(input, options, at);
    let new = match treatment {
        Treatment::Move => None,
        Treatment::Recompress => if_readable(recompressed(repository, options, &frame))?.flatten(),
        Treatment::Rebase => if_readable(rebased(repository, input, at, &frame))?.flatten(),
    };
    let bytes_before = frame.payload.len();
    let (frame, reencoded) = match new {
        Some((new, how)) => (new, Some(how)),
        None => (frame, None),
    };
    Ok(Moved {
        at,
        frame,
        treatment,
        reencoded,
        bytes_before,
    })
}

/// `None` where data are damaged: what cannot be read is left as it is, and `check` tells of it.
fn if_readable<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(read) => Ok(Some(read)),
        Err(Error::Corrupt { .. } | Error::ChunkLost { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

fn recompressed(
    repository: &Repository,
    options: &CompactOptions,
    old: &NewFrame,
) -> Result<Option<(NewFrame, Reencoded)>> {
    let chunk = codec::decode(old.codec, &old.payload, None, old.raw_bytes as usize)?;
    if repository.ids().id(&chunk) != old.id {
        // Its seal fits, so somebody stored it so. It moves as it is, and `check` tells of it.
        return Ok(None);
    }
    let new = encode_whole(old, &chunk, options.level)?;
    let pays = new.payload.len() + old.payload.len() / SAVED_PART < old.payload.len();
    let how = Reencoded {
        rank: 0,
        base: None,
    };
    Ok(pays.then_some((new, how)))
}

fn rebased(
    repository: &Repository,
    input: &Input<'_>,
    at: usize,
    old: &NewFrame,
) -> Result<Option<(NewFrame, Reencoded)>> {
    let catalog = input.catalog;
    let chunk = repository.read_chunk(old.id)?;
    let ancestors = input.chains.ancestors(at);
    for base in ancestors.into_iter().take(BASES_MAX) {
        let row = &catalog.frames[base];
        let bytes = repository.read_chunk(row.id)?;
        let against = (row.id, row.rank, &bytes[..]);
        let Some(new) = encode_against(old, &chunk, against, codec::LEVEL)? else {
            continue;
        };
        let steps = input
            .chains
            .depth(at)
            .saturating_sub(input.chains.depth(base) + 1);
        let bytes_max =
            old.payload.len() * 3 / 2 + usize::from(steps) * old.raw_bytes as usize / STEP_PART;
        if new.payload.len() <= bytes_max && new.rank <= old.rank {
            let how = Reencoded {
                rank: new.rank,
                base: Some(base),
            };
            return Ok(Some((new, how)));
        }
    }
    Ok(None)
}
