//! Which packs a check reads whole, and in which order. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::ReadData;
use crate::error::{Error, Result};
use crate::format::ObjectId;

/// In so many steps a budget is used up, as far as the speed so far tells.
const STEPS_OF_BUDGET: f64 = 8.0;
/// Packs read in one step, unless all may be.
const STEP_PACKS_MAX: usize = 256;

/// A pack that may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) id: ObjectId,
    pub(super) bytes: u64,
    /// When it was last read whole, sound or not.
    pub(super) read: Option<Timestamp>,
}

impl ReadData {
    /// Refuses what would read nothing, or more than there is.
    pub(super) fn validate(self) -> Result<()> {
        let refuse = |what: String| Err(Error::Invalid(what));
        match self {
            Self::Percent(percent) if !(percent > 0.0 && percent <= 100.0) => refuse(format!(
                "a share of {percent}% cannot be read: it must be above 0% and at most 100%"
            )),
            Self::Group { of: 0, .. } => {
                refuse("there must be one group of packs at least".to_owned())
            }
            Self::Group { number, of } if number == 0 || number > of => refuse(format!(
                "there is no group {number} of {of}: groups count from 1 to {of}"
            )),
            Self::For(budget) if budget.is_zero() => {
                refuse("no time to read anything in: the budget is zero".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Positions of the packs to be read, first the one to be read first. With [`ReadData::For`] that is all of
    /// them, as far as the budget reaches.
    pub(super) fn choose(self, packs: &[Candidate]) -> Vec<usize> {
        match self {
            Self::None => Vec::new(),
            Self::All => (0..packs.len()).collect(),
            Self::Group { number, of } => (0..packs.len())
                .filter(|at| group(packs[*at].id, of) == number)
                .collect(),
            Self::Percent(percent) => share(packs, percent),
            Self::For(_) => oldest_first(packs),
        }
    }
}

/// To which of `of` groups a pack belongs, from 1: by its id, so that it stays in it.
fn group(id: ObjectId, of: u32) -> u32 {
    let mut head = [0; 8];
    head.copy_from_slice(&id.0[..8]);
    (u64::from_le_bytes(head) % u64::from(of.max(1))) as u32 + 1
}

/// Those never read, then those read longest ago. Ids are random: so is the order among equals.
fn oldest_first(packs: &[Candidate]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..packs.len()).collect();
    order.sort_unstable_by_key(|at| (packs[*at].read, packs[*at].id));
    order
}

/// Of the oldest, until this share of all bytes is reached.
fn share(packs: &[Candidate], percent: f64) -> Vec<usize> {
    let all: u64 = packs.iter().map(|pack| pack.bytes).sum();
    let wanted = (all as f64 * percent / 100.0).ceil() as u64;
    let mut order = oldest_first(packs);
    let mut bytes = 0;
    let enough = order.iter().position(|at| {
        bytes += packs[*at].bytes;
        bytes >= wanted
    });
    order.truncate(enough.map_or(packs.len(), |last| last + 1));
    order
}

/// How many packs are begun at once.
pub(super) struct Pace {
    budget: Option<Duration>,
    /// When the first pack was begun.
    start: Option<Duration>,
    begun: usize,
}

impl Pace {
    pub(super) fn new(read: ReadData) -> Self {
        let budget = match read {
            ReadData::For(budget) => Some(budget),
            _ => None,
        };
        Self {
            budget,
            start: None,
            begun: 0,
        }
    }

    /// Whether packs are begun step by step.
    pub(super) fn is_limited(&self) -> bool {
        self.budget.is_some()
    }

    /// How many of the packs that are left to begin now, `elapsed` after the check began; 0 ends the reading. The
    /// first pack is read however small the budget is.
    pub(super) fn next(&mut self, elapsed: Duration, left: usize) -> usize {
        let count = match (self.budget, self.start) {
            (None, _) => left,
            (Some(_), None) => left.min(1),
            (Some(budget), Some(_)) if elapsed >= budget => 0,
            (Some(budget), Some(start)) => {
                let each = elapsed.saturating_sub(start).as_secs_f64() / self.begun as f64;
                let remaining = budget.saturating_sub(elapsed).as_secs_f64();
                // Divided by nothing it is endless, and as a number the largest.
                let fitting = (remaining / STEPS_OF_BUDGET / each) as usize;
                fitting.clamp(1, STEP_PACKS_MAX).min(left)
            }
        };
        self.start.get_or_insert(elapsed);
        self.begun += count;
        count
    }
}

#[cfg(test)]
mod tests;
