//! The program as its users meet it: killed, interrupted, out of space, and fed by live servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on shall panic"
)]

mod bad_repositories;
mod changing_files;
mod clock;
mod crowd;
mod databases;
mod dump_commands;
mod full_disk;
mod kill;
mod kill_any;
mod lost_index;
mod mssql;
mod servers;
mod signals;
mod trees;
mod two_at_once;
mod unchanged_files;
