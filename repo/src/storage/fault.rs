//! A storage that fails on purpose, for tests.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Listed, Storage};
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectName};

/// What goes wrong from a given operation on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The machine goes down before operation n: it and all later ones fail, nothing of them is stored.
    CutBefore(u64),
    /// The machine goes down after operation n has taken effect, but before it is confirmed.
    CutAfter(u64),
    /// The disk is full from operation n on: puts fail, everything else works.
    FullFrom(u64),
}

/// Counts the operations of an inner storage and injects a fault.
pub struct FaultStorage<S> {
    inner: S,
    fault: Option<Fault>,
    operations: AtomicU64,
}

impl<S: Storage> FaultStorage<S> {
    /// `fault: None` only counts.
    pub fn new(inner: S, fault: Option<Fault>) -> Self {
        Self {
            inner,
            fault,
            operations: AtomicU64::new(0),
        }
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::SeqCst)
    }

    fn run<T>(&self, is_put: bool, operation: impl FnOnce(&S) -> Result<T>) -> Result<T> {
        let number = self.operations.fetch_add(1, Ordering::SeqCst);
        let failed = |kind| {
            Err(Error::io(
                "reach",
                self.inner.location(),
                io::Error::new(kind, "injected fault"),
            ))
        };
        match self.fault {
            Some(Fault::CutBefore(n)) if number >= n => failed(io::ErrorKind::BrokenPipe),
            Some(Fault::CutAfter(n)) if number > n => failed(io::ErrorKind::BrokenPipe),
            Some(Fault::CutAfter(n)) if number == n => {
                operation(&self.inner)?;
                failed(io::ErrorKind::BrokenPipe)
            }
            Some(Fault::FullFrom(n)) if number >= n && is_put => failed(io::ErrorKind::StorageFull),
            _ => operation(&self.inner),
        }
    }
}

impl<S: Storage> Storage for FaultStorage<S> {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn is_vacant(&self) -> Result<bool> {
        self.run(false, Storage::is_vacant)
    }

    fn put(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.run(true, |inner| inner.put(name, bytes))
    }

    fn replace(&self, name: ObjectName, bytes: &[u8]) -> Result<()> {
        self.run(true, |inner| inner.replace(name, bytes))
    }

    fn get(&self, name: ObjectName) -> Result<Vec<u8>> {
        self.run(false, |inner| inner.get(name))
    }

    fn get_range(&self, name: ObjectName, offset: u64, count: usize) -> Result<Vec<u8>> {
        self.run(false, |inner| inner.get_range(name, offset, count))
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>> {
        self.run(false, |inner| inner.list(kind))
    }

    fn delete(&self, name: ObjectName) -> Result<()> {
        self.run(false, |inner| inner.delete(name))
    }

    fn strays(&self, kind: Kind) -> Result<Vec<String>> {
        self.run(false, |inner| inner.strays(kind))
    }
}
