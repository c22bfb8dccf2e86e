//! Restoring a snapshot, or a part of it, below a target folder.
//!
//! Directories and links are made as the file list goes by; the chunks of regular files are read in batches
//! on one side and written on the other. A file appears under its name only when it is whole.

mod batch;
mod write;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use nightfold_repo::Repository;
use nightfold_repo::format::{Entry, Extension, Metadata, Node, escape_path};
use nightfold_repo::repository::StoredSnapshot;

use crate::error::{Error, Failure, Result};
use crate::fs::{Device, Target, Xattrs};
use crate::listing::{entries, find_entry};
use crate::progress::Progress;
use batch::Reader;
use write::FileWriter;

/// Batches decoded ahead of the disk.
const BATCHES_WAITING_MAX: usize = 1;

/// A restore to be made.
pub struct RestoreRequest {
    /// Only this file or subtree, as stored.
    pub path: Option<Vec<u8>>,
    /// Where absolute paths are re-created.
    pub target: PathBuf,
    /// Replace what is there.
    pub overwrite: bool,
}

/// What a restore came to.
#[derive(Debug, Default)]
pub struct RestoreReport {
    /// Regular files restored.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What could not be set of metadata.
    pub warnings: Vec<String>,
    /// What could not be restored.
    pub failures: Vec<Failure>,
}

/// Restores a snapshot. Failures of single files are reported while the rest goes on.
pub fn restore(
    repository: &Arc<Repository>,
    snapshot: &StoredSnapshot,
    request: &RestoreRequest,
    progress: &Progress,
    cancel: &AtomicBool,
) -> Result<RestoreReport> {
    let target = Target::open(&request.target).map_err(|source| target_error(request, source))?;
    // Where storage can be written to, prune deletes nothing meanwhile.
    let _lease = repository.reading_lease("restore");
    survey(repository, snapshot, request, &target, progress)?;
    let mut writer = FileWriter::new(&target, request.overwrite, progress);
    let mut late = Late::default();
    let failed = thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(BATCHES_WAITING_MAX);
        let (target, late) = (&target, &mut late);
        let reader = scope.spawn(move || {
            let mut reader = Reader::new(repository, sender);
            let mut links = Links {
                repository,
                snapshot,
                request,
                moved: HashMap::new(),
            };
            for entry in entries(repository, snapshot)? {
                if cancel.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                let entry = entry?;
                if wanted(request, &entry) {
                    let entry = links.resolve(entry)?;
                    place(target, request.overwrite, entry, &mut reader, late)?;
                }
            }
            reader.finish()
        });
        for batch in receiver {
            writer.write(batch);
        }
        reader
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let mut report = writer.finish();
    failed?;
    late.finish(&target, request.overwrite, &mut report);
    Ok(report)
}

fn target_error(request: &RestoreRequest, source: std::io::Error) -> Error {
    Error::Target {
        target: request.target.display().to_string(),
        source,
    }
}

/// Before anything is written: what is wanted exists in the snapshot, and nothing in the target is in its way.
fn survey(
    repository: &Repository,
    snapshot: &StoredSnapshot,
    request: &RestoreRequest,
    target: &Target,
    progress: &Progress,
) -> Result<()> {
    let mut found = request.path.is_none();
    for entry in entries(repository, snapshot)? {
        let entry = entry?;
        if !wanted(request, &entry) {
            continue;
        }
        found |= request
            .path
            .as_ref()
            .is_none_or(|path| is_within(&entry.path, path));
        progress
            .bytes_total
            .fetch_add(entry.size(), Ordering::Relaxed);
        // An unsafe path is reported when its turn comes.
        if entry.node != Node::Directory
            && !request.overwrite
            && target.exists(&entry.path).unwrap_or(false)
        {
            let (path, target) = (
                escape_path(&entry.path),
                request.target.display().to_string(),
            );
            return Err(Error::Exists { path, target });
        }
    }
    match &request.path {
        Some(path) if !found => Err(Error::NoSuchPath {
            path: escape_path(path),
        }),
        _ => Ok(()),
    }
}

/// Whether an entry lies at or below what was asked for, or on the way to it.
fn wanted(request: &RestoreRequest, entry: &Entry) -> bool {
    let Some(path) = &request.path else {
        return true;
    };
    is_within(&entry.path, path)
        || (entry.node == Node::Directory && is_within(path, &entry.path) && entry.path != b"/")
}

/// Whether a path is another one or lies below it.
fn is_within(inner: &[u8], outer: &[u8]) -> bool {
    let rest = inner.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || outer == b"/")
}

/// Further names of files that are not themselves restored: the first such name becomes the file.
struct Links<'a> {
    repository: &'a Repository,
    snapshot: &'a StoredSnapshot,
    request: &'a RestoreRequest,
    moved: HashMap<Vec<u8>, Vec<u8>>,
}

impl Links<'_> {
    /// The link as it is to be restored: a link to a name that is restored, or the file.
    fn resolve(&mut self, mut entry: Entry) -> Result<Entry> {
        let Node::Hardlink(first) = &entry.node else {
            return Ok(entry);
        };
        if self
            .request
            .path
            .as_ref()
            .is_none_or(|path| is_within(first, path))
        {
            return Ok(entry);
        }
        if let Some(now) = self.moved.get(first) {
            entry.node = Node::Hardlink(now.clone());
            return Ok(entry);
        }
        let Some(file) = find_entry(self.repository, self.snapshot, first)? else {
            return Ok(entry);
        };
        self.moved.insert(first.clone(), entry.path.clone());
        Ok(Entry {
            path: entry.path,
            ..file
        })
    }
}

/// What must wait until the files are there.
#[derive(Default)]
struct Late {
    /// Metadata of directories: writing into them would change their times.
    directories: Vec<(Vec<u8>, Metadata, Xattrs)>,
    /// Further names, and the files that they name.
    links: Vec<(Vec<u8>, Vec<u8>)>,
    warnings: Vec<String>,
    failures: Vec<Failure>,
}

fn place(
    target: &Target,
    overwrite: bool,
    entry: Entry,
    reader: &mut Reader<'_>,
    late: &mut Late,
) -> Result<()> {
    let (mut xattrs, mut holes) = (Vec::new(), Vec::new());
    for extension in entry.extensions {
        match extension {
            Extension::Xattr { name, value } => xattrs.push((name, value)),
            Extension::Holes(spans) => holes = spans,
            Extension::Unknown { .. } => {}
        }
    }
    let path = &entry.path;
    let created = match entry.node {
        Node::File(content) => {
            return reader.file(entry.path, entry.metadata, xattrs, holes, &content);
        }
        Node::Hardlink(first) => {
            late.links.push((first, entry.path));
            return Ok(());
        }
        Node::Directory => {
            match target.create_directory(path) {
                Ok(()) => late.directories.push((entry.path, entry.metadata, xattrs)),
                Err(error) => late.failures.push(Failure::new(path, error)),
            }
            return Ok(());
        }
        Node::Symlink(link) => target.create_symlink(path, &link, overwrite),
        Node::Fifo => target.create_fifo(path, overwrite),
        Node::CharDevice(number) => {
            target.create_device(path, Device::Character, number, overwrite)
        }
        Node::BlockDevice(number) => target.create_device(path, Device::Block, number, overwrite),
    };
    match created.and_then(|()| target.apply_metadata(path, &entry.metadata, &xattrs)) {
        Ok(warnings) => late.warnings.extend(warnings),
        Err(error) => late.failures.push(Failure::new(path, error)),
    }
    Ok(())
}

impl Late {
    fn finish(self, target: &Target, overwrite: bool, report: &mut RestoreReport) {
        report.warnings.extend(self.warnings);
        report.failures.extend(self.failures);
        for (first, link) in self.links {
            if let Err(error) = target.create_hardlink(&first, &link, overwrite) {
                report.failures.push(Failure::new(
                    &link,
                    format!("cannot link it to {}: {error}", escape_path(&first)),
                ));
            }
        }
        for (path, metadata, xattrs) in self.directories.into_iter().rev() {
            match target.apply_metadata(&path, &metadata, &xattrs) {
                Ok(warnings) => report.warnings.extend(warnings),
                Err(error) => report.failures.push(Failure::new(&path, error)),
            }
        }
    }
}
