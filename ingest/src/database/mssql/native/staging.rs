//! One folder under two names: the server's, and ours. Files in it do not stay.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::super::error::{MssqlError, Result};

/// What names of files that this program has the server write begin with.
pub(in super::super) const PREFIX: &str = "nightfold-";
/// What those of log backups end with.
pub(super) const LOG_SUFFIX: &str = ".trn";

/// A folder that the server writes and this program reads, or the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staging {
    /// As the server names it: `\\srv\share`, `D:\staging`, `/var/staging`.
    pub server: String,
    /// As this machine names it: `/mnt/share`.
    pub local: PathBuf,
}

impl Staging {
    /// A file of this name, which is removed when this is dropped, whether or not it is there by
    /// then. An error if it is there already, or the folder is not.
    pub fn file(&self, name: &str) -> Result<StagedFile> {
        let local = self.local.join(name);
        let folder = fs::metadata(&self.local).map_err(|error| {
            let shown = self.local.display();
            MssqlError::io(format!("cannot use the staging folder {shown}"), error)
        })?;
        if !folder.is_dir() {
            let what = format!("the staging folder {}", self.local.display());
            return Err(MssqlError::refused(what, "that is no folder"));
        }
        if fs::symlink_metadata(&local).is_ok() {
            let what = format!("the staging file {}", local.display());
            return Err(MssqlError::refused(what, "it is there already"));
        }
        Ok(self.named(name, false))
    }

    /// Log backups of this program that are there, oldest first: their runs ended before they were
    /// stored. They stay when they are dropped.
    pub fn left_logs(&self) -> Result<Vec<StagedFile>> {
        let failed = |error| {
            let shown = self.local.display();
            MssqlError::io(format!("cannot list the staging folder {shown}"), error)
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.local).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Ok(name) = entry.file_name().into_string()
                && name.starts_with(PREFIX)
                && name.ends_with(LOG_SUFFIX)
            {
                let modified = entry.metadata().and_then(|metadata| metadata.modified());
                names.push((modified.ok(), name));
            }
        }
        names.sort();
        let files = names.iter().map(|(_, name)| self.named(name, true));
        Ok(files.collect())
    }

    fn named(&self, name: &str, stays: bool) -> StagedFile {
        let separator = if self.server.contains('\\') {
            '\\'
        } else {
            '/'
        };
        let server = self.server.trim_end_matches(['\\', '/']);
        StagedFile {
            server: format!("{server}{separator}{name}"),
            local: self.local.join(name),
            stays,
        }
    }
}

/// A file in the staging folder.
#[derive(Debug)]
pub struct StagedFile {
    server: String,
    local: PathBuf,
    /// Whether it is to be there after this is dropped.
    stays: bool,
}

impl StagedFile {
    /// Its path for the server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Its path for this machine.
    pub fn local(&self) -> &Path {
        &self.local
    }

    /// Its name in the folder.
    pub fn name(&self) -> String {
        let name = self.local.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Whether it goes only when it is removed.
    pub fn stays(&self) -> bool {
        self.stays
    }

    /// From now on it goes only when it is removed: what is in it may be nowhere else.
    pub fn stay(&mut self) {
        self.stays = true;
    }

    /// Opens what the server wrote.
    pub fn open(&self) -> Result<File> {
        File::open(&self.local).map_err(|error| {
            let what = format!(
                "the server wrote {}, but {} cannot be read: do both name the same folder, and may \
                 this user read what the server's account writes?",
                self.server,
                self.local.display()
            );
            MssqlError::io(what, error)
        })
    }

    /// Makes it, for the server to read.
    pub fn create(&self) -> Result<File> {
        let mut options = File::options();
        options.write(true).create_new(true);
        options.open(&self.local).map_err(|error| {
            MssqlError::io(format!("cannot write {}", self.local.display()), error)
        })
    }

    /// Removes it, and tells if that fails.
    pub fn remove(mut self) -> Result<()> {
        self.stays = true;
        match fs::remove_file(&self.local) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(MssqlError::io(
                format!("cannot remove the staging file {}", self.local.display()),
                error,
            )),
            _ => Ok(()),
        }
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.stays {
            // On the way out of a failure, which is told; there is nobody to tell of this one.
            let _ = fs::remove_file(&self.local);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_staged_file_does_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging {
            server: r"\\srv\share\".to_owned(),
            local: folder.path().to_owned(),
        };
        let file = staging.file("a.bak").unwrap();
        assert_eq!(file.server(), r"\\srv\share\a.bak");
        file.create().unwrap();
        assert!(staging.file("a.bak").is_err(), "it is there already");
        let local = file.local().to_owned();
        drop(file);
        assert!(!local.exists());
        let file = staging.file("b.bak").unwrap();
        file.create().unwrap();
        file.remove().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        let mut log = staging.file("nightfold-1.trn").unwrap();
        log.create().unwrap();
        log.stay();
        drop(log);
        fs::write(folder.path().join("theirs.trn"), b"").unwrap();
        let left = staging.left_logs().unwrap();
        let names: Vec<_> = left.iter().map(StagedFile::server).collect();
        assert_eq!(names, [r"\\srv\share\nightfold-1.trn"]);
        drop(left);
        for log in staging.left_logs().unwrap() {
            log.remove().unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let missing = Staging {
            local: folder.path().join("missing"),
            ..staging
        };
        assert!(missing.file("a.bak").is_err());
    }
}
