//! `nightfold drill`.

use clap::Args;
use nightfold_ingest::{
    DatabaseFacts, DrillReport, DrillServer, Error as IngestError, chosen_database, databases,
    drill,
};
use nightfold_repo::Repository;
use nightfold_repo::repository::StoredSnapshot;
use serde_json::json;

use crate::args::{Filter, JsonFlag};
use crate::context::Context;
use crate::exit::{Error, Outcome, Result};
use crate::input::source::url;
use crate::output::{Output, count};
use crate::password::DatabasePassword;
use crate::staging::StagingArgs;
use crate::stop::Stop;
use crate::{args::Choice, select};

/// Options of `drill`.
#[derive(Debug, Args)]
pub struct DrillArgs {
    /// A snapshot's id, its first digits, 'latest', or a source, whose newest snapshot is meant
    #[arg(value_name = "SNAP|SOURCE", default_value = "latest")]
    what: String,
    /// Of several dumps of databases in the snapshot only this one: its path or the database's name
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// The server on which the scratch database is made [default: a private one, started for it and thrown away]
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    #[command(flatten)]
    database_password: DatabasePassword,
    #[command(flatten)]
    staging: StagingArgs,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    json: JsonFlag,
}

/// Loads dumps into scratch databases and compares them with what was put down when they were made.
pub fn run(context: &Context, args: &DrillArgs) -> Result<Outcome> {
    let repository = context.open()?;
    let snapshot = snapshot(context, args, &repository)?;
    let to = args.to.as_deref().map(url).transpose()?;
    let password = args.database_password.find(None)?;
    let config = context.config()?;
    let staging = args
        .staging
        .find(config.sources.get(&snapshot.snapshot.source));
    let server = match &to {
        Some(url) => DrillServer::At(url, password.as_ref(), staging.as_ref()),
        None => DrillServer::Private,
    };
    let dumps = match &args.database {
        Some(name) => vec![chosen_database(&snapshot, Some(name), None)?],
        None => databases(&snapshot.snapshot)?,
    };
    if dumps.is_empty() {
        return Err(Error::failed(
            format!(
                "snapshot {} holds no dump that a database URL made",
                snapshot.short_id()
            ),
            "what a command printed is not known well enough to be compared",
        ));
    }
    let stop = Stop::on_signals()?;
    // Where storage can be written to, prune deletes nothing meanwhile.
    let _lease = repository.reading_lease("drill");
    let mut reports = Vec::new();
    for facts in dumps {
        let report = match drill(&repository, &snapshot, &facts, &server, stop.flag()) {
            Err(IngestError::Interrupted) => {
                return Err(Error::Interrupted(
                    "the scratch database is gone, nothing is recorded",
                ));
            }
            other => other?,
        };
        reports.push((facts, report));
    }
    let passed = reports.iter().all(|(_, report)| report.passed());
    // One dump of several says nothing of the snapshot, unless it fails.
    if args.database.is_none() || !passed {
        repository.record_drill(snapshot.id, passed)?;
    }
    match print(context, args, &snapshot, &reports) {
        Err(error) if !error.is_broken_pipe() => return Err(error),
        _ => {}
    }
    Ok(if passed {
        Outcome::Done
    } else {
        Outcome::Failed
    })
}

fn snapshot(
    context: &Context,
    args: &DrillArgs,
    repository: &Repository,
) -> Result<StoredSnapshot> {
    let is_source = repository
        .snapshots()?
        .iter()
        .any(|stored| stored.snapshot.source == args.what);
    if !is_source {
        return select::snapshot(repository, &context.messages, &args.what, &args.choice);
    }
    let filter = Filter {
        source: Some(args.what.clone()),
        ..args.choice.filter.clone()
    };
    let choice = Choice {
        filter,
        ..args.choice.clone()
    };
    select::snapshot(repository, &context.messages, "latest", &choice)
}

fn print(
    context: &Context,
    args: &DrillArgs,
    snapshot: &StoredSnapshot,
    reports: &[(DatabaseFacts, DrillReport)],
) -> Result<()> {
    let mut out = Output::open();
    if args.json.json {
        let reports: Vec<_> = reports
            .iter()
            .map(|(facts, report)| {
                json!({
                    "path": facts.path,
                    "database": facts.database,
                    "passed": report.passed(),
                    "tables": report.tables,
                    "rows": report.rows,
                    "checked": report.checked,
                    "differences": report.differences,
                })
            })
            .collect();
        out.json(&json!({
            "snapshot": snapshot.id.to_string(),
            "time": snapshot.snapshot.time,
            "databases": reports,
        }))?;
        return out.finish();
    }
    for (facts, report) in reports {
        for difference in &report.differences {
            context
                .messages
                .line(format_args!("{}: {difference}", facts.path));
        }
        if context.quiet {
            continue;
        }
        // What the server itself made has no list of tables to be compared with.
        let how = if facts.method.starts_with("native") {
            "read"
        } else {
            "compared"
        };
        let check = if report.checked {
            "the engine's own check was made too"
        } else {
            "the engine's own check is not installed"
        };
        out.line(format_args!(
            "{}: {}, {} {how}; {check}: {}",
            facts.path,
            count(report.tables, "table"),
            count(report.rows, "row"),
            if report.passed() { "passed" } else { "FAILED" },
        ))?;
    }
    out.finish()
}
