//! The one error type of this crate, split by what a caller can do about it.

use std::io;

/// Result with [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why a repository operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no repository at this place.
    #[error("no repository at {location}: {reason}")]
    NoRepository {
        /// Where it was looked for.
        location: String,
        /// What is missing there.
        reason: String,
    },
    /// `init` refuses a place that already holds something.
    #[error("{location} is not empty: refusing to make a repository there")]
    NotEmpty {
        /// The place.
        location: String,
    },
    /// No key slot opens with the password given.
    #[error("wrong password: it opens none of the repository's key slots ({slots} tried)")]
    WrongPassword {
        /// How many slots were tried.
        slots: usize,
    },
    /// An object was sealed under keys that came after the repository was opened, or that the key slot in use never
    /// got.
    #[error(
        "{object} is sealed under key epoch {epoch}, which the key slot in use does not hold: the keys were changed \
         meanwhile"
    )]
    KeysChanged {
        /// The object.
        object: String,
        /// The epoch that it names.
        epoch: u32,
    },
    /// Made by a newer program.
    #[error(
        "{object} needs {needs}, which this version of Nightfold does not know: use a newer nightfold"
    )]
    Unsupported {
        /// The object that says so.
        object: String,
        /// The format or feature it needs.
        needs: String,
    },
    /// Bytes in storage are not what was written.
    #[error("{object} is damaged: {reason}")]
    Corrupt {
        /// The object, named as in storage.
        object: String,
        /// What is wrong with it, with an offset where one is known.
        reason: String,
    },
    /// An object that should be there is not.
    #[error("{object} is missing")]
    Missing {
        /// The object.
        object: String,
    },
    /// A chunk that no readable frame holds.
    #[error("chunk {chunk} cannot be read: {reason}")]
    ChunkLost {
        /// Its id.
        chunk: String,
        /// Why each of its frames failed.
        reason: String,
    },
    /// The caller asked for something that does not exist or is ambiguous.
    #[error("{0}")]
    NoSuch(String),
    /// An argument is out of its range.
    #[error("{0}")]
    Invalid(String),
    /// Somebody else is at work that must be alone.
    #[error("the repository is in use: {holder}")]
    InUse {
        /// Who and what.
        holder: String,
    },
    /// Maintenance saw something that may mean lost or hidden objects, and so changed nothing.
    #[error("nothing was deleted: {reason}")]
    Refused {
        /// What was seen.
        reason: String,
    },
    /// The run stood still for so long that it was taken for dead.
    #[error(
        "this run stood still for so long that it was taken for dead, and what it built on was deleted: run it again"
    )]
    Overtaken,
    /// The run was told to stop.
    #[error("interrupted")]
    Interrupted,
    /// Reading or writing storage failed.
    #[error("cannot {operation} {path}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The local index failed. It is derived: `nightfold index rebuild` makes it anew.
    #[error("the local index {path}: {source}")]
    Index {
        /// The index file.
        path: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The local index is damaged. It is derived: it is rebuilt when next opened.
    #[error("the local index is damaged: {reason}")]
    IndexCorrupt {
        /// What was found.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(
        operation: &'static str,
        path: impl std::fmt::Display,
        source: io::Error,
    ) -> Self {
        Self::Io {
            operation,
            path: path.to_string(),
            source,
        }
    }

    pub(crate) fn corrupt(object: impl std::fmt::Display, reason: impl Into<String>) -> Self {
        Self::Corrupt {
            object: object.to_string(),
            reason: reason.into(),
        }
    }
}
