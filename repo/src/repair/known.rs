//! What is there: what storage lists, and what it does not list though something else knows of it.
//!
//! A listing may come short. Nothing is deleted, and nothing counts as gone, before it was asked for by its name.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{RepairReport, Run};
use crate::check::{Problem, reason};
use crate::error::{Error, Result};
use crate::format::{CondemnedRecord, Kind, ObjectId, ObjectName, Tombstone};
use crate::parity::{Sidecar, sidecar_name};

/// Objects, in the order of their names.
#[derive(Default)]
pub(super) struct Known {
    /// Config, key slots and snapshots that are there, or should be.
    pub(super) small: Vec<ObjectName>,
    /// Packs, with their sizes if they were listed.
    pub(super) packs: Vec<(ObjectName, Option<u64>)>,
    /// Packs that are gone and whose parity is there; the same of snapshots that were forgotten.
    pub(super) gone: Vec<ObjectName>,
}

impl Run<'_> {
    /// Listed are sidecars before all others: an object is put before its sidecar and deleted after it, so that a
    /// sidecar alone tells of loss.
    pub(super) fn known(&self, report: &mut RepairReport) -> Result<Known> {
        let mut listed = HashMap::new();
        for kind in [Kind::Config, Kind::Key, Kind::Snapshot, Kind::Pack] {
            let all = self.repository.storage().list(kind)?.into_iter();
            listed.extend(all.map(|one| (ObjectName::new(kind, one.id), one.bytes)));
        }
        let guarded: HashSet<ObjectId> = listed.keys().map(|name| sidecar_name(*name).id).collect();
        let mut of_sidecars = BTreeSet::new();
        for (id, bytes) in &self.sidecars {
            if !guarded.contains(id) {
                let sidecar = ObjectName::new(Kind::Parity, *id);
                of_sidecars.extend(self.object_of(sidecar, *bytes, report)?);
            }
        }
        let forgotten = self.forgotten()?;
        let mut unlisted = self.known_otherwise()?;
        unlisted.retain(|name| !forgotten.contains(&name.id));
        unlisted.extend(&of_sidecars);
        unlisted.retain(|name| !listed.contains_key(name));

        let mut known = Known::default();
        for (name, bytes) in &listed {
            match name.kind {
                Kind::Pack => known.packs.push((*name, Some(*bytes))),
                _ => known.small.push(*name),
            }
        }
        for name in unlisted {
            let is_there = self.repository.is_there(name)?;
            if is_there {
                report.unlisted.insert(name.to_string());
            }
            match name.kind {
                Kind::Pack if is_there => known.packs.push((name, None)),
                Kind::Snapshot if !is_there && forgotten.contains(&name.id) => {
                    known.gone.push(name);
                }
                Kind::Pack if of_sidecars.contains(&name) => known.gone.push(name),
                Kind::Pack => {}
                _ => known.small.push(name),
            }
        }
        known.small.sort_unstable();
        known.packs.sort_unstable();
        Ok(known)
    }

    /// What a sidecar is of whose object is not listed.
    fn object_of(
        &self,
        sidecar: ObjectName,
        bytes: u64,
        report: &mut RepairReport,
    ) -> Result<Option<ObjectName>> {
        let read = self.read(sidecar, Some(bytes));
        match read.and_then(|bytes| Sidecar::decode(sidecar, &bytes)) {
            Ok(decoded) => Ok(Some(decoded.object())),
            // Deleted since it was listed, or a newer program's.
            Err(Error::Missing { .. } | Error::Unsupported { .. }) => Ok(None),
            Err(error @ (Error::Corrupt { .. } | Error::Io { .. })) => {
                let reason = reason(&error, &sidecar.to_string());
                let what = format!("{reason}; the object that it is of is not listed");
                report.lost.push(Problem::new(sidecar, what));
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Packs that the local index lists or that verdicts on damage name, and snapshots that this client saw.
    fn known_otherwise(&self) -> Result<BTreeSet<ObjectName>> {
        let repository = self.repository;
        let snapshots = repository.seen_snapshots().unwrap_or_default().into_iter();
        let mut names: BTreeSet<_> = snapshots
            .map(|id| ObjectName::new(Kind::Snapshot, id))
            .collect();
        let mut packs = repository.remembered_packs();
        let (records, _) = repository.records::<CondemnedRecord>(Kind::Condemned)?;
        for (_, record) in records {
            if let CondemnedRecord::Verdict(verdict) = record
                && verdict.damage
            {
                packs.extend(verdict.frames.iter().map(|frames| frames.pack));
            }
        }
        names.extend(packs.into_iter().map(|id| ObjectName::new(Kind::Pack, id)));
        Ok(names)
    }

    fn forgotten(&self) -> Result<HashSet<ObjectId>> {
        let (tombstones, _) = self.repository.records::<Tombstone>(Kind::Tombstone)?;
        let forgotten = tombstones
            .into_iter()
            .flat_map(|(_, tombstone)| tombstone.snapshots);
        Ok(forgotten.map(|forgotten| forgotten.snapshot).collect())
    }

    /// Sidecars of what is gone are of no use. While anything is lost those of packs stay: these may be found again.
    pub(super) fn remove_orphans(
        &self,
        gone: &[ObjectName],
        report: &mut RepairReport,
    ) -> Result<()> {
        for name in gone {
            let is_missed = name.kind == Kind::Pack && !report.lost.is_empty();
            if !is_missed && !self.repository.is_there(*name)? {
                report.count(self.remove_sidecar(*name)?);
            }
        }
        Ok(())
    }
}
