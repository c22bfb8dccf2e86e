//! The repository as its callers see it: faults at every operation, damage, a lost index, packs deleted by hand, and
//! the golden repository of format 1.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod compact;
mod concurrency;
mod copy;
mod corruption;
mod crash;
mod damage;
mod deleted_packs;
mod faults;
mod fixture;
mod forget;
mod index;
mod model;
mod pieces;
mod prune;
mod repair;
mod support;
