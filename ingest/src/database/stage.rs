//! Private folders for copies and servers that a run needs for a while.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::Error;

const PREFIX: &str = "nightfold-stage-";
/// Held locked as long as the folder is in use.
const LOCK: &str = "lock";

/// A folder that only this user can look into. It is removed when dropped; if the process is killed, by the next one
/// that makes such a folder.
pub(super) struct Stage {
    folder: TempDir,
    _lock: File,
}

impl Stage {
    pub(super) fn new() -> io::Result<Self> {
        sweep(&std::env::temp_dir());
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        let lock = File::create(folder.path().join(LOCK))?;
        lock.lock()?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// An error of the folder for temporary files.
pub(super) fn unusable(source: io::Error) -> Error {
    let folder = std::env::temp_dir();
    Error::Target {
        target: format!("{} (TMPDIR names another folder)", folder.display()),
        source,
    }
}

/// Removes folders whose processes are gone. What cannot be removed is not ours, or will be another time.
fn sweep(parent: &Path) {
    for entry in parent.read_dir().into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let lock = File::open(entry.path().join(LOCK));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn folders_go_when_dropped_and_what_a_killed_process_left_goes_next_time() {
        let left = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir()
            .unwrap()
            .keep();
        std::fs::write(left.join("data"), "x").unwrap();
        let stage = Stage::new().unwrap();
        assert!(left.exists(), "without a lock it may just have been made");
        std::fs::write(left.join(LOCK), "").unwrap();
        let other = Stage::new().unwrap();
        assert!(!left.exists());
        assert!(stage.folder().exists() && other.folder().exists());
        let path = other.path("x");
        drop(other);
        assert!(!path.parent().unwrap().exists());
    }
}
