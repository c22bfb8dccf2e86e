//! A prune, step by step.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::plan::{Fate, Input, Plan, plan};
use super::remains::Remains;
use super::rewrite::rewrite;
use super::state::State;
use super::verdict;
use super::witness::{self, Witness};
use super::{PruneOptions, PruneReport};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectId, ObjectName, Work};
use crate::repository::{HeldLease, LeaseState, Repository};

pub(super) fn prune(repository: &Arc<Repository>, options: &PruneOptions) -> Result<PruneReport> {
    if options.dry_run {
        let state = State::read(repository)?;
        let plan = make_plan(repository, &state, options, None)?;
        return Ok(report(repository, &state, &plan, options));
    }
    let lease = repository.exclusive_lease("prune")?;
    repository.finish_forgetting()?;
    repository.merge_tombstones()?;
    verdict::settle_dead_witnesses(repository)?;
    let state = State::read(repository)?;
    let plan = make_plan(repository, &state, options, Some(&lease))?;
    let mut report = report(repository, &state, &plan, options);
    // First, since it makes room for what is written then.
    delete(repository, &state, &plan)?;
    let written = rewrite(repository, &state, &plan)?;
    if !written.packs.is_empty() {
        // What was read and found sound lies in packs now that nobody has read yet.
        repository.unprove_snapshots()?;
    }
    report.written_packs = written.packs.len() as u64;
    report.written_bytes = written.bytes;
    if lease.is_revoked()? {
        // Somebody took this run for dead, and may be pruning himself. New packs do no harm.
        return Err(Error::Overtaken);
    }
    let remains = Remains {
        catalog: &state.catalog,
        kept: &plan.kept,
        stays: plan.fates.iter().map(|fate| fate.stays()).collect(),
        is_damaged: &|at| state.is_damaged(at),
        reencoded: &HashMap::new(),
    };
    let baseless = remains.baseless();
    let condemned = with_fate(&state.catalog, &plan, Fate::Condemn)
        .chain(with_fate(&state.catalog, &plan, Fate::Repack))
        .collect();
    let rescued = with_fate(&state.catalog, &plan, Fate::Rescue).collect();
    verdict::condemn(repository, &rescued, condemned, &baseless)?;
    verdict::add_witnesses(repository, &lease)?;
    // What rests on other condemned packs is condemned by now, so that what is rescued is sound.
    verdict::rescue(repository, &state, &rescued)?;
    verdict::drop_verdicts(repository, &state, &baseless)?;
    verdict::sweep(repository)?;
    Ok(report)
}

/// What becomes of every pack.
pub(crate) fn make_plan(
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
    let deletable = verdict::deletable_packs(repository, state);
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

fn report(
    repository: &Repository,
    state: &State,
    plan: &Plan,
    options: &PruneOptions,
) -> PruneReport {
    let mut report = PruneReport {
        snapshots: state.snapshots.len() as u64,
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

/// Deletes packs that were condemned.
pub(crate) fn delete(repository: &Repository, state: &State, plan: &Plan) -> Result<()> {
    for pack in with_fate(&state.catalog, plan, Fate::Delete) {
        repository.delete_with_parity(ObjectName::new(Kind::Pack, pack))?;
    }
    Ok(())
}

/// The packs of which this becomes.
pub(crate) fn with_fate(
    catalog: &Catalog,
    plan: &Plan,
    fate: Fate,
) -> impl Iterator<Item = ObjectId> {
    let packs = catalog.packs.iter().zip(&plan.fates);
    packs
        .filter(move |(_, its)| **its == fate)
        .map(|(pack, _)| pack.name.id)
}
