//! `nightfold repair`.

use clap::Args;
use nightfold_repo::repair::{RepairOptions, RepairReport};

use crate::args::{JsonFlag, parity_percent};
use crate::context::Context;
use crate::exit::{Outcome, Result};
use crate::output::{Output, count, size};
use crate::progress;

/// Options of `repair`.
#[derive(Debug, Args)]
pub struct RepairArgs {
    /// Bring the parity of all packs to this many percent of their bytes; 0 removes it
    #[arg(long, value_name = "PERCENT", value_parser = parity_percent())]
    parity: Option<u8>,
    /// Forget the snapshots that cannot be restored whole: what is left of them is lost too
    #[arg(long)]
    forget_damaged: bool,
    /// Change nothing, only tell what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    json: JsonFlag,
}

/// Restores what is damaged.
pub fn run(context: &Context, args: &RepairArgs) -> Result<Outcome> {
    let repository = context.open()?;
    let options = RepairOptions {
        parity: args.parity,
        forget_damaged: args.forget_damaged,
        dry_run: args.dry_run,
    };
    let report = progress::metered(context, args.json.json, |told| {
        repository.repair(&options, told)
    })?;
    // Who pipes us into `head` still gets the right exit code.
    match print(context, args, &report) {
        Err(error) if !error.is_broken_pipe() => return Err(error),
        _ => {}
    }
    Ok(if report.lost.is_empty() {
        // What parity can restore is no failure.
        Outcome::Done
    } else {
        Outcome::Failed
    })
}

fn print(context: &Context, args: &RepairArgs, report: &RepairReport) -> Result<()> {
    let mut out = Output::open();
    if args.json.json {
        out.json(report)?;
        return out.finish();
    }
    let would = if args.dry_run { "would be " } else { "" };
    for repaired in &report.repaired {
        out.line(format_args!(
            "{would}restored: {}: {}",
            repaired.object, repaired.was
        ))?;
    }
    for problem in &report.lost {
        out.line(format_args!("lost: {problem}"))?;
    }
    if !context.quiet {
        out.line(format_args!(
            "looked at {}, read {}: {} damaged, {} {would}restored",
            count(report.objects, "object"),
            size(report.bytes_read),
            report.damaged,
            report.repaired.len(),
        ))?;
        for (sidecars, what) in [
            (report.sidecars_written, "written"),
            (report.sidecars_removed, "removed"),
        ] {
            if sidecars > 0 {
                let sidecars = count(sidecars, "file");
                out.line(format_args!("parity: {sidecars} {would}{what}"))?;
            }
        }
    }
    if let Some(first) = report.unlisted.first() {
        out.line(format_args!(
            "the storage lists less than it holds: {} was not listed (of {} so): repair again; until it lists all, \
             --forget-damaged forgets nothing",
            first,
            count(report.unlisted.len() as u64, "object")
        ))?;
    }
    if !report.lost.is_empty() {
        out.line(format_args!(
            "{} cannot be restored whole; the next backup stores what it meets of this again",
            count(report.snapshots_lost.len() as u64, "snapshot")
        ))?;
        if report.forgotten > 0 {
            let forgotten = count(report.forgotten, "snapshot");
            out.line(format_args!("forgot {forgotten}"))?;
        }
    } else if !context.quiet {
        out.line("nothing is lost")?;
    }
    out.finish()
}
