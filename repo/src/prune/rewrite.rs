//! What is needed of packs that go, in new packs.

use super::plan::Plan;
use super::state::State;
use crate::error::Result;
use crate::repository::{Repository, Rewriter, Written};

/// Copies frames as they are, durable.
pub(super) fn rewrite(repository: &Repository, state: &State, plan: &Plan) -> Result<Written> {
    let catalog = &state.catalog;
    let pack_of = |at: usize| catalog.frames[at].pack as usize;
    let mut rewriter = Rewriter::new(repository);
    for moves in plan.moves.chunk_by(|a, b| pack_of(*a) == pack_of(*b)) {
        let pack = catalog.packs[pack_of(moves[0])];
        let source = repository.source_pack(pack.name.id, pack.bytes)?;
        let ordinals: Vec<u32> = moves.iter().map(|at| catalog.frames[*at].ordinal).collect();
        source.frames(&ordinals, |_, frame| rewriter.push(pack.stream, &frame?))?;
    }
    rewriter.finish()
}
