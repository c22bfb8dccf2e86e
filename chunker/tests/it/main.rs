//! What the chunker promises to the crates above it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod comparison;
mod cuts;
mod golden;
mod input;
mod resemblance;
mod streams;
