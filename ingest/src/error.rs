//! What can go wrong with a backup or a restore as a whole, and with single files of it.

use std::fmt;
use std::io;

use nightfold_repo::format::escape_path;

use crate::fs::ScanError;

/// Result with [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What the failure of a dump means.
pub(crate) const NO_SNAPSHOT: &str = "no snapshot was made";
/// What the failure of a restore into a database means.
pub(crate) const NOT_LOADED: &str = "nothing was restored";
/// What the failure of a drill means.
pub(crate) const NO_DRILL: &str = "the drill could not be made";

/// Why a backup or a restore failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The repository.
    #[error(transparent)]
    Repository(#[from] nightfold_repo::Error),
    /// What is to be backed up cannot be looked at.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A program that was run did not succeed.
    #[error("{program} {how}: {consequence}")]
    Command {
        /// The program.
        program: String,
        /// How it ended.
        how: String,
        /// What that means.
        consequence: &'static str,
        /// The last lines it wrote to standard error.
        stderr_tail: Vec<String>,
    },
    /// A database, or what is to become one, says no.
    #[error("{database}: {reason}")]
    Database {
        /// Which, without its user.
        database: String,
        /// What it said.
        reason: String,
    },
    /// A backup by a server itself cannot be restored: others are missing, or it is damaged.
    #[error("{dump} cannot be restored: {reason}")]
    Unrestorable {
        /// The backup.
        dump: String,
        /// Why.
        reason: String,
    },
    /// A dump cannot become this kind of database.
    #[error("the dump is one of {dump}, and {target} is of another kind")]
    OtherEngine {
        /// What the dump is of.
        dump: String,
        /// What was asked for.
        target: String,
    },
    /// A restore would replace a database.
    #[error("the database {0} exists already: nothing was loaded")]
    DatabaseExists(String),
    /// The snapshot has no such dump of a database.
    #[error("the snapshot holds no dump of {}", .0.as_deref().unwrap_or("such a database"))]
    NoDump(Option<String>),
    /// The snapshot has several dumps, and it was not said which is meant.
    #[error("the snapshot holds dumps of several databases: {}", .0.join(", "))]
    ManyDumps(Vec<String>),
    /// A dump has no such table.
    #[error("there is no table {table} in {dump}")]
    NoTable {
        /// Its name.
        table: String,
        /// The dump.
        dump: String,
    },
    /// Several schemas have a table of this name.
    #[error("there are several such tables: {}", .0.join(", "))]
    ManyTables(Vec<String>),
    /// A URL that names a server only.
    #[error("{0} names no database")]
    NoDatabase(String),
    /// What a snapshot says of its databases does not make sense.
    #[error("what the snapshot says of its databases cannot be read: {0}")]
    Facts(String),
    /// Not built.
    #[error("{0} is not supported yet")]
    NotYet(crate::database::Engine),
    /// A stream that was to be stored could not be read.
    #[error("cannot read {name}: {source}: no snapshot was made")]
    Source {
        /// Its name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A stream ended before its first byte.
    #[error("{name} gave no data at all: an empty dump is not stored, no snapshot was made")]
    Empty {
        /// Its name.
        name: String,
    },
    /// Not one file could be read.
    #[error("nothing could be read, no snapshot was made; first of {count} failures: {first}")]
    NothingRead {
        /// The first failure.
        first: Failure,
        /// How many there are.
        count: usize,
    },
    /// A restore would replace something.
    #[error("{path} exists already under {target}: nothing was restored")]
    Exists {
        /// The path as stored.
        path: String,
        /// The target folder.
        target: String,
    },
    /// The target of a restore cannot be used.
    #[error("cannot use {target} as target: {source}")]
    Target {
        /// The target folder.
        target: String,
        /// What the system said.
        source: io::Error,
    },
    /// A path that the snapshot does not hold.
    #[error("the snapshot holds no {path}")]
    NoSuchPath {
        /// The path.
        path: String,
    },
    /// Something of a snapshot that is to be copied cannot be read.
    #[error("{what}: {source}")]
    Unreadable {
        /// The path as stored, or the file list.
        what: String,
        /// What is wrong.
        source: nightfold_repo::Error,
    },
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// The run was told to stop.
    #[error("interrupted: no snapshot was made, earlier ones are as they were")]
    Interrupted,
}

/// Something that went wrong with one path while the rest went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The path as stored.
    pub path: Vec<u8>,
    /// What happened.
    pub reason: String,
}

impl Failure {
    pub(crate) fn new(path: &[u8], reason: impl fmt::Display) -> Self {
        Self {
            path: path.to_vec(),
            reason: reason.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", escape_path(&self.path), self.reason)
    }
}
