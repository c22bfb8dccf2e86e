//! Choosing what a new chunk is encoded against.
//!
//! The nearest match says what the chunk is a new version of; the skip chain says which of that version's
//! ancestors is its base: version n rests on n minus the highest power of [`RADIX`] that divides n, so that
//! chains grow with the logarithm of the number of nights.

use std::sync::Arc;

use nightfold_chunker::{ChunkId, Sample, Sketch};

use super::unpublished::Ancestor;
use super::write::RunWriter;
use crate::codec;
use crate::error::{Error, Result};
use crate::format::StreamKind;
use crate::limits::{RANK_MAX, VERSIONS_PER_LINEAGE};

const RADIX: u32 = 8;
/// Chunks below this take no delta: the base's name alone would cost what it saves.
const DELTA_BYTES_MIN: usize = 64;

/// Long steps cost: 64 versions apart a delta is a large part of the whole chunk, while prune must keep the shorter ones
/// beside it for the nights between. So a step above [`RADIX`] is taken only when the next shorter one would lead to a
/// chain of more deltas than this (`docs/decisions/0016-what-prune-moves.md`).
const SHORT_STEPS_RANK_MAX: u8 = 12;

/// A chain over many runs that is as long as it may be is left for the first ancestor of this rank or less: a delta over many versions
/// is still smaller than the whole chunk.
const RANK_AGAIN_MAX: u8 = RANK_MAX / 2;

/// The version that version n of a chunk is encoded against.
fn skip_target(version: u32) -> u32 {
    version - step(version)
}

/// The highest power of the radix that divides n.
fn step(version: u32) -> u32 {
    let mut power = 1;
    while version.is_multiple_of(power * RADIX) {
        power *= RADIX;
    }
    power
}

/// A chunk on its way to becoming a frame.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) chunk: &'a [u8],
    /// As in [`ChunkInput`](super::ChunkInput).
    pub(super) samples: Option<&'a [Sample]>,
    pub(super) stream: StreamKind,
    /// Its place in the stream's order of frames.
    pub(super) sequence: u64,
}

/// What a chunk is to be encoded against.
pub(super) struct Base {
    /// What the chunk is a new version of.
    pub(super) nearest: ChunkId,
    pub(super) version: u32,
    pub(super) rank: u8,
    /// That, or an ancestor of it.
    pub(super) id: ChunkId,
    /// How many versions lie between the base and the chunk.
    pub(super) step: u32,
    pub(super) bytes: Arc<[u8]>,
}

/// How far up the base is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// As the skip chain says.
    Skip,
    /// The nearest match itself.
    Nearest,
}

/// What looking for the base of a new version came to.
pub(super) enum Choice {
    /// Not against this chunk: it is not here, damaged, or of no use.
    Impossible,
    /// It is time for a whole frame of this version.
    WholeDue(u32),
    /// Against this.
    Against(Base),
}

impl RunWriter {
    /// The base of the chunk as a new version of `nearest`.
    pub(super) fn base_for(
        &self,
        candidate: Candidate<'_>,
        nearest: ChunkId,
        reach: Reach,
    ) -> Result<Choice> {
        if candidate.chunk.len() < DELTA_BYTES_MIN {
            return Ok(Choice::Impossible);
        }
        let Some((found, in_run)) = self.ancestor(candidate, nearest)? else {
            return Ok(Choice::Impossible);
        };
        let version = found.version.saturating_add(1);
        if version % VERSIONS_PER_LINEAGE == 0 {
            return Ok(Choice::WholeDue(version));
        }
        let base = match reach {
            Reach::Skip => self.skip(candidate, found, version)?,
            Reach::Nearest => Some(found),
        };
        let base = match base {
            // A chain within one run is one of things that are alike, and a new one of them as good a beginning.
            Some(base) if base.rank >= RANK_MAX && in_run => {
                return Ok(Choice::WholeDue(version));
            }
            // One over many runs grew where versions had to rest on their nearest match.
            Some(base) if base.rank >= RANK_MAX => {
                self.walk(candidate, base, |at| at.rank > RANK_AGAIN_MAX)?
            }
            base => base,
        };
        let Some(base) = base else {
            return Ok(Choice::Impossible);
        };
        let Some(bytes) = self.base_bytes(candidate, base)? else {
            return Ok(Choice::Impossible);
        };
        if !codec::may_be_base(&bytes) {
            return Ok(Choice::Impossible);
        }
        Ok(Choice::Against(Base {
            nearest,
            version,
            rank: base.rank + 1,
            id: base.id,
            step: version.saturating_sub(base.version),
            bytes,
        }))
    }

    /// Chunks that the sketch finds, the likeliest first.
    pub(super) fn similar(&self, sketch: &Sketch) -> Result<Vec<ChunkId>> {
        let in_run = self.unpublished().similar(sketch);
        let mut found = self
            .repository()
            .with_index(|index| index.similar(sketch))?;
        if let Some((id, matches)) = in_run {
            let at = found
                .iter()
                .position(|(_, other)| *other < matches)
                .unwrap_or(found.len());
            found.insert(at, (id, matches));
        }
        Ok(found.into_iter().map(|(id, _)| id).collect())
    }

    /// A chunk as the beginning of the way to its bases, and whether it is of this run.
    fn ancestor(&self, candidate: Candidate<'_>, id: ChunkId) -> Result<Option<(Ancestor, bool)>> {
        if let Some(base) = self
            .unpublished()
            .base(id, candidate.stream, candidate.sequence)
        {
            return Ok(Some((base.ancestor, true)));
        }
        let repository = self.repository();
        let rows = repository.with_index(|index| repository.reusable_frames(index, id))?;
        Ok(rows.first().map(|row| {
            let ancestor = Ancestor {
                id,
                version: row.version,
                rank: row.rank,
                base: row.base,
            };
            (ancestor, false)
        }))
    }

    /// The ancestor that version n rests on.
    fn skip(
        &self,
        candidate: Candidate<'_>,
        nearest: Ancestor,
        version: u32,
    ) -> Result<Option<Ancestor>> {
        let step = step(version);
        if step > RADIX {
            let near = self.walk(candidate, nearest, |at| at.version > version - step / RADIX)?;
            if near.is_some_and(|near| near.rank < SHORT_STEPS_RANK_MAX) {
                return Ok(near);
            }
        }
        self.walk(candidate, nearest, |at| at.version > skip_target(version))
    }

    /// The first ancestor from which there is no need to go on; a whole frame has no further ones.
    fn walk(
        &self,
        candidate: Candidate<'_>,
        mut at: Ancestor,
        goes_on: impl Fn(Ancestor) -> bool,
    ) -> Result<Option<Ancestor>> {
        while goes_on(at) {
            let Some(base) = at.base else { break };
            let rank = at.rank;
            let in_run = self
                .unpublished()
                .ancestor(base, candidate.stream, candidate.sequence);
            let row = match in_run {
                Some(ancestor) => Some(ancestor),
                None => self.repository().with_index(|index| {
                    let session = index.session()?;
                    let bases = self
                        .repository()
                        .reusable_bases(index, &session, base, rank)?;
                    let row = bases.first().copied();
                    Ok(row.map(|row| Ancestor {
                        id: row.id,
                        version: row.version,
                        rank: row.rank,
                        base: row.base,
                    }))
                })?,
            };
            match row {
                Some(row) if row.rank < rank => at = row,
                _ => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// The base's bytes, its id checked. A base that cannot be read is passed over and told of.
    fn base_bytes(&self, candidate: Candidate<'_>, base: Ancestor) -> Result<Option<Arc<[u8]>>> {
        let id = base.id;
        let in_run = self
            .unpublished()
            .base(id, candidate.stream, candidate.sequence);
        if let Some(in_run) = in_run {
            return Ok(Some(in_run.bytes));
        }
        match self.repository().read_base(id, base.rank) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(
                error @ (Error::ChunkLost { .. } | Error::Corrupt { .. } | Error::Missing { .. }),
            ) => {
                self.repository().notice(&format!(
                    "{error}; a new whole chunk is stored instead of a delta"
                ));
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skip_chains_pass_through_their_targets() {
        assert_eq!(
            [1, 2, 7, 8, 9, 16, 63, 64, 65, 72, 512].map(skip_target),
            [0, 1, 6, 0, 8, 8, 62, 0, 64, 64, 0]
        );
        for version in 1..2000u32 {
            // Walking up from the version before must meet the target.
            let target = skip_target(version);
            let mut at = version - 1;
            while at > target {
                at = skip_target(at);
            }
            assert_eq!(at, target, "version {version}");
        }
    }

    /// Ranks of the versions of a chunk that never forks.
    fn ranks() -> Vec<u8> {
        let mut ranks = vec![0u8];
        for version in 1..VERSIONS_PER_LINEAGE {
            let step = step(version);
            let near = ranks[(version - step.div_ceil(RADIX)) as usize];
            let rank = if step > RADIX && near < SHORT_STEPS_RANK_MAX {
                near
            } else {
                ranks[skip_target(version) as usize]
            };
            ranks.push(rank + 1);
        }
        ranks
    }

    #[test]
    fn chains_stay_short() {
        let highest = ranks().into_iter().max();
        assert_eq!(highest, Some(28));
        assert!(highest < Some(RANK_MAX));
    }
}
