//! Whether those who were at work when something was condemned have ended.

use std::sync::Arc;

use crate::error::Result;
use crate::format::{Kind, LeaseRecord, ObjectId, ObjectName};
use crate::repository::{LeaseState, Leases, Repository};

/// How it stands with a witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Witness {
    /// He has said what he published, or his lease was settled.
    Ended,
    /// He must be taken to be at work.
    AtWork,
    /// He is dead: his lease must be taken back before anything is deleted.
    Dead,
}

/// How it stands with the holder of a lease.
pub(super) fn state(repository: &Repository, leases: &Leases, lease: &str) -> Witness {
    if leases.settled.contains_key(lease) {
        return Witness::Ended;
    }
    match leases.held.get(lease).map(|held| held.state) {
        // One that was taken back by a run that then ended itself.
        Some(LeaseState::Gone | LeaseState::Still | LeaseState::Revoked) => Witness::Dead,
        None if leases.ended.contains_key(lease) => Witness::Ended,
        // Without a word from him the listing may lag behind.
        None if repository.absent_for(lease) >= repository.lease_times().dead_after => {
            Witness::Dead
        }
        None | Some(LeaseState::Alive) => Witness::AtWork,
    }
}

/// Takes the lease of a dead holder back, and then puts down which of his snapshots count: one that he publishes later
/// is void unless he sees to it himself.
pub(super) fn settle(repository: &Arc<Repository>, leases: &Leases, lease: &str) -> Result<()> {
    if !leases.revoked.contains(lease) {
        let revoked = LeaseRecord::Revoked {
            lease: lease.to_owned(),
        };
        repository.put_record(Kind::Lease, &revoked)?;
    }
    let (snapshots, _) = repository.snapshots_and_errors()?;
    let his = snapshots
        .iter()
        .filter(|stored| stored.lease() == Some(lease))
        .map(|stored| stored.id);
    let settled = LeaseRecord::Settled {
        lease: lease.to_owned(),
        snapshots: his.collect(),
    };
    repository.put_record(Kind::Lease, &settled)?;
    let objects = leases.held.get(lease).map(|held| held.objects.as_slice());
    forget_objects(repository, objects.unwrap_or_default())
}

/// Removes what is left of leases that nobody waits for: of processes that are known to be gone, and of ended ones.
pub(super) fn sweep(
    repository: &Repository,
    leases: &Leases,
    is_awaited: impl Fn(&str) -> bool,
) -> Result<()> {
    for (name, held) in &leases.held {
        if held.state == LeaseState::Gone && !is_awaited(name) {
            forget_objects(repository, &held.objects)?;
        }
    }
    for (object, name) in &leases.ended_objects {
        if !is_awaited(name) {
            forget_objects(repository, &[*object])?;
        }
    }
    Ok(())
}

fn forget_objects(repository: &Repository, objects: &[ObjectId]) -> Result<()> {
    objects
        .iter()
        .try_for_each(|id| repository.delete_if_there(ObjectName::new(Kind::Lease, *id)))
}
