//! What a backup came to, for people and for scripts.

use nightfold_ingest::BackupReport;
use nightfold_repo::format::escape_path;
use serde_json::json;

use crate::context::Context;
use crate::exit::Result;
use crate::output::{Output, count, size};
use crate::time;

/// Tells on standard error what should be looked at. `by_clock`: the snapshot's time is that of our clock.
pub fn tell(context: &Context, report: &BackupReport, by_clock: bool) {
    for warning in &report.warnings {
        context.messages.warning(warning);
    }
    if by_clock {
        tell_of_clock(context, report);
    }
    for failure in &report.failures {
        context.messages.line(format_args!("not read: {failure}"));
    }
}

/// Not if the user chose the time: old dumps may be stored in any order.
fn tell_of_clock(context: &Context, report: &BackupReport) {
    if let Some(newer) = &report.newer {
        context.messages.warning(format_args!(
            "this snapshot's time is before that of {}, {}, which `latest` goes on to mean: is the clock right?",
            newer.short_id(),
            time::local_exact(newer.snapshot.timestamp()),
        ));
    }
}

/// Prints what was read and stored.
pub fn print(context: &Context, json: bool, dry_run: bool, report: &BackupReport) -> Result<()> {
    let mut out = Output::open();
    if json {
        out.json(&summary(dry_run, report))?;
    } else if !context.quiet {
        let snapshot = &report.snapshot;
        let stats = &snapshot.stats;
        match report.id {
            Some(id) => out.line(format_args!(
                "snapshot {} of {}, {} on {}{}",
                &id.to_string()[..8],
                time::local_exact(snapshot.timestamp()),
                snapshot.source,
                snapshot.host,
                if snapshot.incomplete {
                    ", incomplete"
                } else {
                    ""
                },
            ))?,
            None => out.line("dry run: nothing was stored")?,
        }
        out.line(format_args!(
            "  read    {} of {} in {} ({} unchanged)",
            size(stats.read),
            size(stats.size),
            count(stats.files, "file"),
            stats.files_unchanged,
        ))?;
        out.line(format_args!(
            "  chunks  {} new ({}): {} whole, {} as deltas; {} known",
            stats.chunks_whole + stats.chunks_delta,
            size(stats.new),
            stats.chunks_whole,
            stats.chunks_delta,
            stats.chunks_known,
        ))?;
        let stored = if dry_run { "needs" } else { "stored" };
        out.line(format_args!("  {stored:<7} {}", size(stats.added)))?;
    }
    out.finish()
}

fn summary(dry_run: bool, report: &BackupReport) -> serde_json::Value {
    let snapshot = &report.snapshot;
    let stats = &snapshot.stats;
    let failures: Vec<_> = report
        .failures
        .iter()
        .map(|failure| json!({"path": escape_path(&failure.path), "reason": failure.reason}))
        .collect();
    json!({
        "id": report.id.map(|id| id.to_string()),
        "dry_run": dry_run,
        "time": snapshot.time,
        "finished": snapshot.finished,
        "host": snapshot.host,
        "source": snapshot.source,
        "paths": snapshot.paths,
        "tags": snapshot.tags,
        "incomplete": snapshot.incomplete,
        "files": stats.files,
        "files_unchanged": stats.files_unchanged,
        "size": stats.size,
        "read": stats.read,
        "chunks_whole": stats.chunks_whole,
        "chunks_delta": stats.chunks_delta,
        "chunks_known": stats.chunks_known,
        "new": stats.new,
        "added": stats.added,
        "failures": failures,
    })
}
