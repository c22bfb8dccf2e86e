//! Standard input, or anything else that can be read once: stored as one file.

use std::io::Read;
use std::sync::atomic::Ordering;

use nightfold_chunker::ChunkStream;
use nightfold_repo::format::{Content, Entry, Metadata, Node, Timestamp, escape_path};

use super::{Cancellable, Outlet, Segment, SharedRepository, WINDOW_BYTES};
use crate::error::{Error, Result};

/// Reads a stream to its end. An empty one is refused: a dump that failed unnoticed looks like that.
pub(crate) fn read_stream(
    repository: &SharedRepository,
    name: &[u8],
    reader: impl Read,
    previous: Option<Content>,
    outlet: &mut Outlet<'_>,
) -> Result<()> {
    let entry = stream_entry(name);
    outlet.send(Segment::FileBegins { entry, previous })?;
    let cancel = outlet.cancel();
    let reader = Cancellable {
        inner: reader,
        cancel,
    };
    let mut chunks = ChunkStream::new(
        repository.cutter().clone(),
        reader,
        WINDOW_BYTES,
        outlet.buffers(),
    );
    let mut empty = true;
    loop {
        match chunks.next_window() {
            Ok(Some(window)) => {
                empty = false;
                outlet.send(Segment::Data(window))?;
            }
            Ok(None) if empty => {
                return Err(Error::Empty {
                    name: escape_path(name),
                });
            }
            Ok(None) => break,
            Err(_) if cancel.load(Ordering::Relaxed) => return Err(Error::Interrupted),
            Err(source) => {
                return Err(Error::Source {
                    name: escape_path(name),
                    source,
                });
            }
        }
    }
    outlet.send(Segment::FileEnds)
}

/// The path under which a stream of this name is stored.
pub(crate) fn stream_path(name: &[u8]) -> Vec<u8> {
    let name = name.strip_prefix(b"/").unwrap_or(name);
    [b"/", name].concat()
}

fn stream_entry(name: &[u8]) -> Entry {
    let now = jiff::Timestamp::now();
    let mtime = Timestamp {
        seconds: now.as_second(),
        nanos: now.subsec_nanosecond().unsigned_abs(),
    };
    let (uid, gid) = crate::fs::process_owner();
    let metadata = Metadata {
        mode: 0o600,
        uid,
        gid,
        mtime,
        ctime: mtime,
        ..Metadata::default()
    };
    Entry {
        path: stream_path(name),
        metadata,
        node: Node::File(Content::Inline(Vec::new())),
        extensions: Vec::new(),
    }
}
