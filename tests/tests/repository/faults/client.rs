//! Who runs a verb, and what must hold whatever becomes of the run.

use std::path::Path;
use std::sync::Arc;

use nightfold_repo::format::{ObjectId, ObjectName};
use nightfold_repo::repository::Password;
use nightfold_repo::storage::{MemoryStorage, Storage};
use nightfold_repo::{Error, Repository, Result};

use crate::support::{Files, assert_restores, check_data, open_impatient};

/// Notes of a check that an interrupted run may cause. Anything else it says is a failure.
const NOTES: [&str; 6] = [
    // Of a put that the cut fell into.
    "temporary file",
    // Objects come before their copies and parity, and go after them.
    "without a copy",
    "without parity",
    // Packs come before the snapshot.
    "that no snapshot uses",
    // Tombstones come before snapshots go.
    "forgotten but not deleted yet",
    // Of condemned packs those go first that others rest on.
    "without a usable base",
];

/// The repository before a verb.
pub struct Before {
    pub disk: MemoryStorage,
    pub cache: tempfile::TempDir,
    /// Snapshots that must restore whatever happens.
    pub kept: Vec<(ObjectId, Files)>,
    /// Snapshots that the verb may remove: they restore, or are gone.
    pub going: Vec<(ObjectId, Files)>,
    /// What a new snapshot may hold.
    pub coming: Vec<Files>,
    /// Objects that are damaged or gone until the verb has run to its end. Until then what was there restores or says
    /// which of them it needs.
    pub damaged: Vec<ObjectName>,
}

/// A client: where the repository is, its cache folder, and passwords one of which must open it at any time.
pub struct Client<'a> {
    pub storage: Arc<dyn Storage>,
    /// What the storage holds.
    pub disk: MemoryStorage,
    cache: &'a Path,
    passwords: &'static [&'static str],
}

impl<'a> Client<'a> {
    pub fn new(
        storage: Arc<dyn Storage>,
        disk: MemoryStorage,
        cache: &'a Path,
        passwords: &'static [&'static str],
    ) -> Self {
        Self {
            storage,
            disk,
            cache,
            passwords,
        }
    }

    /// Opens the repository with the first password that fits.
    pub fn open(&self) -> Result<Arc<Repository>> {
        let mut tried = self.passwords.iter().map(|password| self.open_by(password));
        let opened = tried.find(|opened| !matches!(opened, Err(Error::WrongPassword { .. })));
        opened.unwrap_or(Err(Error::WrongPassword { slots: 0 }))
    }

    pub fn open_by(&self, password: &str) -> Result<Arc<Repository>> {
        let password = Password::new(password.into());
        open_impatient(Arc::clone(&self.storage), self.cache, password)
    }

    /// The repository opens, and nothing is wrong with it but what was before. Returns whether nothing is at all.
    pub fn assert_no_worse(&self, before: &Before, torn: &[ObjectName]) -> bool {
        let report = check_data(&self.open().unwrap());
        for problem in &report.problems {
            let known = before.damaged.iter().chain(torn);
            let told = format!("{} {}", problem.object, problem.what);
            let mut names = known.map(ToString::to_string);
            assert!(names.any(|name| told.contains(&name)), "{problem}");
        }
        report.problems.is_empty()
    }

    /// The repository opens and is clean but for what is said of the torn objects, and snapshots restore.
    pub fn assert_whole(&self, before: &Before, torn: &[ObjectName]) {
        let repository = match self.open() {
            Err(Error::NoRepository { .. }) if before.kept.is_empty() => return,
            Err(Error::Corrupt { object, .. })
                if before.kept.is_empty() && is_torn(torn, &object) =>
            {
                return;
            }
            opened => opened.unwrap(),
        };
        let report = check_data(&repository);
        for problem in &report.problems {
            assert!(is_torn(torn, &problem.object), "{problem}");
        }
        for note in &report.notes {
            let of_torn = torn.iter().any(|name| note.contains(&name.to_string()));
            let known = NOTES.iter().any(|known| note.contains(known));
            assert!(of_torn || known, "{note}");
        }

        let snapshots = repository.snapshots().unwrap();
        for (id, files) in &before.kept {
            let stored = snapshots.iter().find(|stored| stored.id == *id);
            let stored = stored.unwrap_or_else(|| panic!("snapshot {id} is gone"));
            assert_restores(&repository, stored, files);
        }
        for stored in &snapshots {
            let files = before.coming.iter();
            let mut all = before.kept.iter().chain(&before.going);
            match all.find(|(id, _)| *id == stored.id) {
                Some((_, files)) => assert_restores(&repository, stored, files),
                None => assert!(
                    files
                        .clone()
                        .any(|files| restores(&repository, stored, files)),
                    "a new snapshot holds something else"
                ),
            }
        }
    }
}

fn is_torn(torn: &[ObjectName], object: &str) -> bool {
    torn.iter().any(|name| name.to_string() == object)
}

fn restores(
    repository: &Repository,
    stored: &nightfold_repo::repository::StoredSnapshot,
    files: &Files,
) -> bool {
    let restored = crate::support::restore(repository, stored).unwrap();
    let restored = restored.into_iter();
    let restored: Result<Files> = restored
        .map(|(path, bytes)| bytes.map(|bytes| (path, bytes)))
        .collect();
    restored.unwrap() == *files
}
