//! Verdicts: published with what rests on them, witnessed, taken back, and dropped when they are carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::state::State;
use super::witness::{self, Witness};
use crate::error::Result;
use crate::format::{CondemnedFrames, CondemnedRecord, Kind, ObjectId, ObjectName, Verdict};
use crate::repository::{Condemned, HeldLease, LeaseState, Repository};

/// Takes back the leases of those that verdicts wait for in vain. Before anything is read: what they have published
/// until then counts.
pub(crate) fn settle_dead_witnesses(repository: &Arc<Repository>) -> Result<()> {
    let leases = repository.read_leases()?;
    let verdicts = repository.verdicts()?;
    let witnesses: BTreeSet<&String> = verdicts
        .witnesses
        .iter()
        .flat_map(|(_, leases, _)| leases)
        .collect();
    for lease in witnesses {
        if witness::state(repository, &leases, lease) == Witness::Dead {
            witness::settle(repository, &leases, lease)?;
        }
    }
    Ok(())
}

/// Packs of verdicts all of whose witnesses have ended. A pack that two verdicts name waits for both.
pub(super) fn deletable_packs(repository: &Repository, state: &State) -> BTreeSet<ObjectId> {
    let mut witnessed: BTreeMap<ObjectId, bool> = BTreeMap::new();
    for (verdict, leases, _) in &state.verdicts.witnesses {
        let mut all = leases.iter();
        let ended =
            all.all(|lease| witness::state(repository, &state.leases, lease) == Witness::Ended);
        witnessed
            .entry(*verdict)
            .and_modify(|before| *before |= ended)
            .or_insert(ended);
    }
    let (mut free, mut waiting) = (BTreeSet::new(), BTreeSet::new());
    for (id, verdict) in &state.verdicts.published {
        let packs = if witnessed.get(id) == Some(&true) {
            &mut free
        } else {
            &mut waiting
        };
        packs.extend(verdict.packs.iter().copied());
    }
    free.retain(|pack| !waiting.contains(pack));
    free
}

/// Publishes what is condemned now: packs that go, and frames of others that rest on nothing else. Verdicts that name a
/// rescued pack are about to go: what only they say has to be said anew. A pack that they name says nothing of its
/// frames, which may rest on packs that stay condemned.
pub(crate) fn condemn(
    repository: &Repository,
    rescued: &BTreeSet<ObjectId>,
    packs: Vec<ObjectId>,
    baseless: &[CondemnedFrames],
) -> Result<()> {
    let published = repository.verdicts()?.published;
    let stays = |verdict: &&Verdict| !verdict.packs.iter().any(|pack| rescued.contains(pack));
    let staying = published.iter().map(|(_, verdict)| verdict).filter(stays);
    let frames: Vec<CondemnedFrames> = staying
        .flat_map(|verdict| verdict.frames.iter().cloned())
        .collect();
    let known = Condemned::of_frames(&frames);
    let is_known = |frames: &CondemnedFrames| {
        let mut ordinals = frames.ordinals.iter();
        ordinals.all(|ordinal| known.covers(frames.pack, *ordinal))
    };
    if packs.is_empty() && baseless.iter().all(is_known) {
        return Ok(());
    }
    let verdict = Verdict {
        time: jiff::Timestamp::now().to_string(),
        packs,
        frames: baseless.to_vec(),
        damage: false,
    };
    repository
        .put_record(Kind::Condemned, &CondemnedRecord::Verdict(verdict))
        .map(drop)
}

/// Puts down, for every verdict without, who is at work now that it is published.
pub(crate) fn add_witnesses(repository: &Repository, own: &HeldLease) -> Result<()> {
    let verdicts = repository.verdicts()?;
    let leases = repository.read_leases()?;
    let at_work: Vec<String> = leases
        .held
        .values()
        .filter(|held| held.state != LeaseState::Gone && held.lease.name != own.name())
        .map(|held| held.lease.name.clone())
        .collect();
    for (id, verdict) in &verdicts.published {
        let has_one = verdicts.witnesses.iter().any(|(of, _, _)| of == id);
        if !verdict.damage && !has_one {
            let record = CondemnedRecord::Witnessed {
                verdict: *id,
                leases: at_work.clone(),
            };
            repository.put_record(Kind::Condemned, &record)?;
        }
    }
    Ok(())
}

/// Takes packs that snapshots need out of their verdicts: a new verdict first, then the old one goes. Nothing rests on
/// them before.
pub(crate) fn rescue(
    repository: &Repository,
    state: &State,
    rescued: &BTreeSet<ObjectId>,
) -> Result<()> {
    if rescued.is_empty() {
        return Ok(());
    }
    for (id, verdict) in &state.verdicts.published {
        if !verdict.packs.iter().any(|pack| rescued.contains(pack)) {
            continue;
        }
        let mut verdict = verdict.clone();
        verdict.packs.retain(|pack| !rescued.contains(pack));
        // What rests on a rescued pack is sound again, and what does not is told of by the verdict of its own pack.
        if !verdict.packs.is_empty() {
            let new = repository.put_record(Kind::Condemned, &CondemnedRecord::Verdict(verdict))?;
            for (_, leases, _) in witnesses_of(state, *id) {
                let leases = leases.clone();
                let record = CondemnedRecord::Witnessed {
                    verdict: new,
                    leases,
                };
                repository.put_record(Kind::Condemned, &record)?;
            }
        }
        drop_verdict(repository, state, *id)?;
    }
    Ok(())
}

/// Drops verdicts of which nothing was left when this run began. Not earlier: a listing that lags behind may show others
/// a pack that is gone, and the verdict keeps them from relying on it.
pub(crate) fn drop_verdicts(
    repository: &Repository,
    state: &State,
    baseless: &[CondemnedFrames],
) -> Result<()> {
    let listed = repository.storage().list(Kind::Pack)?;
    let there: BTreeSet<ObjectId> = state
        .catalog
        .packs
        .iter()
        .map(|pack| pack.name.id)
        .chain(listed.into_iter().map(|listed| listed.id))
        .collect();
    let still_baseless = Condemned::of_frames(baseless);
    for (id, verdict) in &state.verdicts.published {
        let frames = &verdict.frames;
        let over = if verdict.damage {
            !frames.iter().any(|frames| there.contains(&frames.pack))
        } else {
            !verdict.packs.iter().any(|pack| there.contains(pack))
                && !frames.iter().any(|frames| {
                    let mut ordinals = frames.ordinals.iter();
                    ordinals.any(|ordinal| still_baseless.covers(frames.pack, *ordinal))
                })
        };
        if over {
            drop_verdict(repository, state, *id)?;
        }
    }
    Ok(())
}

fn witnesses_of(
    state: &State,
    verdict: ObjectId,
) -> impl Iterator<Item = &(ObjectId, Vec<String>, ObjectId)> {
    let witnesses = state.verdicts.witnesses.iter();
    witnesses.filter(move |(of, _, _)| *of == verdict)
}

fn drop_verdict(repository: &Repository, state: &State, id: ObjectId) -> Result<()> {
    repository.delete_if_there(ObjectName::new(Kind::Condemned, id))?;
    witnesses_of(state, id).try_for_each(|(_, _, object)| {
        repository.delete_if_there(ObjectName::new(Kind::Condemned, *object))
    })
}

/// Removes what is left of leases that nobody waits for, and witnesses of verdicts that are gone.
pub(crate) fn sweep(repository: &Repository) -> Result<()> {
    let verdicts = repository.verdicts()?;
    let leases = repository.read_leases()?;
    let awaited: BTreeSet<&String> = verdicts
        .witnesses
        .iter()
        .flat_map(|(_, leases, _)| leases)
        .collect();
    for (of, _, object) in &verdicts.witnesses {
        if !verdicts.published.iter().any(|(id, _)| id == of) {
            repository.delete_if_there(ObjectName::new(Kind::Condemned, *object))?;
        }
    }
    witness::sweep(repository, &leases, |name| {
        awaited.iter().any(|awaited| *awaited == name)
    })
}
