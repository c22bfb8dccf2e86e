//! Several questions in one view of the index: cheaper than each by itself.

use nightfold_chunker::{ChunkId, Sketch};
use rusqlite::Connection;

use super::{FrameRow, Index, lookup, sketches};
use crate::error::Result;
use crate::format::BaseRef;

/// A view of the index as it was when the session was begun; what is entered meanwhile is not seen. To be held
/// shortly: the journal cannot shrink before it ends.
pub(crate) struct Session<'i> {
    index: &'i Index,
    /// There until the session is dropped.
    connection: Option<Connection>,
}

impl Index {
    /// Begins a session.
    pub(crate) fn session(&self) -> Result<Session<'_>> {
        let connection = self.take_reader()?;
        let begun = connection
            .prepare_cached("BEGIN")
            .and_then(|mut begin| begin.execute([]));
        begun.map_err(|error| self.failed(error))?;
        Ok(Session {
            index: self,
            connection: Some(connection),
        })
    }
}

impl Session<'_> {
    /// The usable frames of a chunk, whole ones first.
    pub(crate) fn frames(&self, id: ChunkId) -> Result<Vec<FrameRow>> {
        self.ask(|connection| lookup::frames(connection, id))
    }

    /// The usable frames of the chunks that a base reference may mean.
    pub(crate) fn base_frames(&self, base: BaseRef) -> Result<Vec<FrameRow>> {
        self.ask(|connection| lookup::base_frames(connection, base))
    }

    /// Whether a usable frame holds the chunk.
    pub(crate) fn holds(&self, id: ChunkId) -> Result<bool> {
        self.ask(|connection| lookup::holds(connection, id))
    }

    /// Chunks that share features with the sketch.
    pub(super) fn similar(&self, sketch: &Sketch) -> Result<Vec<(ChunkId, u32)>> {
        self.ask(|connection| sketches::similar(connection, sketch))
    }

    fn ask<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let Some(connection) = &self.connection else {
            unreachable!("a session has its connection until it is dropped");
        };
        ask(connection).map_err(|error| self.index.failed(error))
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let ended = connection
            .prepare_cached("COMMIT")
            .and_then(|mut commit| commit.execute([]));
        // One that cannot be ended is closed.
        if ended.is_ok() {
            self.index.give_reader(connection);
        }
    }
}
