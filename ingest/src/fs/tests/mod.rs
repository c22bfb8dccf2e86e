//! Claims about scans and restores. They hold for root and for others; what only one of them can
//! see is said in the test.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod attributes;
mod excludes;
mod files;
mod nodes;
mod safety;
mod scans;
mod sparse;

use std::path::{Path, PathBuf};

use nightfold_repo::format::{Metadata, Timestamp};
use tempfile::TempDir;

use super::*;

/// Some metadata that whoever runs the test may set.
fn own_metadata(mode: u32) -> Metadata {
    Metadata {
        mode,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        mtime: Timestamp {
            seconds: 1_000_000_000,
            nanos: 123_456_789,
        },
        ..Metadata::default()
    }
}

fn scan(roots: &[&Path], excludes: &[&str]) -> Vec<ScanItem> {
    let roots: Vec<PathBuf> = roots.iter().map(PathBuf::from).collect();
    let excludes: Vec<String> = excludes.iter().map(ToString::to_string).collect();
    Scan::new(&roots, &excludes).unwrap().collect()
}

/// What a scan that nothing hinders found.
fn found(roots: &[&Path], excludes: &[&str]) -> Vec<Found> {
    scan(roots, excludes)
        .into_iter()
        .map(|item| match item {
            ScanItem::Found(found) => found,
            ScanItem::Failed { path, error } => panic!("{}: {error}", path.escape_ascii()),
        })
        .collect()
}

/// Paths below `base`, without it.
fn below(base: &Path, found: &[Found]) -> Vec<Vec<u8>> {
    let base = [path_bytes(base), b"/"].concat();
    found
        .iter()
        .filter_map(|found| found.path.strip_prefix(base.as_slice()))
        .map(<[u8]>::to_vec)
        .collect()
}

fn text(paths: &[Vec<u8>]) -> Vec<String> {
    let shown = |path: &Vec<u8>| path.escape_ascii().to_string();
    paths.iter().map(shown).collect()
}

/// What was found of one path.
fn look_at(path: &Path) -> Found {
    let found = found(&[path], &[]);
    let at = |found: &Found| found.path == path_bytes(path);
    found.into_iter().find(at).unwrap()
}

/// Creates files (and directories, where a name ends with `/`) with what leads to them.
fn tree(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        if name.ends_with('/') {
            std::fs::create_dir_all(path).unwrap();
        } else {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
    }
    folder
}

fn set_mode(path: &Path, mode: u32) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, mode).unwrap();
}

fn target() -> (TempDir, Target) {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::open(folder.path()).unwrap();
    (folder, target)
}
