//! A backup run: a source on one thread, the pipeline on another, a snapshot at the end.

mod encode;
mod file_list;
mod pipeline;
mod previous;

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nightfold_repo::Repository;
use nightfold_repo::format::{ObjectId, Snapshot, SnapshotStats, SnapshotWriter, escape_path};
use nightfold_repo::repository::{RunTotals, RunWriter, StoredSnapshot, WriteOptions};

pub(crate) use pipeline::run;
pub(crate) use previous::Previous;

use crate::database::{DatabaseSource, Dumped, put_facts, read_databases};
use crate::error::{Error, Failure, Result};
use crate::fs::{Scan, path_bytes};
use crate::progress::Progress;
use crate::source::{Outlet, SharedRepository, read_command, read_files, read_stream, stream_path};
/// What is to be backed up.
pub enum Source {
    /// Files and directory trees.
    Paths(Vec<PathBuf>),
    /// A stream, stored as one file.
    Stream {
        /// The file's name.
        name: Vec<u8>,
        /// Where it comes from.
        reader: Box<dyn Read + Send>,
    },
    /// The standard output of a command, stored as one file if the command succeeds.
    Command {
        /// The file's name.
        name: Vec<u8>,
        /// Program and arguments.
        argv: Vec<OsString>,
    },
    /// Live databases, each stored as a dump with what is known of it.
    Databases(Vec<DatabaseSource>),
}

/// A backup to be made.
pub struct BackupRequest {
    /// What to read.
    pub source: Source,
    /// What to group its snapshots by; made of the paths or the stream's name if not given.
    pub source_name: Option<String>,
    /// Globs of what to leave out.
    pub excludes: Vec<String>,
    /// Read files again that look unchanged.
    pub force: bool,
    /// Store nothing.
    pub dry_run: bool,
    /// zstd level.
    pub level: i32,
    /// The user's words.
    pub tags: Vec<String>,
    /// The host it is taken on.
    pub host: String,
    /// The user who takes it.
    pub user: String,
    /// The snapshot's time if not now.
    pub time: Option<jiff::Zoned>,
}

/// What a backup came to.
#[derive(Debug)]
pub struct BackupReport {
    /// As published, or as it would have been.
    pub snapshot: Snapshot,
    /// `None` for a dry run.
    pub id: Option<ObjectId>,
    /// Paths that are missing in it.
    pub failures: Vec<Failure>,
    /// Paths that are stored but were odd, and what a command had to say.
    pub warnings: Vec<Failure>,
    /// The source's newest snapshot if it names a later time than this one.
    pub newer: Option<StoredSnapshot>,
}

/// Makes a backup. An error leaves the repository's snapshots as they were.
pub fn backup(
    repository: &Arc<Repository>,
    request: BackupRequest,
    progress: &Progress,
    cancel: &AtomicBool,
) -> Result<BackupReport> {
    let started = jiff::Zoned::now();
    let (source_name, paths) = describe(&request)?;
    let before = newest_of(repository, &request.host, &source_name)?;
    let draft = draft(&request, source_name, paths, &started);
    let options = WriteOptions {
        level: request.level,
        dry_run: request.dry_run,
    };
    let writer = RunWriter::start(repository, options)?;
    let before = before.as_ref();
    let (writer, mut outcome, dumped) =
        run(repository, writer, before, progress, cancel, |outlet| {
            read(repository, request, before, outlet)
        })?;
    if let (Some(first), true) = (outcome.failures.first(), outcome.stats.files == 0) {
        return Err(Error::NothingRead {
            first: first.clone(),
            count: outcome.failures.len(),
        });
    }
    let mut snapshot = draft;
    snapshot.incomplete = !outcome.failures.is_empty();
    outcome.files.encode(&mut snapshot.files);
    put_facts(&mut snapshot, &dumped.facts);
    let mut published = None;
    let stored = writer.publish(|totals| {
        snapshot.stats = with_totals(outcome.stats, totals);
        snapshot.finished = jiff::Timestamp::now().to_string();
        published = Some(snapshot.clone());
        snapshot
    })?;
    // What stays here or after a dry run is the next run's to take up or to remove.
    for file in dumped.staged.into_iter().filter(|_| stored.is_some()) {
        let name = file.local().as_os_str().as_encoded_bytes().to_vec();
        if let Err(error) = file.remove() {
            outcome.warnings.push(Failure::new(&name, error));
        }
    }
    let (id, snapshot) = match stored {
        Some(stored) => (Some(stored.id), Some(stored.snapshot)),
        None => (None, published),
    };
    let snapshot = snapshot.ok_or(Error::Interrupted)?;
    let newer = before.filter(|before| before.snapshot.timestamp() > snapshot.timestamp());
    let newer = newer.cloned();
    Ok(BackupReport {
        newer,
        snapshot,
        id,
        failures: outcome.failures,
        warnings: outcome.warnings,
    })
}

fn read(
    repository: &SharedRepository,
    request: BackupRequest,
    before: Option<&StoredSnapshot>,
    outlet: &mut Outlet<'_>,
) -> Result<Dumped> {
    let mut previous = Previous::of(repository, before);
    match request.source {
        Source::Paths(paths) => {
            let scan = Scan::new(&paths, &request.excludes)?;
            read_files(repository, scan, previous, request.force, outlet)?;
        }
        Source::Stream { name, reader } => {
            let content = previous.content_at(&stream_path(&name))?;
            read_stream(repository, &name, reader, content, outlet)?;
        }
        Source::Command { name, argv } => {
            let content = previous.content_at(&stream_path(&name))?;
            read_command(repository, &name, &argv, content, outlet)?;
        }
        Source::Databases(sources) => {
            return read_databases(repository, &sources, previous, outlet);
        }
    }
    Ok(Dumped::default())
}

/// The newest snapshot of the same source and host.
fn newest_of(repository: &Repository, host: &str, source: &str) -> Result<Option<StoredSnapshot>> {
    let snapshots = repository.snapshots()?;
    let same =
        |stored: &StoredSnapshot| stored.snapshot.host == host && stored.snapshot.source == source;
    Ok(snapshots.into_iter().rev().find(same))
}

/// Source name and paths of a request.
fn describe(request: &BackupRequest) -> Result<(String, Vec<String>)> {
    let paths = match &request.source {
        Source::Paths(paths) => {
            let mut absolute = Vec::new();
            for path in paths {
                let path = std::path::absolute(path).map_err(|source| Error::Source {
                    name: path.display().to_string(),
                    source,
                })?;
                absolute.push(escape_path(path_bytes(&path)));
            }
            absolute
        }
        Source::Stream { name, .. } | Source::Command { name, .. } => {
            vec![escape_path(&stream_path(name))]
        }
        Source::Databases(sources) => {
            let stored = sources.iter().map(DatabaseSource::stored_path);
            stored
                .map(|path| Ok(escape_path(&path?)))
                .collect::<Result<_>>()?
        }
    };
    let named = match &request.source {
        Source::Databases(sources) => {
            let urls = sources
                .iter()
                .map(|source| source.url.absolute().to_string());
            urls.collect::<Vec<_>>().join(",")
        }
        _ => paths.join(","),
    };
    Ok((request.source_name.clone().unwrap_or(named), paths))
}

fn draft(
    request: &BackupRequest,
    source: String,
    paths: Vec<String>,
    started: &jiff::Zoned,
) -> Snapshot {
    let rfc3339 = |time: &jiff::Zoned| {
        time.timestamp()
            .display_with_offset(time.offset())
            .to_string()
    };
    Snapshot {
        time: rfc3339(request.time.as_ref().unwrap_or(started)),
        started: rfc3339(started),
        finished: String::new(),
        host: request.host.clone(),
        user: request.user.clone(),
        source,
        paths,
        tags: request.tags.clone(),
        incomplete: false,
        program: concat!("nightfold ", env!("CARGO_PKG_VERSION")).to_owned(),
        files: Vec::new(),
        stats: SnapshotStats::default(),
        writer: SnapshotWriter::default(),
        extensions: std::collections::BTreeMap::new(),
    }
}

fn with_totals(stats: SnapshotStats, totals: &RunTotals) -> SnapshotStats {
    SnapshotStats {
        chunks_whole: totals.whole.load(Ordering::Relaxed),
        chunks_delta: totals.delta.load(Ordering::Relaxed),
        chunks_known: totals.known.load(Ordering::Relaxed),
        new: totals.new_bytes.load(Ordering::Relaxed),
        added: totals.stored_bytes.load(Ordering::Relaxed),
        ..stats
    }
}
