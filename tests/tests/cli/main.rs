//! The command line as its users see it: standard output, standard error and exit code.
//!
//! `cargo test -p nightfold-tests` does not build the program: run `cargo build -p nightfold` before it.
//! What differs from run to run is replaced: ids, the sandbox's path, sizes that hang on random ids.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on shall panic"
)]

mod backup;
mod browse;
mod choose;
mod compact;
mod configuration;
mod copy;
mod demo;
mod forget;
mod help;
mod init;
mod keys;
mod output;
mod passwords;
mod repair;
mod restore;
mod shop;
mod upkeep;
