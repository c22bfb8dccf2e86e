//! A repository in memory, for tests.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Listed, Storage};
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectName};

/// Objects in a map; clones share it.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    objects: Arc<Mutex<BTreeMap<ObjectName, Vec<u8>>>>,
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
        }
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
        Ok(self.objects().is_empty())
    }

    fn put(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        if self.objects().contains_key(&name) {
            return Err(Error::io("write", name, ErrorKind::AlreadyExists.into()));
        }
        self.objects().insert(name, bytes.to_vec());
        Ok(())
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

    fn strays(&self, _kind: Kind) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}
