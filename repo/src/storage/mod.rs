//! Where objects lie. The only module that touches files or, later, the network.
//!
//! Only whole objects are put, and they never change: an object store can implement this as it is.

mod fault;
mod local;
mod memory;

pub use fault::{Fault, FaultStorage, Plan};
pub use local::LocalStorage;
pub use memory::MemoryStorage;

use crate::error::Result;
use crate::format::{Kind, ObjectId, ObjectName};

/// An object in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its id.
    pub id: ObjectId,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A place that holds objects.
pub trait Storage: Send + Sync {
    /// The place, as a user names it.
    fn location(&self) -> String;

    /// Whether nothing at all is there: a new repository may be made.
    fn is_vacant(&self) -> Result<bool>;

    /// Stores an object: afterwards it is there whole and survives a power cut; after an error or a crash it
    /// is there whole or not at all. Names are drawn at random or written once, so an object that is there
    /// already is an error.
    fn put(&self, name: ObjectName, bytes: &[u8]) -> Result<()>;

    /// Puts an object in the place of what is there under its name, if anything: whoever looks finds the one or the
    /// other, whole, also after a crash. For an object that was damaged and is now as it was written; nothing else is
    /// ever changed.
    fn replace(&self, name: ObjectName, bytes: &[u8]) -> Result<()>;

    /// A whole object.
    fn get(&self, name: ObjectName) -> Result<Vec<u8>>;

    /// `count` bytes from `offset`; fewer only if the object ends there.
    fn get_range(&self, name: ObjectName, offset: u64, count: usize) -> Result<Vec<u8>>;

    /// All objects of a kind, in no particular order.
    fn list(&self, kind: Kind) -> Result<Vec<Listed>>;

    /// Removes an object; durable afterwards.
    fn delete(&self, name: ObjectName) -> Result<()>;

    /// Names of things in the folder of `kind` that are no objects: what crashed writers left, or strangers.
    fn strays(&self, kind: Kind) -> Result<Vec<String>>;
}

#[cfg(test)]
mod tests;
