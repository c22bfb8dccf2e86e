//! Files that cannot be restored.

use super::few::{Few, counted};
use crate::format::escape_path;

/// Files of a snapshot that cannot be restored.
#[derive(Default)]
pub(super) struct Lost {
    paths: Few,
    first_reason: String,
}

impl Lost {
    pub(super) fn count(&self) -> u64 {
        self.paths.count()
    }

    pub(super) fn add(&mut self, path: &[u8], reason: String) {
        if self.paths.count() == 0 {
            self.first_reason = reason;
        }
        self.paths.add(|| escape_path(path));
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files = counted(self.paths.count(), "file");
        write!(
            f,
            "{files} cannot be restored: {}; of the first, {}",
            self.paths, self.first_reason
        )
    }
}
