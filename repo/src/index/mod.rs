//! The local index: which frames hold a chunk, where, and which chunks resemble one another.
//!
//! It is derived from the packs' directories and lies in the client's cache: losing it costs time, never data.

mod bulk;
mod catch_up;
mod insert;
mod lookup;
mod row;
mod schema;
mod session;
mod sketches;
mod verify;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use session::Session;

use nightfold_chunker::ChunkId;
use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::format::{BaseRef, CodecKind, ObjectId, StreamKind};

/// A pack, as the index numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexedPack {
    pub(crate) id: ObjectId,
    pub(crate) epoch: u32,
    pub(crate) stream: StreamKind,
    pub(crate) bytes: u64,
}

/// A frame and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameRow {
    pub(crate) id: ChunkId,
    pub(crate) pack: i64,
    pub(crate) ordinal: u32,
    pub(crate) offset: u64,
    pub(crate) sealed_bytes: u32,
    pub(crate) raw_bytes: u32,
    pub(crate) codec: CodecKind,
    pub(crate) base: Option<BaseRef>,
    pub(crate) version: u32,
    pub(crate) rank: u8,
}

/// An open index file, shared by all threads.
pub(crate) struct Index {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    packs: Mutex<HashMap<i64, IndexedPack>>,
    verified: Mutex<bool>,
}

impl Index {
    /// Opens or creates the index at `path` for the repository with this id.
    pub(crate) fn open(path: &Path, repository: &str) -> Result<Self> {
        let writer = schema::open(path, repository)?;
        Ok(Self {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            packs: Mutex::default(),
            verified: Mutex::default(),
        })
    }

    /// Removes an index file and what SQLite keeps beside it.
    pub(crate) fn remove(path: &Path) -> Result<()> {
        for suffix in ["", "-wal", "-shm", "-journal", STAGED_SUFFIX] {
            let path = beside(path, suffix);
            match remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", path.display(), error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `read` on a connection that no other thread uses meanwhile.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let connection = self.take_reader()?;
        let result = read(&connection);
        self.give_reader(connection);
        result.map_err(|error| self.failed(error))
    }

    fn take_reader(&self) -> Result<Connection> {
        let pooled = self
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        pooled.map_or_else(|| schema::open_reader(&self.path), Ok)
    }

    fn give_reader(&self, connection: Connection) {
        self.readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }

    fn close_readers(&self) {
        self.readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn failed(&self, error: rusqlite::Error) -> Error {
        schema::failed(&self.path, error)
    }
}

/// What rows are sorted in while an empty index is filled.
const STAGED_SUFFIX: &str = "-staged";

fn beside(index: &Path, suffix: &str) -> PathBuf {
    let mut name = index.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove_file(path: &Path) -> std::io::Result<()> {
    std::fs::remove_file(path)
}

#[cfg(test)]
mod tests;
