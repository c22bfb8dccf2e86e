//! Two snapshots side by side.

use std::cmp::Ordering;

use nightfold_ingest::{Entries, entries};
use nightfold_repo::Repository;
use nightfold_repo::format::{Entry, Node, escape_path, path_order};
use nightfold_repo::repository::StoredSnapshot;
use serde::Serialize;

use crate::describe::type_name;
use crate::exit::Result;

/// How one path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// Its content, or what it is.
    Modified,
    /// Mode, owner, time or attributes only.
    Metadata,
}

/// One path that differs.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// How.
    pub change: Change,
    /// Escaped.
    pub path: String,
    /// What it is, or was if removed.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Bytes.
    pub size_before: u64,
    /// Bytes.
    pub size_after: u64,
}

/// Both lists side by side, in path order.
pub fn compare<'r>(
    repository: &'r Repository,
    a: &StoredSnapshot,
    b: &StoredSnapshot,
) -> Result<Pairs<'r>> {
    Ok(Pairs {
        a: entries(repository, a)?,
        b: entries(repository, b)?,
        next_a: None,
        next_b: None,
    })
}

/// The differences, in path order.
pub struct Pairs<'r> {
    a: Entries<'r>,
    b: Entries<'r>,
    next_a: Option<Entry>,
    next_b: Option<Entry>,
}

impl Pairs<'_> {
    /// The next path, and its entry on each side.
    fn pair(&mut self) -> Result<(Option<Entry>, Option<Entry>)> {
        if self.next_a.is_none() {
            self.next_a = self.a.next().transpose()?;
        }
        if self.next_b.is_none() {
            self.next_b = self.b.next().transpose()?;
        }
        let order = match (&self.next_a, &self.next_b) {
            (Some(a), Some(b)) => path_order(&a.path, &b.path),
            (None, Some(_)) => Ordering::Greater,
            _ => Ordering::Less,
        };
        let a = if order.is_le() {
            self.next_a.take()
        } else {
            None
        };
        let b = if order.is_ge() {
            self.next_b.take()
        } else {
            None
        };
        Ok((a, b))
    }
}

impl Iterator for Pairs<'_> {
    type Item = Result<Changed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (a, b) = match self.pair() {
                Ok((None, None)) => return None,
                Ok(pair) => pair,
                Err(error) => return Some(Err(error)),
            };
            let Some(change) = change(a.as_ref(), b.as_ref()) else {
                continue;
            };
            let bytes = |entry: &Option<Entry>| entry.as_ref().map_or(0, Entry::size);
            let (size_before, size_after) = (bytes(&a), bytes(&b));
            let shown = b.or(a)?;
            return Some(Ok(Changed {
                change,
                path: escape_path(&shown.path),
                kind: type_name(&shown.node),
                size_before,
                size_after,
            }));
        }
    }
}

/// Inode number and time of inode change say nothing: they differ after every restore.
fn change(a: Option<&Entry>, b: Option<&Entry>) -> Option<Change> {
    let (a, b) = match (a, b) {
        (Some(a), Some(b)) => (a, b),
        (None, Some(_)) => return Some(Change::Added),
        (Some(_), None) => return Some(Change::Removed),
        (None, None) => return None,
    };
    if a.node != b.node {
        return Some(Change::Modified);
    }
    let (m, n) = (&a.metadata, &b.metadata);
    let same = m.mode == n.mode
        && (m.uid, m.gid) == (n.uid, n.gid)
        && (&m.user, &m.group) == (&n.user, &n.group)
        // A directory's time tells of its entries, which speak for themselves.
        && (m.mtime == n.mtime || a.node == Node::Directory)
        && a.extensions == b.extensions;
    (!same).then_some(Change::Metadata)
}

#[cfg(test)]
mod tests {
    use nightfold_repo::format::{Content, Metadata, Timestamp};

    use super::*;

    fn file(content: &[u8], mode: u32, seconds: i64) -> Entry {
        Entry {
            path: b"/x".to_vec(),
            metadata: Metadata {
                mode,
                mtime: Timestamp { seconds, nanos: 0 },
                inode: seconds.cast_unsigned(),
                ..Metadata::default()
            },
            node: Node::File(Content::Inline(content.to_vec())),
            extensions: Vec::new(),
        }
    }

    #[test]
    fn content_counts_before_metadata() {
        let old = file(b"a", 0o644, 1);
        let cases = [
            (Some(file(b"b", 0o600, 2)), Some(Change::Modified)),
            (Some(file(b"a", 0o600, 1)), Some(Change::Metadata)),
            (Some(file(b"a", 0o644, 2)), Some(Change::Metadata)),
            (Some(old.clone()), None),
            (None, Some(Change::Removed)),
        ];
        for (new, wanted) in cases {
            assert_eq!(change(Some(&old), new.as_ref()), wanted, "{new:?}");
        }
    }

    #[test]
    fn another_inode_is_no_change() {
        let old = file(b"a", 0o644, 1);
        let mut new = old.clone();
        new.metadata.inode = 7;
        assert_eq!(change(Some(&old), Some(&new)), None);
    }
}
