//! Where the data of a file stood in the previous snapshot.

use std::sync::{Mutex, PoisonError};

use nightfold_chunker::ChunkId;

use super::Repository;
use crate::error::Result;
use crate::format::Content;
use crate::limits::CHUNK_BYTES_MAX;

/// How many chunks around the expected place are searched for one that was matched.
const REACH: usize = 32;

/// The recipe that the same file had in the previous snapshot: what stood at the same place is the first guess for a
/// base. Places are counted in bytes, since a chunk that was cut in two or joined with its neighbour since then
/// shifts all numbers of chunks, but no bytes.
#[derive(Default)]
pub struct Track {
    ids: Vec<ChunkId>,
    /// Where each of them ended.
    ends: Vec<u64>,
    /// An offset in the new content, and the one of the previous that it corresponds to.
    anchor: Mutex<(u64, u64)>,
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
            anchor: Mutex::default(),
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

    fn expected(&self, at: u64) -> Option<u64> {
        let (new, old) = *self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        (old + at).checked_sub(new)
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
            *self.anchor.lock().unwrap_or_else(PoisonError::into_inner) =
                (at, begins + from as u64);
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
