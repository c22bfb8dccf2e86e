//! How much a backup will read, guessed for the progress bar.

use std::path::{Path, PathBuf};

use nightfold_ingest::fs::path_bytes;
use nightfold_repo::Repository;
use nightfold_repo::format::escape_path;

use super::source::Input;
use crate::paths;

/// Bytes that will be read: of plain files their size, else what the last run of the same thing read.
/// 0: nobody knows.
pub fn bytes(repository: &Repository, input: &Input, host: &str) -> u64 {
    let named = match input {
        Input::Paths(paths) => match sizes(paths) {
            Some(bytes) => return bytes,
            None => paths.iter().filter_map(|path| shown(path)).collect(),
        },
        Input::Databases(urls, all) => {
            let paths = urls
                .iter()
                .filter_map(|url| url.stored_path(*all, "sql").ok());
            paths.map(|path| escape_path(&path)).collect()
        }
        Input::Standard(name) | Input::Command(name, _) => {
            vec![escape_path(&paths::stored(name))]
        }
    };
    // A guess is not worth an error: the backup itself will meet it.
    let snapshots = repository.snapshots_and_errors().unwrap_or_default().0;
    let mut newest_first = snapshots.iter().rev().map(|stored| &stored.snapshot);
    newest_first
        .find(|snapshot| snapshot.host == host && snapshot.paths == named)
        .map_or(0, |snapshot| snapshot.stats.read)
}

/// `None` when one of them is no regular file.
fn sizes(paths: &[PathBuf]) -> Option<u64> {
    let size = |path: &PathBuf| {
        let metadata = std::fs::symlink_metadata(path).ok()?;
        metadata.is_file().then_some(metadata.len())
    };
    paths.iter().map(size).sum()
}

/// As snapshots note what was backed up.
fn shown(path: &Path) -> Option<String> {
    let absolute = std::path::absolute(path).ok()?;
    Some(escape_path(path_bytes(&absolute)))
}
