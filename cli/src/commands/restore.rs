//! `nightfold restore`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;
use jiff::tz::TimeZone;
use nightfold_ingest::mssql::Step;
use nightfold_ingest::{
    Error as IngestError, LoadRequest, Progress, RestoreReport, RestoreRequest, chosen_database,
    load, restore,
};
use nightfold_repo::Repository;
use nightfold_repo::format::escape_path;
use nightfold_repo::repository::StoredSnapshot;
use serde_json::json;

use crate::args::{Choice, JsonFlag};
use crate::context::Context;
use crate::exit::{Error, Outcome, Result};
use crate::input::source::url;
use crate::output::{Output, count, size};
use crate::password::DatabasePassword;
use crate::progress::{self, Reading};
use crate::staging::StagingArgs;
use crate::stop::Stop;
use crate::{paths, select, time};

/// Options of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A snapshot's id, its first digits, or 'latest'; after a ':' the one file or directory that is wanted
    #[arg(value_name = "SNAP[:PATH]", default_value = "latest")]
    what: OsString,
    /// Where to: absolute paths are made anew below this folder
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "to",
        conflicts_with = "to"
    )]
    target: Option<PathBuf>,
    /// Load the dump of a database into a new database: sqlite:PATH, or postgres://user@host/NAME, or mysql://…;
    /// without NAME it gets the one that it had. Of several dumps the one that PATH names, a path or a database's name
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Put it in the place of a database that is there, or of a table
    #[arg(long, requires = "to")]
    replace: bool,
    /// Only this table with its rows, keys and indexes, into a database that is there
    #[arg(long, value_name = "NAME", requires = "to")]
    table: Option<String>,
    #[command(flatten)]
    database_password: DatabasePassword,
    #[command(flatten)]
    staging: StagingArgs,
    /// Replace files that are there
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    json: JsonFlag,
}

/// Gets files back.
pub fn run(context: &Context, args: &RestoreArgs) -> Result<Outcome> {
    let (wanted, path) = split(&args.what)?;
    let repository = context.open()?;
    let Some(target) = &args.target else {
        return into_database(context, args, &repository, wanted, path);
    };
    let snapshot = select::snapshot(&repository, &context.messages, wanted, &args.choice)?;
    let path = path
        .map(|text| paths::given(&repository, &snapshot, text))
        .transpose()?
        .filter(|path| !path.is_empty());
    let request = RestoreRequest {
        path,
        target: target.clone(),
        overwrite: args.overwrite,
    };
    let stop = Stop::on_signals()?;
    let progress = Arc::new(Progress::default());
    let seen = Arc::clone(&progress);
    let shown = progress::show(context, args.json.json, move || Reading {
        done: seen.bytes_done.load(Ordering::Relaxed),
        total: seen.bytes_total.load(Ordering::Relaxed),
        message: count(seen.files_done.load(Ordering::Relaxed), "file"),
    });
    let restored = restore(&repository, &snapshot, &request, &progress, stop.flag());
    drop(shown);
    let report = match restored {
        Err(IngestError::Interrupted) => {
            return Err(Error::Interrupted(
                "files that are there are whole, others are missing",
            ));
        }
        other => other?,
    };
    tell(context, &report);
    match print(context, args, target, &snapshot, &report) {
        Err(error) if !error.is_broken_pipe() => return Err(error),
        _ => {}
    }
    Ok(if report.failures.is_empty() {
        Outcome::Done
    } else {
        Outcome::Failed
    })
}

/// Loads a dump into a database.
fn into_database(
    context: &Context,
    args: &RestoreArgs,
    repository: &Arc<Repository>,
    wanted: &str,
    path: Option<&OsStr>,
) -> Result<Outcome> {
    let target = url(args.to.as_deref().unwrap_or_default())?;
    let password = args.database_password.find(None)?;
    let snapshot = select::snapshot(repository, &context.messages, wanted, &args.choice)?;
    let path = path.and_then(OsStr::to_str).filter(|path| !path.is_empty());
    let facts = chosen_database(&snapshot, path, Some(target.engine()))?;
    let config = context.config()?;
    let staging = args
        .staging
        .find(config.sources.get(&snapshot.snapshot.source));
    // What is odd about it has been said when the snapshot was chosen.
    let at = args.choice.at.as_deref();
    let at = at.and_then(|at| time::parse(at, &TimeZone::system()).ok());
    let stop = Stop::on_signals()?;
    // Where storage can be written to, prune deletes nothing meanwhile.
    let _lease = repository.reading_lease("restore");
    let progress = Arc::new(Progress::default());
    let seen = Arc::clone(&progress);
    let shown = progress::show(context, args.json.json, move || Reading {
        done: seen.bytes_done.load(Ordering::Relaxed),
        total: 0,
        message: progress::server(&seen).unwrap_or_default(),
    });
    let request = LoadRequest {
        facts: &facts,
        target: &target,
        password: password.as_ref(),
        replace: args.replace,
        table: args.table.as_deref(),
        at: at.map(|at| at.time.timestamp()),
        staging: staging.as_ref(),
        progress: &progress,
    };
    let loaded = load(repository, &snapshot, &request, stop.flag());
    drop(shown);
    let report = match loaded {
        Err(IngestError::Interrupted) => {
            return Err(Error::Interrupted("databases are as they were"));
        }
        other => other?,
    };
    for warning in &report.warnings {
        context.messages.warning(warning);
    }
    let mut out = Output::open();
    if args.json.json {
        out.json(&json!({
            "snapshot": snapshot.id.to_string(),
            "time": snapshot.snapshot.time,
            "database": report.database,
            "table": args.table,
            "tables": facts.tables,
            "rows": facts.rows,
            "backups": steps_json(&report.steps),
            "warnings": report.warnings,
        }))?;
    } else if context.quiet {
    } else if let Some(table) = &args.table {
        out.line(format_args!(
            "restored the table {table} to the database {}",
            report.database
        ))?;
    } else if !report.steps.is_empty() {
        for step in &report.steps {
            let time = time::local_exact(step.finished);
            out.line(format_args!(
                "{} of {time}, snapshot {}",
                step.kind,
                &step.snapshot[..8]
            ))?;
        }
        out.line(format_args!(
            "restored {} to the database {}",
            count(report.steps.len() as u64, "backup"),
            report.database,
        ))?;
    } else {
        out.line(format_args!(
            "restored {} with {} to the database {}",
            count(facts.tables, "table"),
            count(facts.rows, "row"),
            report.database,
        ))?;
    }
    match out.finish() {
        Err(error) if !error.is_broken_pipe() => Err(error),
        _ => Ok(Outcome::Done),
    }
}

fn steps_json(steps: &[Step]) -> Vec<serde_json::Value> {
    let step = |step: &Step| {
        json!({
            "snapshot": step.snapshot,
            "kind": step.kind,
            "finished": step.finished.to_string(),
        })
    };
    steps.iter().map(step).collect()
}

/// `SNAP`, `SNAP:PATH`, or `:PATH` of the latest.
fn split(what: &OsStr) -> Result<(&str, Option<&OsStr>)> {
    let bytes = what.as_bytes();
    let (snapshot, path) = match bytes.iter().position(|byte| *byte == b':') {
        Some(colon) => (
            &bytes[..colon],
            Some(OsStr::from_bytes(&bytes[colon + 1..])),
        ),
        None => (bytes, None),
    };
    let snapshot = std::str::from_utf8(snapshot)
        .map_err(|_| Error::usage(format!("'{}' is no snapshot id", what.display()), ""))?;
    let snapshot = if snapshot.is_empty() {
        "latest"
    } else {
        snapshot
    };
    Ok((snapshot, path))
}

fn tell(context: &Context, report: &RestoreReport) {
    for warning in &report.warnings {
        context.messages.warning(warning);
    }
    for failure in &report.failures {
        context
            .messages
            .line(format_args!("not restored: {failure}"));
    }
}

fn print(
    context: &Context,
    args: &RestoreArgs,
    target: &Path,
    snapshot: &StoredSnapshot,
    report: &RestoreReport,
) -> Result<()> {
    let mut out = Output::open();
    if args.json.json {
        let failures: Vec<_> = report
            .failures
            .iter()
            .map(|failure| json!({"path": escape_path(&failure.path), "reason": failure.reason}))
            .collect();
        out.json(&json!({
            "snapshot": snapshot.id.to_string(),
            "time": snapshot.snapshot.time,
            "target": target.display().to_string(),
            "files": report.files,
            "bytes": report.bytes,
            "warnings": report.warnings,
            "failures": failures,
        }))?;
    } else if !context.quiet {
        out.line(format_args!(
            "restored {}, {}, to {}; every chunk's id was checked",
            count(report.files, "file"),
            size(report.bytes),
            target.display(),
        ))?;
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_may_have_a_path() {
        let path = |text| Some(OsStr::new(text));
        let cases = [
            ("4d2a", ("4d2a", None)),
            ("latest:/etc", ("latest", path("/etc"))),
            (":a:b", ("latest", path("a:b"))),
            ("latest:", ("latest", path(""))),
        ];
        for (text, wanted) in cases {
            assert_eq!(split(OsStr::new(text)).unwrap(), wanted);
        }
    }
}
