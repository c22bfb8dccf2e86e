//! Paths inside snapshots, as users write them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use nightfold_ingest::find_entry;
use nightfold_repo::Repository;
use nightfold_repo::format::{Entry, Node, escape_path, unescape_path};
use nightfold_repo::repository::StoredSnapshot;

use crate::exit::{Error, Result};

/// Hard links lead to a file, never to another link; more steps than this are damage.
const LINK_STEPS_MAX: usize = 8;

/// The stored form: a leading `/`, none at the end, no empty or `.` parts. The root is the empty path.
pub fn stored(text: &[u8]) -> Vec<u8> {
    text.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .flat_map(|part| [b"/", part].concat())
        .collect()
}

/// The path that a user wrote: as it is if the snapshot holds it, else with escapes read as
/// [`escape_path`] writes them, so that what `ls` prints can be pasted.
pub fn given(repository: &Repository, snapshot: &StoredSnapshot, text: &OsStr) -> Result<Vec<u8>> {
    let raw = stored(text.as_bytes());
    match text.to_str() {
        Some(text) if text.contains("\\x") => {
            let is_there = find_entry(repository, snapshot, &raw)?.is_some();
            Ok(if is_there {
                raw
            } else {
                stored(&unescape_path(text))
            })
        }
        _ => Ok(raw),
    }
}

/// Whether `path` is `outer` or lies below it, both as stored.
pub fn is_within(path: &[u8], outer: &[u8]) -> bool {
    path.strip_prefix(outer)
        .is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
}

/// The regular file at a path, hard links followed.
pub fn file(repository: &Repository, snapshot: &StoredSnapshot, path: &[u8]) -> Result<Entry> {
    let hint = format!(
        "`nightfold ls {}` lists the files of this snapshot",
        snapshot.short_id()
    );
    let mut at = path.to_vec();
    for _ in 0..LINK_STEPS_MAX {
        let Some(entry) = find_entry(repository, snapshot, &at)? else {
            return Err(no_such(&at, snapshot, hint));
        };
        match entry.node {
            Node::Hardlink(target) => at = target,
            Node::File(_) => return Ok(entry),
            node => {
                let kind = crate::describe::type_name(&node);
                let message = format!("{} is no file but a {kind}", escape_path(path));
                return Err(Error::failed(message, hint));
            }
        }
    }
    let message = format!("the hard link {} leads nowhere", escape_path(path));
    Err(Error::failed(message, ""))
}

/// A path that a snapshot does not hold.
pub fn no_such(path: &[u8], snapshot: &StoredSnapshot, hint: impl Into<String>) -> Error {
    let message = format!(
        "snapshot {} holds no {}",
        snapshot.short_id(),
        escape_path(path)
    );
    Error::failed(message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_take_their_stored_form() {
        for text in ["etc/hosts", "/etc/hosts", "//etc/./hosts/"] {
            assert_eq!(stored(text.as_bytes()), b"/etc/hosts", "{text}");
        }
        assert_eq!(stored(b"/"), b"");
        assert_eq!(stored(b"dump.sql"), b"/dump.sql");
    }

    #[test]
    fn below_means_below_a_whole_name() {
        assert!(is_within(b"/a/b", b"/a"));
        assert!(is_within(b"/a", b"/a"));
        assert!(is_within(b"/a", b""));
        assert!(!is_within(b"/ab", b"/a"));
    }
}
