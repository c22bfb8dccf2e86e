//! The pipeline's middle: segments of a source become frames, recipes and entries.

use nightfold_chunker::ChunkId;
use nightfold_repo::format::{Content, Entry, Node, SnapshotStats, StreamKind};
use nightfold_repo::repository::{ChunkInput, RunWriter, StoredSnapshot, Track};

use super::file_list::FileList;
use crate::error::{Failure, Result};
use crate::progress::Progress;
use crate::source::{Segment, SegmentBatch, SharedRepository};

/// What came of a source.
pub(crate) struct Outcome {
    pub(crate) files: Content,
    pub(crate) stats: SnapshotStats,
    pub(crate) failures: Vec<Failure>,
    pub(crate) warnings: Vec<Failure>,
}

/// A file whose chunks are coming in.
struct OpenFile {
    entry: Entry,
    previous: Option<Content>,
    track: Track,
    ids: Vec<ChunkId>,
    bytes: u64,
}

/// Takes the batches of a source in order.
pub(super) struct Encoder<'a> {
    repository: &'a SharedRepository,
    writer: &'a RunWriter,
    progress: &'a Progress,
    list: FileList<'a>,
    open: Option<OpenFile>,
    stats: SnapshotStats,
    failures: Vec<Failure>,
    warnings: Vec<Failure>,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(
        repository: &'a SharedRepository,
        writer: &'a RunWriter,
        before: Option<&StoredSnapshot>,
        progress: &'a Progress,
    ) -> Self {
        Self {
            repository,
            writer,
            progress,
            list: FileList::new(repository, writer, before),
            open: None,
            stats: SnapshotStats::default(),
            failures: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// All chunks of a batch are encoded together, then its entries are completed in order.
    pub(super) fn encode(&mut self, batch: SegmentBatch) -> Result<()> {
        let tracks = self.tracks(&batch);
        let mut names = self.encode_chunks(&batch, &tracks)?.into_iter();
        let mut tracks = tracks.into_iter();
        // The file that was open before this batch has the first track.
        if let (Some(open), Some(track)) = (&mut self.open, tracks.next().flatten()) {
            open.track = track;
        }
        for segment in batch {
            match segment {
                Segment::Entry(entry) => self.entry(&entry)?,
                Segment::Inline(entry) => {
                    self.stats.read += entry.size();
                    self.progress.add_bytes(entry.size());
                    self.entry(&entry)?;
                }
                Segment::Unchanged(entry) => {
                    self.stats.files_unchanged += 1;
                    self.progress.add_bytes(entry.size());
                    self.entry(&entry)?;
                }
                Segment::FileBegins { entry, previous } => {
                    let track = tracks.next().flatten().unwrap_or_default();
                    self.open = Some(OpenFile {
                        entry,
                        previous,
                        track,
                        ids: Vec::new(),
                        bytes: 0,
                    });
                }
                Segment::Data(window) => {
                    let taken = names.by_ref().take(window.ends.len());
                    if let Some(open) = &mut self.open {
                        open.ids.extend(taken.flatten());
                        open.bytes += window.bytes.len() as u64;
                    } else {
                        taken.for_each(drop);
                    }
                    self.stats.read += window.bytes.len() as u64;
                }
                Segment::FileEnds => self.complete_file()?,
                Segment::FileFailed(failure) => {
                    self.open = None;
                    self.failures.push(failure);
                }
                Segment::Failed(failure) => self.failures.push(failure),
                Segment::Warning(warning) => self.warnings.push(warning),
            }
        }
        self.progress.copy_totals(self.writer.totals());
        Ok(())
    }

    /// The track of the file open now, then one for each file that begins in the batch.
    fn tracks(&mut self, batch: &SegmentBatch) -> Vec<Option<Track>> {
        let open = self
            .open
            .as_mut()
            .map(|open| std::mem::take(&mut open.track));
        let mut tracks = vec![open];
        for segment in batch {
            if let Segment::FileBegins { previous, .. } = segment {
                let track = previous
                    .as_ref()
                    .map(|content| self.repository.track(content));
                // A recipe that cannot be read only costs the first guess.
                tracks.push(Some(
                    track.and_then(std::result::Result::ok).unwrap_or_default(),
                ));
            }
        }
        tracks
    }

    fn encode_chunks(
        &self,
        batch: &SegmentBatch,
        tracks: &[Option<Track>],
    ) -> Result<Vec<Vec<ChunkId>>> {
        let mut chunks = Vec::new();
        let mut file = 0;
        let mut at = self.open.as_ref().map_or(0, |open| open.bytes);
        for segment in batch {
            match segment {
                Segment::FileBegins { .. } => {
                    file += 1;
                    at = 0;
                }
                Segment::Data(window) => {
                    for chunk in window.chunks() {
                        chunks.push(ChunkInput {
                            bytes: chunk.bytes,
                            samples: chunk.samples,
                            track: tracks[file].as_ref().map(|track| (track, at)),
                        });
                        at += chunk.bytes.len() as u64;
                    }
                }
                _ => {}
            }
        }
        Ok(self.writer.store(StreamKind::Data, &chunks)?)
    }

    fn complete_file(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let content = if open.ids.is_empty() {
            Content::Inline(Vec::new())
        } else {
            self.writer
                .store_recipe(open.bytes, open.ids, open.previous.as_ref())?
        };
        self.entry(&Entry {
            node: Node::File(content),
            ..open.entry
        })
    }

    fn entry(&mut self, entry: &Entry) -> Result<()> {
        if let Node::File(content) = &entry.node {
            self.stats.files += 1;
            self.stats.size += content.size();
            self.progress.add_file();
        }
        self.list.push(entry)
    }

    pub(super) fn finish(mut self) -> Result<Outcome> {
        self.stats.errors = self.failures.len() as u64;
        let files = self.list.finish()?;
        Ok(Outcome {
            files,
            stats: self.stats,
            failures: self.failures,
            warnings: self.warnings,
        })
    }
}
