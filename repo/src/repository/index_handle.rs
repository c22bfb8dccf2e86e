//! The repository's hold on its index: opened late, caught up, and rebuilt when it turns out damaged.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::Repository;
use crate::error::{Error, Result};
use crate::format::{Directory, Kind, ObjectId};
use crate::index::{Index, IndexedPack};
use crate::pack::read_directory;
use crate::storage::Listed;

/// Packs whose directories are read and entered together.
const PACKS_AT_ONCE: usize = 64;

/// What a rebuild found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexReport {
    /// Packs entered.
    pub packs: u64,
    /// Frames in them.
    pub frames: u64,
    /// Packs that could not be read.
    pub damaged: u64,
}

pub(super) struct IndexHandle {
    path: PathBuf,
    repository: String,
    open: Mutex<Option<Arc<Index>>>,
    /// Snapshots listed so far: one that is new may rest on packs that came after the index was caught up.
    snapshots: Mutex<HashSet<ObjectId>>,
    behind: AtomicBool,
}

impl IndexHandle {
    pub(super) fn new(path: PathBuf, repository: String) -> Self {
        Self {
            path,
            repository,
            open: Mutex::default(),
            snapshots: Mutex::default(),
            behind: AtomicBool::new(false),
        }
    }

    /// These snapshots were listed: the next question to the index is put to one that knows their packs.
    pub(super) fn listed(&self, snapshots: &[Listed]) {
        let mut known = self
            .snapshots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = known.len();
        known.extend(snapshots.iter().map(|listed| listed.id));
        if known.len() > before {
            self.behind.store(true, Ordering::SeqCst);
        }
    }
}

impl Repository {
    /// Where the index lies.
    pub fn index_path(&self) -> &std::path::Path {
        &self.index.path
    }

    /// Packs that the index lists as it was left, before it is brought level with storage. One that cannot be read
    /// knows of none.
    pub(crate) fn remembered_packs(&self) -> Vec<ObjectId> {
        let open = self
            .index
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let packs = match &*open {
            Some(index) => index.packs(),
            None if !self.index.path.exists() => return Vec::new(),
            None => Index::open(&self.index.path, &self.index.repository)
                .and_then(|index| index.packs()),
        };
        let packs = packs.unwrap_or_default().into_iter();
        packs.map(|(_, pack)| pack.id).collect()
    }

    /// Makes the index anew from the packs alone.
    pub fn rebuild_index(&self) -> Result<IndexReport> {
        let mut open = self
            .index
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *open = None;
        Index::remove(&self.index.path)?;
        let (index, report) = self.open_index()?;
        *open = Some(index);
        Ok(report)
    }

    /// Asks the index; if it turns out damaged it is rebuilt and asked once more.
    pub(crate) fn with_index<T>(&self, ask: impl Fn(&Index) -> Result<T>) -> Result<T> {
        let index = self.index()?;
        match ask(&index) {
            Err(Error::IndexCorrupt { reason }) => ask(&*self.replace_index(&index, &reason)?),
            other => other,
        }
    }

    /// Brings the index level with storage; whether packs came or went.
    pub(super) fn index_moved(&self) -> Result<bool> {
        let before = self.index()?.packs_seen()?;
        Ok(self.index_of_now()?.packs_seen()? != before)
    }

    /// The index, level with what storage lists now.
    pub(crate) fn index_of_now(&self) -> Result<Arc<Index>> {
        self.index.behind.store(true, Ordering::SeqCst);
        self.index()
    }

    /// The index, opened, and level with the snapshots listed last.
    pub(crate) fn index(&self) -> Result<Arc<Index>> {
        let mut open = self
            .index
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let behind = self.index.behind.swap(false, Ordering::SeqCst);
        if let Some(index) = &*open {
            let index = Arc::clone(index);
            return match behind.then(|| self.catch_up(&index)).transpose() {
                Ok(_) => Ok(index),
                Err(Error::IndexCorrupt { reason }) => {
                    Ok(Arc::clone(open.insert(self.open_anew(&reason)?.0)))
                }
                Err(other) => {
                    self.index.behind.store(true, Ordering::SeqCst);
                    Err(other)
                }
            };
        }
        let fresh = !self.index.path.exists();
        let opened = match self.open_index() {
            Err(Error::IndexCorrupt { reason }) => self.open_anew(&reason),
            other => other,
        };
        let (index, report) = opened?;
        if fresh && report.packs > 0 {
            self.notice(&format!(
                "the local index was not there: made anew from {} packs",
                report.packs
            ));
        }
        Ok(Arc::clone(open.insert(index)))
    }

    fn replace_index(&self, damaged: &Arc<Index>, reason: &str) -> Result<Arc<Index>> {
        let mut open = self
            .index
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &*open {
            // Another thread has replaced it meanwhile.
            Some(index) if !Arc::ptr_eq(index, damaged) => Ok(Arc::clone(index)),
            _ => Ok(Arc::clone(open.insert(self.open_anew(reason)?.0))),
        }
    }

    fn open_anew(&self, reason: &str) -> Result<(Arc<Index>, IndexReport)> {
        Index::remove(&self.index.path)?;
        let (index, report) = self.open_index()?;
        self.notice(&format!(
            "the local index was damaged ({reason}): made anew from {} packs",
            report.packs
        ));
        Ok((index, report))
    }

    fn open_index(&self) -> Result<(Arc<Index>, IndexReport)> {
        let folder = &self.cache;
        crate::platform::create_private_folder(folder)
            .map_err(|error| Error::io("create the cache folder", folder.display(), error))?;
        let index = Index::open(&self.index.path, &self.index.repository)?;
        let report = self.catch_up(&index)?;
        Ok((Arc::new(index), report))
    }

    fn catch_up(&self, index: &Index) -> Result<IndexReport> {
        let difference = index.compare(|| self.storage.list(Kind::Pack))?;
        let mut report = IndexReport::default();
        if !difference.gone.is_empty() {
            index.remove_packs(&difference.gone)?;
        }
        let mut batches = difference
            .unseen
            .chunks(PACKS_AT_ONCE)
            .map(|listed| self.packs_for_index(listed, &mut report));
        if difference.empty && difference.unseen.len() > PACKS_AT_ONCE {
            index.fill(batches)?;
        } else {
            batches.try_for_each(|packs| index.insert(&packs?))?;
        }
        index.mark_broken()?;
        Ok(report)
    }

    /// The directories of some packs, read at once. Those that cannot be read are told of and left out.
    fn packs_for_index(
        &self,
        listed: &[Listed],
        report: &mut IndexReport,
    ) -> Result<Vec<(IndexedPack, Directory)>> {
        let directories: Vec<_> = listed
            .par_iter()
            .map(|pack| self.pack_for_index(*pack))
            .collect();
        let mut packs = Vec::with_capacity(listed.len());
        for directory in directories {
            match directory {
                Ok(pack) => packs.push(pack),
                // Deleted since it was listed.
                Err(Error::Missing { .. }) => {}
                Err(error @ (Error::Corrupt { .. } | Error::Unsupported { .. })) => {
                    report.damaged += 1;
                    self.notice(&format!(
                        "{error}; what it holds is taken as not stored (see `nightfold check`)"
                    ));
                }
                Err(other) => return Err(other),
            }
        }
        report.packs += packs.len() as u64;
        report.frames += packs
            .iter()
            .map(|(_, directory)| directory.entries.len() as u64)
            .sum::<u64>();
        Ok(packs)
    }

    fn pack_for_index(&self, listed: Listed) -> Result<(IndexedPack, Directory)> {
        let (header, directory) = read_directory(&self.vault, &*self.storage, listed)?;
        let pack = IndexedPack {
            id: listed.id,
            epoch: header.epoch,
            stream: directory.stream,
            bytes: listed.bytes,
        };
        Ok((pack, directory))
    }
}
