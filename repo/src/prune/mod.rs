//! Prune: room back from what no snapshot needs, without ever losing what one does.
//!
//! Packs go in two steps. A run *condemns* what nobody needs, so that nobody builds on it any more. A later run
//! *deletes* it, if by then, computed anew, still nobody needs it and all who were at work when it was condemned have
//! ended. What is told here holds for every crash between any two steps: see "Order of writes" in `docs/format.md`.
//!
//! | file | duty |
//! |---|---|
//! | `state` | what is in the repository, and whether it may be believed |
//! | `keep` | which frames the snapshots need. Pure |
//! | `plan` | what becomes of every pack. Pure |
//! | `apply` | the steps and their order |
//! | `rewrite` | new packs |
//! | `remains` | what cannot be decoded any more when the condemned is gone; that nothing needed is among it. Pure |
//! | `verdict` | what is condemned, with its witnesses: published, taken back, dropped |
//! | `witness` | whether those who were at work have ended |

mod apply;
#[cfg(feature = "internals")]
mod bare;
mod keep;
mod plan;
mod remains;
mod rewrite;
mod state;
mod verdict;
mod witness;

use std::sync::Arc;

#[cfg(feature = "internals")]
pub use bare::BarePlan;
#[cfg(feature = "internals")]
pub(crate) use bare::bare_plan;
use serde::Serialize;

pub(crate) use apply::{delete, make_plan, with_fate};
pub(crate) use plan::{Fate, Plan};
pub(crate) use remains::{Reencoded, Remains};
pub(crate) use state::State;
pub(crate) use verdict::{
    add_witnesses, condemn, drop_verdicts, rescue, settle_dead_witnesses, sweep,
};

use crate::error::Result;
use crate::repository::Repository;

/// How to prune.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PruneOptions {
    /// Change nothing, only tell what would be done.
    pub dry_run: bool,
    /// No pack is rewritten of which a smaller part than this is unused: copying what is left would cost more than it
    /// frees.
    pub pack_unused_min: f64,
    /// No more is copied in one run than this part of what is needed in all.
    pub copied_max: f64,
}

/// Found by simulation: `docs/decisions/0016-what-prune-moves.md`.
impl Default for PruneOptions {
    fn default() -> Self {
        Self {
            dry_run: false,
            pack_unused_min: 0.125,
            copied_max: 0.05,
        }
    }
}

/// What a prune did, or would do. Bytes are those of packs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PruneReport {
    /// Snapshots that were looked at.
    pub snapshots: u64,
    /// Packs before.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, bytes of frames that no snapshot needs, those of condemned packs included.
    pub unused_bytes: u64,
    /// Packs condemned by an earlier run and deleted now.
    pub deleted_packs: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
    /// Packs condemned now since nobody needs anything in them.
    pub dead_packs: u64,
    /// Their bytes.
    pub dead_bytes: u64,
    /// Packs condemned now after what is needed of them was written to new ones.
    pub repacked_packs: u64,
    /// Their bytes.
    pub repacked_bytes: u64,
    /// New packs.
    pub written_packs: u64,
    /// Their bytes.
    pub written_bytes: u64,
    /// Packs that were condemned and that a snapshot needs again.
    pub rescued_packs: u64,
    /// Packs condemned now or before, and not yet deleted.
    pub waiting_packs: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Who must end before they can be deleted.
    pub waiting_for: Vec<String>,
    /// Unused packs that were left alone, since a running backup may have written them.
    pub spared_packs: u64,
}

impl Repository {
    /// Deletes what earlier runs condemned, and condemns what no snapshot needs now.
    pub fn prune(self: &Arc<Self>, options: &PruneOptions) -> Result<PruneReport> {
        apply::prune(self, options)
    }
}

#[cfg(test)]
mod tests;
