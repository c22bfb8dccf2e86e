//! The paths that a user asked for, and which directories lead to them.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use nightfold_repo::format::path_order;

use super::exclude::Excludes;
use super::scan::ScanError;
use super::unix;

/// Absolute paths in [`path_order`], some of them repeated. `/` is the empty path, so that every child is
/// its parent, a `/`, and a name.
pub(super) struct Roots(Vec<Vec<u8>>);

impl Roots {
    /// Makes the paths absolute and checks that each is there.
    pub(super) fn new(paths: &[PathBuf], excludes: &Excludes) -> Result<Self, ScanError> {
        let mut roots = Vec::with_capacity(paths.len());
        for path in paths {
            let absolute = absolute(path)?;
            let directory = unix::is_directory(&absolute).map_err(|source| ScanError::Root {
                path: path.clone(),
                source,
            })?;
            if !excludes.excluded(&absolute, || directory) {
                roots.push(stored(&absolute));
            }
        }
        if roots.is_empty() && !paths.is_empty() {
            return Err(ScanError::AllExcluded);
        }
        roots.sort_by(|a, b| path_order(a, b));
        Ok(Self(roots))
    }

    pub(super) fn contains(&self, path: &[u8]) -> bool {
        self.0
            .binary_search_by(|root| path_order(root, path))
            .is_ok()
    }

    /// Whether a root lies strictly below `path`.
    pub(super) fn any_below(&self, path: &[u8]) -> bool {
        self.below(path).next().is_some()
    }

    /// The names in directory `path` that lead to roots, ascending, some of them repeated.
    pub(super) fn names_below(&self, path: &[u8]) -> impl Iterator<Item = &[u8]> {
        self.below(path)
            .filter_map(|rest| rest.split(|byte| *byte == b'/').next())
    }

    /// What follows `path/` in each root below `path`.
    fn below(&self, path: &[u8]) -> impl Iterator<Item = &[u8]> {
        // In path order, all that lies below a path stands right after it.
        let first = self
            .0
            .partition_point(|root| path_order(root, path).is_le());
        self.0[first..]
            .iter()
            .map_while(move |root| root.strip_prefix(path)?.strip_prefix(b"/"))
    }
}

/// Without resolving symbolic links: `..` takes back the name before it.
fn absolute(path: &Path) -> Result<PathBuf, ScanError> {
    if path.as_os_str().is_empty() {
        return Err(ScanError::Root {
            path: path.to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        });
    }
    let path = if path.is_absolute() {
        path.to_owned()
    } else {
        std::env::current_dir()
            .map_err(ScanError::CurrentDirectory)?
            .join(path)
    };
    let mut names: Vec<OsString> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_owned()),
            Component::ParentDir => {
                names.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    let mut clean = PathBuf::from("/");
    clean.extend(names);
    Ok(clean)
}

fn stored(absolute: &Path) -> Vec<u8> {
    let bytes = unix::path_bytes(absolute);
    bytes.strip_suffix(b"/").unwrap_or(bytes).to_vec()
}
