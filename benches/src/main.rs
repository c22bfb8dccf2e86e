//! Builds corpora for Nightfold's benchmarks, and measures it against other backup tools.
//!
//! ```text
//! nightfold-benches corpus  --out CORPUS --kind all --nights 6 --size full --seed 1
//! ```
//!
//! `corpus` starts private database servers in a scratch folder (`TMPDIR` moves it) and needs
//! `postgresql`, `mariadb-server` and `setpriv` installed.

mod corpus;
mod files;
mod random;

use anyhow::Result;
use clap::Parser;

/// Benchmarks of Nightfold
#[derive(Debug, Parser)]
#[command(version)]
enum Command {
    /// Build seeded, repeatable nights from live database servers
    Corpus(corpus::Arguments),
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Corpus(arguments) => corpus::run(&arguments),
    }
}
