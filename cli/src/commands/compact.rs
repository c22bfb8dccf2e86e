//! `nightfold compact`.

use clap::{Args, ValueEnum};
use nightfold_repo::compact::{CompactOptions, CompactReport, Done, Work};
use nightfold_repo::repository::OldKeys;

use crate::args::JsonFlag;
use crate::context::Context;
use crate::exit::{Error, Outcome, Result};
use crate::output::{Output, count, size};
use crate::stop::Stop;
use crate::units;

/// Options of `compact`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct CompactArgs {
    /// Change nothing, only tell what would be looked at
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Do only this; may be given several times
    #[arg(long, value_name = "WORK", value_enum)]
    only: Vec<OnlyWork>,
    /// zstd level for what is compressed anew
    #[arg(long, value_name = "LEVEL", default_value_t = CompactOptions::default().level,
          value_parser = clap::value_parser!(i32).range(1..=22))]
    level: i32,
    /// Do not recompress what only the newest N snapshots of a source need
    #[arg(long, value_name = "N", default_value_t = CompactOptions::default().young_snapshots)]
    young: usize,
    /// Read and write no more than this in a second, as in 20MiB/s
    #[arg(long, value_name = "RATE")]
    limit_rate: Option<String>,
    /// Stop after so many bytes were read, as in 2GiB
    #[arg(long, value_name = "SIZE")]
    limit_bytes: Option<String>,
    /// Stop after this time, as in 30m
    #[arg(long, value_name = "TIME")]
    max_duration: Option<String>,
    #[command(flatten)]
    json: JsonFlag,
}

const AFTER_HELP: &str = "What it replaces is deleted by a later prune or compact, when nobody who is at work now can \
     need it any more. A run that is stopped or interrupted is continued by the next.";

/// A kind of work, as `--only` names it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnlyWork {
    /// Seal anew what is sealed under old keys
    Keys,
    /// Make full packs of small ones
    Join,
    /// Compress old data harder
    Recompress,
    /// Shorten the chains of the newest snapshots
    Rebase,
}

/// Stores better what is kept for long.
pub fn run(context: &Context, args: &CompactArgs) -> Result<Outcome> {
    let mut options = CompactOptions {
        dry_run: args.dry_run,
        level: args.level,
        young_snapshots: args.young,
        ..CompactOptions::default()
    };
    if !args.only.is_empty() {
        options.work = args.only.iter().map(|only| only.work()).collect();
    }
    if let Some(text) = &args.limit_rate {
        options.rate = Some(units::rate("--limit-rate", text)?);
    }
    if let Some(text) = &args.limit_bytes {
        options.bytes_max = Some(units::bytes("--limit-bytes", text)?);
    }
    if let Some(text) = &args.max_duration {
        options.duration_max = Some(units::duration("--max-duration", text)?);
    }
    let repository = context.open()?;
    let stop = Stop::on_signals()?;
    let report = repository.compact(&options, stop.flag())?;
    let mut out = Output::open();
    if args.json.json {
        out.json(&report)?;
    } else if !context.quiet {
        told(&mut out, options.dry_run, &report)?;
    }
    out.finish()?;
    if stop.requested() {
        return Err(Error::Interrupted(
            "what was done until then is kept, and the next compact goes on from there",
        ));
    }
    Ok(Outcome::Done)
}

impl OnlyWork {
    fn work(self) -> Work {
        match self {
            Self::Keys => Work::Keys,
            Self::Join => Work::Join,
            Self::Recompress => Work::Recompress,
            Self::Rebase => Work::Rebase,
        }
    }
}

fn told(out: &mut Output, dry_run: bool, report: &CompactReport) -> Result<()> {
    out.line(format_args!(
        "{} in {}, {}",
        size(report.bytes),
        count(report.packs, "pack"),
        count(report.snapshots, "snapshot"),
    ))?;
    if dry_run {
        return told_plan(out, report);
    }
    if report.deleted_packs > 0 {
        out.line(format_args!(
            "{}, {}, deleted: condemned earlier",
            count(report.deleted_packs, "pack"),
            size(report.deleted_bytes),
        ))?;
    }
    if report.join.packs > 0 {
        out.line(format_args!(
            "{} joined",
            count(report.join.packs, "small pack")
        ))?;
    }
    if report.recompress.frames > 0 {
        out.line(format_args!(
            "recompressed {}: {}",
            count(report.recompress.frames, "chunk"),
            saved(&report.recompress),
        ))?;
    }
    if report.rebase.frames > 0 {
        let steps = |steps: u64| steps as f64 / report.rebase.frames as f64;
        out.line(format_args!(
            "shortened {} from {:.1} steps to {:.1}: {}",
            count(report.rebase.frames, "chain"),
            steps(report.chain_steps.0),
            steps(report.chain_steps.1),
            saved(&report.rebase),
        ))?;
    }
    told_keys(out, report)?;
    if report.written_packs == 0 && report.condemned_packs > 0 {
        out.line(format_args!(
            "{}, {}, condemned: nothing in them is needed",
            count(report.condemned_packs, "pack"),
            size(report.condemned_bytes),
        ))?;
    } else if report.condemned_packs > 0 {
        out.line(format_args!(
            "{}, {}, written in place of {}, {}",
            count(report.written_packs, "pack"),
            size(report.written_bytes),
            report.condemned_packs,
            size(report.condemned_bytes),
        ))?;
    } else {
        out.line("nothing to do: all is as compact as it gets")?;
    }
    if report.unreadable_packs > 0 {
        out.line(format_args!(
            "{} left alone: something in them cannot be read; `nightfold check --read-data` tells what",
            count(report.unreadable_packs, "pack"),
        ))?;
    }
    if report.left_packs > 0 {
        out.line(format_args!(
            "{} left for the next compact",
            count(report.left_packs, "pack")
        ))?;
    }
    if report.waiting_packs > 0 {
        out.line(format_args!(
            "{}, {}, will be deleted by a later prune or compact",
            count(report.waiting_packs, "condemned pack"),
            size(report.waiting_bytes),
        ))?;
    }
    Ok(())
}

fn told_plan(out: &mut Output, report: &CompactReport) -> Result<()> {
    let works = [
        (&report.keys, "sealed under the newest key"),
        (&report.join, "joined with others"),
        (&report.recompress, "compressed anew, where that saves much"),
        (
            &report.rebase,
            "put on shorter chains, where that costs little",
        ),
    ];
    let mut any = false;
    for (done, what) in works.into_iter().filter(|(done, _)| done.frames > 0) {
        any = true;
        out.line(format_args!(
            "{}, {}, would be {what}",
            count(done.frames, "frame"),
            size(done.before),
        ))?;
    }
    if report.deleted_packs > 0 {
        out.line(format_args!(
            "{}, {}, would be deleted: condemned earlier",
            count(report.deleted_packs, "pack"),
            size(report.deleted_bytes),
        ))?;
    }
    if let Some(old) = report.old_keys.filter(|old| !old.is_none()) {
        out.line(format_args!("{} under old keys", under(&old)))?;
    }
    if !any {
        out.line("nothing to do: all is as compact as it gets")?;
    }
    Ok(())
}

fn told_keys(out: &mut Output, report: &CompactReport) -> Result<()> {
    let Some(old) = &report.old_keys else {
        return Ok(());
    };
    if report.keys.packs + report.resealed_snapshots > 0 {
        out.line(format_args!(
            "sealed under the newest key: {} and {}",
            count(report.keys.packs, "pack"),
            count(report.resealed_snapshots, "snapshot"),
        ))?;
    }
    if old.is_none() {
        out.line("the old keys open nothing that the repository still holds")
    } else {
        out.line(format_args!("still under old keys: {}", under(old)))
    }
}

/// What is sealed under old keys.
pub fn under(old: &OldKeys) -> String {
    format!(
        "{} of {}, {} and {}",
        count(old.packs, "pack"),
        size(old.pack_bytes),
        count(old.snapshots, "snapshot"),
        count(old.records, "small object"),
    )
}

fn saved(done: &Done) -> String {
    let percent = 100.0 * (1.0 - done.after as f64 / done.before.max(1) as f64);
    let words = if percent < 0.0 { "more" } else { "less" };
    format!(
        "{} instead of {}, {:.1} % {words}",
        size(done.after),
        size(done.before),
        percent.abs(),
    )
}
