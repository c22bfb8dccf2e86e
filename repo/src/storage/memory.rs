//! A repository in memory, for tests.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Listed, Storage};
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectName};

/// Objects in a map; clones share it.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    objects: Arc<Mutex<BTreeMap<ObjectName, Vec<u8>>>>,
    /// What interrupted runs left.
    strays: Arc<Mutex<Vec<(Kind, String)>>>,
}

impl MemoryStorage {
    /// An empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    /// All objects, to look at or to damage.
    pub fn objects(&self) -> MutexGuard<'_, BTreeMap<ObjectName, Vec<u8>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy that shares nothing.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            objects: Arc::new(Mutex::new(self.objects().clone())),
            strays: Arc::new(Mutex::new(self.all_strays().clone())),
        }
    }

    /// Puts something that is no object into the folder of `kind`.
    pub fn leave_stray(&self, kind: Kind, name: String) {
        self.all_strays().push((kind, name));
    }

    /// Removes everything, as a user would who begins anew.
    pub fn clear(&self) {
        self.objects().clear();
        self.all_strays().clear();
    }

    fn all_strays(&self) -> MutexGuard<'_, Vec<(Kind, String)>> {
        self.strays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, name: ObjectName, read: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let objects = self.objects();
        let bytes = objects.get(&name).ok_or_else(|| Error::Missing {
            object: name.to_string(),
        })?;
        Ok(read(bytes))
    }
}

impl Storage for MemoryStorage {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn is_vacant(&self) -> Result<bool> {
        Ok(self.objects().is_empty() && self.all_strays().is_empty())
    }

    fn put(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        match self.objects().entry(name) {
            Entry::Occupied(_) => Err(Error::io("write", name, ErrorKind::AlreadyExists.into())),
            Entry::Vacant(place) => {
                place.insert(bytes.to_vec());
                Ok(())
            }
        }
    }

    fn replace(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.objects().insert(name, bytes.to_vec());
        Ok(())
    }

    fn get(&self, name: ObjectName) -> Result<Vec<u8>> {
        self.with(name, <[u8]>::to_vec)
    }

    fn get_range(&self, name: ObjectName, offset: u64, count: usize) -> Result<Vec<u8>> {
        self.with(name, |bytes| {
            let start = usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            bytes[start..start.saturating_add(count).min(bytes.len())].to_vec()
        })
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        let objects = self.objects();
        let of_kind = objects.iter().filter(|(name, _)| name.kind == kind);
        Ok(of_kind
            .map(|(name, bytes)| Listed {
                id: name.id,
                bytes: bytes.len() as u64,
            })
            .collect())
    }

    fn delete(&self, name: ObjectName) -> Result<()> {
        self.objects()
            .remove(&name)
            .map(drop)
            .ok_or_else(|| Error::Missing {
                object: name.to_string(),
            })
    }

    fn strays(&self, kind: Kind) -> Result<Vec<String>> {
        let strays = self.all_strays();
        let of_kind = strays.iter().filter(|(of, _)| *of == kind);
        Ok(of_kind.map(|(_, name)| name.clone()).collect())
    }
}
