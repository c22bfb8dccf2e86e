//! All there is to know about a tree of files, to be compared.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What stands at a path.
#[derive(Clone, PartialEq, Eq)]
pub struct Node {
    kind: String,
    mode: u32,
    owner: (u32, u32),
    /// Seconds and nanoseconds.
    mtime: (i64, i64),
    /// The first name in the tree of the same file.
    same_as: PathBuf,
    /// Content, or where a link points to.
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {:o} {:?} {:?} as {:?}: {} bytes, {}",
            self.kind,
            self.mode,
            self.owner,
            self.mtime,
            self.same_as,
            self.bytes.len(),
            blake3::hash(&self.bytes).to_hex().split_at(8).0,
        )
    }
}

/// What stands where, by path below the top, which is the empty path.
pub type Tree = BTreeMap<PathBuf, Node>;

/// Looks at everything at and below `top`.
pub fn tree(top: &Path) -> Tree {
    let mut paths = vec![PathBuf::new()];
    let (mut tree, mut first_names) = (Tree::new(), HashMap::new());
    while let Some(path) = paths.pop() {
        let full = top.join(&path);
        let metadata = fs::symlink_metadata(&full).expect("metadata");
        if metadata.is_dir() {
            let entries = fs::read_dir(&full).expect("a folder");
            paths.extend(entries.map(|entry| path.join(entry.expect("an entry").file_name())));
            // The last is looked at first: names of one file are met in their order.
            paths.sort_by(|a, b| b.cmp(a));
        }
        let identity = (metadata.dev(), metadata.ino());
        let first = first_names.entry(identity).or_insert_with(|| path.clone());
        let node = look(&full, &metadata, first.clone());
        tree.insert(path, node);
    }
    tree
}

fn look(path: &Path, metadata: &Metadata, same_as: PathBuf) -> Node {
    let kind = metadata.file_type();
    let (kind, bytes) = if kind.is_dir() {
        ("directory".to_owned(), Vec::new())
    } else if kind.is_symlink() {
        let target: OsString = fs::read_link(path).expect("a link").into();
        ("symlink".to_owned(), target.into_vec())
    } else if kind.is_fifo() {
        ("fifo".to_owned(), Vec::new())
    } else if kind.is_file() {
        ("file".to_owned(), fs::read(path).expect("a file"))
    } else {
        (format!("device {}", metadata.rdev()), Vec::new())
    };
    Node {
        kind,
        mode: metadata.mode() & 0o7777,
        owner: (metadata.uid(), metadata.gid()),
        mtime: (metadata.mtime(), metadata.mtime_nsec()),
        same_as,
        bytes,
    }
}
