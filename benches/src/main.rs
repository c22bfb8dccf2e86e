//! Builds corpora for Nightfold's benchmarks, and measures it against other backup tools.
//!
//! ```text
//! nightfold-benches all     --out DIR --size full --nights 6 --rounds 3 --nightfold PROGRAM
//! nightfold-benches corpus  --out CORPUS --kind all --nights 6 --size full --seed 1
//! nightfold-benches compare --corpus CORPUS --nightfold PROGRAM --work WORK --out J --markdown M
//! nightfold-benches report  --from J --markdown M --plots DIR
//! nightfold-benches nights  --nightfold PROGRAM --nights 60 --bytes 30M --work WORK
//! nightfold-benches retention --nightfold PROGRAM --nights 120 --work WORK
//! nightfold-benches forget  --nightfold PROGRAM --nights 90 --work WORK
//! nightfold-benches files   --nightfold PROGRAM --count 200000 --work WORK
//! nightfold-benches index   --chunks 10M --work WORK
//! nightfold-benches plan    --whole 400K --work WORK
//! nightfold-benches rebuild --packs 5000 --work WORK
//! nightfold-benches snapshots --count 10000 --work WORK
//! nightfold-benches pipe    --nightfold PROGRAM --bytes 20G --work WORK
//! ```
//!
//! `corpus` starts private servers in a scratch folder (see `TMPDIR`); `compare` finds the other
//! tools in `PATH`, and fails when a restore of ours differs by a byte. `all` does both, and
//! writes figures, tables and pictures. Measure on an idle machine.

mod all;
mod bytes;
mod compare;
mod corpus;
mod figures;
mod files;
mod floor;
mod forget;
mod index_model;
mod index_scale;
mod ledger;
mod library;
mod machine;
mod many;
mod measure;
mod nights;
mod pipe;
mod plan_scale;
mod plot;
mod random;
mod ratios;
mod rebuild;
mod report;
mod retention;
mod rows;
mod snapshot_scale;
mod stream;
mod tables;
mod targets;
mod tool;

/// Benchmarks of Nightfold
#[derive(Debug, clap::Parser)]
enum Command {
    /// Build the nights, measure every tool, and write figures, tables and pictures
    All(all::Arguments),
    /// Build seeded, repeatable nights from live database servers
    Corpus(corpus::Arguments),
    /// Back up, restore and check the same nights with every tool
    Compare(compare::Arguments),
    /// Write tables and pictures of figures that were measured before
    Report(report::Arguments),
    /// Back up many nights in a row, and restore the first and the last
    Nights(nights::Arguments),
    /// Forget and prune every night, and compare with a fresh repository of what is kept
    Retention(retention::Arguments),
    /// Forget and prune most nights with several tools
    Forget(forget::Arguments),
    /// Back up and restore very many small files
    Files(many::Arguments),
    /// Fill an index as backups would, and ask it
    Index(index_scale::Arguments),
    /// Plan a prune over the index of a large repository
    Plan(plan_scale::Arguments),
    /// Make an index anew from many packs
    Rebuild(rebuild::Arguments),
    /// Make a repository of many snapshots, and list them
    Snapshots(snapshot_scale::Arguments),
    /// Pipe one huge stream through nightfold and back
    Pipe(pipe::Arguments),
}

fn main() -> anyhow::Result<()> {
    match <Command as clap::Parser>::parse() {
        Command::All(arguments) => all::run(&arguments),
        Command::Corpus(arguments) => corpus::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Nights(arguments) => nights::run(&arguments),
        Command::Retention(arguments) => retention::run(&arguments),
        Command::Forget(arguments) => forget::run(&arguments),
        Command::Files(arguments) => many::run(&arguments),
        Command::Index(arguments) => index_scale::run(&arguments),
        Command::Plan(arguments) => plan_scale::run(&arguments),
        Command::Rebuild(arguments) => rebuild::run(&arguments),
        Command::Snapshots(arguments) => snapshot_scale::run(&arguments),
        Command::Pipe(arguments) => pipe::run(&arguments),
    }
}
