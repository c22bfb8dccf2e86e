//! The Nightfold repository: format, keys, packs, index, snapshots and checks.

mod codec;
mod crypto;
pub mod error;
pub mod format;
mod index;
pub mod limits;
mod pack;
pub mod storage;

pub use crypto::KdfCost;
pub use error::{Error, Result};
