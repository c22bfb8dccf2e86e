//! Files and directory trees.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::sync::atomic::Ordering;

use nightfold_chunker::{ChunkStream, Window};
use nightfold_repo::format::{Content, Entry, Extension, Metadata, Node, Timestamp};
use nightfold_repo::limits::INLINE_BYTES_MAX;

use super::{Cancellable, Outlet, Segment, SharedRepository, WINDOW_BYTES};
use crate::backup::Previous;
use crate::error::{Error, Failure, Result};
use crate::fs::{Found, FoundKind, LinkIdentity, Scan, ScanItem, as_path, holes, open_regular};

/// Reads what a scan finds. With `force`, files that look unchanged are read again.
pub(crate) fn read_files(
    repository: &SharedRepository,
    scan: Scan,
    mut previous: Previous<'_>,
    force: bool,
    outlet: &mut Outlet<'_>,
) -> Result<()> {
    let mut links: HashMap<LinkIdentity, Vec<u8>> = HashMap::new();
    for item in scan {
        let found = match item {
            ScanItem::Found(found) => found,
            ScanItem::Failed { path, error } => {
                outlet.send(Segment::Failed(Failure::new(&path, error)))?;
                continue;
            }
        };
        let before = previous.at(&found.path)?;
        let FoundKind::File { link, .. } = found.kind else {
            outlet.send(Segment::Entry(entry_of(found)))?;
            continue;
        };
        if let Some(first) = link.and_then(|link| links.get(&link)) {
            let node = Node::Hardlink(first.clone());
            outlet.send(Segment::Entry(Entry {
                node,
                ..entry_of(found)
            }))?;
            continue;
        }
        let path = found.path.clone();
        let unchanged_before = previous.unchanged_before(force);
        let stored = read_file(repository, found, before, unchanged_before, outlet)?;
        // Further names refer to this one, so only a name that is in the list counts.
        if let (Some(link), true) = (link, stored) {
            links.insert(link, path);
        }
    }
    Ok(())
}

fn entry_of(found: Found) -> Entry {
    let node = match found.kind {
        FoundKind::File { .. } => Node::File(Content::Inline(Vec::new())),
        FoundKind::Directory => Node::Directory,
        FoundKind::Symlink(target) => Node::Symlink(target),
        FoundKind::Fifo => Node::Fifo,
        FoundKind::CharDevice(number) => Node::CharDevice(number),
        FoundKind::BlockDevice(number) => Node::BlockDevice(number),
    };
    let extensions = found
        .xattrs
        .into_iter()
        .map(|(name, value)| Extension::Xattr { name, value })
        .collect();
    Entry {
        path: found.path,
        metadata: found.metadata,
        node,
        extensions,
    }
}

/// Sends what a regular file holds; false if it cannot be read.
fn read_file(
    repository: &SharedRepository,
    found: Found,
    before: Option<Entry>,
    unchanged_before: Option<Timestamp>,
    outlet: &mut Outlet<'_>,
) -> Result<bool> {
    let FoundKind::File { size, .. } = found.kind else {
        return Ok(false);
    };
    let mut entry = entry_of(found);
    let mut previous = None;
    if let Some(Entry {
        node: Node::File(content),
        metadata,
        extensions,
        ..
    }) = before
    {
        let same = is_unchanged(
            &metadata,
            content.size(),
            &entry.metadata,
            size,
            unchanged_before,
        );
        if same && repository.holds_content(&content)? {
            entry.node = Node::File(content);
            let holes = extensions
                .into_iter()
                .filter(|extension| matches!(extension, Extension::Holes(_)));
            entry.extensions.extend(holes);
            return outlet.send(Segment::Unchanged(entry)).map(|()| true);
        }
        previous = Some(content);
    }
    let failed = |path: &[u8], error| Segment::Failed(Failure::new(path, error));
    let (mut file, metadata, size) = match open_regular(as_path(&entry.path)) {
        Ok(opened) => opened,
        Err(error) => return outlet.send(failed(&entry.path, error)).map(|()| false),
    };
    entry.metadata = metadata;
    if size <= INLINE_BYTES_MAX as u64 {
        return read_inline(entry, &mut file, size, outlet);
    }
    let spans = holes(&file, size);
    if !spans.is_empty() {
        entry.extensions.push(Extension::Holes(spans));
    }
    if let Err(error) = std::io::Seek::rewind(&mut file) {
        return outlet.send(failed(&entry.path, error)).map(|()| false);
    }
    let (path, metadata) = (entry.path.clone(), entry.metadata.clone());
    outlet.send(Segment::FileBegins { entry, previous })?;
    match read_data(repository, &mut file, size, outlet) {
        Ok(read) => {
            if let Some(change) = changed_meanwhile(&path, &metadata, size, read) {
                outlet.send(Segment::Warning(Failure::new(&path, change)))?;
            }
            outlet.send(Segment::FileEnds).map(|()| true)
        }
        Err(ReadError::Run(error)) => Err(error),
        Err(ReadError::File(error)) => {
            let failure = Segment::FileFailed(Failure::new(&path, error));
            outlet.send(failure).map(|()| false)
        }
    }
}

/// The same size, times and inode as in the previous snapshot, and settled for two seconds before that run
/// began: a file system's clock is coarse, and a change within the same tick would go unseen.
fn is_unchanged(
    before: &Metadata,
    size_before: u64,
    now: &Metadata,
    size_now: u64,
    unchanged_before: Option<Timestamp>,
) -> bool {
    let settled = unchanged_before.is_some_and(|limit| now.mtime <= limit);
    settled
        && size_before == size_now
        && before.mtime == now.mtime
        && before.ctime == now.ctime
        && before.inode == now.inode
}

/// A file small enough to lie in its entry. What it gains while it is read belongs to the next night.
fn read_inline(
    mut entry: Entry,
    file: &mut File,
    size: u64,
    outlet: &mut Outlet<'_>,
) -> Result<bool> {
    let mut bytes = Vec::new();
    match file.take(size).read_to_end(&mut bytes) {
        Ok(read) => {
            let change = changed_meanwhile(&entry.path, &entry.metadata, size, read as u64);
            if let Some(change) = change {
                outlet.send(Segment::Warning(Failure::new(&entry.path, change)))?;
            }
            entry.node = Node::File(Content::Inline(bytes));
            outlet.send(Segment::Inline(entry)).map(|()| true)
        }
        Err(error) => {
            let failure = Segment::Failed(Failure::new(&entry.path, error));
            outlet.send(failure).map(|()| false)
        }
    }
}

/// Why a file could not be read to its end.
pub(crate) enum ReadError {
    /// Only this file is affected.
    File(std::io::Error),
    /// The whole run is.
    Run(Error),
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self::Run(error)
    }
}

/// Sends the chunks of a file; returns how many bytes it gave.
pub(crate) fn read_data(
    repository: &SharedRepository,
    file: impl std::io::Read,
    size: u64,
    outlet: &mut Outlet<'_>,
) -> std::result::Result<u64, ReadError> {
    // What a file gains while it is read belongs to the next night.
    let source = Cancellable {
        inner: file.take(size),
        cancel: outlet.cancel(),
    };
    let window = usize::try_from(size)
        .unwrap_or(WINDOW_BYTES)
        .min(WINDOW_BYTES);
    if size <= repository.cutter().sizes().min as u64 {
        return read_small(source, size, outlet);
    }
    let mut chunks = ChunkStream::new(
        repository.cutter().clone(),
        source,
        window,
        outlet.buffers(),
    );
    let mut read = 0;
    loop {
        match chunks.next_window() {
            Ok(Some(window)) => {
                read += window.bytes.len() as u64;
                outlet.send(Segment::Data(window))?;
            }
            Ok(None) => return Ok(read),
            Err(_) if outlet.cancel().load(Ordering::Relaxed) => {
                return Err(Error::Interrupted.into());
            }
            Err(error) => return Err(ReadError::File(error)),
        }
    }
}

/// A file that is one chunk whatever it holds.
fn read_small(
    mut source: impl std::io::Read,
    size: u64,
    outlet: &mut Outlet<'_>,
) -> std::result::Result<u64, ReadError> {
    let mut bytes = Vec::with_capacity(size as usize + 1);
    let read = source.read_to_end(&mut bytes).map_err(ReadError::File)?;
    if read > 0 {
        outlet.send(Segment::Data(Window::of_one_chunk(bytes)))?;
    }
    Ok(read as u64)
}

fn changed_meanwhile(
    path: &[u8],
    metadata: &Metadata,
    size: u64,
    read: u64,
) -> Option<&'static str> {
    if read < size {
        return Some("it shrank while it was read: what was there is stored");
    }
    match open_regular(as_path(path)) {
        Ok((_, _, size_now)) if size_now > size => {
            Some("it grew while it was read: its size at the start is stored")
        }
        Ok((_, now, _)) if now.mtime != metadata.mtime => {
            Some("it was written to while it was read: what is stored may mix old and new")
        }
        Ok(_) => None,
        Err(_) => Some("it vanished while it was read: what was there is stored"),
    }
}
