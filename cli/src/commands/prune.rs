//! `nightfold prune`.

use clap::Args;
use nightfold_repo::prune::{PruneOptions, PruneReport};

use crate::args::JsonFlag;
use crate::context::Context;
use crate::exit::{Error, Outcome, Result};
use crate::output::{Output, count, size};

/// Options of `prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Change nothing, only tell what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Copy no more than this part of what is needed, to empty packs that are mostly unused
    #[arg(long, value_name = "PERCENT", default_value = "5%")]
    max_repack: String,
    #[command(flatten)]
    json: JsonFlag,
}

/// Gets room back from what no snapshot needs.
pub fn run(context: &Context, args: &PruneArgs) -> Result<Outcome> {
    let options = PruneOptions {
        dry_run: args.dry_run,
        copied_max: percent(&args.max_repack)?,
        ..PruneOptions::default()
    };
    let report = context.open()?.prune(&options)?;
    print(context, args.json, options.dry_run, &report)?;
    Ok(Outcome::Done)
}

fn print(context: &Context, json: JsonFlag, dry_run: bool, report: &PruneReport) -> Result<()> {
    let mut out = Output::open();
    if json.json {
        out.json(report)?;
    } else if !context.quiet {
        tell(&mut out, dry_run, report)?;
    }
    out.finish()
}

/// Tells what a prune did, or would do.
pub fn tell(out: &mut Output, dry_run: bool, report: &PruneReport) -> Result<()> {
    out.line(format_args!(
        "{} {} {} of {} in {}",
        count(report.snapshots, "snapshot"),
        if report.snapshots == 1 {
            "needs"
        } else {
            "need"
        },
        size(report.bytes.saturating_sub(report.unused_bytes)),
        size(report.bytes),
        count(report.packs, "pack"),
    ))?;
    let would = if dry_run { "would be " } else { "" };
    let lines = [
        (report.deleted_packs, report.deleted_bytes, "deleted"),
        (
            report.dead_packs,
            report.dead_bytes,
            "condemned: nothing in them is needed",
        ),
        (
            report.repacked_packs,
            report.repacked_bytes,
            "condemned: what is needed of them is written anew",
        ),
    ];
    for (packs, bytes, what) in lines {
        if packs > 0 {
            out.line(format_args!(
                "{}, {}, {would}{what}",
                count(packs, "pack"),
                size(bytes)
            ))?;
        }
    }
    if report.written_bytes > 0 {
        let about = if dry_run { "about " } else { "" };
        out.line(format_args!(
            "{about}{} {would}written",
            size(report.written_bytes)
        ))?;
    }
    if report.rescued_packs > 0 {
        out.line(format_args!(
            "{} needed again, and {would}kept",
            count(report.rescued_packs, "condemned pack")
        ))?;
    }
    if report.spared_packs > 0 {
        out.line(format_args!(
            "{} left alone: a running backup may need them",
            count(report.spared_packs, "unused pack")
        ))?;
    }
    if report.waiting_packs > 0 {
        out.line(format_args!(
            "{}, {}, will be deleted by a later prune{}",
            count(report.waiting_packs, "condemned pack"),
            size(report.waiting_bytes),
            match report.waiting_for.as_slice() {
                [] => String::new(),
                names => format!(", when these have ended: {}", names.join(", ")),
            }
        ))?;
    }
    Ok(())
}

fn percent(text: &str) -> Result<f64> {
    let number = text.strip_suffix('%').unwrap_or(text);
    match number.trim().parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err(Error::usage(
            format!("--max-repack {text}: not a percentage"),
            "give a number from 0 to 100, as in --max-repack 5%",
        )),
    }
}
