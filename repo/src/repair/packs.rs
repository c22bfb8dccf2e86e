//! Packs: every byte is compared with what parity says of it, or where there is none, opened.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::{Change, Outcome, RepairReport, Run, was};
use crate::check::{Progress, reason};
use crate::error::{Error, Result};
use crate::format::ObjectName;
use crate::pack;
use crate::parity::{self, Sidecar, Strength};
use crate::repository::strength_of;
use crate::storage::Listed;

/// Packs that were looked at.
#[derive(Default)]
pub(super) struct Packs {
    /// With their sizes now.
    pub(super) all: Vec<Listed>,
    /// Those that cannot be restored.
    pub(super) unsaved: HashSet<ObjectName>,
}

/// What there is of a sidecar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Damaged,
    /// The disk gives nothing of it, now.
    Unreadable,
}

impl Run<'_> {
    /// Restores packs and brings their parity in order.
    pub(super) fn packs(
        &self,
        packs: &[(ObjectName, Option<u64>)],
        progress: Progress<'_>,
        report: &mut RepairReport,
    ) -> Result<Packs> {
        let total = packs.iter().filter_map(|(_, bytes)| *bytes).sum();
        let done = AtomicU64::new(0);
        let outcomes: Vec<_> = packs
            .par_iter()
            .with_max_len(1)
            .map(|(name, bytes)| {
                let outcome = self.pack(*name, *bytes);
                let bytes = bytes.unwrap_or(0);
                let so_far = done.fetch_add(bytes, Ordering::Relaxed) + bytes;
                progress(so_far, total);
                outcome
            })
            .collect();
        let mut looked_at = Packs::default();
        for ((name, _), outcome) in packs.iter().zip(outcomes) {
            match outcome {
                Ok(outcome) => {
                    looked_at.all.push(Listed {
                        id: name.id,
                        bytes: outcome.bytes,
                    });
                    if report.take(*name, outcome) {
                        looked_at.unsaved.insert(*name);
                    }
                }
                // Deleted by somebody since it was listed.
                Err(Error::Missing { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(looked_at)
    }

    fn pack(&self, name: ObjectName, bytes: Option<u64>) -> Result<Outcome> {
        let mut outcome = Outcome {
            bytes: bytes.unwrap_or(0),
            ..Outcome::default()
        };
        let bytes = match self.read(name, bytes) {
            // The disk gives nothing of it: that is the pack's affair.
            Err(error @ Error::Io { .. }) => {
                outcome.unsaved = Some(error.to_string());
                return Ok(outcome);
            }
            other => other?,
        };
        outcome.bytes = bytes.len() as u64;
        outcome.bytes_read = bytes.len() as u64;
        let (sidecar, left) = match self.sidecar(name) {
            // A newer program's: not ours to change.
            Err(Error::Unsupported { .. }) => return Ok(outcome),
            Err(Error::Corrupt { .. }) => (None, Left::Damaged),
            Err(Error::Io { .. }) => (None, Left::Unreadable),
            other => match other? {
                None => (None, Left::Nothing),
                sidecar => (sidecar, Left::Damaged),
            },
        };
        let fits = sidecar
            .as_ref()
            .is_some_and(|sidecar| sidecar.is_of(&bytes));
        // Sidecars are not keyed: what counts in the end are the seals.
        let vault = self.repository.vault();
        let error = match pack::verify(vault, name, &bytes) {
            Ok(directory) => {
                let sidecar = sidecar.filter(|_| fits);
                let strength = |percent| strength_of(percent, &directory);
                outcome.sidecar = self.tend_sidecar(name, &bytes, sidecar, left, strength)?;
                return Ok(outcome);
            }
            Err(error @ Error::Unsupported { .. }) => {
                outcome.unsaved = Some(error.to_string());
                return Ok(outcome);
            }
            Err(error) => error,
        };
        let Some(sidecar) = sidecar else {
            outcome.unsaved = Some(format!(
                "{}; it has no sound parity",
                reason(&error, &name.to_string())
            ));
            return Ok(outcome);
        };
        let restored = sidecar.repair(&bytes).map_err(|reason| reason.to_string());
        let verified = restored.and_then(|restored| match pack::verify(vault, name, &restored) {
            Ok(directory) => Ok((restored, directory)),
            Err(other) => Err(format!(
                "parity gives other bytes than were written ({other})"
            )),
        });
        match verified {
            Ok((restored, directory)) => {
                self.restore(name, &restored)?;
                if !self.options.dry_run {
                    outcome.bytes = restored.len() as u64;
                }
                outcome.repaired = Some(was(&error, name));
                let strength = |percent| strength_of(percent, &directory);
                outcome.sidecar =
                    self.tend_sidecar(name, &restored, Some(sidecar), Left::Damaged, strength)?;
            }
            Err(why) => {
                let error = reason(&error, &name.to_string());
                outcome.unsaved = Some(format!("{error}; {why}"));
            }
        }
        Ok(outcome)
    }

    /// Makes the sidecar of a sound pack what it should be. `left` tells of one that cannot be kept.
    fn tend_sidecar(
        &self,
        name: ObjectName,
        bytes: &[u8],
        sidecar: Option<Sidecar>,
        left: Left,
        strength: impl Fn(u8) -> Strength,
    ) -> Result<Change> {
        let percent = self.options.parity;
        if percent == Some(0) {
            return match left {
                Left::Nothing => Ok(Change::None),
                _ => self.remove_sidecar(name),
            };
        }
        if let Some(sidecar) = sidecar {
            match percent {
                Some(percent) if !sidecar.has_strength(strength(percent)) => {}
                _ if sidecar.flaw_anywhere().is_none() => return Ok(Change::None),
                Some(_) => {}
                None => return self.write_sidecar(name, &sidecar.remake(bytes)?),
            }
        }
        match percent.unwrap_or(self.repository.parity_percent()) {
            0 if left == Left::Damaged => self.remove_sidecar(name),
            0 => Ok(Change::None),
            percent => {
                let sidecar = parity::encode(name, bytes, strength(percent))?;
                self.write_sidecar(name, &sidecar)
            }
        }
    }
}
