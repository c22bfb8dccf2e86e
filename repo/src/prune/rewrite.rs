//! What is needed of packs that go, in new packs.

use std::collections::{HashMap, HashSet};

use super::PruneReport;
use super::plan::{Move, Plan};
use super::remains::Reencoded;
use super::state::State;
use crate::error::Result;
use crate::pack::NewFrame;
use crate::repository::{Repository, Rewriter, Written, encode_against, encode_whole};

/// As a backup uses for what rests on other chunks.
const LEVEL: i32 = 3;

/// Writes them, durable; tells how frames are encoded that were encoded anew. First those that may do without their base:
/// only then is it known which bases need not move.
pub(super) fn rewrite(
    repository: &Repository,
    state: &State,
    plan: &Plan,
    report: &mut PruneReport,
) -> Result<(Written, HashMap<usize, Reencoded>)> {
    let mut rewriter = Rewriter::new(repository);
    let mut reencoded = HashMap::new();
    let mut done = HashSet::new();
    let (shorter, plain): (Vec<Move>, Vec<Move>) = plan
        .moves
        .iter()
        .cloned()
        .partition(|step| !step.skipped.is_empty());
    let catalog = &state.catalog;
    each_frame(repository, state, &shorter, |step, frame| {
        let pack = catalog.frames[step.frame].pack as usize;
        if let Some(new) = without_skipped(repository, state, step, &frame)? {
            let (rank, base) = (new.rank, step.base);
            reencoded.insert(step.frame, Reencoded { rank, base });
            report.reencoded_chunks += 1;
            done.extend(step.skipped.iter().copied());
            rewriter.push(catalog.packs[pack].stream, &new)
        } else {
            rewriter.push(catalog.packs[pack].stream, &frame)
        }
    })?;
    let left: Vec<Move> = plain
        .into_iter()
        .filter(|step| !done.contains(&step.frame))
        .collect();
    each_frame(repository, state, &left, |step, frame| {
        let pack = catalog.frames[step.frame].pack as usize;
        rewriter.push(catalog.packs[pack].stream, &frame)
    })?;
    Ok((rewriter.finish()?, reencoded))
}

/// Reads the frames of `moves`, which are in the order of their places.
fn each_frame(
    repository: &Repository,
    state: &State,
    moves: &[Move],
    mut take: impl FnMut(&Move, NewFrame) -> Result<()>,
) -> Result<()> {
    let catalog = &state.catalog;
    let pack_of = |step: &Move| catalog.frames[step.frame].pack;
    for moves in moves.chunk_by(|a, b| pack_of(a) == pack_of(b)) {
        let pack = catalog.packs[pack_of(&moves[0]) as usize];
        let source = repository.source_pack(pack.name.id, pack.bytes)?;
        let ordinals: Vec<u32> = moves
            .iter()
            .map(|step| catalog.frames[step.frame].ordinal)
            .collect();
        let mut steps = moves.iter();
        source.frames(&ordinals, |_, frame| match steps.next() {
            Some(step) => take(step, frame?),
            None => Ok(()),
        })?;
    }
    Ok(())
}

/// The chunk against the base of its base, or by itself if there is none: if that takes less than all that it replaces.
fn without_skipped(
    repository: &Repository,
    state: &State,
    step: &Move,
    old: &NewFrame,
) -> Result<Option<NewFrame>> {
    let catalog = &state.catalog;
    let chunk = repository.read_chunk(old.id)?;
    let new = match step.base {
        None => Some(encode_whole(old, &chunk, LEVEL)?),
        Some(base) => {
            let base = &catalog.frames[base];
            let bytes = repository.read_chunk(base.id)?;
            encode_against(old, &chunk, (base.id, base.rank, &bytes), LEVEL)?
        }
    };
    let skipped = step.skipped.iter().chain([&step.frame]);
    let replaced: u64 = skipped
        .map(|at| u64::from(catalog.frames[*at].sealed_bytes))
        .sum();
    // Frames are not worth moving about for less.
    Ok(new.filter(|new| new.payload.len() as u64 + replaced / 16 < replaced))
}
