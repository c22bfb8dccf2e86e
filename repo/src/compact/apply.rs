//! A compact, step by step.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use nightfold_chunker::ChunkId;

use super::chains::Chains;
use super::encode::{Moved, frames_of};
use super::marks::Marks;
use super::plan::{self, Input, Step, Treatment};
use super::round::Rounds;
use super::throttle::Throttle;
use super::{CompactOptions, CompactReport, Work};
use crate::error::Result;
use crate::prune::{
    self, Fate, Plan, PruneOptions, State, drop_verdicts, make_plan, rescue, with_fate,
};
use crate::repository::{Needs, Repository, StoredSnapshot};

/// Bytes read in a round: so much is lost at most when the run is interrupted.
const ROUND_BYTES: u64 = 256 << 20;
/// A pack is not written anew to recompress it if less than this part of it is saved.
const SAVED_PART: u64 = 33;

/// What the packs and frames of a state are like, for the plan.
struct Look {
    stays: Vec<bool>,
    young: Vec<bool>,
    newest: Vec<bool>,
    born: Vec<u32>,
    aged: Vec<bool>,
    rebased: Vec<bool>,
}

pub(super) fn compact(
    repository: &Arc<Repository>,
    options: &CompactOptions,
    stop: &AtomicBool,
) -> Result<CompactReport> {
    let began = Instant::now();
    let lease = if options.dry_run {
        None
    } else {
        let lease = repository.exclusive_lease("compact")?;
        repository.config().check_writable()?;
        repository.finish_forgetting()?;
        repository.merge_tombstones()?;
        prune::settle_dead_witnesses(repository)?;
        Some(lease)
    };
    let mut resealed = (0, 0);
    if let Some(lease) = &lease
        && options.work.contains(&Work::Keys)
        && repository.newest_epoch() > 0
    {
        // After a look at whether all snapshots are there: what was lost must not be covered up.
        State::believe(repository)?;
        resealed = (
            repository.reseal_snapshots(lease)?,
            repository.reseal_records()?,
        );
    }
    let state = State::read(repository)?;
    let fates = PruneOptions {
        // None.
        pack_unused_min: f64::INFINITY,
        ..PruneOptions::default()
    };
    let base = make_plan(repository, &state, &fates, lease.as_ref())?;
    let look = look_at(repository, options, &state, &base)?;
    let chains = Chains::new(&state.catalog, &base.kept);
    let input = Input {
        catalog: &state.catalog,
        kept: &base.kept,
        stays: &look.stays,
        chains: &chains,
        young: &look.young,
        newest: &look.newest,
        born: &look.born,
        aged: &look.aged,
        rebased: &look.rebased,
        pack_bytes: repository.config().pack_bytes,
        epoch: repository.newest_epoch(),
    };
    let steps = plan::plan(&input, options);
    let mut report = report(&state, &base, &steps);
    (report.resealed_snapshots, report.resealed_records) = resealed;
    match &lease {
        None => tell(&input, options, &steps, &mut report),
        Some(lease) => {
            prune::delete(repository, &state, &base)?;
            // What is deleted shall not be looked for.
            repository.index_of_now()?;
            let dead: Vec<_> = with_fate(&state.catalog, &base, Fate::Condemn).collect();
            let mut rounds = Rounds::new(repository, &state, &base, lease, dead);
            let run = Run {
                repository,
                input: &input,
                options,
                stop,
                began,
            };
            if !steps.is_empty() {
                repository.unprove_snapshots()?;
            }
            run.work(&steps, &mut rounds, &mut report)?;
            finish(repository, &state, &base, rounds)?;
        }
    }
    report.waiting_packs += report.condemned_packs;
    report.waiting_bytes += report.condemned_bytes;
    if repository.newest_epoch() > 0 {
        report.old_keys = Some(repository.under_old_keys()?);
    }
    Ok(report)
}

/// What follows on the last round, as at the end of a prune.
fn finish(repository: &Repository, state: &State, base: &Plan, rounds: Rounds<'_>) -> Result<()> {
    let baseless = rounds.finish()?;
    let rescued = with_fate(&state.catalog, base, Fate::Rescue).collect();
    rescue(repository, state, &rescued)?;
    drop_verdicts(repository, state, &baseless)?;
    prune::sweep(repository)
}

struct Run<'r> {
    repository: &'r Repository,
    input: &'r Input<'r>,
    options: &'r CompactOptions,
    stop: &'r AtomicBool,
    began: Instant,
}

impl Run<'_> {
    fn work(
        &self,
        steps: &[Step],
        rounds: &mut Rounds<'_>,
        report: &mut CompactReport,
    ) -> Result<()> {
        let by_pack = kept_by_pack(self.input);
        let mut throttle = Throttle::new(self.options.rate);
        let (mut read, mut in_round) = (0u64, 0u64);
        for (number, step) in steps.iter().enumerate() {
            if self.is_over(read) {
                report.left_packs = (steps.len() - number) as u64;
                break;
            }
            let kept = by_pack.get(&step.pack).map_or(&[][..], Vec::as_slice);
            let frames = kept.iter().map(|at| &self.input.catalog.frames[*at]);
            let bytes: u64 = frames.map(|frame| u64::from(frame.sealed_bytes)).sum();
            read += bytes;
            in_round += bytes;
            let moved = frames_of(self.repository, self.input, self.options, kept, step.pack)?;
            let mut written = 0;
            match moved {
                None => report.unreadable_packs += 1,
                Some(moved) if !pays(step.work, &moved) => rounds.leave(step.pack, step.work),
                Some(moved) => {
                    self.count(*step, &moved, report);
                    let was_aged = self.input.aged[step.pack];
                    written = rounds.take(step.pack, moved, was_aged, report)?;
                }
            }
            throttle.took(bytes + written, self.stop);
            if in_round >= ROUND_BYTES {
                rounds.end(report)?;
                in_round = 0;
            }
        }
        rounds.end(report)
    }

    fn is_over(&self, read: u64) -> bool {
        self.stop.load(Ordering::Relaxed)
            || self.options.bytes_max.is_some_and(|max| read >= max)
            || self
                .options
                .duration_max
                .is_some_and(|max| self.began.elapsed() >= max)
    }

    fn count(&self, step: Step, moved: &[Moved], report: &mut CompactReport) {
        report.of(step.work).packs += 1;
        for moved in moved {
            let (work, is_done) = match (moved.treatment, step.work) {
                (Treatment::Recompress, _) => (Work::Recompress, moved.reencoded.is_some()),
                (Treatment::Rebase, _) => (Work::Rebase, moved.reencoded.is_some()),
                (Treatment::Move, work) => (work, matches!(work, Work::Keys | Work::Join)),
            };
            if !is_done {
                continue;
            }
            let done = report.of(work);
            done.frames += 1;
            done.before += moved.bytes_before as u64;
            done.after += moved.frame.payload.len() as u64;
            if let Some(base) = moved.reencoded.and_then(|how| how.base) {
                report.chain_steps.0 += u64::from(self.input.chains.depth(moved.at));
                report.chain_steps.1 += u64::from(self.input.chains.depth(base)) + 1;
            }
        }
    }
}

/// Whether it pays to write the pack anew.
fn pays(work: Work, moved: &[Moved]) -> bool {
    match work {
        Work::Keys | Work::Join => true,
        Work::Recompress => {
            let before: usize = moved.iter().map(|moved| moved.bytes_before).sum();
            let after: usize = moved.iter().map(|moved| moved.frame.payload.len()).sum();
            after as u64 + before as u64 / SAVED_PART < before as u64
        }
        Work::Rebase => {
            let tried = moved.iter().filter(|m| m.treatment == Treatment::Rebase);
            let done = moved
                .iter()
                .filter(|moved| moved.treatment == Treatment::Rebase && moved.reencoded.is_some());
            2 * done.count() >= tried.count()
        }
    }
}

/// What a dry run can tell: what would be looked at. What comes of it is known when it is tried.
fn tell(input: &Input<'_>, options: &CompactOptions, steps: &[Step], report: &mut CompactReport) {
    let by_pack = kept_by_pack(input);
    for step in steps {
        report.of(step.work).packs += 1;
        let kept = by_pack.get(&step.pack).into_iter().flatten();
        for at in kept {
            let work = match plan::treatment(input, options, *at) {
                Treatment::Recompress => Work::Recompress,
                Treatment::Rebase => Work::Rebase,
                Treatment::Move => step.work,
            };
            let done = report.of(work);
            done.frames += 1;
            done.before += u64::from(input.catalog.frames[*at].sealed_bytes);
        }
    }
}

fn kept_by_pack(input: &Input<'_>) -> BTreeMap<usize, Vec<usize>> {
    let mut by_pack: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, frame) in input.catalog.frames.iter().enumerate() {
        if input.kept[at] {
            by_pack.entry(frame.pack as usize).or_default().push(at);
        }
    }
    for frames in by_pack.values_mut() {
        frames.sort_unstable_by_key(|at| input.catalog.frames[*at].ordinal);
    }
    by_pack
}

fn report(state: &State, base: &Plan, steps: &[Step]) -> CompactReport {
    let packs = &state.catalog.packs;
    let mut report = CompactReport {
        snapshots: state.snapshots.len() as u64,
        packs: packs.len() as u64,
        bytes: packs.iter().map(|pack| pack.bytes).sum(),
        ..CompactReport::default()
    };
    for (pack, fate) in packs.iter().zip(&base.fates) {
        let (count, bytes) = match fate {
            Fate::Delete => (&mut report.deleted_packs, &mut report.deleted_bytes),
            Fate::Condemn => (&mut report.condemned_packs, &mut report.condemned_bytes),
            Fate::Wait => (&mut report.waiting_packs, &mut report.waiting_bytes),
            Fate::Stay | Fate::Rescue | Fate::Repack => continue,
        };
        *count += 1;
        *bytes += pack.bytes;
    }
    debug_assert!(steps.iter().all(|step| base.fates[step.pack].stays()));
    report
}

fn look_at(
    repository: &Repository,
    options: &CompactOptions,
    state: &State,
    base: &Plan,
) -> Result<Look> {
    let catalog = &state.catalog;
    let (marks, _) = Marks::read(repository)?;
    let by_pack =
        |is: &dyn Fn(usize) -> bool| -> Vec<bool> { (0..catalog.packs.len()).map(is).collect() };
    let is_young = young_snapshots(&state.snapshots, options.young_snapshots);
    let newest = newest_chunks(repository, &state.snapshots)?;
    let frames = catalog.frames.len();
    let mut look = Look {
        stays: by_pack(&|pack| base.fates[pack] == Fate::Stay),
        young: vec![false; frames],
        newest: vec![false; frames],
        born: vec![0; frames],
        aged: by_pack(&|pack| marks.aged.contains(&catalog.packs[pack].name.id)),
        rebased: by_pack(&|pack| marks.rebased.contains(&catalog.packs[pack].name.id)),
    };
    for (first, born) in state.needed.iter().zip(&state.born) {
        let id = catalog.frames[*first].id;
        for at in catalog.of_chunk(id) {
            look.born[at] = *born;
            look.young[at] = is_young[*born as usize];
            look.newest[at] = newest.contains(&id);
        }
    }
    Ok(look)
}

/// By snapshot: it is one of the newest so many of its source.
fn young_snapshots(snapshots: &[StoredSnapshot], count: usize) -> Vec<bool> {
    let mut newer: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut young = vec![false; snapshots.len()];
    for (at, stored) in snapshots.iter().enumerate().rev() {
        let snapshot = &stored.snapshot;
        let newer = newer.entry((&snapshot.host, &snapshot.source)).or_default();
        young[at] = *newer < count;
        *newer += 1;
    }
    young
}

/// Chunks that the newest snapshot of each source needs.
fn newest_chunks(
    repository: &Repository,
    snapshots: &[StoredSnapshot],
) -> Result<HashSet<ChunkId>> {
    let mut needs = Needs::new(repository);
    let mut ids = HashSet::new();
    let is_newest = young_snapshots(snapshots, 1);
    for (stored, _) in snapshots
        .iter()
        .zip(is_newest)
        .filter(|(_, newest)| *newest)
    {
        needs.snapshot(stored, &mut |id| {
            ids.insert(id);
        })?;
    }
    Ok(ids)
}
