//! `nightfold check`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use nightfold_repo::check::{CheckOptions, CheckReport};

use crate::args::JsonFlag;
use crate::context::Context;
use crate::exit::{Outcome, Result};
use crate::output::{Output, count, size};
use crate::progress::{self, Reading};

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Read every byte and decode every chunk, not only the structure
    #[arg(long)]
    read_data: bool,
    #[command(flatten)]
    json: JsonFlag,
}

/// Looks for damage.
pub fn run(context: &Context, args: &CheckArgs) -> Result<Outcome> {
    let repository = context.open()?;
    let meter = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let seen = Arc::clone(&meter);
    let shown = progress::show(context, args.json.json, move || Reading {
        done: seen.0.load(Ordering::Relaxed),
        total: seen.1.load(Ordering::Relaxed),
        message: String::new(),
    });
    let options = CheckOptions {
        read_data: args.read_data,
    };
    let report = repository.check(&options, &|done, total| {
        meter.0.fetch_max(done, Ordering::Relaxed);
        meter.1.store(total, Ordering::Relaxed);
    })?;
    drop(shown);
    // Who pipes us into `head` still gets the right exit code.
    match print(context, args, &report) {
        Err(error) if !error.is_broken_pipe() => return Err(error),
        _ => {}
    }
    Ok(if report.problems.is_empty() {
        Outcome::Done
    } else {
        Outcome::Failed
    })
}

fn print(context: &Context, args: &CheckArgs, report: &CheckReport) -> Result<()> {
    let mut out = Output::open();
    if args.json.json {
        out.json(report)?;
        return out.finish();
    }
    for problem in &report.problems {
        out.line(format_args!("damaged: {problem}"))?;
    }
    if !context.quiet {
        for note in &report.notes {
            out.line(format_args!("note: {note}"))?;
        }
        out.line(format_args!(
            "checked {}, {} and {}; read {}{}",
            count(report.snapshots, "snapshot"),
            count(report.packs, "pack"),
            count(report.chunks, "chunk"),
            size(report.bytes_read),
            if args.read_data {
                ", every byte"
            } else {
                " (--read-data reads every byte)"
            },
        ))?;
    }
    if !report.problems.is_empty() {
        out.line(format_args!(
            "{} found: do not delete anything in the repository; restore what you need from a sound copy",
            count(report.problems.len() as u64, "problem")
        ))?;
    } else if !context.quiet {
        out.line("no damage found")?;
    }
    out.finish()
}
