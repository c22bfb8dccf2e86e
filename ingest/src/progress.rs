//! Numbers that a long run keeps up to date for whoever shows them.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use nightfold_repo::repository::RunTotals;

/// Polled while a backup or a restore runs; all numbers but the last only grow.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes to be done; 0 while unknown.
    pub bytes_total: AtomicU64,
    /// Bytes read from the source, or written to the target.
    pub bytes_done: AtomicU64,
    /// Files done.
    pub files_done: AtomicU64,
    /// Chunks stored whole.
    pub chunks_new: AtomicU64,
    /// Chunks stored as deltas.
    pub chunks_delta: AtomicU64,
    /// Chunks that were there already.
    pub chunks_known: AtomicU64,
    /// Bytes of published packs.
    pub bytes_stored: AtomicU64,
    /// How far a database server is with what it does by itself, in percent; 0: with nothing.
    pub server_percent: AtomicU64,
}

impl Progress {
    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts what is written to `out`.
    pub(crate) fn count<'a>(&'a self, out: &'a mut dyn Write) -> impl Write + 'a {
        Counted {
            progress: self,
            out,
        }
    }

    pub(crate) fn server_at(&self, percent: f32) {
        self.server_percent.store(percent as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_file(&self) {
        self.files_done.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn copy_totals(&self, totals: &RunTotals) {
        let pairs = [
            (&self.chunks_new, &totals.whole),
            (&self.chunks_delta, &totals.delta),
            (&self.chunks_known, &totals.known),
            (&self.bytes_stored, &totals.stored_bytes),
        ];
        for (shown, counted) in pairs {
            shown.store(counted.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

struct Counted<'a> {
    progress: &'a Progress,
    out: &'a mut dyn Write,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.progress.add_bytes(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
