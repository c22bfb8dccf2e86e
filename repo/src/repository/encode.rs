//! From a new chunk to its frames: a delta against what it is a new version of, or the chunk itself.

use std::sync::atomic::Ordering;

use nightfold_chunker::{ChunkId, Sketch};

use super::base::{Base, Candidate, Choice, Reach};
use super::track::{Place, Track};
use super::unpublished::Ancestor;
use super::write::RunWriter;
use crate::codec::{self, Encoded, Patcher};
use crate::error::Result;
use crate::format::BaseRef;
use crate::pack::NewFrame;

/// A delta above this part of its chunk must be smaller than the whole form by a fifth.
const RATHER_SMALL: usize = 8;
/// A delta of at most this part of its chunk says that next to nothing is new.
const TINY: usize = 32;
/// The delta of a piece is at most this part of it. There may be much before what it shares with its base, if a cut point
/// moved.
const PIECE_SMALL: usize = 4;
/// So many chunks of the previous recipe are tried as that with which a piece ends.
const PIECE_ENDS_TRIED: usize = 2;
/// The end of a file and what was appended become one chunk if the end is at most so many times as long as that. So
/// what is appended is stored twice, not again and again.
const GROWN_MAX: usize = 2;
/// Every so many versions a delta gets a sketch, so that a lineage stays findable by what it has become.
const SKETCH_EVERY: u32 = 4;
/// Parts of a chunk that a delta takes, in 2⁻²⁰.
const PARTS: u64 = 1 << 20;
/// What the run takes for a typical delta before it has seen one.
pub(super) const TYPICAL_AT_FIRST: u64 = PARTS / 128;

/// A chunk to be encoded.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) candidate: Candidate<'a>,
    pub(super) id: ChunkId,
    /// The previous recipe of its file, and its own offset in the new content.
    pub(super) track: Option<(&'a Track, u64)>,
}

/// A chunk as a new version of another.
struct Version {
    base: Base,
    /// The smallest delta so far, if one was found.
    delta: Option<Encoded>,
    /// Places in the chunk and in the base that surely correspond, as far back as possible.
    followed: Option<(usize, usize)>,
}

impl Version {
    fn bytes(&self) -> usize {
        self.delta
            .as_ref()
            .map_or(usize::MAX, |delta| delta.payload.len())
    }

    /// Whether it is about so small as deltas over so many versions are if `near` is what one version takes. Deltas
    /// add up, and no more: a larger one says that the base had another beginning or end than its successors have.
    fn adds_up(&self, near: &Self) -> bool {
        self.bytes() / self.base.step.max(1) as usize <= near.bytes()
    }
}

/// What a chunk is stored as, as far as that is known.
enum Plan {
    Whole(u32),
    Version(Version),
}

impl Plan {
    /// Whether it is a delta that hardly has anything of its own.
    fn is_tiny(&self, chunk: &[u8]) -> bool {
        matches!(self, Self::Version(version) if version.bytes() <= chunk.len() / TINY)
    }
}

impl RunWriter {
    /// The frames of a chunk: one, or one for each of its pieces that was not met before.
    pub(super) fn encode_one(&self, job: Job<'_>) -> Result<Vec<NewFrame>> {
        let Some((track, at)) = job.track else {
            return Ok(vec![self.encode_rest(job)?]);
        };
        let chunk = job.candidate.chunk;
        let (mut frames, mut pieces, mut done) = (Vec::new(), Vec::new(), 0);
        while let Some(piece) = self.piece(job.candidate, done, track, at + done as u64)? {
            done += piece.bytes;
            pieces.push(piece.id);
            frames.extend(piece.frame);
        }
        if pieces.is_empty() {
            return Ok(vec![self.encode_rest(job)?]);
        }
        let rest = &chunk[done..];
        let id = self.repository().ids().id(rest);
        pieces.push(id);
        let candidate = Candidate {
            chunk: rest,
            samples: None,
            ..job.candidate
        };
        if self.enter_piece(candidate, id)? {
            frames.push(self.encode_rest(Job {
                candidate,
                id,
                track: Some((track, at + done as u64)),
            })?);
        } else {
            track.settle(at + done as u64, id, 0);
        }
        self.unpublished().divided(job.id, pieces);
        Ok(frames)
    }

    /// True if the piece is new: then its frame takes the place of the chunk's.
    fn enter_piece(&self, candidate: Candidate<'_>, id: ChunkId) -> Result<bool> {
        // In this order: the packer moves chunks from the run's memory to the index.
        if self.unpublished().contains(id) || self.repository().may_reuse(id)? {
            return Ok(false);
        }
        Ok(self
            .unpublished()
            .enter_piece(id, candidate.stream, candidate.sequence))
    }

    /// Where a cut point was lost, one chunk holds what were two: each is found by itself only if it is stored by
    /// itself. So the part that stood in one chunk of the previous recipe becomes a piece of its own. Where that one
    /// is of no use, as when it has become too short, the piece goes on to the end of the next: one part of it is
    /// stored again then, and not all that the chunk holds.
    fn piece(
        &self,
        candidate: Candidate<'_>,
        from: usize,
        track: &Track,
        at: u64,
    ) -> Result<Option<Piece>> {
        let rest = &candidate.chunk[from..];
        let least = self.repository().cutter().sizes().min.div_ceil(2);
        let most = rest.len().saturating_sub(least);
        let mut passed = 0;
        for _ in 0..PIECE_ENDS_TRIED {
            let behind = rest.len() - passed;
            let Some(place) = track.place(at + passed as u64, behind, least) else {
                return Ok(None);
            };
            let end = passed + place.ahead();
            if place.ahead() < least || end > most {
                return Ok(None);
            }
            if passed == 0
                && let Some(piece) = self.known_piece(rest, place)?
            {
                track.settle(at, place.id, 0);
                return Ok(Some(piece));
            }
            if passed == 0 && self.has_grown(track, at, rest.len()) {
                return Ok(None);
            }
            // Where the place was guessed, or a cut point moved a little, the piece begins before the chunk that it was.
            let reach = least + passed + place.bytes + place.bytes / 8;
            let part = Candidate {
                chunk: &rest[..reach.min(rest.len())],
                samples: None,
                ..candidate
            };
            if let Some(piece) = self.new_piece(part, place, track, (at, rest.len()))? {
                return Ok(Some(piece));
            }
            passed = end;
        }
        Ok(None)
    }

    /// The first part of a candidate, as a version of the chunk at a place, if it ends there and leaves enough of `bytes`.
    fn new_piece(
        &self,
        part: Candidate<'_>,
        place: Place,
        track: &Track,
        (at, bytes): (u64, usize),
    ) -> Result<Option<Piece>> {
        let least = self.repository().cutter().sizes().min.div_ceil(2);
        let mut found = self.piece_against(part, place.id, Reach::Skip)?;
        if found.is_none() {
            found = self.piece_against(part, place.id, Reach::Nearest)?;
        }
        let Some(Version {
            base,
            delta: Some(delta),
            followed: Some((end, base_end)),
        }) = found
        else {
            return Ok(None);
        };
        if end < least || bytes - end < least {
            return Ok(None);
        }
        let piece = &part.chunk[..end];
        let id = self.repository().ids().id(piece);
        let candidate = Candidate {
            chunk: piece,
            samples: None,
            ..part
        };
        let left = base.bytes.len() - base_end;
        track.settle_near(at + end as u64, place.id, base_end, left);
        let frame = if self.enter_piece(candidate, id)? {
            let frame = self.delta_frame(candidate, id, &base, delta, None)?;
            self.encoded(&frame, piece);
            Some(frame)
        } else {
            None
        };
        Ok(Some(Piece {
            bytes: end,
            id,
            frame,
        }))
    }

    /// The part of a candidate up to where its base ends, as a small delta. Where it ends shows when it is followed.
    fn piece_against(
        &self,
        part: Candidate<'_>,
        nearest: ChunkId,
        reach: Reach,
    ) -> Result<Option<Version>> {
        let Choice::Against(base) = self.base_for(part, nearest, reach)? else {
            return Ok(None);
        };
        let mut patcher = Patcher::new(part.chunk, &base.bytes);
        if !patcher.end_with(&base.bytes) {
            return Ok(None);
        }
        let followed = patcher.followed();
        let piece = &part.chunk[..followed.0];
        let delta = patcher.encode(piece, &base.bytes, self.level())?;
        let delta = delta.filter(|delta| delta.payload.len() <= piece.len() / PIECE_SMALL);
        Ok(delta.map(|delta| Version {
            base,
            delta: Some(delta),
            followed: Some(followed),
        }))
    }

    /// Whether these bytes are the end of a file, and so much was appended that both become one chunk, stored whole.
    /// Every piece has a frame, and an entry in a directory, for each night that changes one of its rows, and what it
    /// was first stored as is needed for as long as it is there.
    fn has_grown(&self, track: &Track, at: u64, bytes: usize) -> bool {
        let sizes = self.repository().cutter().sizes();
        let least = sizes.min.div_ceil(2);
        let Some(place) = track.place(at, bytes, least) else {
            return false;
        };
        let appended = bytes.saturating_sub(place.ahead());
        track.ends_with(place.id)
            && bytes <= sizes.avg
            && appended >= least
            && place.bytes <= GROWN_MAX * appended
    }

    /// A piece that is in the previous recipe as it is.
    fn known_piece(&self, rest: &[u8], place: Place) -> Result<Option<Piece>> {
        let same = place.from == 0 && self.repository().ids().id(&rest[..place.bytes]) == place.id;
        if same && self.repository().may_reuse(place.id)? {
            return Ok(Some(Piece {
                bytes: place.bytes,
                id: place.id,
                frame: None,
            }));
        }
        Ok(None)
    }

    /// One frame for the whole of a candidate.
    fn encode_rest(&self, job: Job<'_>) -> Result<NewFrame> {
        let chunk = job.candidate.chunk;
        let guess = job
            .track
            .and_then(|(track, at)| track.guess(at, chunk.len()));
        let mut plan = Plan::Whole(0);
        if let Some(nearest) = guess {
            plan = self.as_version_of(job.candidate, nearest)?;
        }
        let mut sketch = None;
        if !self.is_typical(&plan, chunk) {
            sketch = self.sketch(job.candidate);
            plan = self.try_similar(job.candidate, plan, guess, sketch)?;
        }
        let has_grown = |(track, at)| self.has_grown(track, at, chunk.len());
        if !plan.is_tiny(chunk) && job.track.is_some_and(has_grown) {
            plan = Plan::Whole(0);
        }
        let frame = self.decide(job, plan, sketch)?;
        self.encoded(&frame, chunk);
        Ok(frame)
    }

    /// Made only when it is asked for: most chunks of a later night need none.
    fn sketch(&self, candidate: Candidate<'_>) -> Option<Sketch> {
        let sketcher = &self.repository().sketcher;
        sketcher.sketch(candidate.chunk, candidate.samples)
    }

    /// Against the ancestor that the skip chain names, or against `nearest` itself where the ancestor had another shape.
    fn as_version_of(&self, candidate: Candidate<'_>, nearest: ChunkId) -> Result<Plan> {
        let plan = self.against(candidate, nearest, Reach::Skip)?;
        if let Plan::Version(far) = &plan
            && far.base.id != nearest
            && far.bytes() > candidate.chunk.len() / RATHER_SMALL
            && let Plan::Version(near) = self.against(candidate, nearest, Reach::Nearest)?
            && !far.adds_up(&near)
        {
            return Ok(Plan::Version(near));
        }
        Ok(plan)
    }

    fn against(&self, candidate: Candidate<'_>, nearest: ChunkId, reach: Reach) -> Result<Plan> {
        Ok(match self.base_for(candidate, nearest, reach)? {
            Choice::Impossible => Plan::Whole(0),
            Choice::WholeDue(version) => Plan::Whole(version),
            Choice::Against(base) => {
                let patcher = Patcher::new(candidate.chunk, &base.bytes);
                let delta = patcher.encode(candidate.chunk, &base.bytes, self.level())?;
                Plan::Version(Version {
                    followed: patcher.surely_followed(),
                    base,
                    delta,
                })
            }
        })
    }

    /// Whether a delta is as small as this run's deltas are: then there is no need to look for another base.
    fn is_typical(&self, plan: &Plan, chunk: &[u8]) -> bool {
        match plan {
            Plan::Version(Version {
                delta: Some(delta), ..
            }) => {
                let parts = delta.payload.len() as u64 * PARTS / chunk.len() as u64;
                4 * parts <= 5 * self.typical_delta.load(Ordering::Relaxed)
            }
            Plan::Version(_) | Plan::Whole(0) => false,
            Plan::Whole(_) => true,
        }
    }

    fn try_similar(
        &self,
        candidate: Candidate<'_>,
        plan: Plan,
        tried: Option<ChunkId>,
        sketch: Option<Sketch>,
    ) -> Result<Plan> {
        let Some(sketch) = sketch else {
            return Ok(plan);
        };
        let Some(nearest) = self.similar(&sketch)?.into_iter().next() else {
            return Ok(plan);
        };
        if Some(nearest) == tried {
            return Ok(plan);
        }
        let other = self.as_version_of(candidate, nearest)?;
        Ok(match (plan, other) {
            (Plan::Version(a), Plan::Version(b)) if a.bytes() <= b.bytes() => Plan::Version(a),
            (plan, Plan::Whole(0)) => plan,
            (_, other) => other,
        })
    }

    /// The delta if it pays, else the whole chunk; either verified.
    fn decide(&self, job: Job<'_>, plan: Plan, sketch: Option<Sketch>) -> Result<NewFrame> {
        let chunk = job.candidate.chunk;
        let (version, whole) = match plan {
            Plan::Whole(version) => (version, codec::encode_whole(chunk, self.level())?),
            Plan::Version(mut version) => {
                let (patch, base) = (version.delta.take(), &version.base.bytes);
                let delta = codec::best_delta(patch, chunk, base, self.level())?;
                let Some(whole) = self.whole_if_better(chunk, &delta)? else {
                    if let (Some((track, at)), Some((bytes, base_end))) =
                        (job.track, version.followed)
                    {
                        let (nearest, left) = (version.base.nearest, base.len() - base_end);
                        track.settle_near(at + bytes as u64, nearest, base_end, left);
                    }
                    return self.delta_frame(job.candidate, job.id, &version.base, delta, sketch);
                };
                (0, whole)
            }
        };
        Ok(NewFrame {
            id: job.id,
            raw_bytes: chunk.len() as u32,
            codec: whole.codec,
            base: None,
            version,
            rank: 0,
            sketch: sketch.or_else(|| self.sketch(job.candidate)),
            payload: whole.payload,
        })
    }

    /// The whole form, where the delta does not pay: a whole frame restores faster and needs no base, so a delta
    /// must save a fifth.
    fn whole_if_better(&self, chunk: &[u8], delta: &Encoded) -> Result<Option<Encoded>> {
        if delta.payload.len() <= chunk.len() / RATHER_SMALL {
            return Ok(None);
        }
        let whole = codec::encode_whole(chunk, self.level())?;
        let pays = delta.payload.len() < whole.payload.len() / 5 * 4;
        Ok((!pays).then_some(whole))
    }

    fn delta_frame(
        &self,
        candidate: Candidate<'_>,
        id: ChunkId,
        base: &Base,
        delta: Encoded,
        mut sketch: Option<Sketch>,
    ) -> Result<NewFrame> {
        let chunk = candidate.chunk;
        codec::verify_delta(chunk, &base.bytes, &delta)?;
        self.learn(&delta, chunk);
        if sketch.is_none() && base.version.is_multiple_of(SKETCH_EVERY) {
            sketch = self.sketch(candidate);
        }
        Ok(NewFrame {
            id,
            raw_bytes: chunk.len() as u32,
            codec: delta.codec,
            base: Some(BaseRef::from(base.id)),
            version: base.version,
            rank: base.rank,
            sketch,
            payload: delta.payload,
        })
    }

    fn learn(&self, delta: &Encoded, chunk: &[u8]) {
        let parts = delta.payload.len() as u64 * PARTS / chunk.len() as u64;
        let before = self.typical_delta.load(Ordering::Relaxed);
        // A lost update between threads only slows the learning.
        self.typical_delta
            .store((before * 15 + parts.min(PARTS / 8)) / 16, Ordering::Relaxed);
    }

    /// Counts a frame, and makes its chunk a possible base of what follows.
    fn encoded(&self, frame: &NewFrame, chunk: &[u8]) {
        self.count(frame);
        let ancestor = Ancestor {
            id: frame.id,
            version: frame.version,
            rank: frame.rank,
            base: frame.base,
        };
        self.unpublished().encoded(ancestor, chunk, frame.sketch);
    }
}

/// The first part of a chunk, stored by itself.
struct Piece {
    bytes: usize,
    id: ChunkId,
    /// `None`: it was met before.
    frame: Option<NewFrame>,
}
