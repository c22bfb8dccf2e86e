//! One file for each verb.

pub mod backup;
pub mod cat;
pub mod check;
pub mod compact;
pub mod completions;
pub mod copy;
pub mod demo;
pub mod diff;
pub mod drill;
pub mod find;
pub mod forget;
pub mod index;
pub mod init;
pub mod key;
pub mod locks;
pub mod ls;
pub mod prune;
pub mod repair;
pub mod restore;
pub mod snapshots;
pub mod stats;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::exit::{Outcome, Result};

/// Does what the command line says.
pub fn run(cli: Cli) -> Result<Outcome> {
    let context = Context::new(cli.global);
    match cli.command {
        Command::Init(args) => init::run(&context, &args),
        Command::Backup(args) => backup::run(&context, args),
        Command::Snapshots(args) => snapshots::run(&context, &args),
        Command::Ls(args) => ls::run(&context, &args),
        Command::Find(args) => find::run(&context, &args),
        Command::Diff(args) => diff::run(&context, &args),
        Command::Restore(args) => restore::run(&context, &args),
        Command::Cat(args) => cat::run(&context, &args),
        Command::Copy(args) => copy::run(&context, args),
        Command::Prune(args) => prune::run(&context, &args),
        Command::Compact(args) => compact::run(&context, &args),
        Command::Locks(args) => locks::run(&context, &args),
        Command::Forget(args) => forget::run(&context, &args),
        Command::Drill(args) => drill::run(&context, &args),
        Command::Check(args) => check::run(&context, &args),
        Command::Repair(args) => repair::run(&context, &args),
        Command::Stats(args) => stats::run(&context, &args),
        Command::Key(command) => key::run(&context, &command),
        Command::Index(command) => index::run(&context, &command),
        Command::Demo(args) => demo::run(&context, &args),
        Command::Completions(args) => completions::run(&args),
    }
}
