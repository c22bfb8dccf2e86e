//! Choosing what a new chunk is encoded against.
//!
//! The nearest match says what the chunk is a new version of; the skip chain says which of that version's
//! ancestors is its base: version n rests on n minus the highest power of [`RADIX`] that divides n, so that
//! chains grow with the logarithm of the number of nights.

use std::sync::Mutex;
use std::sync::PoisonError;

use nightfold_chunker::{ChunkId, Sketch};

use super::read;
use super::unpublished::Ancestor;
use super::write::RunWriter;
use crate::codec::{self, Encoded};
use crate::error::{Error, Result};
use crate::format::StreamKind;
use crate::limits::{RANK_MAX, VERSIONS_PER_LINEAGE};

const RADIX: u32 = 8;
/// Chunks below this take no delta: the base's name alone would cost what it saves.
const DELTA_BYTES_MIN: usize = 64;
/// How far around the expected place a track looks for the chunk that was matched.
const TRACK_REACH: usize = 32;

/// The version that version n of a chunk is encoded against.
fn skip_target(version: u32) -> u32 {
    let mut power = 1;
    while version.is_multiple_of(power * RADIX) {
        power *= RADIX;
    }
    version - power
}

/// The recipe that the same file had in the previous snapshot: what stood at the same place is the first guess
/// for a base.
pub struct Track {
    previous: Vec<ChunkId>,
    /// A chunk of the new recipe and the one of the previous that it matched.
    anchor: Mutex<(usize, usize)>,
}

impl Track {
    /// Follows a previous recipe.
    pub fn new(previous: Vec<ChunkId>) -> Self {
        Self {
            previous,
            anchor: Mutex::default(),
        }
    }

    /// The chunk at the place that corresponds to the new recipe's `at`.
    pub(super) fn guess(&self, at: usize) -> Option<ChunkId> {
        let (new, old) = *self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        self.previous.get((old + at).checked_sub(new)?).copied()
    }

    /// Learns that the new recipe's `at` is, or is a new version of, `matched`.
    pub(super) fn settle(&self, at: usize, matched: ChunkId) {
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(expected) = (anchor.1 + at).checked_sub(anchor.0) else {
            return;
        };
        let start = expected
            .saturating_sub(TRACK_REACH)
            .min(self.previous.len());
        let end = (expected + TRACK_REACH).min(self.previous.len());
        let near = self.previous[start..end]
            .iter()
            .enumerate()
            .filter(|(_, id)| **id == matched);
        if let Some((found, _)) = near.min_by_key(|(offset, _)| (start + offset).abs_diff(expected))
        {
            *anchor = (at, start + found);
        }
    }
}

/// A chunk on its way to becoming a frame.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) chunk: &'a [u8],
    pub(super) stream: StreamKind,
    /// Its place in the stream's order of frames.
    pub(super) sequence: u64,
}

/// A chunk encoded against a base.
pub(super) struct Delta {
    pub(super) nearest: ChunkId,
    pub(super) version: u32,
    pub(super) rank: u8,
    pub(super) base: ChunkId,
    pub(super) base_bytes: std::sync::Arc<[u8]>,
    pub(super) encoded: Encoded,
}

/// What encoding against a chunk came to.
pub(super) enum Attempt {
    /// It cannot be a base: not here, damaged, or too deep.
    Impossible,
    /// It is time for a whole frame of this version.
    WholeDue(u32),
    /// A delta.
    Delta(Delta),
}

impl RunWriter {
    /// Encodes the chunk as a new version of `nearest`.
    pub(super) fn encode_against(
        &self,
        candidate: Candidate<'_>,
        nearest: ChunkId,
    ) -> Result<Attempt> {
        if candidate.chunk.len() < DELTA_BYTES_MIN {
            return Ok(Attempt::Impossible);
        }
        let Some(found) = self.ancestor(candidate, nearest)? else {
            return Ok(Attempt::Impossible);
        };
        let version = found.version.saturating_add(1);
        if version % VERSIONS_PER_LINEAGE == 0 {
            return Ok(Attempt::WholeDue(version));
        }
        let Some(base) = self.walk(candidate, found, skip_target(version))? else {
            return Ok(Attempt::Impossible);
        };
        if base.rank >= RANK_MAX {
            return Ok(Attempt::WholeDue(version));
        }
        let Some(base_bytes) = self.base_bytes(candidate, base.id)? else {
            return Ok(Attempt::Impossible);
        };
        if !codec::may_be_base(&base_bytes) {
            return Ok(Attempt::Impossible);
        }
        let encoded = codec::encode_delta(candidate.chunk, &base_bytes, self.level())?;
        let rank = base.rank + 1;
        Ok(Attempt::Delta(Delta {
            nearest,
            version,
            rank,
            base: base.id,
            base_bytes,
            encoded,
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

    fn ancestor(&self, candidate: Candidate<'_>, id: ChunkId) -> Result<Option<Ancestor>> {
        if let Some(base) = self
            .unpublished()
            .base(id, candidate.stream, candidate.sequence)
        {
            return Ok(Some(base.ancestor));
        }
        let rows = self.repository().with_index(|index| index.frames(id))?;
        Ok(rows.first().map(|row| Ancestor {
            id,
            version: row.version,
            rank: row.rank,
            base: row.base,
        }))
    }

    /// The first ancestor at or below the version aimed at; a whole frame has no further ones.
    fn walk(
        &self,
        candidate: Candidate<'_>,
        mut at: Ancestor,
        target: u32,
    ) -> Result<Option<Ancestor>> {
        while at.version > target {
            let Some(base) = at.base else { break };
            let rank = at.rank;
            let in_run = self
                .unpublished()
                .ancestor(base, candidate.stream, candidate.sequence);
            let row = match in_run {
                Some(ancestor) => Some(ancestor),
                None => self.repository().with_index(|index| {
                    let row = read::bases(&index.session()?, base, rank)?.first().copied();
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
    fn base_bytes(
        &self,
        candidate: Candidate<'_>,
        id: ChunkId,
    ) -> Result<Option<std::sync::Arc<[u8]>>> {
        if let Some(base) = self
            .unpublished()
            .base(id, candidate.stream, candidate.sequence)
        {
            return Ok(Some(base.bytes));
        }
        match self.repository().read_chunk(id) {
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

    #[test]
    fn chains_stay_logarithmic() {
        let depth = |mut version: u32| {
            let mut depth = 0;
            while version > 0 {
                version = skip_target(version);
                depth += 1;
            }
            depth
        };
        assert!((1..VERSIONS_PER_LINEAGE).map(depth).max() <= Some(i32::from(RANK_MAX)));
    }

    #[test]
    fn a_track_follows_shifted_recipes() {
        let id = |n: u8| ChunkId([n; 20]);
        let track = Track::new((0..10).map(id).collect());
        assert_eq!(track.guess(3), Some(id(3)));
        track.settle(3, id(5));
        assert_eq!(track.guess(4), Some(id(6)));
        assert_eq!(track.guess(2), Some(id(4)));
        assert_eq!(track.guess(8), None);
        track.settle(4, id(200));
        assert_eq!(
            track.guess(4),
            Some(id(6)),
            "a match from elsewhere changes nothing"
        );
    }
}
