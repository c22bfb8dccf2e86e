//! Paths from a snapshot, which may be hostile, to paths below a target.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::unix;

/// Longer than any system takes; keeps a hostile path from costing much.
const STORED_PATH_BYTES_MAX: usize = 1 << 16;

/// Why a stored path is not restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsafePath {
    /// It would lead out of the target.
    #[error("refused: the stored path contains '..'")]
    Parent,
    /// `.`, `//` or a trailing `/`: no backup writes such.
    #[error("refused: the stored path has an empty component")]
    Empty,
    /// No system takes such a name.
    #[error("refused: the stored path contains a zero byte")]
    Zero,
    /// No system takes such a path.
    #[error("refused: the stored path is longer than {STORED_PATH_BYTES_MAX} bytes")]
    Long,
}

impl From<UnsafePath> for io::Error {
    fn from(refusal: UnsafePath) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, refusal)
    }
}

/// The place below `target` of a path as stored, with or without its leading `/`; `/` itself is
/// the target.
///
/// Tells nothing about symbolic links on the way: [`Target`](super::Target) doesn't follow them.
pub fn safe_join(target: &Path, stored: &[u8]) -> Result<PathBuf, UnsafePath> {
    let mut path = target.to_owned();
    path.extend(components(stored)?);
    Ok(path)
}

/// The names on the way to a stored path; none for the target itself.
pub(super) fn components(stored: &[u8]) -> Result<Vec<&OsStr>, UnsafePath> {
    if stored.len() > STORED_PATH_BYTES_MAX {
        return Err(UnsafePath::Long);
    }
    let relative = stored.strip_prefix(b"/").unwrap_or(stored);
    if relative.is_empty() {
        return if stored.is_empty() {
            Err(UnsafePath::Empty)
        } else {
            Ok(Vec::new())
        };
    }
    let split = relative.split(|byte| *byte == b'/');
    split
        .map(|name| match name {
            b".." => Err(UnsafePath::Parent),
            b"" | b"." => Err(UnsafePath::Empty),
            name if name.contains(&0) => Err(UnsafePath::Zero),
            name => Ok(unix::as_path(name).as_os_str()),
        })
        .collect()
}
