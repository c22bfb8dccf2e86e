//! What clients do. A new verb is one more kind of [`Task`], and a number in `World::choose`.

use std::path::PathBuf;
use std::sync::Arc;

use nightfold_repo::format::ObjectId;
use nightfold_repo::prune::{PruneOptions, PruneReport};
use nightfold_repo::repository::Unreadable;
use nightfold_repo::storage::FaultStorage;
use nightfold_repo::{Repository, Result};

use crate::support::{
    Files, assert_clean, back_up, open_impatient, open_shared, password, restore,
};

/// A client's way to the repository.
pub struct Opener {
    pub storage: Arc<FaultStorage>,
    pub cache: PathBuf,
    pub impatient: bool,
}

impl Opener {
    pub fn open(&self) -> Result<Arc<Repository>> {
        let storage = Arc::clone(&self.storage);
        if self.impatient {
            open_impatient(storage, &self.cache, password())
        } else {
            Ok(open_shared(storage, &self.cache)?.0)
        }
    }
}

/// Something that a client does.
pub enum Task {
    Backup(Files),
    Restore(ObjectId, Files),
    Check,
    Forget(Vec<ObjectId>),
    Prune,
}

impl Task {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Backup(_) => "backup",
            Self::Restore(..) => "restore",
            Self::Check => "check",
            Self::Forget(_) => "forget",
            Self::Prune => "prune",
        }
    }

    /// Whether only one such thing may go on at a time.
    pub fn is_exclusive(&self) -> bool {
        matches!(self, Self::Prune)
    }

    /// Does it; the id of a new snapshot.
    pub fn run(&self, opener: &Opener) -> Result<Option<ObjectId>> {
        let repository = opener.open()?;
        match self {
            Self::Backup(files) => return Ok(Some(back_up(&repository, files)?.id)),
            Self::Restore(id, files) => {
                let _lease = repository.reading_lease("restore");
                let stored = repository.snapshot(&id.to_string())?;
                let restored = restore(&repository, &stored)?.into_iter();
                let restored: Result<Files> = restored
                    .map(|(path, bytes)| bytes.map(|bytes| (path, bytes)))
                    .collect();
                assert!(restored? == *files, "the files read back are other ones");
            }
            Self::Check => drop(assert_clean(&repository)),
            Self::Forget(ids) => drop(repository.forget(ids, Unreadable::Refuse)?),
            Self::Prune => drop(prune(&repository)?),
        }
        Ok(None)
    }
}

/// Rewrites as much as it can.
pub fn prune(repository: &Arc<Repository>) -> Result<PruneReport> {
    repository.prune(&PruneOptions {
        copied_max: 1.0,
        pack_unused_min: 0.3,
        ..PruneOptions::default()
    })
}
