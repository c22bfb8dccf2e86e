//! Who depends on a damaged frame: directly, or through the deltas that rest on it.

use std::collections::{BTreeMap, HashMap};

use nightfold_chunker::ChunkId;

use super::few::{Few, counted};
use super::reader::{Failure, Reader};
use super::records::Judged;
use super::{CheckReport, Problem};
use crate::format::escape_path;

/// Damaged frames of one pack that are told of one by one.
const FRAMES_SHOWN_MAX: usize = 10;

/// A place in a snapshot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The snapshot's short id.
    pub(super) snapshot: &'a str,
    /// A file's path; empty for the file list.
    pub(super) path: &'a [u8],
}

#[derive(Default)]
struct Victims {
    files: Few,
    snapshots: Few,
    last_snapshot: String,
    last_path: Vec<u8>,
}

/// The damaged frames, and what cannot be restored because of them.
#[derive(Default)]
pub(super) struct Damage {
    /// Frames that cannot be decoded because of these damaged ones.
    causes: HashMap<usize, Vec<usize>>,
    victims: HashMap<usize, Victims>,
}

impl Damage {
    /// Follows what is damaged so far to everything that rests on it.
    pub(super) fn trace(reader: &Reader<'_>) -> Self {
        let failures = reader.failures();
        let mut causes: HashMap<usize, Vec<usize>> = failures
            .iter()
            .map(|failure| (failure.frame, vec![failure.frame]))
            .collect();
        if !causes.is_empty() {
            let catalog = reader.catalog();
            for at in catalog.by_rank() {
                if catalog.is_sound(at) || causes.contains_key(&at) {
                    continue;
                }
                let mut inherited: Vec<usize> = catalog
                    .bases(at)
                    .filter_map(|base| causes.get(&base))
                    .flatten()
                    .copied()
                    .collect();
                inherited.sort_unstable();
                inherited.dedup();
                if !inherited.is_empty() {
                    causes.insert(at, inherited);
                }
            }
        }
        Self {
            causes,
            victims: HashMap::new(),
        }
    }

    /// A chunk that nothing can be decoded to is needed at this place.
    pub(super) fn needed(&mut self, reader: &Reader<'_>, id: ChunkId, place: Place<'_>) {
        for at in reader.catalog().of_chunk(id) {
            for cause in self.causes.get(&at).into_iter().flatten() {
                self.victims.entry(*cause).or_default().add(place);
            }
        }
    }

    /// A problem for every damaged frame, but for those that are known and harm nothing.
    pub(super) fn report(&self, reader: &Reader<'_>, judged: &Judged, report: &mut CheckReport) {
        let mut by_pack: BTreeMap<u32, Vec<Failure>> = BTreeMap::new();
        let mut harmless = 0;
        for failure in reader.failures() {
            let pack = reader.catalog().frames[failure.frame].pack;
            let name = reader.catalog().packs[pack as usize].name;
            if self.is_harmless(reader, &failure) {
                if judged.knows_damage(reader.catalog(), failure.frame) {
                    harmless += 1;
                    continue;
                }
                // A condemned pack may be deleted while this goes on.
                if failure.is_missing && judged.leaves(name.id) {
                    continue;
                }
            }
            by_pack.entry(pack).or_default().push(failure);
        }
        if harmless > 0 {
            let frames = counted(harmless, "frame");
            let note = format!("{frames} known to be damaged, which no snapshot needs");
            report.notes.push(note);
        }
        for (pack, failures) in by_pack {
            let name = reader.catalog().packs[pack as usize].name;
            for failure in failures.iter().take(FRAMES_SHOWN_MAX) {
                report
                    .problems
                    .push(Problem::new(name, self.describe(reader, failure)));
            }
            if let Some(more) = failures
                .len()
                .checked_sub(FRAMES_SHOWN_MAX)
                .filter(|n| *n > 0)
            {
                let what = format!("{more} more of its frames are damaged");
                report.problems.push(Problem::new(name, what));
            }
        }
    }

    /// Whether nothing that a snapshot needs is lost with a frame.
    fn is_harmless(&self, reader: &Reader<'_>, failure: &Failure) -> bool {
        !self.victims.contains_key(&failure.frame)
            && (reader.holds_elsewhere(failure.frame) || self.causes.contains_key(&failure.frame))
    }

    fn describe(&self, reader: &Reader<'_>, failure: &Failure) -> String {
        let frame = &reader.catalog().frames[failure.frame];
        let consequence = if let Some(victims) = self.victims.get(&failure.frame) {
            format!("lost with it: {victims}")
        } else if reader.holds_elsewhere(failure.frame) {
            "another copy is intact".to_owned()
        } else if self.causes.contains_key(&failure.frame) {
            "no snapshot needs it".to_owned()
        } else {
            "found on reading what a snapshot needs".to_owned()
        };
        format!(
            "frame {}, chunk {}: {}; {consequence}",
            frame.ordinal, frame.id, failure.reason
        )
    }
}

impl Victims {
    fn add(&mut self, place: Place<'_>) {
        let new_snapshot = self.last_snapshot != place.snapshot;
        if new_snapshot {
            place.snapshot.clone_into(&mut self.last_snapshot);
            self.snapshots.add(|| place.snapshot.to_owned());
        }
        // A file needs many chunks, but is one file.
        if new_snapshot || self.last_path != place.path {
            self.last_path = place.path.to_vec();
            self.files.add(|| match place.path {
                [] => "the file list".to_owned(),
                path => escape_path(path),
            });
        }
    }
}

impl std::fmt::Display for Victims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let snapshots = counted(self.snapshots.count(), "snapshot");
        write!(f, "{} (in {snapshots}: {})", self.files, self.snapshots)
    }
}
