//! Compact: what is kept for long is stored better than a backup has time for.
//!
//! Frames move to new packs, compressed harder, on shorter chains, under the newest key; then the old packs are
//! condemned as prune does it, and deleted by a later prune or compact. Work is done in rounds, each complete in itself:
//! an interruption loses one round at most.
//!
//! | file | duty |
//! |---|---|
//! | `plan` | which packs are written anew, and what becomes of their frames. Pure |
//! | `chains` | how deep frames lie, and what they could rest on instead. Pure |
//! | `encode` | frames of one pack, encoded anew where that pays |
//! | `marks` | which packs were looked at before and need no second look |
//! | `round` | new packs, the verdict on the old ones, witnesses |
//! | `throttle` | how much is read and written in a time |
//! | `apply` | the steps and their order |

mod apply;
mod chains;
mod encode;
mod marks;
mod plan;
mod round;
mod throttle;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;

use crate::error::Result;
use crate::repository::{OldKeys, Repository};

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// What is sealed under old keys is sealed anew.
    Keys,
    /// Small packs become full ones.
    Join,
    /// Old whole frames are compressed at a high level.
    Recompress,
    /// What the newest snapshots need gets shorter chains.
    Rebase,
}

impl Work {
    /// All of it.
    pub const ALL: [Self; 4] = [Self::Keys, Self::Join, Self::Recompress, Self::Rebase];
}

/// How to compact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactOptions {
    /// Change nothing, only tell what would be done.
    pub dry_run: bool,
    /// What is done.
    pub work: Vec<Work>,
    /// zstd level for old whole frames.
    pub level: i32,
    /// What only the newest so many snapshots of a source need is young: it is not recompressed.
    pub young_snapshots: usize,
    /// Bytes read and written in a second, at most.
    pub rate: Option<u64>,
    /// No pack is begun after this time.
    pub duration_max: Option<Duration>,
    /// No pack is begun after so many bytes were read.
    pub bytes_max: Option<u64>,
}

impl Default for CompactOptions {
    fn default() -> Self {
        Self {
            dry_run: false,
            work: Work::ALL.to_vec(),
            level: 15,
            young_snapshots: 7,
            rate: None,
            duration_max: None,
            bytes_max: None,
        }
    }
}

/// What one kind of work came to, or in a dry run: what it would look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Packs chosen for it.
    pub packs: u64,
    /// Frames that it changed; of those that only moved, how many.
    pub frames: u64,
    /// Their bytes before.
    pub before: u64,
    /// And after.
    pub after: u64,
}

/// What a compact did, or would do. Bytes are those of packs, or of sealed frames.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CompactReport {
    /// Snapshots that were looked at.
    pub snapshots: u64,
    /// Packs before.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packs of old epochs whose frames moved under the newest key.
    pub keys: Done,
    /// Small packs that were joined.
    pub join: Done,
    /// Whole frames that were compressed at a higher level.
    pub recompress: Done,
    /// Deltas that got a shorter chain.
    pub rebase: Done,
    /// Steps from these deltas to whole frames, before and after.
    pub chain_steps: (u64, u64),
    /// Packs condemned now: all that is needed of them is in new ones.
    pub condemned_packs: u64,
    /// Their bytes.
    pub condemned_bytes: u64,
    /// New packs.
    pub written_packs: u64,
    /// Their bytes.
    pub written_bytes: u64,
    /// Packs condemned by an earlier run and deleted now.
    pub deleted_packs: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
    /// Packs condemned now or before, and not yet deleted.
    pub waiting_packs: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Packs left as they are since something in them cannot be read.
    pub unreadable_packs: u64,
    /// Packs that were chosen and not reached before a limit, or the signal to stop.
    pub left_packs: u64,
    /// Rounds: as often was everything durable and the old condemned.
    pub rounds: u64,
    /// Snapshots that were sealed under the newest key.
    pub resealed_snapshots: u64,
    /// Tombstones and the like.
    pub resealed_records: u64,
    /// What is still sealed under old keys; `None`: the keys were never changed.
    pub old_keys: Option<OldKeys>,
}

impl CompactReport {
    fn of(&mut self, work: Work) -> &mut Done {
        match work {
            Work::Keys => &mut self.keys,
            Work::Join => &mut self.join,
            Work::Recompress => &mut self.recompress,
            Work::Rebase => &mut self.rebase,
        }
    }
}

impl Repository {
    /// Stores better what is kept for long. When `stop` becomes true the round at hand is brought to its end.
    pub fn compact(
        self: &Arc<Self>,
        options: &CompactOptions,
        stop: &AtomicBool,
    ) -> Result<CompactReport> {
        apply::compact(self, options, stop)
    }
}

#[cfg(test)]
mod tests;
