//! Creates nodes below a target directory, and nowhere else.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use nightfold_repo::format::Metadata;

use super::file::FileBeingRestored;
use super::safe_path::{UnsafePath, components};
use super::unix::Folder;
use super::{metadata, unix};

/// Directories kept open. Restores go through a tree in order or a few packs' worth of files at
/// a time, so a few do.
const OPEN_FOLDERS_MAX: usize = 64;

/// The kinds of device files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// A character device.
    Character,
    /// A block device.
    Block,
}

/// The directory that a restore writes below.
///
/// Paths are taken as stored in a snapshot, which may be hostile, and the tree below the target
/// may change under our hands. So every directory on the way is opened by its name in the one
/// above and never through a symbolic link, and nodes are created relative to that descriptor:
/// what is checked is what is written to. Methods may be called from several threads.
pub struct Target {
    root: Arc<Folder>,
    open: Mutex<HashMap<Vec<u8>, Arc<Folder>>>,
}

impl Target {
    /// Opens the target, and creates it where it's missing. Its own path may go through symbolic links.
    pub fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Ok(Self {
            root: Arc::new(Folder::open(path)?),
            open: Mutex::default(),
        })
    }

    /// Creates a directory, and those on the way to it, with mode 0700 until
    /// [`apply_metadata`](Self::apply_metadata). One that exists is taken as it is.
    pub fn create_directory(&self, stored: &[u8]) -> io::Result<()> {
        self.folder(&components(stored)?, true).map(drop)
    }

    /// Creates a symbolic link. What `overwrite` means here and below: a node that isn't
    /// a directory is replaced, at once; without it, its existence is an error.
    pub fn create_symlink(&self, stored: &[u8], link: &[u8], overwrite: bool) -> io::Result<()> {
        self.create(stored, overwrite, |folder, name| {
            folder.make_symlink(name, unix::as_path(link))
        })
    }

    /// Gives the node at `existing` one more name, `new`; both as stored.
    pub fn create_hardlink(&self, existing: &[u8], new: &[u8], overwrite: bool) -> io::Result<()> {
        let (from, existing) = self.place(existing)?;
        self.create(new, overwrite, |folder, name| {
            folder.make_link(name, &from, &existing)
        })
    }

    /// Creates a named pipe, mode 0600 until [`apply_metadata`](Self::apply_metadata).
    pub fn create_fifo(&self, stored: &[u8], overwrite: bool) -> io::Result<()> {
        self.create(stored, overwrite, Folder::make_fifo)
    }

    /// Creates a device file, which takes privileges; mode 0600 until
    /// [`apply_metadata`](Self::apply_metadata).
    pub fn create_device(
        &self,
        stored: &[u8],
        device: Device,
        number: u64,
        overwrite: bool,
    ) -> io::Result<()> {
        self.create(stored, overwrite, |folder, name| {
            folder.make_device(name, device, number)
        })
    }

    /// Begins a regular file of `size` bytes, which appears when it is finished. `holes` are
    /// (offset, length) in bytes; what isn't written reads as zeros.
    pub fn create_file(
        &self,
        stored: &[u8],
        size: u64,
        holes: &[(u64, u64)],
    ) -> io::Result<FileBeingRestored> {
        let (folder, name) = self.place(stored)?;
        FileBeingRestored::create(folder, name, size, holes)
    }

    /// Sets owner, extended attributes, mode and time of last change of a node that isn't
    /// a regular file being restored ([`FileBeingRestored::finish`] does that). A symbolic link
    /// gets them itself. Directories come last, after all that they hold. Returns what could not
    /// be set as sentences; an owner that only root could give is not among them.
    pub fn apply_metadata(
        &self,
        stored: &[u8],
        metadata: &Metadata,
        xattrs: &[(Vec<u8>, Vec<u8>)],
    ) -> io::Result<Vec<String>> {
        let (folder, name) = self.place(stored)?;
        metadata::apply(&folder.open_node(&name)?, metadata, xattrs)
    }

    /// Whether anything stands at a stored path.
    pub fn exists(&self, stored: &[u8]) -> io::Result<bool> {
        if components(stored)?.is_empty() {
            return Ok(true);
        }
        let found = self
            .place(stored)
            .and_then(|(folder, name)| folder.open_node(&name));
        match found {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn create(
        &self,
        stored: &[u8],
        overwrite: bool,
        make: impl Fn(&Folder, &OsStr) -> io::Result<()>,
    ) -> io::Result<()> {
        let (folder, name) = self.place(stored)?;
        if !overwrite {
            return make(&folder, &name);
        }
        let temporary = temporary_name();
        make(&folder, &temporary)?;
        let placed = folder.rename(&temporary, &name, true);
        // Still there if that failed, and if both are names of one file: then a rename does nothing.
        let _ = folder.remove(&temporary);
        placed
    }

    /// The directory of a stored path, and its name in there.
    fn place(&self, stored: &[u8]) -> io::Result<(Arc<Folder>, OsString)> {
        let names = components(stored)?;
        let (name, parents) = names.split_last().ok_or(UnsafePath::Empty)?;
        Ok((self.folder(parents, false)?, (*name).to_owned()))
    }

    fn folder(&self, names: &[&OsStr], create: bool) -> io::Result<Arc<Folder>> {
        if names.is_empty() {
            return Ok(Arc::clone(&self.root));
        }
        let key = key(names);
        let lock = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = lock().get(&key) {
            return Ok(Arc::clone(folder));
        }
        let mut folder = Arc::clone(&self.root);
        for (depth, name) in names.iter().enumerate() {
            let child = match folder.open_folder(name) {
                Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                    match folder.make_directory(name) {
                        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                        _ => folder.open_folder(name),
                    }
                }
                opened => opened,
            };
            folder = Arc::new(child.map_err(|error| not_a_folder(&error, &names[..=depth]))?);
        }
        let mut open = lock();
        if open.len() >= OPEN_FOLDERS_MAX {
            open.clear();
        }
        open.insert(key, Arc::clone(&folder));
        Ok(folder)
    }
}

fn key(names: &[&OsStr]) -> Vec<u8> {
    let names: Vec<&[u8]> = names
        .iter()
        .map(|name| unix::path_bytes(Path::new(name)))
        .collect();
    names.join(&b'/')
}

fn not_a_folder(error: &io::Error, names: &[&OsStr]) -> io::Error {
    let path = key(names);
    let path = path.escape_ascii();
    let kind = error.kind();
    match kind {
        io::ErrorKind::NotADirectory => io::Error::new(
            io::ErrorKind::NotADirectory,
            format!(
                "refused: a file or symbolic link stands where the directory '{path}' should be"
            ),
        ),
        _ => io::Error::new(kind, format!("directory '{path}': {error}")),
    }
}

/// A name that nothing else has.
pub(super) fn temporary_name() -> OsString {
    // The hasher's keys are random; an attacker who guesses them can make us fail, not overwrite.
    let random = RandomState::new().build_hasher().finish();
    format!(".nightfold-restore-{random:016x}").into()
}
