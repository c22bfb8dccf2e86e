//! Cutting what can only be read once, in bounded memory.

use std::io::{self, Read};

use crate::buffers::Buffers;
use crate::cut::Cutter;
use crate::scan::Sample;
use crate::window::Window;

/// Reads a source once, to its end, and yields its chunks a window at a time.
///
/// The cuts are those of a sequential pass over the whole source, however large the windows are
/// and however short the source's reads.
#[derive(Debug)]
pub struct ChunkStream<R> {
    cutter: Cutter,
    source: R,
    window_bytes: usize,
    buffers: Buffers,
    /// Its first `read` bytes are what was read and not yet handed out; they start at a cut.
    pending: Vec<u8>,
    read: usize,
    /// The samples of the first `scanned` bytes of `pending`: no byte is scanned twice.
    samples: Vec<Sample>,
    scanned: usize,
    ended: bool,
}

impl<R: Read> ChunkStream<R> {
    /// `window_bytes` bounds how much is read and handed out at once; a window always has room
    /// for one chunk of the greatest size. Windows of the size of `buffers` are read into these.
    pub fn new(cutter: Cutter, source: R, window_bytes: usize, buffers: &Buffers) -> Self {
        // A full window of at least that size always contains a settled cut.
        let window_bytes = window_bytes.max(cutter.sizes().max);
        Self {
            cutter,
            source,
            window_bytes,
            buffers: buffers.clone(),
            pending: buffers.take(window_bytes),
            read: 0,
            samples: Vec::new(),
            scanned: 0,
            ended: false,
        }
    }

    /// The next chunks, at least one, or `None` after the last.
    ///
    /// After an error of the source, what was read before it is kept: calling again goes on where
    /// the source does.
    pub fn next_window(&mut self) -> io::Result<Option<Window>> {
        self.fill()?;
        self.samples
            .append(&mut self.cutter.scan(&self.pending[..self.read], self.scanned));
        self.scanned = self.read;
        let ends = self.cutter.select(&self.samples, self.scanned, self.ended);
        let Some(&end) = ends.last() else {
            return Ok(None);
        };
        Ok(Some(self.take(end, ends)))
    }

    /// Reads until the window is full or the source ends.
    fn fill(&mut self) -> io::Result<()> {
        while !self.ended && self.read < self.pending.len() {
            match self.source.read(&mut self.pending[self.read..]) {
                Ok(0) => self.ended = true,
                Ok(count) => self.read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Hands out the bytes up to `end`, the last of `ends`, and keeps the others with what is
    /// known about them.
    fn take(&mut self, end: usize, ends: Vec<usize>) -> Window {
        let mut next = if self.ended && end == self.read {
            Vec::new()
        } else {
            self.buffers.take(self.window_bytes)
        };
        next[..self.read - end].copy_from_slice(&self.pending[end..self.read]);
        let mut bytes = std::mem::replace(&mut self.pending, next);
        bytes.truncate(end);
        self.read -= end;
        let first = self.samples.partition_point(|sample| sample.at() < end);
        let rest = self.samples.split_off(first);
        let samples = std::mem::replace(
            &mut self.samples,
            rest.into_iter()
                .map(|sample| sample.moved_forward(end))
                .collect(),
        );
        self.scanned -= end;
        Window::scanned(bytes, ends, samples, self.buffers.clone())
    }
}
