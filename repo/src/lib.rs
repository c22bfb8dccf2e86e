//! The Nightfold repository: format, keys, packs, index, snapshots and checks.

pub mod error;
pub mod format;
pub mod limits;

pub use error::{Error, Result};
