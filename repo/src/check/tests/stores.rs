//! Storages that are not what they should be.

use std::sync::Mutex;

use crate::error::{Error, Result};
use crate::format::{Kind, ObjectName};
use crate::storage::{Listed, MemoryStorage, Storage};

/// Refuses whatever would change it.
pub(super) struct ReadOnly(pub(super) MemoryStorage);

fn refused() -> Error {
    Error::io(
        "write",
        "memory",
        std::io::ErrorKind::ReadOnlyFilesystem.into(),
    )
}

/// Something happens before the first put.
pub(super) struct Meanwhile {
    pub(super) inner: MemoryStorage,
    pub(super) before_put: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

/// Lists a pack that is gone.
pub(super) struct Listing(pub(super) MemoryStorage, pub(super) ObjectName);

/// Hands on what only reads.
macro_rules! reads {
    ($($inner:tt)*) => {
        fn location(&self) -> String {
            self.$($inner)*.location()
        }
        fn is_vacant(&self) -> Result<bool> {
            self.$($inner)*.is_vacant()
        }
        fn get(&self, name: ObjectName) -> Result<Vec<u8>> {
            self.$($inner)*.get(name)
        }
        fn get_range(&self, name: ObjectName, offset: u64, count: usize) -> Result<Vec<u8>> {
            self.$($inner)*.get_range(name, offset, count)
        }
        fn strays(&self, kind: Kind) -> Result<Vec<String>> {
            self.$($inner)*.strays(kind)
        }
    };
}

impl Storage for ReadOnly {
    reads!(0);

    fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        self.0.list(kind)
    }

    fn put(&self, _: ObjectName, _: &[u8]) -> Result<()> {
        Err(refused())
    }

    fn replace(&self, _: ObjectName, _: &[u8]) -> Result<()> {
        Err(refused())
    }

    fn delete(&self, _: ObjectName) -> Result<()> {
        Err(refused())
    }
}

impl Storage for Meanwhile {
    reads!(inner);

    fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        self.inner.list(kind)
    }

    fn put(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        let act = self.before_put.lock().unwrap().take();
        if let Some(act) = act {
            act();
        }
        self.inner.put(name, bytes)
    }

    fn replace(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.inner.replace(name, bytes)
    }

    fn delete(&self, name: ObjectName) -> Result<()> {
        self.inner.delete(name)
    }
}

impl Storage for Listing {
    reads!(0);

    fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        let mut listed = self.0.list(kind)?;
        if kind == self.1.kind {
            let (id, bytes) = (self.1.id, 1000);
            listed.push(Listed { id, bytes });
        }
        Ok(listed)
    }

    fn put(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.0.put(name, bytes)
    }

    fn replace(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.0.replace(name, bytes)
    }

    fn delete(&self, name: ObjectName) -> Result<()> {
        self.0.delete(name)
    }
}
