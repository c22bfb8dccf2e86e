//! Choosing a snapshot: by id, `latest`, or as of a time.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use nightfold_repo::Repository;
use nightfold_repo::repository::StoredSnapshot;

use crate::args::{Choice, Filter};
use crate::exit::{Error, Result};
use crate::messages::Messages;
use crate::time;

/// A choice, and what should be said about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen<'a> {
    /// The snapshot.
    pub stored: &'a StoredSnapshot,
    /// A newer one that was passed over because files are missing in it.
    pub passed_over: Option<&'a StoredSnapshot>,
}

/// Finds the snapshot that `wanted` names, and tells which one it is when the user left that open.
pub fn snapshot(
    repository: &Repository,
    messages: &Messages,
    wanted: &str,
    choice: &Choice,
) -> Result<StoredSnapshot> {
    if wanted != "latest" {
        return by_id(repository, wanted, choice);
    }
    let limit = moment(messages, choice.at.as_deref())?.map(|time| time.timestamp());
    let snapshots = repository.snapshots()?;
    let Some(chosen) = choose(&snapshots, &choice.filter, limit) else {
        return Err(none(&snapshots, &choice.filter, limit));
    };
    tell(messages, chosen);
    Ok(chosen.stored.clone())
}

/// A time that a user gave; a note tells when local clocks showed it twice or never.
pub fn moment(messages: &Messages, text: Option<&str>) -> Result<Option<Zoned>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let moment = time::parse(text, &TimeZone::system()).map_err(|text| Error::usage(text, ""))?;
    if let Some(note) = &moment.note {
        messages.note(note);
    }
    Ok(Some(moment.time))
}

/// The newest snapshot that counts: as of a time the newest whatever it is, else the newest that misses no
/// files, if there is one.
pub fn choose<'a>(
    snapshots: &'a [StoredSnapshot],
    filter: &Filter,
    limit: Option<Timestamp>,
) -> Option<Chosen<'a>> {
    let counts = |stored: &&StoredSnapshot| {
        filter.matches(&stored.snapshot)
            && limit.is_none_or(|limit| stored.snapshot.timestamp() <= limit)
    };
    let newest = |complete: bool| {
        let among = snapshots
            .iter()
            .filter(counts)
            .filter(|stored| !complete || !stored.snapshot.incomplete);
        // Of equal times the last in the list.
        among.max_by_key(|stored| stored.snapshot.timestamp())
    };
    let any = newest(false)?;
    let stored = match limit {
        Some(_) => any,
        None => newest(true).unwrap_or(any),
    };
    Some(Chosen {
        stored,
        passed_over: (stored.id != any.id).then_some(any),
    })
}

fn by_id(repository: &Repository, wanted: &str, choice: &Choice) -> Result<StoredSnapshot> {
    if choice.at.is_some() || !choice.filter.is_empty() {
        return Err(Error::usage(
            format!("'{wanted}' names one snapshot: there is nothing left to choose by"),
            "--at, --source, --host and --tag choose among snapshots: write 'latest' instead of an id",
        ));
    }
    let hint = "ids are hexadecimal; `nightfold snapshots` lists them, and 'latest' is the newest";
    Ok(repository.snapshot(&digits(wanted, hint)?)?)
}

/// The first digits of an id, or all, as a user writes them.
pub fn digits(text: &str, hint: &str) -> Result<String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Error::usage(format!("'{text}' is no snapshot id"), hint));
    }
    Ok(text.to_ascii_lowercase())
}

fn tell(messages: &Messages, chosen: Chosen<'_>) {
    if let Some(newer) = chosen.passed_over {
        messages.warning(format_args!(
            "{} is newer but misses files ({}): name it to get it all the same",
            newer.short_id(),
            time::local_exact(newer.snapshot.timestamp()),
        ));
    }
    let snapshot = &chosen.stored.snapshot;
    messages.note(format_args!(
        "snapshot {} of {}, {} on {}",
        chosen.stored.short_id(),
        time::local_exact(snapshot.timestamp()),
        snapshot.source,
        snapshot.host,
    ));
    if snapshot.incomplete {
        messages.warning(format_args!(
            "this snapshot is incomplete: {} could not be read when it was made",
            crate::output::count(snapshot.stats.errors, "entry"),
        ));
    }
}

fn none(snapshots: &[StoredSnapshot], filter: &Filter, limit: Option<Timestamp>) -> Error {
    let Some(limit) = limit else {
        let message = if snapshots.is_empty() {
            "there are no snapshots yet"
        } else {
            "no snapshot has this source, host and tags"
        };
        return Error::failed(message, "`nightfold snapshots` lists what there is");
    };
    let message = format!(
        "no snapshot was taken at or before {}",
        time::local_exact(limit)
    );
    let oldest = snapshots
        .iter()
        .filter(|stored| filter.matches(&stored.snapshot))
        .map(|stored| stored.snapshot.timestamp())
        .min();
    let hint = match oldest {
        Some(oldest) => format!("the oldest is of {}", time::local_exact(oldest)),
        None => "no snapshot has this source, host and tags".to_owned(),
    };
    Error::failed(message, hint)
}

#[cfg(test)]
mod tests {
    use nightfold_repo::format::{ObjectId, Snapshot, SnapshotStats, SnapshotWriter};

    use super::*;

    fn snapshot(number: u8, time: &str, source: &str, incomplete: bool) -> StoredSnapshot {
        StoredSnapshot {
            id: ObjectId([number; 32]),
            snapshot: Snapshot {
                time: time.to_owned(),
                started: time.to_owned(),
                finished: time.to_owned(),
                host: "db1".to_owned(),
                user: "root".to_owned(),
                source: source.to_owned(),
                paths: Vec::new(),
                tags: vec!["nightly".to_owned()],
                incomplete,
                program: String::new(),
                files: Vec::new(),
                stats: SnapshotStats::default(),
                writer: SnapshotWriter::default(),
                extensions: std::collections::BTreeMap::new(),
            },
        }
    }

    fn nights() -> Vec<StoredSnapshot> {
        vec![
            snapshot(1, "2026-11-18T03:00:00+01:00", "app", false),
            snapshot(2, "2026-11-19T03:00:00+01:00", "web", false),
            snapshot(3, "2026-11-19T03:30:00+01:00", "app", true),
        ]
    }

    fn chosen(filter: &Filter, limit: Option<&str>) -> Option<(u8, Option<u8>)> {
        let limit = limit.map(|text| text.parse().unwrap());
        let nights = nights();
        let chosen = choose(&nights, filter, limit)?;
        let number = |stored: &StoredSnapshot| stored.id.0[0];
        Some((number(chosen.stored), chosen.passed_over.map(number)))
    }

    fn of(source: &str) -> Filter {
        Filter {
            source: Some(source.to_owned()),
            ..Filter::default()
        }
    }

    #[test]
    fn latest_prefers_complete_snapshots() {
        assert_eq!(chosen(&Filter::default(), None), Some((2, Some(3))));
        assert_eq!(chosen(&of("app"), None), Some((1, Some(3))));
    }

    #[test]
    fn an_incomplete_snapshot_is_better_than_none() {
        let only = [snapshot(3, "2026-11-19T03:30:00+01:00", "app", true)];
        let chosen = choose(&only, &Filter::default(), None).unwrap();
        assert_eq!((chosen.stored.id.0[0], chosen.passed_over), (3, None));
    }

    #[test]
    fn as_of_a_time_the_newest_at_or_before_it_is_chosen() {
        let all = Filter::default();
        assert_eq!(chosen(&all, Some("2026-11-19T02:00:00Z")), Some((2, None)));
        assert_eq!(chosen(&all, Some("2026-11-19T01:59:59Z")), Some((1, None)));
        assert_eq!(chosen(&all, Some("2026-11-20T00:00:00Z")), Some((3, None)));
        assert_eq!(chosen(&all, Some("2026-11-18T01:59:59Z")), None);
    }

    #[test]
    fn filters_narrow_what_is_chosen_from() {
        assert_eq!(
            chosen(&of("web"), Some("2026-11-20T00:00:00Z")),
            Some((2, None))
        );
        assert_eq!(chosen(&of("none"), None), None);
        let tags = Filter {
            tags: vec!["nightly".to_owned(), "weekly".to_owned()],
            ..Filter::default()
        };
        assert_eq!(chosen(&tags, None), None, "all tags must be there");
    }
}
