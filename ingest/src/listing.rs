//! The files of a snapshot, read back in the order of their paths.

use std::cmp::Ordering;
use std::io::{Read as _, Write};

use nightfold_repo::format::{Entry, Node, escape_path, path_order};
use nightfold_repo::repository::{ContentReader, StoredSnapshot};
use nightfold_repo::{Error as RepositoryError, Repository};

use crate::error::{Error, Result};

const READ_BYTES: usize = 256 << 10;

/// The entries of a snapshot in path order, decoded as they are asked for.
pub struct Entries<'r> {
    object: String,
    stream: ContentReader<'r>,
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
}

/// Reads the file list of a snapshot.
pub fn entries<'r>(repository: &'r Repository, snapshot: &StoredSnapshot) -> Result<Entries<'r>> {
    let object = format!("the file list of snapshot {}", snapshot.short_id());
    let content = snapshot.snapshot.file_list(&object)?;
    let stream = repository.content_reader(&content)?;
    Ok(Entries {
        object,
        stream,
        buffer: Vec::new(),
        at: 0,
        ended: false,
    })
}

impl Entries<'_> {
    fn next_entry(&mut self) -> Result<Option<Entry>> {
        loop {
            let decoded = Entry::decode(&self.buffer[self.at..])
                .map_err(|malformed| self.corrupt(&malformed.to_string()))?;
            if let Some((entry, length)) = decoded {
                self.at += length;
                return Ok(Some(entry));
            }
            if !self.fill()? {
                return if self.at == self.buffer.len() {
                    Ok(None)
                } else {
                    Err(self.corrupt("it ends within an entry"))
                };
            }
        }
    }

    /// Reads on; false at the end of the list.
    fn fill(&mut self) -> Result<bool> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let before = self.buffer.len();
        self.buffer.resize(before + READ_BYTES, 0);
        let read = self.stream.read(&mut self.buffer[before..]);
        let count = read.map_err(|error| self.corrupt(&error.to_string()))?;
        self.buffer.truncate(before + count);
        Ok(count > 0)
    }

    fn corrupt(&self, reason: &str) -> Error {
        RepositoryError::Corrupt {
            object: self.object.clone(),
            reason: reason.to_owned(),
        }
        .into()
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_entry().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// The entry at a path, if the snapshot holds it.
pub fn find_entry(
    repository: &Repository,
    snapshot: &StoredSnapshot,
    path: &[u8],
) -> Result<Option<Entry>> {
    for entry in entries(repository, snapshot)? {
        let entry = entry?;
        match path_order(&entry.path, path) {
            Ordering::Less => {}
            Ordering::Equal => return Ok(Some(entry)),
            Ordering::Greater => return Ok(None),
        }
    }
    Ok(None)
}

/// Writes the content of a regular file; returns its bytes.
pub fn write_content(repository: &Repository, entry: &Entry, out: &mut dyn Write) -> Result<u64> {
    let Node::File(content) = &entry.node else {
        return Err(Error::NoSuchPath {
            path: format!("regular file {}", escape_path(&entry.path)),
        });
    };
    let mut reader = repository.content_reader(content)?;
    let mut buffer = vec![0; 1 << 20];
    let mut written = 0;
    loop {
        let count = reader
            .read(&mut buffer)
            .map_err(|error| RepositoryError::Corrupt {
                object: escape_path(&entry.path),
                reason: error.to_string(),
            })?;
        if count == 0 {
            return Ok(written);
        }
        out.write_all(&buffer[..count]).map_err(Error::Output)?;
        written += count as u64;
    }
}
