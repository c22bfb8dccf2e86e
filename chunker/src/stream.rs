//! Cutting what can only be read once, in bounded memory.

use std::io::{self, Read};

use crate::cut::Cutter;

/// Whole chunks, read and cut together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The chunks' bytes, one chunk after the other, with nothing before, between or behind.
    pub bytes: Vec<u8>,
    /// End offset in `bytes` of each chunk, ascending; the last is the length of `bytes`.
    pub ends: Vec<usize>,
}

/// Reads a source once, to its end, and yields its chunks a window at a time.
///
/// The cuts are those of a sequential pass over the whole source, however large the windows are
/// and however short the source's reads.
#[derive(Debug)]
pub struct ChunkStream<R> {
    cutter: Cutter,
    source: R,
    window_bytes: usize,
    /// What was read and not yet handed out; it starts at a cut.
    pending: Vec<u8>,
    ended: bool,
}

impl<R: Read> ChunkStream<R> {
    /// `window_bytes` bounds how much is read and handed out at once; a window always has room
    /// for one chunk of the greatest size.
    pub fn new(cutter: Cutter, source: R, window_bytes: usize) -> Self {
        // A full window of at least that size always contains a settled cut.
        let window_bytes = window_bytes.max(cutter.sizes().max);
        Self {
            cutter,
            source,
            window_bytes,
            pending: Vec::new(),
            ended: false,
        }
    }

    /// The next chunks, at least one, or `None` after the last.
    ///
    /// After an error of the source, what was read before it is kept: calling again goes on where
    /// the source does.
    pub fn next_window(&mut self) -> io::Result<Option<Window>> {
        self.fill()?;
        let ends = self.cutter.cut_all_parallel(&self.pending, self.ended);
        let Some(&end) = ends.last() else {
            return Ok(None);
        };
        let rest = self.pending.split_off(end);
        let bytes = std::mem::replace(&mut self.pending, rest);
        Ok(Some(Window { bytes, ends }))
    }

    /// Reads until the window is full or the source ends.
    fn fill(&mut self) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        let wanted = self.window_bytes - self.pending.len();
        self.pending.reserve_exact(wanted);
        let got = self
            .source
            .by_ref()
            .take(wanted as u64)
            .read_to_end(&mut self.pending)?;
        self.ended = got < wanted;
        Ok(())
    }
}
