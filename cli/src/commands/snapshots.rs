//! `nightfold snapshots`.

use clap::Args;
use nightfold_repo::repository::StoredSnapshot;

use crate::args::{Filter, JsonFlag};
use crate::context::Context;
use crate::describe::SnapshotJson;
use crate::exit::{Outcome, Result};
use crate::output::{Align, Output, Table, size};
use crate::time;

/// Options of `snapshots`.
#[derive(Debug, Args)]
pub struct SnapshotsArgs {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    json: JsonFlag,
}

/// Lists snapshots, oldest first.
pub fn run(context: &Context, args: &SnapshotsArgs) -> Result<Outcome> {
    let repository = context.open()?;
    let mut snapshots = repository.snapshots()?;
    snapshots.retain(|stored| args.filter.matches(&stored.snapshot));
    let proven = repository.proven_snapshots()?;
    let proven = |stored: &StoredSnapshot| proven.get(&stored.id).copied();
    let drills = repository.drills()?;
    let drill = |stored: &StoredSnapshot| drills.get(&stored.id).copied();
    let mut out = Output::open();
    if args.json.json {
        let snapshots = snapshots.iter();
        let described =
            snapshots.map(|stored| SnapshotJson::new(stored, proven(stored), drill(stored)));
        out.json(&described.collect::<Vec<_>>())?;
        out.finish()?;
        return Ok(Outcome::Done);
    }
    // Nothing else can be drilled.
    let any_database = snapshots
        .iter()
        .any(|stored| stored.snapshot.extensions.contains_key("databases"));
    let mut columns = vec![
        ("ID", Align::Left),
        ("TIME", Align::Left),
        ("HOST", Align::Left),
        ("SOURCE", Align::Left),
        ("TAGS", Align::Left),
        ("SIZE", Align::Right),
        ("ADDED", Align::Right),
        ("PROVEN", Align::Left),
        ("", Align::Left),
    ];
    if any_database {
        columns.insert(columns.len() - 1, ("DRILLED", Align::Left));
    }
    let mut table = Table::new(&columns);
    for stored in &snapshots {
        let snapshot = &stored.snapshot;
        let state = if snapshot.incomplete {
            "incomplete"
        } else {
            ""
        };
        let mut row = vec![
            stored.short_id(),
            time::local(snapshot.timestamp()),
            snapshot.host.clone(),
            snapshot.source.clone(),
            snapshot.tags.join(","),
            size(snapshot.stats.size),
            size(snapshot.stats.added),
            proven(stored).map_or_else(|| "-".to_owned(), time::day),
        ];
        if any_database {
            row.push(match drill(stored) {
                None => "-".to_owned(),
                Some(drill) if drill.passed() => time::day(drill.time),
                Some(drill) => format!("{} FAILED", time::day(drill.time)),
            });
        }
        row.push(state.to_owned());
        table.row(row);
    }
    if snapshots.is_empty() {
        context.messages.note(if args.filter.is_empty() {
            "there are no snapshots yet"
        } else {
            "no snapshot has this source, host and tags"
        });
    } else {
        out.table(&table)?;
    }
    out.finish()?;
    Ok(Outcome::Done)
}
