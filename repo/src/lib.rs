//! The Nightfold repository: format, keys, packs, index, snapshots and checks.

mod catalog;
pub mod check;
mod codec;
pub mod compact;
pub mod copy;
mod crypto;
pub mod error;
pub mod format;
mod index;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
pub mod limits;
mod pack;
mod parity;
mod platform;
pub mod prune;
pub mod repair;
pub mod repository;
pub mod retention;
mod sequence;
pub mod stats;
pub mod storage;

pub use crypto::KdfCost;
pub use error::{Error, Result};
pub use repository::Repository;
