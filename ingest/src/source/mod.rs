//! Where bytes come from: each source turns what it reads into a sequence of [`Segment`]s.

mod command;
mod files;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Sender;
use nightfold_chunker::{Buffers, Window};
use nightfold_repo::format::{Content, Entry};

pub(crate) use command::read_command;
pub(crate) use files::{ReadError, read_data, read_files};
pub(crate) use stream::{read_stream, stream_path};

use crate::error::{Error, Failure, Result};
use crate::progress::Progress;

/// Bytes of a window of one file, and of the small files gathered in one batch.
pub(crate) const WINDOW_BYTES: usize = 8 << 20;
/// Segments in one batch.
const BATCH_SEGMENTS: usize = 2048;

/// A step of a source, in path order.
pub(crate) enum Segment {
    /// An entry that needs no reading.
    Entry(Entry),
    /// A small file that was read and lies in its entry.
    Inline(Entry),
    /// A regular file begins. Its entry's content is yet to come.
    FileBegins {
        /// Everything but the content.
        entry: Entry,
        /// What the file held in the previous snapshot.
        previous: Option<Content>,
    },
    /// Whole chunks of the file begun last.
    Data(Window),
    /// The file begun last is complete.
    FileEnds,
    /// The file begun last could not be read to its end: it is left out.
    FileFailed(Failure),
    /// A path that could not be read.
    Failed(Failure),
    /// Something worth telling about a path that is stored all the same.
    Warning(Failure),
    /// A file whose recipe is taken over: counted as unchanged.
    Unchanged(Entry),
}

/// Segments gathered so that small files fill all cores too.
pub(crate) type SegmentBatch = Vec<Segment>;

/// Where a source sends its segments.
pub(crate) struct Outlet<'a> {
    batches: Sender<SegmentBatch>,
    batch: SegmentBatch,
    batch_bytes: usize,
    cancel: &'a AtomicBool,
    progress: &'a Progress,
    buffers: Buffers,
}

impl<'a> Outlet<'a> {
    pub(crate) fn new(
        batches: Sender<SegmentBatch>,
        cancel: &'a AtomicBool,
        progress: &'a Progress,
    ) -> Self {
        Self {
            batches,
            batch: Vec::new(),
            batch_bytes: 0,
            cancel,
            progress,
            buffers: Buffers::new(WINDOW_BYTES),
        }
    }

    /// Adds a segment; waits while the pipeline is behind.
    pub(crate) fn send(&mut self, segment: Segment) -> Result<()> {
        if let Segment::Data(window) = &segment {
            self.batch_bytes += window.bytes.len();
            self.progress.add_bytes(window.bytes.len() as u64);
        }
        self.batch.push(segment);
        if self.batch_bytes >= WINDOW_BYTES || self.batch.len() >= BATCH_SEGMENTS {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Where this run tells how far it is.
    pub(crate) fn progress(&self) -> &'a Progress {
        self.progress
    }

    /// Sends what is gathered.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        self.batch_bytes = 0;
        // The receiver is gone only after a failure, which it reports itself.
        self.batches
            .send(std::mem::take(&mut self.batch))
            .map_err(|_| Error::Interrupted)
    }

    /// What windows are read into.
    pub(crate) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Set when the run shall stop.
    pub(crate) fn cancel(&self) -> &'a AtomicBool {
        self.cancel
    }
}

/// A flag-aware reader: a signal ends a read from a slow pipe or disk at the next block.
pub(crate) struct Cancellable<'a, R> {
    pub(crate) inner: R,
    pub(crate) cancel: &'a AtomicBool,
}

impl<R: std::io::Read> std::io::Read for Cancellable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("interrupted"));
        }
        self.inner.read(buffer)
    }
}

/// The chunk cutter and the parts of the repository that a source needs.
pub(crate) type SharedRepository = Arc<nightfold_repo::Repository>;
