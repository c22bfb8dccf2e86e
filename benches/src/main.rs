//! Builds corpora for Nightfold's benchmarks, and measures it against other backup tools.
//!
//! ```text
//! nightfold-benches corpus  --out CORPUS --kind all --nights 6 --size full --seed 1
//! nightfold-benches compare --corpus CORPUS --nightfold PROGRAM --work WORK --out J --markdown M
//! nightfold-benches index   --chunks 10M --work WORK
//! nightfold-benches snapshots --count 10000 --work WORK
//! nightfold-benches pipe    --nightfold PROGRAM --bytes 10G --work WORK
//! ```
//!
//! `corpus` starts private servers in a scratch folder (see `TMPDIR`); `compare` finds the other
//! tools in `PATH`, and fails when a restore differs by a byte. Measure on an idle machine.

mod compare;
mod corpus;
mod figures;
mod files;
mod index_model;
mod index_scale;
mod measure;
mod pipe;
mod random;
mod report;
mod snapshot_scale;
mod stream;
mod tool;

/// Benchmarks of Nightfold
#[derive(Debug, clap::Parser)]
enum Command {
    /// Build seeded, repeatable nights from live database servers
    Corpus(corpus::Arguments),
    /// Back up, restore and check the same nights with every tool
    Compare(compare::Arguments),
    /// Fill an index as backups would, and ask it
    Index(index_scale::Arguments),
    /// Make a repository of many snapshots, and list them
    Snapshots(snapshot_scale::Arguments),
    /// Pipe one huge stream through nightfold and back
    Pipe(pipe::Arguments),
}

fn main() -> anyhow::Result<()> {
    match <Command as clap::Parser>::parse() {
        Command::Corpus(arguments) => corpus::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Index(arguments) => index_scale::run(&arguments),
        Command::Snapshots(arguments) => snapshot_scale::run(&arguments),
        Command::Pipe(arguments) => pipe::run(&arguments),
    }
}
