//! A prune, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::plan::{Fate, Input, Plan, plan};
use super::rewrite::rewrite;
use super::state::State;
use super::witness::{self, Witness};
use super::{PruneOptions, PruneReport};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::format::{CondemnedFrames, CondemnedRecord, Kind, ObjectId, ObjectName, Verdict, Work};
use crate::repository::{Condemned, HeldLease, LeaseState, Repository};

pub(super) fn prune(repository: &Arc<Repository>, options: &PruneOptions) -> Result<PruneReport> {
    if options.dry_run {
        let state = State::read(repository)?;
        let plan = make_plan(repository, &state, options, None)?;
        return Ok(report(repository, &state, &plan, options));
    }
    let lease = repository.exclusive_lease("prune")?;
    repository.finish_forgetting()?;
    repository.merge_tombstones()?;
    settle_dead_witnesses(repository)?;
    let state = State::read(repository)?;
    let plan = make_plan(repository, &state, options, Some(&lease))?;
    let mut report = report(repository, &state, &plan, options);
    // First, since it makes room for what is written then.
    delete(repository, &state, &plan)?;
    let written = rewrite(repository, &state, &plan)?;
    report.written_packs = written.packs.len() as u64;
    report.written_bytes = written.bytes;
    if lease.is_revoked()? {
        // Somebody took this run for dead, and may be pruning himself. New packs do no harm.
        return Err(Error::Overtaken);
    }
    let baseless = baseless(&state.catalog, &plan, |at| state.is_damaged(at));
    condemn(repository, &state, &plan, &baseless)?;
    add_witnesses(repository, &lease)?;
    // What rests on other condemned packs is condemned by now, so that what is rescued is sound.
    rescue(repository, &state, &plan)?;
    drop_verdicts(repository, &state, &baseless)?;
    sweep(repository)?;
    Ok(report)
}

/// Takes back the leases of those that verdicts wait for in vain. Before anything is read: what they have published
/// until then counts.
fn settle_dead_witnesses(repository: &Arc<Repository>) -> Result<()> {
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

fn make_plan(
    repository: &Repository,
    state: &State,
    options: &PruneOptions,
    own: Option<&HeldLease>,
) -> Result<Plan> {
    let catalog = &state.catalog;
    let by_pack = |is: &dyn Fn(ObjectId) -> bool| -> Vec<bool> {
        let packs = catalog.packs.iter();
        packs.map(|pack| is(pack.name.id)).collect()
    };
    let deletable = deletable_packs(repository, state);
    let is_damaged = |at: usize| state.is_damaged(at);
    let others_at_work = state.leases.held.values().any(|held| {
        held.state == LeaseState::Alive
            && held.lease.work == Work::Writing
            && own.is_none_or(|own| own.name() != held.lease.name)
    });
    let input = Input {
        catalog,
        needed: &state.needed,
        condemned: by_pack(&|id| state.condemned.covers_pack(id)),
        deletable: by_pack(&|id| deletable.contains(&id)),
        is_damaged: &is_damaged,
        others_at_work,
    };
    let plan = plan(&input, options);
    if let Some(lost) = plan.lost.first() {
        return Err(Error::Refused {
            reason: format!(
                "chunk {} cannot be decoded, and a snapshot needs it",
                catalog.frames[*lost].id
            ),
        });
    }
    Ok(plan)
}

/// Packs of verdicts all of whose witnesses have ended. A pack that two verdicts name waits for both.
fn deletable_packs(repository: &Repository, state: &State) -> BTreeSet<ObjectId> {
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

fn report(
    repository: &Repository,
    state: &State,
    plan: &Plan,
    options: &PruneOptions,
) -> PruneReport {
    let mut report = PruneReport {
        snapshots: state.snapshots,
        packs: state.catalog.packs.len() as u64,
        unused_bytes: plan.unused_bytes,
        spared_packs: plan.spared_packs,
        ..PruneReport::default()
    };
    for (pack, fate) in state.catalog.packs.iter().zip(&plan.fates) {
        report.bytes += pack.bytes;
        let (count, bytes) = match fate {
            Fate::Stay => continue,
            Fate::Rescue => {
                report.rescued_packs += 1;
                continue;
            }
            Fate::Wait => (&mut report.waiting_packs, &mut report.waiting_bytes),
            Fate::Delete => (&mut report.deleted_packs, &mut report.deleted_bytes),
            Fate::Condemn => (&mut report.dead_packs, &mut report.dead_bytes),
            Fate::Repack => (&mut report.repacked_packs, &mut report.repacked_bytes),
        };
        *count += 1;
        *bytes += pack.bytes;
    }
    report.waiting_packs += report.dead_packs + report.repacked_packs;
    report.waiting_bytes += report.dead_bytes + report.repacked_bytes;
    if options.dry_run {
        // About: what moves takes as much again.
        let moved = plan.moves.iter();
        report.written_bytes = moved
            .map(|at| u64::from(state.catalog.frames[*at].sealed_bytes))
            .sum();
    }
    let at_work =
        |name: &&String| witness::state(repository, &state.leases, name) == Witness::AtWork;
    let names: BTreeSet<&String> = state
        .verdicts
        .witnesses
        .iter()
        .flat_map(|(_, leases, _)| leases)
        .filter(at_work)
        .collect();
    report.waiting_for = names
        .into_iter()
        .map(|name| match state.leases.held.get(name) {
            Some(held) => format!("{} on {}", held.lease.command, held.lease.host),
            None => "somebody whose lease is not listed any more".to_owned(),
        })
        .collect();
    report
}

/// Takes packs that snapshots need out of their verdicts: a new verdict first, then the old one goes. Nothing rests on
/// them before.
fn rescue(repository: &Repository, state: &State, plan: &Plan) -> Result<()> {
    let rescued: BTreeSet<ObjectId> = with_fate(&state.catalog, plan, Fate::Rescue).collect();
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

/// Deletes packs that were condemned.
fn delete(repository: &Repository, state: &State, plan: &Plan) -> Result<()> {
    for pack in with_fate(&state.catalog, plan, Fate::Delete) {
        repository.delete_if_there(ObjectName::new(Kind::Pack, pack))?;
    }
    Ok(())
}

/// Drops verdicts of which nothing was left when this run began. Not earlier: a listing that lags behind may show others
/// a pack that is gone, and the verdict keeps them from relying on it.
fn drop_verdicts(
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

fn with_fate(catalog: &Catalog, plan: &Plan, fate: Fate) -> impl Iterator<Item = ObjectId> {
    let packs = catalog.packs.iter().zip(&plan.fates);
    packs
        .filter(move |(_, its)| **its == fate)
        .map(|(pack, _)| pack.name.id)
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

/// Publishes what is condemned now: packs that go, and frames of others that rest on nothing else.
fn condemn(
    repository: &Repository,
    state: &State,
    plan: &Plan,
    baseless: &[CondemnedFrames],
) -> Result<()> {
    let catalog = &state.catalog;
    let packs: Vec<ObjectId> = with_fate(catalog, plan, Fate::Condemn)
        .chain(with_fate(catalog, plan, Fate::Repack))
        .collect();
    let is_known = |frames: &CondemnedFrames| {
        let mut ordinals = frames.ordinals.iter();
        ordinals.all(|ordinal| state.condemned.covers(frames.pack, *ordinal))
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

/// Frames of packs that stay, and that cannot be decoded once all that is condemned is gone. None of them is needed.
pub(super) fn baseless(
    catalog: &Catalog,
    plan: &Plan,
    is_damaged: impl Fn(usize) -> bool,
) -> Vec<CondemnedFrames> {
    let mut sound = vec![false; catalog.frames.len()];
    let mut by_pack: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for at in catalog.by_rank() {
        let frame = &catalog.frames[at];
        let in_place = matches!(plan.fates[frame.pack as usize], Fate::Stay | Fate::Rescue);
        let has_base = frame.base.is_none() || catalog.bases(at).any(|base| sound[base]);
        // What is needed of a pack that goes is in a new one by now.
        sound[at] = (in_place || plan.kept[at]) && has_base && !is_damaged(at);
        assert!(
            sound[at] || !plan.kept[at],
            "a frame that a snapshot needs would lose its base"
        );
        if in_place && !sound[at] {
            by_pack.entry(frame.pack).or_default().push(frame.ordinal);
        }
    }
    by_pack
        .into_iter()
        .map(|(pack, mut ordinals)| {
            ordinals.sort_unstable();
            CondemnedFrames {
                pack: catalog.packs[pack as usize].name.id,
                ordinals,
            }
        })
        .collect()
}

/// Puts down, for every verdict without, who is at work now that it is published.
fn add_witnesses(repository: &Repository, own: &HeldLease) -> Result<()> {
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

/// Removes what is left of leases that nobody waits for, and witnesses of verdicts that are gone.
fn sweep(repository: &Repository) -> Result<()> {
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
