//! Claims about checks, on repositories forged by a holder of the keys.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clients;
mod data;
mod deltas;
pub(crate) mod forge;
mod lists;
mod notes;
mod proofs;
mod stores;
mod verdicts;
mod writers;
