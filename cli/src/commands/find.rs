//! `nightfold find`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;
use globset::{GlobBuilder, GlobMatcher};
use nightfold_ingest::entries;
use nightfold_repo::format::{Entry, Node, Timestamp, escape_path};
use nightfold_repo::repository::StoredSnapshot;
use serde_json::{Value, json};

use crate::args::{Filter, JsonFlag};
use crate::context::Context;
use crate::describe::{moment, type_name};
use crate::exit::{Error, Outcome, Result};
use crate::output::{Align, Output, Table, count, size};
use crate::time;

/// Options of `find`.
#[derive(Debug, Args)]
pub struct FindArgs {
    /// A glob; it is compared with the whole path if it has a '/', else with the name
    pattern: String,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    json: JsonFlag,
}

/// One thing through the nights: the same path of the same source on the same host.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    path: Vec<u8>,
    source: String,
    host: String,
}

/// A state of it that one or more snapshots in a row hold.
struct Version<'s> {
    node: Node,
    size: u64,
    mtime: Timestamp,
    first: &'s StoredSnapshot,
    last: &'s StoredSnapshot,
    snapshots: u64,
}

type Found<'s> = BTreeMap<Place, Vec<Version<'s>>>;

/// Looks through all snapshots.
pub fn run(context: &Context, args: &FindArgs) -> Result<Outcome> {
    let pattern = Pattern::new(&args.pattern)?;
    let repository = context.open()?;
    let mut snapshots = repository.snapshots()?;
    snapshots.retain(|stored| args.filter.matches(&stored.snapshot));
    let mut found = Found::new();
    for stored in &snapshots {
        for entry in entries(&repository, stored)? {
            let entry = entry?;
            if pattern.matches(&entry.path) {
                enter(&mut found, stored, entry);
            }
        }
    }
    let mut out = Output::open();
    if args.json.json {
        out.json(&found.iter().map(place_json).collect::<Vec<_>>())?;
    } else if found.is_empty() {
        context.messages.note(format_args!(
            "nothing matches '{}' in {}",
            args.pattern,
            count(snapshots.len() as u64, "snapshot")
        ));
    } else {
        for (place, versions) in &found {
            print(&mut out, place, versions)?;
        }
    }
    out.finish()?;
    Ok(Outcome::Done)
}

fn enter<'s>(found: &mut Found<'s>, stored: &'s StoredSnapshot, entry: Entry) {
    let place = Place {
        source: stored.snapshot.source.clone(),
        host: stored.snapshot.host.clone(),
        path: entry.path.clone(),
    };
    let versions = found.entry(place).or_default();
    let size = entry.size();
    match versions.last_mut() {
        Some(version) if version.node == entry.node && version.mtime == entry.metadata.mtime => {
            version.last = stored;
            version.snapshots += 1;
        }
        _ => versions.push(Version {
            node: entry.node,
            size,
            mtime: entry.metadata.mtime,
            first: stored,
            last: stored,
            snapshots: 1,
        }),
    }
}

fn print(out: &mut Output, place: &Place, versions: &[Version<'_>]) -> Result<()> {
    out.line(format_args!(
        "{}  ({} on {})",
        escape_path(&place.path),
        place.source,
        place.host
    ))?;
    let mut table = Table::new(&[
        ("  SINCE", Align::Left),
        ("SNAPSHOT", Align::Left),
        ("UNTIL", Align::Left),
        ("SNAPSHOT", Align::Left),
        ("NIGHTS", Align::Right),
        ("SIZE", Align::Right),
        ("MODIFIED", Align::Left),
    ]);
    for version in versions {
        table.row(vec![
            format!("  {}", time::local(version.first.snapshot.timestamp())),
            version.first.short_id(),
            time::local(version.last.snapshot.timestamp()),
            version.last.short_id(),
            version.snapshots.to_string(),
            size(version.size),
            time::local(moment(version.mtime)),
        ]);
    }
    out.table(&table)
}

fn place_json((place, versions): (&Place, &Vec<Version<'_>>)) -> Value {
    let version = |version: &Version<'_>| {
        json!({
            "type": type_name(&version.node),
            "size": version.size,
            "mtime": moment(version.mtime).to_string(),
            "first": { "id": version.first.id.to_string(), "time": version.first.snapshot.time },
            "last": { "id": version.last.id.to_string(), "time": version.last.snapshot.time },
            "snapshots": version.snapshots,
        })
    };
    json!({
        "path": escape_path(&place.path),
        "source": place.source,
        "host": place.host,
        "versions": versions.iter().map(version).collect::<Vec<_>>(),
    })
}

struct Pattern {
    glob: GlobMatcher,
    whole: bool,
}

impl Pattern {
    /// As in `--exclude`: `*` ends at a `/`, `**` does not, and a path need not start at the root.
    fn new(text: &str) -> Result<Self> {
        let whole = text.contains('/');
        let anchored = if whole && !text.starts_with('/') {
            format!("**/{text}")
        } else {
            text.to_owned()
        };
        let glob = GlobBuilder::new(&anchored)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| {
                Error::usage(
                    format!("bad pattern '{text}': {}", error.kind()),
                    "put it in quotes; * ? [a-z] {a,b} and ** have a meaning, after a \\ they have none",
                )
            })?;
        Ok(Self {
            glob: glob.compile_matcher(),
            whole,
        })
    }

    fn matches(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        let text = if self.whole { path } else { name };
        self.glob.is_match(OsStr::from_bytes(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_anywhere_and_paths_as_a_whole() {
        let cases = [
            ("*.sql", "/srv/dumps/app.sql", true),
            ("app*", "/srv/app/x.sql", false),
            ("/srv/*.sql", "/srv/dumps/app.sql", false),
            ("/srv/**/*.sql", "/srv/dumps/app.sql", true),
            ("dumps/*.sql", "/srv/dumps/app.sql", true),
            ("/etc", "/etc", true),
        ];
        for (pattern, path, wanted) in cases {
            let pattern = Pattern::new(pattern).unwrap();
            assert_eq!(pattern.matches(path.as_bytes()), wanted, "{path}");
        }
        assert!(Pattern::new("[a").is_err());
    }
}
