//! The file list of a snapshot: a stream of entries, stored like any other data.

use nightfold_chunker::ChunkId;
use nightfold_repo::format::{Content, Entry, StreamKind};
use nightfold_repo::repository::{ChunkInput, RunWriter, StoredSnapshot, Track};

use crate::error::Result;
use crate::source::SharedRepository;

/// Entries are cut and stored when this many bytes have come together.
const FLUSH_BYTES: usize = 4 << 20;

pub(super) struct FileList<'a> {
    repository: &'a SharedRepository,
    writer: &'a RunWriter,
    previous: Option<Content>,
    track: Track,
    pending: Vec<u8>,
    ids: Vec<ChunkId>,
    bytes: u64,
}

impl<'a> FileList<'a> {
    pub(super) fn new(
        repository: &'a SharedRepository,
        writer: &'a RunWriter,
        before: Option<&StoredSnapshot>,
    ) -> Self {
        let previous = before.and_then(|stored| stored.snapshot.file_list(&stored.short_id()).ok());
        let track = previous
            .as_ref()
            .and_then(|content| repository.track(content).ok());
        Self {
            repository,
            writer,
            previous,
            track: track.unwrap_or_default(),
            pending: Vec::new(),
            ids: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn push(&mut self, entry: &Entry) -> Result<()> {
        entry.encode(&mut self.pending);
        if self.pending.len() >= FLUSH_BYTES {
            self.store(false)
        } else {
            Ok(())
        }
    }

    pub(super) fn finish(mut self) -> Result<Content> {
        self.store(true)?;
        Ok(self
            .writer
            .store_recipe(self.bytes, self.ids, self.previous.as_ref())?)
    }

    fn store(&mut self, last: bool) -> Result<()> {
        let ends = self.repository.cutter().cut_all(&self.pending, last);
        let mut chunks = Vec::with_capacity(ends.len());
        let mut start = 0;
        for end in ends {
            chunks.push(ChunkInput {
                bytes: &self.pending[start..end],
                samples: None,
                track: Some((&self.track, self.bytes + start as u64)),
            });
            start = end;
        }
        let names = self.writer.store(StreamKind::Meta, &chunks)?;
        self.ids.extend(names.into_iter().flatten());
        self.bytes += start as u64;
        self.pending.drain(..start);
        Ok(())
    }
}
