//! How a run ends: errors become a message, a hint and an exit code here and nowhere else.

use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

use nightfold_ingest::Error as IngestError;
use nightfold_repo::Error as RepoError;

/// What to do about damage.
const DAMAGED: &str =
    "`nightfold check --read-data` lists all that is damaged; what it does not list is whole";

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const INCOMPLETE: u8 = 3;
const NO_REPOSITORY: u8 = 10;
const LOCKED: u8 = 11;
const WRONG_PASSWORD: u8 = 12;
const INTERRUPTED: u8 = 130;

/// Result with [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// How a command that ran to its end turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Done,
    /// It did its work and found or left something wrong, and has said so.
    Failed,
    /// A snapshot was made, and some files are not in it.
    Incomplete,
}

/// Why a command ended early.
#[derive(Debug)]
pub enum Error {
    /// The repository says no.
    Repository(RepoError),
    /// The password, and where it came from, opens no key slot.
    WrongPassword {
        /// How many slots were tried.
        slots: usize,
        /// Where the password came from.
        origin: String,
    },
    /// A source or a target says no.
    Ingest(IngestError),
    /// Standard output cannot be written to.
    Output(io::Error),
    /// The arguments make no sense.
    Usage(Told),
    /// Anything else.
    Failed(Told),
    /// Told to stop by a signal.
    Interrupted(&'static str),
}

/// What a user reads of an error.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

impl Error {
    /// Wrong arguments.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage(Told::new(message, hint))
    }

    /// Something failed.
    pub fn failed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed(Told::new(message, hint))
    }

    /// Whether the reader of our output has gone, as `head` does: no error to speak of.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == ErrorKind::BrokenPipe)
    }
}

impl Told {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl From<RepoError> for Error {
    fn from(error: RepoError) -> Self {
        Self::Repository(error)
    }
}

impl From<IngestError> for Error {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Repository(inner) => Self::Repository(inner),
            other => Self::Ingest(other),
        }
    }
}

/// Tells of an error and turns the result into an exit code.
pub fn code(result: Result<Outcome>) -> ExitCode {
    let error = match result {
        Ok(Outcome::Done) => return ExitCode::SUCCESS,
        Ok(Outcome::Failed) => return FAILED.into(),
        Ok(Outcome::Incomplete) => return INCOMPLETE.into(),
        Err(error) if error.is_broken_pipe() => return ExitCode::SUCCESS,
        Err(error) => error,
    };
    let (told, code) = explain(error);
    let mut stderr = io::stderr().lock();
    // Nobody is left to tell if this fails.
    let _ = writeln!(stderr, "error: {}", told.message);
    if !told.hint.is_empty() {
        let _ = writeln!(stderr, "hint: {}", told.hint);
    }
    code.into()
}

fn explain(error: Error) -> (Told, u8) {
    match error {
        Error::Repository(error) => explain_repository(&error),
        Error::WrongPassword { slots, origin } => {
            let message = RepoError::WrongPassword { slots }.to_string();
            (
                Told::new(message, format!("the password came from {origin}")),
                WRONG_PASSWORD,
            )
        }
        Error::Ingest(error) => explain_ingest(&error),
        Error::Output(error) => (
            Told::new(format!("cannot write to standard output: {error}"), ""),
            FAILED,
        ),
        Error::Usage(told) => (told, USAGE),
        Error::Failed(told) => (told, FAILED),
        Error::Interrupted(what) => (Told::new(format!("interrupted: {what}"), ""), INTERRUPTED),
    }
}

fn explain_repository(error: &RepoError) -> (Told, u8) {
    let (hint, code) = match error {
        RepoError::NoRepository { .. } => (
            "is --repo (or NIGHTFOLD_REPO) right, and the disk mounted?",
            NO_REPOSITORY,
        ),
        RepoError::NotEmpty { .. } => (
            "choose an empty folder, or one that is not there yet",
            FAILED,
        ),
        RepoError::WrongPassword { .. } => ("", WRONG_PASSWORD),
        RepoError::KeysChanged { .. } => (
            "run it again, with the new password; what this run stored is not lost",
            FAILED,
        ),
        RepoError::Unsupported { .. } => ("nothing was read or changed", FAILED),
        RepoError::Corrupt { .. } | RepoError::Missing { .. } | RepoError::ChunkLost { .. } => {
            (DAMAGED, FAILED)
        }
        RepoError::InUse { .. } => (
            "`nightfold locks` shows what is running; nothing needs to be unlocked by hand",
            LOCKED,
        ),
        RepoError::Refused { .. } => (
            "`nightfold check` tells more; every snapshot and pack is as it was",
            FAILED,
        ),
        RepoError::Interrupted => ("", INTERRUPTED),
        RepoError::Io { source, .. } => (io_hint(source), FAILED),
        RepoError::Index { source, .. } if is_busy(source) => (
            "another nightfold holds the index for long: try again when it is done",
            LOCKED,
        ),
        RepoError::Index { .. } | RepoError::IndexCorrupt { .. } => (
            "it is derived: is there space left beside it? `nightfold index rebuild` makes it anew",
            FAILED,
        ),
        _ => ("", FAILED),
    };
    (Told::new(error.to_string(), hint), code)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseBusy | DatabaseLocked)
    )
}

fn explain_ingest(error: &IngestError) -> (Told, u8) {
    let mut message = error.to_string();
    let hint = match error {
        IngestError::Command { stderr_tail, .. } => {
            for line in stderr_tail {
                message.push_str("\n  | ");
                message.push_str(line);
            }
            "run the command by hand to see more"
        }
        IngestError::DatabaseExists(_) => {
            "choose another name in --to, or put it in its place with --replace"
        }
        IngestError::NoTable { .. } => {
            "the file beside the dump whose name ends in .tables lists its tables"
        }
        IngestError::ManyTables(_) => "write its schema too",
        IngestError::NoDump(_) => {
            "`nightfold snapshots --json` tells of the databases of each snapshot"
        }
        IngestError::ManyDumps(_) => "write SNAP:PATH with the path of the one that is meant",
        IngestError::OtherEngine { .. } => {
            "a dump can only be loaded into the kind of database that it is of"
        }
        IngestError::NoDatabase(_) => "name one after the last '/', or say --all-databases",
        IngestError::Unreadable { .. } => DAMAGED,
        IngestError::Empty { .. } => "does the dump command succeed when it is run by itself?",
        IngestError::Exists { .. } => "choose an empty --target, or replace files with --overwrite",
        IngestError::NoSuchPath { .. } => "`nightfold ls` lists the files of a snapshot",
        IngestError::Target { source, .. } | IngestError::Source { source, .. } => io_hint(source),
        _ => "",
    };
    let interrupted = matches!(error, IngestError::Interrupted);
    let code = if interrupted { INTERRUPTED } else { FAILED };
    (Told::new(message, hint), code)
}

fn io_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space and run it again: every snapshot that `nightfold snapshots` lists is whole"
        }
        ErrorKind::PermissionDenied => "run it as a user who may read and write there",
        ErrorKind::ReadOnlyFilesystem => "mount it for writing, or use another folder",
        _ => "",
    }
}
