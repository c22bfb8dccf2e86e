//! The previous snapshot of a source, walked beside the scan: both are in path order.

use std::cmp::Ordering;
use std::iter::Peekable;

use nightfold_repo::format::{Content, Entry, Node, Timestamp, path_order};
use nightfold_repo::repository::StoredSnapshot;

use crate::error::Result;
use crate::listing::{Entries, entries};
use crate::source::SharedRepository;

/// A file that changed this long before it was read has settled.
const SETTLED_SECONDS: i64 = 2;

/// The entries of the previous snapshot.
pub(crate) struct Previous<'r> {
    entries: Option<Peekable<Entries<'r>>>,
    settled: Option<Timestamp>,
}

impl<'r> Previous<'r> {
    pub(crate) fn of(repository: &'r SharedRepository, snapshot: Option<&StoredSnapshot>) -> Self {
        let Some(stored) = snapshot else {
            return Self {
                entries: None,
                settled: None,
            };
        };
        let started = stored.snapshot.started.parse::<jiff::Timestamp>().ok();
        let settled = started.map(|started| Timestamp {
            seconds: started.as_second() - SETTLED_SECONDS,
            nanos: started.subsec_nanosecond().unsigned_abs(),
        });
        // A list that cannot be read costs speed, not the backup: everything is read anew.
        let entries = entries(repository, stored).ok().map(Iterator::peekable);
        Self { entries, settled }
    }

    /// The entry at `path`; paths must be asked for in their order.
    pub(crate) fn at(&mut self, path: &[u8]) -> Result<Option<Entry>> {
        let Some(entries) = &mut self.entries else {
            return Ok(None);
        };
        while let Some(next) = entries.peek() {
            let order = match next {
                Ok(entry) => path_order(&entry.path, path),
                Err(_) => break,
            };
            match order {
                Ordering::Less => drop(entries.next()),
                Ordering::Equal => return entries.next().transpose(),
                Ordering::Greater => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The content of the file at `path`.
    pub(crate) fn content_at(&mut self, path: &[u8]) -> Result<Option<Content>> {
        Ok(self.at(path)?.and_then(|entry| match entry.node {
            Node::File(content) => Some(content),
            _ => None,
        }))
    }

    /// Files last changed at or before this time can be told to be unchanged; none can if `force` is set.
    pub(crate) fn unchanged_before(&self, force: bool) -> Option<Timestamp> {
        self.settled.filter(|_| !force)
    }
}
