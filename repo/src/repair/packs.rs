//! Packs: every byte is compared with what parity says of it, or where there is none, opened.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::{Change, Outcome, RepairReport, Run, was};
use crate::check::{Progress, reason};
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectName};
use crate::pack;
use crate::parity::{self, Sidecar, Strength};
use crate::repository::strength_of;
use crate::storage::Listed;

impl Run<'_> {
    /// Restores packs and brings their parity in order. Returns those that cannot be restored.
    pub(super) fn packs(
        &self,
        progress: Progress<'_>,
        report: &mut RepairReport,
    ) -> Result<HashSet<ObjectName>> {
        // A pack is put before its sidecar and deleted after it: listed in this order, a sidecar alone tells of loss.
        let orphans = self.repository.storage().list(Kind::Parity)?;
        let mut packs = self.repository.storage().list(Kind::Pack)?;
        packs.sort_unstable();
        let total = packs.iter().map(|pack| pack.bytes).sum();
        let done = AtomicU64::new(0);
        let outcomes: Vec<_> = packs
            .par_iter()
            .with_max_len(1)
            .map(|listed| {
                let outcome = self.pack(*listed);
                let so_far = done.fetch_add(listed.bytes, Ordering::Relaxed) + listed.bytes;
                progress(so_far, total);
                outcome
            })
            .collect();
        let mut unsaved = HashSet::new();
        for (listed, outcome) in packs.iter().zip(outcomes) {
            let name = ObjectName::new(Kind::Pack, listed.id);
            match outcome {
                Ok(outcome) => {
                    if report.take(name, outcome) {
                        unsaved.insert(name);
                    }
                }
                // Deleted by somebody since it was listed.
                Err(Error::Missing { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        self.remove_orphans(&orphans, &packs, report)?;
        Ok(unsaved)
    }

    fn pack(&self, listed: Listed) -> Result<Outcome> {
        let name = ObjectName::new(Kind::Pack, listed.id);
        let mut outcome = Outcome::default();
        let bytes = match self.read(name, listed.bytes) {
            // The disk gives nothing of it: that is the pack's affair.
            Err(error @ Error::Io { .. }) => {
                outcome.unsaved = Some(error.to_string());
                return Ok(outcome);
            }
            other => other?,
        };
        outcome.bytes_read = bytes.len() as u64;
        let (sidecar, is_there) = match self.repository.sidecar(name) {
            // A newer program's: not ours to change.
            Err(Error::Unsupported { .. }) => return Ok(outcome),
            Err(Error::Corrupt { .. } | Error::Io { .. }) => (None, true),
            other => {
                let sidecar = other?;
                let is_there = sidecar.is_some();
                (sidecar, is_there)
            }
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
                outcome.sidecar = self.tend_sidecar(name, &bytes, sidecar, is_there, strength)?;
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
                outcome.repaired = Some(was(&error, name));
                let strength = |percent| strength_of(percent, &directory);
                outcome.sidecar =
                    self.tend_sidecar(name, &restored, Some(sidecar), true, strength)?;
            }
            Err(why) => {
                let error = reason(&error, &name.to_string());
                outcome.unsaved = Some(format!("{error}; {why}"));
            }
        }
        Ok(outcome)
    }

    /// Makes the sidecar of a sound pack what it should be.
    fn tend_sidecar(
        &self,
        name: ObjectName,
        bytes: &[u8],
        sidecar: Option<Sidecar>,
        is_there: bool,
        strength: impl Fn(u8) -> Strength,
    ) -> Result<Change> {
        let percent = self.options.parity;
        if percent == Some(0) {
            return if is_there {
                self.remove_sidecar(name)
            } else {
                Ok(Change::None)
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
            0 if is_there => self.remove_sidecar(name),
            0 => Ok(Change::None),
            percent => {
                let sidecar = parity::encode(name, bytes, strength(percent))?;
                self.write_sidecar(name, &sidecar)
            }
        }
    }

    /// Parity of packs that are gone is of no use: it is a small part of what was there.
    fn remove_orphans(
        &self,
        sidecars: &[Listed],
        packs: &[Listed],
        report: &mut RepairReport,
    ) -> Result<()> {
        let there: HashSet<_> = packs.iter().map(|pack| pack.id).collect();
        for listed in sidecars {
            let name = ObjectName::new(Kind::Parity, listed.id);
            let head = match self
                .repository
                .storage()
                .get_range(name, 0, parity::HEAD_BYTES)
            {
                Err(Error::Missing { .. } | Error::Io { .. }) => continue,
                other => other?,
            };
            if let Some(object) = parity::object_of(name, &head)
                && object.kind == Kind::Pack
                && !there.contains(&object.id)
            {
                report.count(self.remove_sidecar(object)?);
            }
        }
        Ok(())
    }
}
