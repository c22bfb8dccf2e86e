//! `nightfold copy`.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use nightfold_ingest::mssql::rests_on;
use nightfold_ingest::{CopyReport, CopyRequest, Error as IngestError, Progress, copy};
use nightfold_repo::format::ObjectId;
use nightfold_repo::repository::StoredSnapshot;
use nightfold_repo::retention::all_needed;
use nightfold_repo::{Error as RepoError, Repository};
use serde_json::json;

use crate::args::{Choice, Filter, JsonFlag};
use crate::context::Context;
use crate::exit::{Error, Outcome, Result};
use crate::machine::from_environment;
use crate::output::{Output, count, size};
use crate::password::FromPassword;
use crate::progress;
use crate::stop::Stop;
use crate::{select, time};

/// Options of `copy`.
#[derive(Debug, Args)]
pub struct CopyArgs {
    /// The repository to copy from; --repo is the one to copy to [env: NIGHTFOLD_FROM_REPO]
    #[arg(long, value_name = "FOLDER")]
    from_repo: Option<PathBuf>,
    #[command(flatten)]
    from: FromPassword,
    /// Ids of snapshots, or 'latest' [default: all that --source, --host and --tag leave]
    #[arg(value_name = "SNAPSHOT")]
    snapshots: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// Store nothing, only tell what would be copied
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    json: JsonFlag,
}

/// Copies snapshots that are not there yet.
pub fn run(context: &Context, args: CopyArgs) -> Result<Outcome> {
    let config = context.config()?;
    let place = args.from_repo.filter(|path| !path.as_os_str().is_empty());
    let Some(place) = place.or_else(|| from_environment("NIGHTFOLD_FROM_REPO")) else {
        let hint = "give --from-repo FOLDER, or set NIGHTFOLD_FROM_REPO";
        return Err(Error::usage("copy from which repository?", hint));
    };
    let source = context.open_from(place, &args.from)?;
    let destination = context.open_with(&config)?;
    let stop = Stop::on_signals()?;
    // Nothing that is listed from here on is deleted meanwhile.
    let _lease = source.reading_lease("copy");
    let snapshots = source.snapshots()?;
    let mut wanted = wanted(context, &source, &snapshots, &args.snapshots, &args.filter)?;
    // A backup of a chain is of no use without those before it.
    wanted.extend(all_needed(&rests_on(&snapshots, &[]), wanted.clone()));
    let request = CopyRequest {
        snapshots: &snapshots,
        wanted,
        dry_run: args.dry_run,
    };
    let progress = Arc::new(Progress::default());
    let shown = progress::show_run(context, args.json.json, &progress);
    let copied = copy(&source, &destination, &request, &progress, stop.flag());
    drop(shown);
    let report = copied?;
    for failed in &report.damaged {
        context.messages.line(format_args!(
            "not copied: snapshot {} of {}: {}",
            failed.from.short_id(),
            time::local_exact(failed.from.snapshot.timestamp()),
            failed.error,
        ));
    }
    match print(context, args.json, args.dry_run, &report) {
        Err(error) if !error.is_broken_pipe() => return Err(error),
        _ => {}
    }
    let is_whole = report.damaged.is_empty();
    match report.stopped {
        Some(IngestError::Interrupted | IngestError::Repository(RepoError::Interrupted)) => Err(
            Error::Interrupted("what was copied is there, and the next run goes on from it"),
        ),
        Some(error) => Err(error.into()),
        None if is_whole => Ok(Outcome::Done),
        None => Ok(Outcome::Failed),
    }
}

fn wanted(
    context: &Context,
    source: &Repository,
    snapshots: &[StoredSnapshot],
    named: &[String],
    filter: &Filter,
) -> Result<HashSet<ObjectId>> {
    if named.is_empty() {
        let matching = snapshots.iter().filter(|s| filter.matches(&s.snapshot));
        let wanted: HashSet<_> = matching.map(|stored| stored.id).collect();
        if wanted.is_empty() {
            context.messages.note(if filter.is_empty() {
                "there are no snapshots to copy"
            } else {
                "no snapshot has this source, host and tags"
            });
        }
        return Ok(wanted);
    }
    let choice = Choice {
        at: None,
        filter: filter.clone(),
    };
    let mut wanted = HashSet::new();
    for name in named {
        let chosen = select::snapshot(source, &context.messages, name, &choice)?;
        if !snapshots.iter().any(|stored| stored.id == chosen.id) {
            let message = format!("snapshot {} is not to be relied on", chosen.short_id());
            return Err(Error::failed(
                message,
                "`nightfold snapshots` lists those that are",
            ));
        }
        wanted.insert(chosen.id);
    }
    Ok(wanted)
}

fn print(context: &Context, json: JsonFlag, dry_run: bool, report: &CopyReport) -> Result<()> {
    let mut out = Output::open();
    if json.json {
        out.json(&summary(dry_run, report))?;
    } else if !context.quiet {
        tell(&mut out, dry_run, report)?;
    }
    out.finish()
}

fn tell(out: &mut Output, dry_run: bool, report: &CopyReport) -> Result<()> {
    for copied in &report.copied {
        let snapshot = &copied.from.snapshot;
        let what = format!(
            "snapshot {} of {}, {} on {}",
            copied.from.short_id(),
            time::local_exact(snapshot.timestamp()),
            snapshot.source,
            snapshot.host,
        );
        match &copied.to {
            Some(to) => out.line(format_args!(
                "{what}: copied as {}, {}, {} stored",
                to.short_id(),
                count(copied.chunks, "new chunk"),
                size(copied.stored_bytes),
            ))?,
            None if report.alike => out.line(format_args!(
                "{what}: {}",
                count(copied.chunks, "new chunk")
            ))?,
            None => out.line(what)?,
        }
    }
    let stored: u64 = report.copied.iter().map(|copied| copied.stored_bytes).sum();
    let number = count(report.copied.len() as u64, "snapshot");
    let total = if dry_run {
        format!("{number} would be copied")
    } else {
        format!("{number} copied, {} stored", size(stored))
    };
    let there = match report.present {
        0 => String::new(),
        present => format!("; {present} there already"),
    };
    let how = match (report.alike, report.copied.is_empty()) {
        (_, true) => "",
        (true, _) => "; the repositories are alike: what is stored is only sealed anew",
        (false, _) => "; the repositories are not alike: all is read and stored anew",
    };
    out.line(format_args!("{total}{there}{how}"))
}

fn summary(dry_run: bool, report: &CopyReport) -> serde_json::Value {
    let copied: Vec<_> = report
        .copied
        .iter()
        .map(|copied| {
            json!({
                "from": copied.from.id.to_string(),
                "id": copied.to.as_ref().map(|to| to.id.to_string()),
                "time": copied.from.snapshot.time,
                "host": copied.from.snapshot.host,
                "source": copied.from.snapshot.source,
                "chunks": copied.chunks,
                "stored": copied.stored_bytes,
            })
        })
        .collect();
    let damaged: Vec<_> = report
        .damaged
        .iter()
        .map(|failed| {
            json!({"from": failed.from.id.to_string(), "reason": failed.error.to_string()})
        })
        .collect();
    json!({
        "dry_run": dry_run,
        "alike": report.alike,
        "copied": copied,
        "present": report.present,
        "not_copied": damaged,
        "error": report.stopped.as_ref().map(ToString::to_string),
    })
}
