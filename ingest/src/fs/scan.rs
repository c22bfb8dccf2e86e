//! A lazy walk over directory trees, in the order of a file list.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::vec::IntoIter;

use nightfold_repo::format::escape_path;

use super::exclude::Excludes;
use super::found::{Found, FoundKind, ScanItem};
use super::roots::Roots;
use super::unix::{self, Name, path_bytes};

/// Why a scan cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// What is to be backed up isn't there or can't be seen.
    #[error("cannot back up {}: {source}", escape_path(path_bytes(path)))]
    Root {
        /// As the user gave it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A relative path was given and there's no telling to what.
    #[error("cannot tell the current directory: {0}")]
    CurrentDirectory(#[source] io::Error),
    /// An exclude pattern that isn't one.
    #[error("bad exclude pattern {pattern:?}: {reason}")]
    Pattern {
        /// As the user gave it.
        pattern: String,
        /// What's wrong with it.
        reason: String,
    },
    /// Every path asked for is excluded: a mistake, not a wish for an empty backup.
    #[error("the exclude patterns leave out every path that is to be backed up")]
    AllExcluded,
}

/// The trees below some roots, and the directories that lead to them (so that a restore can set
/// their modes), strictly ascending in `path_order`, directories before what they hold.
///
/// Reads as it goes: memory is bounded by the names in the directories between a root and the
/// current entry.
pub struct Scan {
    roots: Roots,
    excludes: Excludes,
    /// The open directories, outermost first.
    levels: Vec<Level>,
    /// A directory that was yielded and is listed next.
    unlisted: Option<Directory>,
    /// Failures of the entry yielded last.
    failures: VecDeque<ScanItem>,
}

struct Directory {
    /// Empty for `/`.
    path: Vec<u8>,
    /// Whether all it holds is wanted, or only what leads to a root.
    whole: bool,
}

struct Level {
    directory: Directory,
    names: IntoIter<Name>,
}

impl Scan {
    /// `roots` are paths as the user gave them: made absolute, `.` and `..` taken out by their
    /// letters, symbolic links left as they are (a root that is one is backed up as one). A root
    /// within another, or given twice, is visited once.
    ///
    /// `excludes` are globs. With a leading `/` one matches a whole absolute path, without it
    /// a path's last components at any depth (`*.tmp`, `cache/`, `a/*.log`); `*` stops at `/`,
    /// `**` doesn't. A trailing `/` means directories only, a leading `!` takes back what an
    /// earlier pattern excluded. An excluded directory isn't descended into, except to a root
    /// below it. A root that itself matches is left out; the directories that lead to it aren't asked.
    pub fn new(roots: &[PathBuf], excludes: &[String]) -> Result<Self, ScanError> {
        let excludes = Excludes::new(excludes)?;
        let roots = Roots::new(roots, &excludes)?;
        let top = Directory {
            path: Vec::new(),
            whole: roots.contains(b""),
        };
        Ok(Self {
            roots,
            excludes,
            levels: Vec::new(),
            unlisted: Some(top),
            failures: VecDeque::new(),
        })
    }

    fn list(&mut self, directory: Directory) {
        let mut names = Vec::new();
        if directory.whole {
            let path = match directory.path.as_slice() {
                b"" => b"/",
                path => path,
            };
            let (listed, error) = unix::list_directory(unix::as_path(path));
            names = listed;
            if let Some(error) = error {
                let path = path.to_vec();
                self.failures.push_back(ScanItem::Failed { path, error });
            }
        }
        // Also of a directory read whole: one that may be searched but not listed can hold roots.
        let leading = self.roots.names_below(&directory.path);
        names.extend(leading.map(|name| Name {
            bytes: name.to_vec(),
            is_directory: None,
        }));
        names.sort_by(|a, b| a.bytes.cmp(&b.bytes));
        names.dedup_by(|a, b| a.bytes == b.bytes);
        self.levels.push(Level {
            directory,
            names: names.into_iter(),
        });
    }

    /// `None`: left out, or nothing that is backed up.
    fn visit(&mut self, path: Vec<u8>, name: &Name, parent_whole: bool) -> Option<ScanItem> {
        let leads_to_root = self.roots.any_below(&path);
        let mut whole = self.roots.contains(&path) || (parent_whole && !self.excluded(&path, name));
        if !whole && !leads_to_root {
            return None;
        }
        let file = unix::as_path(&path);
        let mut look = unix::look(file, false);
        let through_link = leads_to_root && matches!(look, Ok(Some((_, FoundKind::Symlink(_)))));
        if through_link {
            // Stored as the directory that it points to: a restore doesn't write through links.
            look = unix::look(file, true);
            whole = false;
        }
        let is_directory = match &look {
            Ok(found) => matches!(found.as_ref()?.1, FoundKind::Directory),
            // The root below it may still be reached.
            Err(_) => leads_to_root,
        };
        if is_directory {
            let whole = whole && look.is_ok();
            let path = path.clone();
            self.unlisted = Some(Directory { path, whole });
        }
        let (metadata, kind) = match look {
            Ok(found) => found?,
            Err(error) => return Some(ScanItem::Failed { path, error }),
        };
        let (xattrs, error) = unix::xattrs(file, through_link);
        if let Some(error) = error {
            let path = path.clone();
            self.failures.push_back(ScanItem::Failed { path, error });
        }
        Some(ScanItem::Found(Found {
            path,
            metadata,
            kind,
            xattrs,
        }))
    }

    /// Asks the file system only where the listing doesn't tell: an excluded path may be excluded
    /// because a look at it fails or hangs.
    fn excluded(&self, path: &[u8], name: &Name) -> bool {
        let path = unix::as_path(path);
        self.excludes.excluded(path, || {
            name.is_directory
                .unwrap_or_else(|| unix::is_directory(path).unwrap_or(true))
        })
    }
}

impl Iterator for Scan {
    type Item = ScanItem;

    fn next(&mut self) -> Option<ScanItem> {
        loop {
            if let Some(failure) = self.failures.pop_front() {
                return Some(failure);
            }
            if let Some(directory) = self.unlisted.take() {
                self.list(directory);
                continue;
            }
            let level = self.levels.last_mut()?;
            let Some(name) = level.names.next() else {
                self.levels.pop();
                continue;
            };
            let path = [level.directory.path.as_slice(), b"/", &name.bytes].concat();
            let whole = level.directory.whole;
            if let Some(item) = self.visit(path, &name, whole) {
                return Some(item);
            }
        }
    }
}
