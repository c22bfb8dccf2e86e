//! A snapshot read from one repository and stored in another, which cuts and names chunks otherwise.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nightfold_repo::copy::{as_copy, original};
use nightfold_repo::format::{Content, Entry, Node, escape_path};
use nightfold_repo::repository::{RunWriter, StoredSnapshot, WriteOptions};
use nightfold_repo::{Error as RepositoryError, Repository};

use crate::backup::{Previous, run};
use crate::error::{Error, Result};
use crate::listing::entries;
use crate::progress::Progress;
use crate::source::{Outlet, ReadError, Segment, SharedRepository, read_data};

/// A snapshot of the same source and host that was copied before.
#[derive(Default)]
pub(super) struct Before {
    /// In the source, if it is there: what has not changed since then need not be read.
    from: Option<StoredSnapshot>,
    /// In the destination: what has changed is encoded against this.
    to: Option<StoredSnapshot>,
}

impl Before {
    /// The newest that is older. `copies`: what is in the destination, by the id of the original.
    pub(super) fn of(
        stored: &StoredSnapshot,
        snapshots: &[StoredSnapshot],
        copies: &HashMap<String, StoredSnapshot>,
    ) -> Self {
        let is_same = |other: &StoredSnapshot| {
            other.snapshot.host == stored.snapshot.host
                && other.snapshot.source == stored.snapshot.source
        };
        let older = snapshots.iter().take_while(|other| other.id != stored.id);
        let older: Vec<_> = older.filter(|other| is_same(other)).collect();
        let mut copied = older.into_iter().rev();
        let pair = copied.find_map(|from| Some((from.clone(), copies.get(&original(from))?)));
        if let Some((from, to)) = pair {
            return Self {
                from: Some(from),
                to: Some(to.clone()),
            };
        }
        // It is no copy of anything that is there still, but what it holds may resemble this.
        let others = copies.values().filter(|other| is_same(other));
        let nearest = others.max_by_key(|other| (other.snapshot.timestamp(), other.id));
        Self {
            from: None,
            to: nearest.cloned(),
        }
    }
}

/// Copies one snapshot; tells what it is in the destination, how many chunks were new, and the bytes of their packs.
pub(super) fn copy_anew(
    source: &Arc<Repository>,
    destination: &Arc<Repository>,
    stored: &StoredSnapshot,
    before: &Before,
    progress: &Progress,
    cancel: &AtomicBool,
) -> Result<(StoredSnapshot, u64, u64)> {
    let writer = RunWriter::start_as("copy", destination, WriteOptions::default())?;
    let to = before.to.as_ref();
    let (writer, outcome, ()) = run(destination, writer, to, progress, cancel, |outlet| {
        read_snapshot(source, destination, stored, before, outlet)
    })?;
    let mut files = Vec::new();
    outcome.files.encode(&mut files);
    let (mut chunks, mut bytes) = (0, 0);
    let published = writer.publish(|totals| {
        chunks = totals.whole.load(Ordering::Relaxed) + totals.delta.load(Ordering::Relaxed);
        bytes = totals.stored_bytes.load(Ordering::Relaxed);
        as_copy(stored, Some(files))
    })?;
    let published = published.ok_or(Error::Interrupted)?;
    Ok((published, chunks, bytes))
}

/// Sends the entries of a snapshot with all that they say, but for where their contents lie.
fn read_snapshot(
    source: &SharedRepository,
    destination: &SharedRepository,
    stored: &StoredSnapshot,
    before: &Before,
    outlet: &mut Outlet<'_>,
) -> Result<()> {
    let of_list = |error| match error {
        Error::Repository(error) => unreadable("its file list", error),
        other => other,
    };
    let mut from = Previous::of(source, before.from.as_ref());
    let mut to = Previous::of(destination, before.to.as_ref());
    for entry in entries(source, stored).map_err(of_list)? {
        let entry = entry.map_err(of_list)?;
        let content = match &entry.node {
            Node::File(content @ Content::Chunks { .. }) => content.clone(),
            Node::File(Content::Inline(_)) => {
                outlet.send(Segment::Inline(entry))?;
                continue;
            }
            _ => {
                outlet.send(Segment::Entry(entry))?;
                continue;
            }
        };
        let unchanged = from.content_at(&entry.path)?.as_ref() == Some(&content);
        let copied = to.content_at(&entry.path)?;
        match copied {
            Some(copied)
                if unchanged
                    && copied.size() == content.size()
                    && destination.holds_content(&copied)? =>
            {
                let node = Node::File(copied);
                outlet.send(Segment::Unchanged(Entry { node, ..entry }))?;
            }
            previous => read_content(source, destination, entry, &content, previous, outlet)?,
        }
    }
    Ok(())
}

fn read_content(
    source: &SharedRepository,
    destination: &SharedRepository,
    entry: Entry,
    content: &Content,
    previous: Option<Content>,
    outlet: &mut Outlet<'_>,
) -> Result<()> {
    let path = escape_path(&entry.path);
    let reader = source.content_reader(content);
    let reader = reader.map_err(|error| unreadable(&path, error))?;
    outlet.send(Segment::FileBegins { entry, previous })?;
    match read_data(destination, reader, content.size(), outlet) {
        Ok(read) if read == content.size() => outlet.send(Segment::FileEnds),
        Ok(read) => {
            let reason = format!("it ends after {read} bytes");
            Err(unreadable(&path, corrupt("recipe", reason)))
        }
        Err(ReadError::Run(error)) => Err(error),
        Err(ReadError::File(error)) => {
            // The reader wraps what the repository has to say.
            let error = error.downcast::<RepositoryError>();
            let error = error.unwrap_or_else(|error| corrupt("recipe", error.to_string()));
            Err(unreadable(&path, error))
        }
    }
}

fn corrupt(object: &str, reason: String) -> RepositoryError {
    RepositoryError::Corrupt {
        object: object.to_owned(),
        reason,
    }
}

/// Damage is a matter of this snapshot; a storage that does not answer, for one, is a matter of all.
fn unreadable(what: &str, error: RepositoryError) -> Error {
    match error {
        RepositoryError::Corrupt { .. }
        | RepositoryError::ChunkLost { .. }
        | RepositoryError::Missing { .. }
        | RepositoryError::Unsupported { .. } => Error::Unreadable {
            what: what.to_owned(),
            source: error,
        },
        other => other.into(),
    }
}
