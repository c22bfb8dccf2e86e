//! Where the data of a file stood in the previous snapshot.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nightfold_chunker::ChunkId;

use super::Repository;
use crate::error::Result;
use crate::format::Content;
use crate::limits::CHUNK_BYTES_MAX;

/// How many chunks around the expected place are searched for one that was matched.
const REACH: usize = 32;
/// How many places are remembered: more than there are chunks in a batch, which are encoded in no order.
const ANCHORS: usize = 256;

/// The recipe that the same file had in the previous snapshot: what stood at the same place is the first guess for a
/// base. Places are counted in bytes, since a chunk that was cut in two or joined with its neighbour since then
/// shifts all numbers of chunks, but no bytes.
#[derive(Default)]
pub struct Track {
    ids: Vec<ChunkId>,
    /// Where each of them ended.
    ends: Vec<u64>,
    /// Offsets in the new content, and those of the previous that they correspond to.
    anchors: Mutex<BTreeMap<u64, u64>>,
}

/// A chunk of the previous recipe, and how it lies to the place in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) id: ChunkId,
    /// Its length.
    pub(super) bytes: usize,
    /// Offset within it that corresponds to the place.
    pub(super) from: usize,
}

impl Place {
    /// How many bytes from the place on it covers.
    pub(super) fn ahead(&self) -> usize {
        self.bytes - self.from
    }
}

impl Repository {
    /// The track of a file that had this content.
    pub fn track(&self, previous: &Content) -> Result<Track> {
        match self.content_ids(previous)?[..] {
            // No lookup for small files, as long as the size is one that a chunk can have.
            [id] if previous.size() <= CHUNK_BYTES_MAX as u64 => {
                Ok(Track::new(vec![id], vec![previous.size()]))
            }
            ref ids => self.track_of(ids.to_vec()),
        }
    }

    /// Those of the recipe of a content, the topmost level first.
    pub(super) fn recipe_tracks(&self, previous: &Content) -> Result<Vec<Track>> {
        let levels = self.recipe_levels(previous)?;
        levels.into_iter().map(|ids| self.track_of(ids)).collect()
    }

    /// Without the lengths of all chunks, nothing is known of their places: then it is empty.
    fn track_of(&self, ids: Vec<ChunkId>) -> Result<Track> {
        let lengths = self.with_index(|index| {
            let session = index.session()?;
            let length = |id: &ChunkId| {
                let rows = session.frames(*id)?;
                Ok(rows.first().map(|row| u64::from(row.raw_bytes)))
            };
            ids.iter().map(length).collect::<Result<Option<Vec<_>>>>()
        })?;
        Ok(lengths.map_or_else(Track::default, |lengths| Track::new(ids, lengths)))
    }
}

impl Track {
    fn new(ids: Vec<ChunkId>, lengths: Vec<u64>) -> Self {
        let mut ends = lengths;
        let mut end = 0;
        for length in &mut ends {
            end += *length;
            *length = end;
        }
        Self {
            ids,
            ends,
            anchors: Mutex::default(),
        }
    }

    /// The chunk that stood where `bytes` bytes from `at` on stand now. Where several did: the first of which at
    /// least `least` bytes did.
    pub(super) fn place(&self, at: u64, bytes: usize, least: usize) -> Option<Place> {
        let old = self.expected(at)?;
        let first = self.ends.partition_point(|end| *end <= old);
        let place = self.nth(first, old)?;
        if place.ahead() < least.min(bytes) {
            // It only ends here: the next one is the better guess.
            return self.nth(first + 1, self.ends[first]).or(Some(place));
        }
        Some(place)
    }

    /// The chunk that most of `bytes` bytes from `at` on stood in.
    pub(super) fn guess(&self, at: u64, bytes: usize) -> Option<ChunkId> {
        let old = self.expected(at)?;
        let first = self.ends.partition_point(|end| *end <= old);
        let end = old + bytes as u64;
        let overlap = |place: usize| {
            let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
            self.ends[place].min(end).saturating_sub(start.max(old))
        };
        let last = self.ends.partition_point(|other| *other < end);
        (first..self.ids.len().min(last + 1))
            // Of equals the first.
            .rev()
            .max_by_key(|place| overlap(*place))
            .map(|place| self.ids[place])
    }

    /// Whether this chunk is the last one.
    pub(super) fn ends_with(&self, id: ChunkId) -> bool {
        self.ids.last() == Some(&id)
    }

    fn expected(&self, at: u64) -> Option<u64> {
        let anchors = self.anchors();
        let nearest = anchors.range(..=at).next_back();
        let (new, old) = nearest
            .or_else(|| anchors.first_key_value())
            .unwrap_or((&0, &0));
        (old + at).checked_sub(*new)
    }

    fn anchors(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
        self.anchors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nth(&self, place: usize, old: u64) -> Option<Place> {
        let id = *self.ids.get(place)?;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(Place {
            id,
            bytes: (self.ends[place] - start) as usize,
            from: old.saturating_sub(start) as usize,
        })
    }

    /// Learns that the new content's `at` corresponds to the offset `from` within the chunk `matched`.
    pub(super) fn settle(&self, at: u64, matched: ChunkId, from: usize) {
        self.settle_by(at, matched, |begins, _, _| begins + from as u64);
    }

    /// Learns that the new content's `at` lies `from` bytes behind the beginning of an ancestor of the chunk `matched`,
    /// and `left` bytes before its end. Most have one of them in common: the one that is nearer to what was expected.
    pub(super) fn settle_near(&self, at: u64, matched: ChunkId, from: usize, left: usize) {
        self.settle_by(at, matched, |begins, ends, expected| {
            let (front, back) = (begins + from as u64, ends.saturating_sub(left as u64));
            if front.abs_diff(expected) < back.abs_diff(expected) {
                front
            } else {
                back
            }
        });
    }

    fn settle_by(&self, at: u64, matched: ChunkId, old: impl FnOnce(u64, u64, u64) -> u64) {
        let Some(expected) = self.expected(at) else {
            return;
        };
        let around = self.ends.partition_point(|end| *end <= expected);
        let start = around.saturating_sub(REACH).min(self.ids.len());
        let end = (around + REACH).min(self.ids.len());
        let found = (start..end)
            .filter(|place| self.ids[*place] == matched)
            .min_by_key(|place| place.abs_diff(around));
        if let Some(place) = found {
            let begins = place.checked_sub(1).map_or(0, |before| self.ends[before]);
            let mut anchors = self.anchors();
            anchors.insert(at, old(begins, self.ends[place], expected));
            if anchors.len() > ANCHORS {
                anchors.pop_first();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> ChunkId {
        ChunkId([number; 20])
    }

    /// Ten chunks of 100 bytes.
    fn track() -> Track {
        Track::new((0..10).map(id).collect(), vec![100; 10])
    }

    #[test]
    fn a_track_follows_shifted_contents() {
        let track = track();
        assert_eq!(track.guess(300, 100), Some(id(3)));
        track.settle(300, id(5), 0);
        assert_eq!(track.guess(400, 100), Some(id(6)));
        assert_eq!(track.guess(200, 100), Some(id(4)));
        assert_eq!(track.guess(800, 100), None);
        track.settle(400, id(200), 0);
        assert_eq!(
            track.guess(400, 100),
            Some(id(6)),
            "a match from elsewhere changes nothing"
        );
    }

    #[test]
    fn places_that_are_learned_in_no_order_count_from_there_on() {
        let track = track();
        track.settle(600, id(7), 0);
        track.settle(200, id(2), 10);
        assert_eq!(track.expected(650), Some(750));
        assert_eq!(track.expected(250), Some(260));
        assert_eq!(track.expected(100), Some(110), "before all of them");
        for at in 0..2 * ANCHORS as u64 {
            track.settle(400 + at % 200, id(4), at as usize % 200);
        }
        assert!(track.anchors().len() <= ANCHORS);
    }

    #[test]
    fn an_ancestor_of_another_length_has_one_end_in_common() {
        // The last 30 of its bytes were deleted since: what stood at its end stands at the end.
        let shorter = track();
        shorter.settle_near(198, id(1), 130, 0);
        assert_eq!(shorter.expected(198), Some(200));
        // It held two chunks, and was split: its beginning is that of the first.
        let split = track();
        split.settle_near(198, id(1), 97, 80);
        assert_eq!(split.expected(198), Some(197));
    }

    #[test]
    fn the_guess_is_the_chunk_that_most_of_the_bytes_stood_in() {
        let track = track();
        assert_eq!(track.guess(140, 100), Some(id(1)));
        assert_eq!(track.guess(160, 100), Some(id(2)));
        assert_eq!(track.guess(130, 250), Some(id(2)));
        assert_eq!(track.guess(950, 300), Some(id(9)));
        assert_eq!(track.guess(1000, 10), None);
    }

    #[test]
    fn a_place_tells_how_far_its_chunk_reaches() {
        let track = track();
        let place = |id, from| Place {
            id,
            bytes: 100,
            from,
        };
        assert_eq!(track.place(140, 200, 30), Some(place(id(1), 40)));
        assert_eq!(
            track.place(140, 200, 30).map(|place| place.ahead()),
            Some(60)
        );
        assert_eq!(track.place(180, 200, 30), Some(place(id(2), 0)));
        assert_eq!(track.place(980, 200, 30), Some(place(id(9), 80)));
        // Within a chunk: what was settled counts in bytes.
        track.settle(200, id(3), 50);
        assert_eq!(track.place(200, 100, 30), Some(place(id(3), 50)));
    }
}
