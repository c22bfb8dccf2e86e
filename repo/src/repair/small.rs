//! Objects that are kept twice: config, key slots, snapshots.

use std::collections::HashSet;

use super::{Outcome, RepairReport, Run, was};
use crate::check::reason;
use crate::error::{Error, Result};
use crate::format::{Config, KeySlot, Kind, ObjectId, ObjectName, Tombstone};
use crate::parity;

impl Run<'_> {
    /// Restores the one from the other.
    pub(super) fn small_objects(&self, report: &mut RepairReport) -> Result<()> {
        let kinds = [Kind::Config, Kind::Key, Kind::Snapshot];
        let orphans = self.repository.orphaned_copies(&kinds)?;
        let mut names = Vec::new();
        for kind in kinds {
            let listed = self.repository.storage().list(kind)?.into_iter();
            names.extend(listed.map(|listed| ObjectName::new(kind, listed.id)));
        }
        let forgotten = self.forgotten()?;
        for orphan in orphans {
            if orphan.kind == Kind::Snapshot && forgotten.contains(&orphan.id) {
                report.count(self.remove_sidecar(orphan)?);
            } else {
                names.push(orphan);
            }
        }
        for name in names {
            match self.small_object(name) {
                Ok(outcome) => {
                    report.take(name, outcome);
                }
                // Deleted by somebody since it was listed.
                Err(Error::Missing { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    fn forgotten(&self) -> Result<HashSet<ObjectId>> {
        let (tombstones, _) = self.repository.records::<Tombstone>(Kind::Tombstone)?;
        let forgotten = tombstones
            .into_iter()
            .flat_map(|(_, tombstone)| tombstone.snapshots);
        Ok(forgotten.map(|forgotten| forgotten.snapshot).collect())
    }

    fn small_object(&self, name: ObjectName) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let sidecar = match self.repository.sidecar(name) {
            Err(Error::Unsupported { .. }) => return Ok(outcome),
            Err(Error::Corrupt { .. } | Error::Io { .. }) => None,
            other => other?,
        };
        let copy = sidecar
            .as_ref()
            .filter(|sidecar| sidecar.is_copy())
            .and_then(|sidecar| sidecar.repair(&[]).ok())
            .filter(|copy| self.opens(name, copy).is_ok());
        let found = self.repository.storage().get(name).and_then(|bytes| {
            outcome.bytes_read = bytes.len() as u64;
            self.opens(name, &bytes)?;
            Ok(bytes)
        });
        let bytes = match (found, copy) {
            (Ok(bytes), _) => bytes,
            (Err(error @ Error::Unsupported { .. }), _) => {
                outcome.unsaved = Some(error.to_string());
                return Ok(outcome);
            }
            (Err(error), Some(copy)) => {
                self.restore(name, &copy)?;
                outcome.repaired = Some(was(&error, name));
                copy
            }
            (Err(error @ Error::Missing { .. }), None) => return Err(error),
            (Err(error), None) => {
                outcome.unsaved = Some(format!(
                    "{}; there is no sound copy of it",
                    reason(&error, &name.to_string())
                ));
                return Ok(outcome);
            }
        };
        let is_whole = sidecar
            .is_some_and(|sidecar| sidecar.is_of(&bytes) && sidecar.flaw_anywhere().is_none());
        if !is_whole && (self.repository.parity_percent() > 0 || outcome.repaired.is_some()) {
            outcome.sidecar = self.write_sidecar(name, &parity::copy(name, &bytes))?;
        }
        Ok(outcome)
    }

    /// Whether bytes are the object of this name as a holder of the keys wrote it.
    fn opens(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        match name.kind {
            Kind::Config => {
                let (config, _, _) = Config::decode(bytes)?;
                if config == *self.repository.config() {
                    Ok(())
                } else {
                    Err(Error::corrupt(name, "it is not the one that was opened"))
                }
            }
            Kind::Key => KeySlot::decode(name, bytes).map(drop),
            _ => self
                .repository
                .open_snapshot(name.id, bytes.to_vec())
                .map(drop),
        }
    }
}
