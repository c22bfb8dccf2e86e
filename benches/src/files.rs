//! Trees of files: sizes, copies, comparisons.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rustix::fs::Advice;

/// Small, because a child's peak memory is at least ours at the time of its start.
pub const BUFFER_BYTES: usize = 256 * 1024;

/// The last part of a path, for people.
pub fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// What a folder holds, by name.
pub fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

/// The sum of the sizes of all files at or under `path`.
pub fn tree_bytes(path: &Path) -> Result<u64> {
    if !path.is_dir() {
        return Ok(path.symlink_metadata()?.len());
    }
    sorted_entries(path)?
        .iter()
        .map(|entry| tree_bytes(entry))
        .sum()
}

/// Writes new files with the bytes of `from` at `to`, as a dump job does every night.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in sorted_entries(from)? {
            copy_tree(&entry, &to.join(name(&entry)))?;
        }
    } else {
        fs::copy(from, to).with_context(|| format!("copy {}", from.display()))?;
    }
    Ok(())
}

/// Removes a file or a folder, if it is there.
pub fn remove(path: &Path) -> Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path)?;
    } else if path.exists() {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Lets the kernel forget the contents of all files under `path`, so that they are read from disk.
/// What was not written out yet stays: synchronize before.
pub fn drop_from_cache(path: &Path) -> Result<()> {
    if path.is_dir() {
        return sorted_entries(path)?
            .iter()
            .try_for_each(|entry| drop_from_cache(entry));
    }
    let file = File::open(path)?;
    Ok(rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?)
}

/// Fails unless both trees have the same names and the same bytes.
pub fn compare_trees(expected: &Path, found: &Path) -> Result<()> {
    if !expected.is_dir() {
        let same = same_bytes(
            &mut File::open(expected)?,
            &mut File::open(found).with_context(|| format!("open {}", found.display()))?,
        )?;
        ensure!(
            same,
            "{} differs from {}",
            found.display(),
            expected.display()
        );
        return Ok(());
    }
    let (left, right) = (sorted_entries(expected)?, sorted_entries(found)?);
    let names = |paths: &[PathBuf]| paths.iter().map(|path| name(path)).collect::<Vec<_>>();
    ensure!(
        names(&left) == names(&right),
        "{}: other names than expected",
        found.display()
    );
    left.iter()
        .zip(&right)
        .try_for_each(|(left, right)| compare_trees(left, right))
}

/// Whether two readers give the same bytes to the end.
pub fn same_bytes(left: &mut dyn Read, right: &mut dyn Read) -> io::Result<bool> {
    let (mut left_buffer, mut right_buffer) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        let left_count = read_full(left, &mut left_buffer)?;
        let right_count = read_full(right, &mut right_buffer)?;
        if left_buffer[..left_count] != right_buffer[..right_count] {
            return Ok(false);
        }
        if left_count == 0 {
            return Ok(true);
        }
    }
}

/// Fills the buffer unless the input ends; pipes return less than asked for.
fn read_full(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
