//! A repository in a local folder (or a mounted network share).
//!
//! An object is written to a temporary name in its own folder, synced, renamed, and the folder synced:
//! only then is it there. A crash before the rename leaves a stray `.tmp-…` that no reader looks at.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Listed, Storage};
use crate::crypto::random;
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectId, ObjectName};

const TEMPORARY_PREFIX: &str = ".tmp-";
/// Packs kept open for ranged reads.
const OPEN_FILES_MAX: usize = 128;

/// Objects as files below a folder.
pub struct LocalStorage {
    root: PathBuf,
    open: Mutex<HashMap<ObjectName, Arc<File>>>,
    /// Folders that are there for good.
    durable: Mutex<HashSet<PathBuf>>,
}

impl LocalStorage {
    /// The storage at `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            open: Mutex::default(),
            durable: Mutex::default(),
        }
    }

    fn path(&self, name: ObjectName) -> PathBuf {
        self.root.join(name.path())
    }

    fn file(&self, name: ObjectName) -> Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&name) {
            return Ok(Arc::clone(file));
        }
        let path = self.path(name);
        let file =
            Arc::new(File::open(&path).map_err(|error| missing_or("open", name, &path, error))?);
        if open.len() >= OPEN_FILES_MAX {
            open.clear();
        }
        open.insert(name, Arc::clone(&file));
        Ok(file)
    }

    /// Forgets an open file.
    fn close(&self, name: ObjectName) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&name);
    }

    /// Makes a folder and its parents durable one by one, so that no later object hangs in the air. Also one
    /// that exists: whoever made it may have crashed before it was durable.
    fn make_folder(&self, folder: &Path) -> Result<()> {
        let known = |durable: &HashSet<PathBuf>| durable.contains(folder);
        if known(&self.durable.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        // The folder of a relative path's first part is the working folder.
        let parent = match folder.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Some(Path::new(".")),
            parent => parent,
        };
        // Folders above the repository that exist are the user's: only ours are known to need a sync.
        let ours = folder != self.root && folder.starts_with(&self.root);
        if let Some(parent) = parent
            && (ours || !parent.exists())
        {
            self.make_folder(parent)?;
        }
        match fs::create_dir(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists && !folder.is_dir() => {
                return Err(Error::io("create the folder", folder.display(), error));
            }
            _ => parent.map_or(Ok(()), sync_folder)?,
        }
        self.durable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(folder.to_owned());
        Ok(())
    }
}

fn missing_or(operation: &'static str, name: ObjectName, path: &Path, error: io::Error) -> Error {
    if error.kind() == ErrorKind::NotFound {
        Error::Missing {
            object: name.to_string(),
        }
    } else {
        Error::io(operation, path.display(), error)
    }
}

fn sync_folder(folder: &Path) -> Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    match synced {
        // Some network mounts cannot sync a folder; they order renames themselves.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        other => other.map_err(|error| Error::io("sync the folder", folder.display(), error)),
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes a file under another name and gives it its own when it is durable; what had that name before is gone.
fn publish(folder: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = folder.join(format!("{TEMPORARY_PREFIX}{}", ObjectId(random()?)));
    let published = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = published {
        let _ = fs::remove_file(&temporary);
        return Err(Error::io("write", path.display(), error));
    }
    sync_folder(folder)
}

impl Storage for LocalStorage {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn is_vacant(&self) -> Result<bool> {
        match fs::read_dir(&self.root) {
            Ok(mut entries) => Ok(entries.next().is_none()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(Error::io("read the folder", self.root.display(), error)),
        }
    }

    fn put(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.root);
        self.make_folder(folder)?;
        if path.exists() {
            return Err(Error::io(
                "write",
                path.display(),
                ErrorKind::AlreadyExists.into(),
            ));
        }
        publish(folder, &path, bytes)
    }

    fn replace(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.root);
        self.make_folder(folder)?;
        publish(folder, &path, bytes)?;
        // Who had the old file open would go on reading that.
        self.close(name);
        Ok(())
    }

    fn get(&self, name: ObjectName) -> Result<Vec<u8>> {
        let path = self.path(name);
        let failed = |error| missing_or("read", name, &path, error);
        let limit = name.kind.bytes_max();
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(failed)?;
        file.take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > limit {
            let reason = format!("it is larger than any such object may be ({limit} bytes)");
            return Err(Error::corrupt(name, reason));
        }
        Ok(bytes)
    }

    fn get_range(&self, name: ObjectName, offset: u64, count: usize) -> Result<Vec<u8>> {
        let file = self.file(name)?;
        let mut bytes = vec![0; count];
        let mut filled = 0;
        while filled < count {
            match file.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", self.path(name).display(), error)),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        Ok(self.walk(kind)?.0)
    }

    fn delete(&self, name: ObjectName) -> Result<()> {
        self.close(name);
        let path = self.path(name);
        fs::remove_file(&path).map_err(|error| missing_or("delete", name, &path, error))?;
        path.parent().map_or(Ok(()), sync_folder)
    }

    fn strays(&self, kind: Kind) -> Result<Vec<String>> {
        Ok(self.walk(kind)?.1)
    }
}

impl LocalStorage {
    /// Objects of a kind, and names that are none.
    fn walk(&self, kind: Kind) -> Result<(Vec<Listed>, Vec<String>)> {
        let mut found = (Vec::new(), Vec::new());
        let folder = self.root.join(kind.folder());
        if kind == Kind::Config {
            if let Ok(metadata) = fs::metadata(&folder) {
                found.0.push(Listed {
                    id: ObjectName::CONFIG.id,
                    bytes: metadata.len(),
                });
            }
            return Ok(found);
        }
        for (name, is_folder, _) in read_folder(&folder)? {
            if kind == Kind::Pack && is_folder && name.len() == 2 {
                for (inner, is_folder, bytes) in read_folder(&folder.join(&name))? {
                    let shown = format!("{}/{name}/{inner}", kind.folder());
                    // A pack in another folder than its own would not be found by its name.
                    let own = inner.starts_with(&name);
                    sort_out(
                        &mut found,
                        if own { &inner } else { "" },
                        shown,
                        is_folder,
                        bytes,
                    );
                }
            } else {
                let bytes =
                    fs::symlink_metadata(folder.join(&name)).map_or(0, |metadata| metadata.len());
                let object = if kind == Kind::Pack { "" } else { &name };
                sort_out(
                    &mut found,
                    object,
                    format!("{}/{name}", kind.folder()),
                    is_folder,
                    bytes,
                );
            }
        }
        Ok(found)
    }
}

fn sort_out(
    found: &mut (Vec<Listed>, Vec<String>),
    name: &str,
    shown: String,
    is_folder: bool,
    bytes: u64,
) {
    match name.parse() {
        Ok(id) if !is_folder => found.0.push(Listed { id, bytes }),
        _ => found.1.push(shown),
    }
}

/// Names, whether they are folders, and sizes; empty for a folder that is not there.
fn read_folder(folder: &Path) -> Result<Vec<(String, bool, u64)>> {
    let failed = |error| Error::io("list", folder.display(), error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        // A file that goes away while we list (another writer's temporary one) is no error.
        match entry.metadata() {
            Ok(metadata) => {
                names.push((
                    entry.file_name().to_string_lossy().into_owned(),
                    metadata.is_dir(),
                    metadata.len(),
                ));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(names)
}
