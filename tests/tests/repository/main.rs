//! The repository as its callers see it: crashes, damage, a lost index, packs deleted by hand, and the golden
//! repository of format 1.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod concurrency;
mod corruption;
mod crash;
mod deleted_packs;
mod fixture;
mod forget;
mod index;
mod pieces;
mod prune;
mod support;
