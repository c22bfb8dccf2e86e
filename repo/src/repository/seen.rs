//! What this client saw of a repository when it last deleted from it: less than that is not believed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{History, Repository};
use crate::error::{Error, Result};
use crate::format::ObjectId;
use crate::platform;

impl Repository {
    /// Snapshots that were there when this client last compared.
    pub(crate) fn seen_snapshots(&self) -> Result<BTreeSet<ObjectId>> {
        let path = self.seen_path();
        let read = platform::read_if_there(&path)
            .map_err(|error| Error::io("read", path.display(), error))?;
        Ok(serde_json::from_slice(&read.unwrap_or_default()).unwrap_or_default())
    }

    fn seen_path(&self) -> PathBuf {
        self.cache.join("snapshots.json")
    }

    /// Refuses a history that lacks a snapshot which this client saw before and of which no tombstone tells; else it
    /// is remembered.
    pub(crate) fn compare_with_seen(&self, history: &History) -> Result<()> {
        let path = self.seen_path();
        let seen = self.seen_snapshots()?;
        let listed: BTreeSet<ObjectId> = history.snapshots.iter().map(|s| s.stored.id).collect();
        let forgotten = history.tombstones.snapshots();
        let mut hidden = seen
            .iter()
            .filter(|id| !listed.contains(id) && !forgotten.contains(id));
        if let Some(first) = hidden.next() {
            let others = hidden.count();
            let reason = format!(
                "snapshot {first} was there before and is not now (and {others} more), and no tombstone tells of it: \
                 was the store rolled back, or does it list less than it holds? If it was deleted by hand, remove {}",
                path.display()
            );
            return Err(Error::Refused { reason });
        }
        if seen == listed {
            return Ok(());
        }
        let json = serde_json::to_vec(&listed).unwrap_or_default();
        platform::create_private_folder(&self.cache)
            .and_then(|()| platform::replace_file(&path, &json))
            .map_err(|error| Error::io("write", path.display(), error))
    }
}
