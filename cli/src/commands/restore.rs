//! `nightfold restore`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;
use nightfold_ingest::{Error as IngestError, Progress, RestoreReport, RestoreRequest, restore};
use nightfold_repo::format::escape_path;
use nightfold_repo::repository::StoredSnapshot;
use serde_json::json;

use crate::args::{Choice, JsonFlag};
use crate::context::Context;
use crate::exit::{Error, Outcome, Result};
use crate::output::{Output, count, size};
use crate::progress::{self, Reading};
use crate::stop::Stop;
use crate::{paths, select};

/// Options of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A snapshot's id, its first digits, or 'latest'; after a ':' the one file or directory that is wanted
    #[arg(value_name = "SNAP[:PATH]", default_value = "latest")]
    what: OsString,
    /// Where to: absolute paths are made anew below this folder
    #[arg(long, value_name = "DIR")]
    target: PathBuf,
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
    let snapshot = select::snapshot(&repository, &context.messages, wanted, &args.choice)?;
    let path = path
        .map(|text| paths::given(&repository, &snapshot, text))
        .transpose()?
        .filter(|path| !path.is_empty());
    let request = RestoreRequest {
        path,
        target: args.target.clone(),
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
    match print(context, args, &snapshot, &report) {
        Err(error) if !error.is_broken_pipe() => return Err(error),
        _ => {}
    }
    Ok(if report.failures.is_empty() {
        Outcome::Done
    } else {
        Outcome::Failed
    })
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
            "target": args.target.display().to_string(),
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
            args.target.display(),
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
