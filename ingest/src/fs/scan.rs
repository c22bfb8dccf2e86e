//! A lazy walk over directory trees, in the order of a file list.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::vec::IntoIter;

use nightfold_repo::format::Metadata;

use super::exclude::Excludes;
use super::roots::Roots;
use super::unix::{self, Name};

/// Extended attributes as (name, value), by name.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// An entry to be: its content is still unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Absolute path as raw bytes, starting with `/`, without a trailing one.
    pub path: Vec<u8>,
    /// Mode, owner, times.
    pub metadata: Metadata,
    /// What it is.
    pub kind: FoundKind,
    /// Extended attributes, ACLs among them.
    pub xattrs: Xattrs,
}

/// What kind of thing was found. Sockets are not: they mean nothing without the process behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundKind {
    /// A regular file.
    File {
        /// Bytes when it was found; [`open_regular`](super::open_regular) knows better.
        size: u64,
        /// Its identity when it has other names.
        link: Option<LinkIdentity>,
    },
    /// A directory.
    Directory,
    /// A symbolic link and what it points to.
    Symlink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A character device and its number.
    CharDevice(u64),
    /// A block device and its number.
    BlockDevice(u64),
}

/// Equal for all names of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkIdentity {
    /// The file system's device number.
    pub device: u64,
    /// The inode number on it.
    pub inode: u64,
}

/// What a scan yields.
#[derive(Debug)]
pub enum ScanItem {
    /// Something to back up.
    Found(Found),
    /// Something that could not be read. When the item before is [`ScanItem::Found`] with the same
    /// path, only a part of it could not: what a directory holds, or extended attributes.
    Failed {
        /// Absolute path as raw bytes.
        path: Vec<u8>,
        /// Why. Not found: it vanished since its directory was listed.
        error: io::Error,
    },
}

/// Why a scan cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// What is to be backed up isn't there or can't be seen.
    #[error("cannot back up {path:?}: {source}")]
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
        let is_root = self.roots.contains(&path);
        let file = unix::as_path(&path);
        let mut whole = parent_whole || is_root;
        let mut looked = None;
        if whole && !is_root {
            // Excluded paths are not even looked at where the listing tells their kind: they may
            // be what a user excludes because looking fails or hangs.
            let is_directory = name.is_directory.unwrap_or_else(|| {
                let look = looked.insert(unix::look(file, false));
                !matches!(look, Ok(Some((_, kind))) if *kind != FoundKind::Directory)
            });
            whole = !self.excludes.excluded(file, is_directory);
        }
        if !whole && !leads_to_root {
            return None;
        }
        let mut look = looked.unwrap_or_else(|| unix::look(file, false));
        let mut follow = false;
        if leads_to_root && matches!(look, Ok(Some((_, FoundKind::Symlink(_))))) {
            // Stored as the directory that it points to: a restore doesn't write through links.
            follow = true;
            whole = false;
            look = unix::look(file, true);
        }
        let (metadata, kind) = match look {
            Ok(found) => found?,
            Err(error) => {
                if leads_to_root {
                    self.unlisted = Some(Directory {
                        path: path.clone(),
                        whole: false,
                    });
                }
                return Some(ScanItem::Failed { path, error });
            }
        };
        let (xattrs, error) = unix::xattrs(file, follow);
        if let Some(error) = error {
            let path = path.clone();
            self.failures.push_back(ScanItem::Failed { path, error });
        }
        if kind == FoundKind::Directory {
            self.unlisted = Some(Directory {
                path: path.clone(),
                whole,
            });
        }
        Some(ScanItem::Found(Found {
            path,
            metadata,
            kind,
            xattrs,
        }))
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
