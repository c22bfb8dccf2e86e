//! Objects that are kept twice: config, key slots, snapshots.

use super::{Outcome, RepairReport, Run, was};
use crate::check::reason;
use crate::error::{Error, Result};
use crate::format::{Config, KeySlot, Kind, ObjectName};
use crate::parity;

impl Run<'_> {
    /// Restores the one from the other.
    pub(super) fn small_objects(
        &self,
        names: &[ObjectName],
        report: &mut RepairReport,
    ) -> Result<()> {
        for name in names {
            match self.small_object(*name) {
                Ok(outcome) => {
                    report.take(*name, outcome);
                }
                // Deleted by somebody since it was listed.
                Err(Error::Missing { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    fn small_object(&self, name: ObjectName) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let (sidecar, is_there) = match self.sidecar(name) {
            Err(Error::Unsupported { .. }) => return Ok(outcome),
            Err(Error::Corrupt { .. } | Error::Io { .. }) => (None, true),
            other => {
                let sidecar = other?;
                let is_there = sidecar.is_some();
                (sidecar, is_there)
            }
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
            (Err(error @ Error::Missing { .. }), None) if !is_there => return Err(error),
            (Err(Error::Missing { .. }), None) => {
                outcome.unsaved = Some("is gone, and its copy is damaged".to_owned());
                return Ok(outcome);
            }
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
