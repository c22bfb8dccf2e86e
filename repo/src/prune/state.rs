//! What is in the repository, read anew, and whether it may be believed.

use std::collections::HashSet;

use nightfold_chunker::ChunkId;

use rayon::slice::ParallelSliceMut as _;

use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectId, ObjectName};
use crate::repository::{Condemned, Leases, Needs, Repository, StoredSnapshot, Verdicts, is_void};

/// All that a plan is made of.
pub(crate) struct State {
    pub(crate) leases: Leases,
    pub(crate) verdicts: Verdicts,
    /// Oldest first.
    pub(crate) snapshots: Vec<StoredSnapshot>,
    pub(crate) catalog: Catalog,
    /// Positions of the first frames of the chunks that snapshots need, ascending.
    pub(crate) needed: Vec<usize>,
    /// For each of them the position of the first snapshot that needs it.
    pub(crate) born: Vec<u32>,
    /// Packs named by verdicts.
    pub(crate) condemned: Condemned,
    /// Frames that are damaged.
    pub(crate) damaged: Condemned,
}

impl State {
    /// Only whether the snapshots may be believed: an error says what is missing.
    pub(crate) fn believe(repository: &Repository) -> Result<()> {
        let leases = repository.read_leases()?;
        believed_snapshots(repository, &leases).map(drop)
    }

    /// Reads leases before snapshots, and snapshots before packs: who ended in between has published what he wrote.
    pub(crate) fn read(repository: &Repository) -> Result<Self> {
        let leases = repository.read_leases()?;
        let verdicts = repository.verdicts()?;
        if let Some(error) = verdicts.errors.first() {
            return Err(refused(error.to_string()));
        }
        let mut snapshots = believed_snapshots(repository, &leases)?;
        let listed: HashSet<ObjectId> = snapshots.iter().map(|stored| stored.id).collect();
        for id in leases.published() {
            // A listing may lag behind; the object itself does not.
            if !listed.contains(&id) {
                snapshots.extend(published_unlisted(repository, id)?);
            }
        }
        let index = repository.index_of_now()?;
        index.verify()?;
        let catalog = Catalog::of_index(&index)?;
        let (needed, born) = needed_frames(repository, &catalog, &snapshots)?
            .into_iter()
            .unzip();
        let named = verdicts.published.iter().map(|(_, verdict)| verdict);
        Ok(Self {
            condemned: Condemned::of(named.clone().filter(|verdict| !verdict.damage)),
            damaged: Condemned::of(named.filter(|verdict| verdict.damage)),
            leases,
            snapshots,
            catalog,
            needed,
            born,
            verdicts,
        })
    }
}

impl State {
    /// Whether a frame is known to be damaged.
    pub(crate) fn is_damaged(&self, at: usize) -> bool {
        let frame = &self.catalog.frames[at];
        let pack = self.catalog.packs[frame.pack as usize].name.id;
        self.damaged.covers(pack, frame.ordinal)
    }
}

fn refused(reason: impl Into<String>) -> Error {
    Error::Refused {
        reason: reason.into(),
    }
}

/// The snapshots, unless something about them looks less than it was.
fn believed_snapshots(repository: &Repository, leases: &Leases) -> Result<Vec<StoredSnapshot>> {
    let history = repository.history()?;
    let errors = history.errors.iter().chain(&history.tombstones.errors);
    if let Some((_, error)) = errors.into_iter().next() {
        let reason = format!("{error}, and so it is not known what is needed");
        return Err(refused(reason));
    }
    if let Some(gap) = history.gaps().first() {
        return Err(refused(gap.to_string()));
    }
    repository.compare_with_seen(&history)?;
    let snapshots = history.snapshots.into_iter().map(|sealed| sealed.stored);
    Ok(snapshots
        .filter(|stored| !is_void(leases, stored))
        .collect())
}

fn published_unlisted(repository: &Repository, id: ObjectId) -> Result<Option<StoredSnapshot>> {
    let name = ObjectName::new(Kind::Snapshot, id);
    match repository.storage().get(name) {
        Ok(bytes) => repository.open_snapshot(id, bytes).map(Some),
        Err(Error::Missing { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

fn needed_frames(
    repository: &Repository,
    catalog: &Catalog,
    snapshots: &[StoredSnapshot],
) -> Result<Vec<(usize, u32)>> {
    let mut needed = Needed::new(catalog);
    let mut needs = Needs::new(repository);
    for (number, stored) in snapshots.iter().enumerate() {
        let told = needs.snapshot(stored, &mut |id| needed.add(id, number as u32));
        told.map_err(|error| match error {
            Error::ChunkLost { .. } | Error::Corrupt { .. } | Error::Missing { .. } => refused(
                format!("snapshot {} cannot be followed: {error}", stored.short_id()),
            ),
            other => other,
        })?;
    }
    needed.positions().map_err(|id| {
        refused(format!(
            "chunk {id} is in no readable pack, and a snapshot needs it"
        ))
    })
}

/// In place of a snapshot's number.
const NOBODY: u32 = u32::MAX;

/// Needed chunks that are looked up together, 24 bytes each.
const LOOKED_UP_AT_ONCE: usize = 1 << 19;

/// Chunks that are needed, ticked off in the catalog: a set of their ids would take as much as the catalog itself.
pub(super) struct Needed<'c> {
    catalog: &'c Catalog,
    /// By the first frame of a chunk: the first that needs it.
    first_by: Vec<u32>,
    absent: Option<ChunkId>,
    /// Told, and not yet looked up.
    told: Vec<(ChunkId, u32)>,
}

impl<'c> Needed<'c> {
    pub(super) fn new(catalog: &'c Catalog) -> Self {
        Self {
            catalog,
            first_by: vec![NOBODY; catalog.frames.len()],
            absent: None,
            told: Vec::with_capacity(LOOKED_UP_AT_ONCE),
        }
    }

    /// The chunk is needed by a snapshot, the oldest of which are told first.
    pub(super) fn add(&mut self, id: ChunkId, snapshot: u32) {
        self.told.push((id, snapshot));
        if self.told.len() == LOOKED_UP_AT_ONCE {
            self.look_up();
        }
    }

    /// In the order of the catalog: one by one, each would have to wait for memory far from the last.
    fn look_up(&mut self) {
        self.told.par_sort_unstable();
        for (id, snapshot) in self.told.drain(..) {
            let frames = self.catalog.of_chunk(id);
            if frames.is_empty() {
                self.absent.get_or_insert(id);
            } else {
                let by = &mut self.first_by[frames.start];
                *by = snapshot.min(*by);
            }
        }
    }

    /// Positions of the first frames of all chunks that were told, ascending, and the oldest snapshot that needs each;
    /// a chunk that no frame holds is an error.
    pub(super) fn positions(mut self) -> std::result::Result<Vec<(usize, u32)>, ChunkId> {
        self.look_up();
        if let Some(id) = self.absent {
            return Err(id);
        }
        let all = self.first_by.into_iter().enumerate();
        Ok(all.filter(|(_, by)| *by != NOBODY).collect())
    }
}
