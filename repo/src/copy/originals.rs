//! How a copy tells what it is a copy of. Pure.

use std::collections::HashSet;

use crate::format::{Snapshot, SnapshotWriter};
use crate::repository::{LEASE_FIELD, ORIGINAL_FIELD, REPLACES_FIELD, StoredSnapshot};

/// The id under which the snapshot was made, in this repository or in another.
pub fn original(stored: &StoredSnapshot) -> String {
    stored.original().unwrap_or(stored.id).to_string()
}

/// Those of the source that the destination does not have, in the order given. Of several copies of one snapshot
/// one is enough.
pub fn missing<'s>(
    source: impl Iterator<Item = &'s StoredSnapshot>,
    destination: &[StoredSnapshot],
) -> Vec<&'s StoredSnapshot> {
    let mut there: HashSet<String> = destination.iter().map(original).collect();
    source
        .filter(|stored| there.insert(original(stored)))
        .collect()
}

/// The snapshot as it is published in another repository, with its file list there, if that is another one. All else
/// stays as it is, what this program does not know included; writer and lease are those of whoever publishes it.
pub fn as_copy(stored: &StoredSnapshot, files: Option<Vec<u8>>) -> Snapshot {
    let mut copy = stored.snapshot.clone();
    if let Some(files) = files {
        copy.files = files;
    }
    copy.writer = SnapshotWriter::default();
    copy.extensions.remove(LEASE_FIELD);
    copy.extensions.remove(REPLACES_FIELD);
    let original = original(stored).into();
    copy.extensions.insert(ORIGINAL_FIELD.to_owned(), original);
    copy
}
