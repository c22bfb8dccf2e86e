//! What a scan yields.

use std::io;

use nightfold_repo::format::Metadata;

/// Extended attributes as (name, value), by name.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// An entry to be: its content is still unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Absolute path as raw bytes, starting with `/`, without a trailing one.
    pub path: Vec<u8>,
    /// Mode, owner, times.
    pub metadata: Metadata,
    /// What it is.
    pub kind: FoundKind,
    /// Extended attributes, ACLs among them.
    pub xattrs: Xattrs,
}

/// What kind of thing was found. Sockets are not: they mean nothing without the process behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundKind {
    /// A regular file.
    File {
        /// Bytes when it was found; [`open_regular`](super::open_regular) knows better.
        size: u64,
        /// Its identity when it has other names.
        link: Option<LinkIdentity>,
    },
    /// A directory.
    Directory,
    /// A symbolic link and what it points to.
    Symlink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A character device and its number.
    CharDevice(u64),
    /// A block device and its number.
    BlockDevice(u64),
}

/// Equal for all names of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkIdentity {
    /// The file system's device number.
    pub device: u64,
    /// The inode number on it.
    pub inode: u64,
}

/// What a scan yields.
#[derive(Debug)]
pub enum ScanItem {
    /// Something to back up.
    Found(Found),
    /// Something that could not be read. When the item before is [`ScanItem::Found`] with the same
    /// path, only a part of it could not: what a directory holds, or extended attributes.
    Failed {
        /// Absolute path as raw bytes.
        path: Vec<u8>,
        /// Why. Not found: it vanished since its directory was listed.
        error: io::Error,
    },
}
