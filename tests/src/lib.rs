//! What tests of the whole program share: a sandbox to run it in, made-up data, and trees to compare.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on shall panic"
)]

mod call;
pub mod dump;
mod random;
mod sandbox;
pub mod tds;
mod tree;

pub use call::{Call, Ran, program};
pub use random::Random;
pub use sandbox::Sandbox;
pub use tree::{Node, Tree, tree};
