//! Objects with their redundancy: published together, deleted together, and read from a copy when damaged.

use std::collections::HashSet;

use super::Repository;
use crate::error::{Error, Result};
use crate::format::{Directory, Kind, ObjectName, StreamKind};
use crate::parity::{self, Sidecar, Strength, sidecar_name};
use crate::storage::Storage;

/// Puts a small object, then its copy.
pub(super) fn put_with_copy(storage: &dyn Storage, name: ObjectName, bytes: &[u8]) -> Result<()> {
    storage.put(name, bytes)?;
    storage.put(sidecar_name(name), &parity::copy(name, bytes))
}

/// Reads a small object. If it is damaged, and with `or_missing` also if it is not there, its copy is used, if that is
/// sound; the error of the object itself is then returned beside.
pub(super) fn read_or_copy<T>(
    storage: &dyn Storage,
    name: ObjectName,
    or_missing: bool,
    decode: impl Fn(Vec<u8>) -> Result<T>,
) -> Result<(T, Option<Error>)> {
    let error = match storage.get(name).and_then(&decode) {
        Ok(read) => return Ok((read, None)),
        Err(error) => error,
    };
    let may_help = match error {
        Error::Corrupt { .. } => true,
        Error::Missing { .. } => or_missing,
        _ => false,
    };
    let from_copy = || {
        let copy = read_copy(storage, name)?;
        decode(copy).ok()
    };
    match may_help.then(from_copy).flatten() {
        Some(read) => Ok((read, Some(error))),
        None => Err(error),
    }
}

/// What a user is told when a copy was used.
pub(super) fn used_copy(error: &Error) -> String {
    format!("{error}; its copy in parity/ was used; run `nightfold repair`")
}

/// The bytes of an object as its copy holds them; `None` if there is no copy, or it is damaged too.
pub(super) fn read_copy(storage: &dyn Storage, name: ObjectName) -> Option<Vec<u8>> {
    let sidecar = sidecar_name(name);
    let sidecar = Sidecar::decode(sidecar, &storage.get(sidecar).ok()?).ok()?;
    sidecar
        .is_copy()
        .then(|| sidecar.repair(&[]).ok())
        .flatten()
}

/// Objects of these kinds that are gone and whose copies are there.
pub(super) fn orphaned_copies(storage: &dyn Storage, kinds: &[Kind]) -> Result<Vec<ObjectName>> {
    // Sidecars first: an object is put before its sidecar, and deleted after it.
    let sidecars = storage.list(Kind::Parity)?;
    let mut there = HashSet::new();
    for kind in kinds {
        let listed = storage.list(*kind)?.into_iter();
        there.extend(listed.map(|listed| ObjectName::new(*kind, listed.id)));
    }
    let mut orphans = Vec::new();
    for listed in sidecars {
        let name = ObjectName::new(Kind::Parity, listed.id);
        let head = match storage.get_range(name, 0, parity::HEAD_BYTES) {
            Err(Error::Missing { .. }) => continue,
            other => other?,
        };
        if let Some(object) = parity::object_of(name, &head)
            && kinds.contains(&object.kind)
            && !there.contains(&object)
        {
            orphans.push(object);
        }
    }
    Ok(orphans)
}

/// How strongly a pack is guarded.
pub(crate) fn strength_of(percent: u8, directory: &Directory) -> Strength {
    let bytes = |whole_only: bool| -> u64 {
        let entries = directory.entries.iter();
        entries
            .filter(|entry| !whole_only || entry.base.is_none())
            .map(|entry| u64::from(entry.sealed_bytes))
            .sum()
    };
    Strength {
        percent,
        // Every later night rests on these.
        strong: directory.stream == StreamKind::Data && 2 * bytes(true) > bytes(false),
    }
}

impl Repository {
    /// Parity of new packs, in percent.
    pub fn parity_percent(&self) -> u8 {
        self.parity
    }

    /// Puts a pack, then its parity. Returns the bytes of the latter.
    pub(crate) fn put_pack(
        &self,
        name: ObjectName,
        bytes: &[u8],
        directory: &Directory,
    ) -> Result<u64> {
        if self.parity == 0 {
            self.storage.put(name, bytes)?;
            return Ok(0);
        }
        let strength = strength_of(self.parity, directory);
        // The disk has its work, and a core has this one.
        let (put, sidecar) = std::thread::scope(|scope| {
            let encoding = scope.spawn(|| parity::encode(name, bytes, strength));
            (self.storage.put(name, bytes), encoding.join())
        });
        put?;
        let sidecar = sidecar.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        self.storage.put(sidecar_name(name), &sidecar)?;
        Ok(sidecar.len() as u64)
    }

    /// Puts a small object, then its copy.
    pub(crate) fn put_with_copy(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        if self.parity == 0 {
            return self.storage.put(name, bytes);
        }
        put_with_copy(&*self.storage, name, bytes)
    }

    /// Reads a small object; if it is damaged, its copy, and beside it what is wrong with the object.
    pub(crate) fn read_or_copy<T>(
        &self,
        name: ObjectName,
        decode: impl Fn(Vec<u8>) -> Result<T>,
    ) -> Result<(T, Option<Error>)> {
        read_or_copy(&*self.storage, name, false, decode)
    }

    /// Deletes an object for good; one that is gone already is no error. Its redundancy goes first: what is left of an interrupted deletion is an object
    /// without redundancy. So redundancy without its object always tells of loss, and never of what somebody wanted gone.
    pub(crate) fn delete_with_parity(&self, name: ObjectName) -> Result<()> {
        self.delete_if_there(sidecar_name(name))?;
        self.delete_if_there(name)
    }

    /// The sidecar of an object, if there is one, with its bytes.
    pub(crate) fn sidecar(&self, object: ObjectName) -> Result<Option<Sidecar>> {
        let name = sidecar_name(object);
        match self.storage.get(name) {
            Ok(bytes) => Sidecar::decode(name, &bytes).map(Some),
            Err(Error::Missing { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }
}
