//! `nightfold index`.

use clap::Subcommand;
use serde_json::json;

use crate::args::JsonFlag;
use crate::context::Context;
use crate::exit::{Outcome, Result};
use crate::output::{Output, count};

/// Verbs of `index`.
#[derive(Debug, Subcommand)]
pub enum IndexCommand {
    /// Make the index anew from the packs alone
    Rebuild(JsonFlag),
    /// Print where the index lies
    Path,
}

/// Runs a verb.
pub fn run(context: &Context, command: &IndexCommand) -> Result<Outcome> {
    let repository = context.open()?;
    let path = repository.index_path();
    let mut out = Output::open();
    let mut outcome = Outcome::Done;
    match command {
        IndexCommand::Path => out.line(path.display())?,
        IndexCommand::Rebuild(args) => {
            let report = repository.rebuild_index()?;
            if report.damaged > 0 {
                outcome = Outcome::Failed;
            }
            if args.json {
                out.json(&json!({
                    "path": path.display().to_string(),
                    "packs": report.packs,
                    "frames": report.frames,
                    "damaged": report.damaged,
                }))?;
            } else if !context.quiet {
                out.line(format_args!(
                    "made {} anew from {} with {}",
                    path.display(),
                    count(report.packs, "pack"),
                    count(report.frames, "frame"),
                ))?;
            }
        }
    }
    out.finish()?;
    Ok(outcome)
}
