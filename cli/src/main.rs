//! `nightfold`: a backup repository that folds nights of database dumps into one another.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod args;
mod commands;
mod compare;
mod config;
mod context;
mod describe;
mod exit;
mod fates;
mod input;
mod keep;
mod machine;
mod messages;
mod output;
mod password;
mod paths;
mod progress;
mod report;
mod select;
mod staging;
mod stop;
mod time;
mod units;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    exit::code(commands::run(args::Cli::parse()))
}
