//! Which chunks snapshots need: those of file lists, of recipes, and of contents.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use nightfold_chunker::ChunkId;

use super::{Repository, StoredSnapshot};
use crate::error::{Error, Result};
use crate::format::{Content, Entry, Kind, Node, ObjectName};

/// Chunks of a file list that are read together.
const CHUNKS_AT_ONCE: usize = 16;

type Hash = [u8; 32];

/// Follows snapshots one after the other. Most nights share most of what they need: what was followed before is not
/// read again.
pub(crate) struct Needs<'r> {
    repository: &'r Repository,
    /// Contents with recipes that were followed.
    contents: HashSet<Hash>,
    /// What a chunk of a file list leaves of its last entry, by what was left before it and its id.
    lists: HashMap<(Hash, ChunkId), Arc<[u8]>>,
    /// Chunks of file lists that were read.
    read: HashSet<ChunkId>,
}

impl<'r> Needs<'r> {
    /// Nothing was followed yet.
    pub(crate) fn new(repository: &'r Repository) -> Self {
        Self {
            repository,
            contents: HashSet::new(),
            lists: HashMap::new(),
            read: HashSet::new(),
        }
    }

    /// Tells of every chunk that the snapshot needs and that no snapshot before it needed, perhaps more than once. An
    /// error: it cannot be told what it needs.
    pub(crate) fn snapshot(
        &mut self,
        stored: &StoredSnapshot,
        need: &mut dyn FnMut(ChunkId),
    ) -> Result<()> {
        let name = ObjectName::new(Kind::Snapshot, stored.id);
        let list = stored.snapshot.file_list(&name.path())?;
        if !self.contents.insert(key_of(&list, b"file list")) {
            return Ok(());
        }
        let mut left: Arc<[u8]> = match &list {
            Content::Inline(bytes) => {
                let mut bytes = bytes.clone();
                self.drain(&mut bytes, name, need)?;
                bytes.into()
            }
            Content::Chunks { .. } => Arc::default(),
        };
        let levels = self.repository.content_levels(&list)?;
        levels.iter().flatten().for_each(|id| need(*id));
        let ids = levels.last().map_or(&[][..], Vec::as_slice);
        let mut ready = HashMap::new();
        for (at, id) in ids.iter().enumerate() {
            let key = (*blake3::hash(&left).as_bytes(), *id);
            if let Some(known) = self.lists.get(&key) {
                left = Arc::clone(known);
                continue;
            }
            if !ready.contains_key(id) {
                ready = self.read_ahead(&ids[at..])?;
            }
            let mut bytes = left.to_vec();
            bytes.extend(ready.remove(id).unwrap_or_default());
            self.drain(&mut bytes, name, need)?;
            left = bytes.into();
            self.lists.insert(key, Arc::clone(&left));
        }
        if left.is_empty() {
            Ok(())
        } else {
            Err(Error::corrupt(name, "its file list ends within an entry"))
        }
    }

    /// The first chunk, and those of the next that were never read: chances are that they will be wanted.
    fn read_ahead(&mut self, ids: &[ChunkId]) -> Result<HashMap<ChunkId, Vec<u8>>> {
        let (first, others) = ids.split_at(1);
        let others = others.iter().take(CHUNKS_AT_ONCE - 1);
        let mut wanted = first.to_vec();
        wanted.extend(others.filter(|id| !self.read.contains(id)));
        self.read.extend(&wanted);
        let chunks = self.repository.read_chunks(&wanted)?;
        Ok(wanted.into_iter().zip(chunks).collect())
    }

    /// Takes all whole entries off the front.
    fn drain(
        &mut self,
        bytes: &mut Vec<u8>,
        list: ObjectName,
        need: &mut dyn FnMut(ChunkId),
    ) -> Result<()> {
        let mut start = 0;
        loop {
            let decoded = Entry::decode(&bytes[start..]).map_err(|malformed| {
                Error::corrupt(list, format!("an entry of its file list: {malformed}"))
            })?;
            let Some((entry, length)) = decoded else {
                break;
            };
            start += length;
            if let Node::File(content) = &entry.node {
                self.content(content, need)?;
            }
        }
        bytes.drain(..start);
        Ok(())
    }

    fn content(&mut self, content: &Content, need: &mut dyn FnMut(ChunkId)) -> Result<()> {
        match content {
            Content::Inline(_) => {}
            Content::Chunks { depth: 0, ids, .. } => ids.iter().for_each(|id| need(*id)),
            Content::Chunks { .. } => {
                if self.contents.insert(key_of(content, b"content")) {
                    let levels = self.repository.content_levels(content)?;
                    levels.iter().flatten().for_each(|id| need(*id));
                }
            }
        }
        Ok(())
    }
}

fn key_of(content: &Content, purpose: &[u8]) -> Hash {
    let mut bytes = purpose.to_vec();
    content.encode(&mut bytes);
    *blake3::hash(&bytes).as_bytes()
}
