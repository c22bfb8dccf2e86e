//! `nightfold snapshots`.

use clap::Args;

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
    let mut snapshots = context.open()?.snapshots()?;
    snapshots.retain(|stored| args.filter.matches(&stored.snapshot));
    let mut out = Output::open();
    if args.json.json {
        out.json(&snapshots.iter().map(SnapshotJson::from).collect::<Vec<_>>())?;
        out.finish()?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("TIME", Align::Left),
        ("HOST", Align::Left),
        ("SOURCE", Align::Left),
        ("TAGS", Align::Left),
        ("SIZE", Align::Right),
        ("ADDED", Align::Right),
        ("", Align::Left),
    ]);
    for stored in &snapshots {
        let snapshot = &stored.snapshot;
        let state = if snapshot.incomplete {
            "incomplete"
        } else {
            ""
        };
        table.row(vec![
            stored.short_id(),
            time::local(snapshot.timestamp()),
            snapshot.host.clone(),
            snapshot.source.clone(),
            snapshot.tags.join(","),
            size(snapshot.stats.size),
            size(snapshot.stats.added),
            state.to_owned(),
        ]);
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
