//! For tests of this crate: a repository in memory, and objects forged by a holder of its keys.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use nightfold_chunker::{ChunkId, ChunkSizes};

use crate::check::{CheckOptions, CheckReport, ReadData};
use crate::codec;
use crate::crypto::KdfCost;
use crate::format::{
    BaseRef, Content, Entry, Metadata, Node, ObjectName, Snapshot, SnapshotStats, SnapshotWriter,
    StreamKind,
};
use crate::pack::{NewFrame, PackBuilder};
use crate::repository::{
    InitOptions, OpenOptions, Password, Repository, RunWriter, StoredSnapshot, WriteOptions,
};
use crate::storage::{MemoryStorage, Storage};

pub(crate) struct Forge {
    pub(crate) repository: Arc<Repository>,
    pub(crate) storage: MemoryStorage,
    /// Holds the index while it is in use.
    pub(crate) cache: tempfile::TempDir,
}

fn password() -> Password {
    Password::new(b"nightfold".to_vec())
}

impl Forge {
    pub(crate) fn new() -> Self {
        let storage = MemoryStorage::new();
        Self::init(&storage);
        Self::open(storage)
    }

    pub(crate) fn init(storage: &dyn Storage) {
        let mut options = InitOptions::new(Some(password()), "testhost".to_owned());
        options.kdf = KdfCost {
            memory_kib: 8,
            passes: 1,
            lanes: 1,
        };
        options.sizes = ChunkSizes {
            min: 64,
            avg: 256,
            max: 1024,
        };
        // Objects that are forged have no sidecars.
        options.parity = 0;
        Repository::init(storage, &options).unwrap();
    }

    /// A client that has not seen the repository before.
    pub(crate) fn open(storage: MemoryStorage) -> Self {
        let cache = tempfile::tempdir().unwrap();
        Self {
            repository: Self::client(Arc::new(storage.clone()), cache.path()),
            storage,
            cache,
        }
    }

    /// A client with this cache folder.
    pub(crate) fn client(storage: Arc<dyn Storage>, cache: &Path) -> Arc<Repository> {
        let options = OpenOptions::new(cache.to_owned(), Some(password()), Arc::new(|_| ()));
        Arc::new(Repository::open(storage, options).unwrap())
    }

    pub(crate) fn id(&self, chunk: &[u8]) -> ChunkId {
        self.repository.ids().id(chunk)
    }

    /// A whole frame of the chunk.
    pub(crate) fn whole(&self, chunk: &[u8]) -> NewFrame {
        let encoded = codec::encode_whole(chunk, 3).unwrap();
        NewFrame {
            id: self.id(chunk),
            raw_bytes: chunk.len() as u32,
            codec: encoded.codec,
            base: None,
            version: 0,
            rank: 0,
            sketch: None,
            payload: encoded.payload,
        }
    }

    /// A delta of the chunk.
    pub(crate) fn delta(&self, chunk: &[u8], base: &[u8], rank: u8) -> NewFrame {
        let encoded = codec::encode_delta(chunk, base, 3).unwrap();
        NewFrame {
            codec: encoded.codec,
            base: Some(BaseRef::from(self.id(base))),
            version: u32::from(rank),
            rank,
            payload: encoded.payload,
            ..self.whole(chunk)
        }
    }

    /// Puts a pack of these frames.
    pub(crate) fn pack(&self, stream: StreamKind, frames: &[NewFrame]) -> ObjectName {
        let vault = self.repository.vault();
        let mut builder = PackBuilder::new(vault, stream, Vec::new()).unwrap();
        for frame in frames {
            builder.push(frame).unwrap();
        }
        let pack = builder.finish(vault).unwrap();
        self.storage.put(pack.name, &pack.bytes).unwrap();
        pack.name
    }

    /// The content of a file that consists of these chunks.
    pub(crate) fn content(&self, chunks: &[&[u8]]) -> Content {
        Content::Chunks {
            size: chunks.iter().map(|chunk| chunk.len() as u64).sum(),
            depth: 0,
            ids: chunks.iter().map(|chunk| self.id(chunk)).collect(),
        }
    }

    /// Publishes a snapshot whose file list is this stream of bytes, in a pack of its own.
    pub(crate) fn snapshot_of_list(&self, list: &[u8]) -> StoredSnapshot {
        self.pack(StreamKind::Meta, &[self.whole(list)]);
        self.snapshot(&self.content(&[list]), 0)
    }

    /// Publishes a snapshot of these files.
    pub(crate) fn snapshot_of(&self, files: &[(&str, Content)]) -> StoredSnapshot {
        self.snapshot_of_list(&list(files))
    }

    /// Publishes a snapshot with this file list.
    pub(crate) fn snapshot(&self, list: &Content, size: u64) -> StoredSnapshot {
        let mut files = Vec::new();
        list.encode(&mut files);
        let writer = RunWriter::start(&self.repository, WriteOptions::default()).unwrap();
        let published = writer.publish(|_| snapshot(files, size)).unwrap();
        published.unwrap()
    }

    pub(crate) fn check(&self, read_data: bool) -> CheckReport {
        let read_data = if read_data {
            ReadData::All
        } else {
            ReadData::None
        };
        let options = CheckOptions { read_data };
        self.repository.check(&options, &|_, _| ()).unwrap()
    }

    /// What a check finds, as text.
    pub(crate) fn problems(&self, read_data: bool) -> Vec<String> {
        let problems = self.check(read_data).problems;
        problems.iter().map(ToString::to_string).collect()
    }
}

/// The stream of a file list.
pub(crate) fn list(files: &[(&str, Content)]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (path, content) in files {
        entry(path, Node::File(content.clone())).encode(&mut stream);
    }
    stream
}

pub(crate) fn entry(path: &str, node: Node) -> Entry {
    Entry {
        path: path.as_bytes().to_vec(),
        metadata: Metadata::default(),
        node,
        extensions: Vec::new(),
    }
}

pub(crate) fn snapshot(files: Vec<u8>, size: u64) -> Snapshot {
    let time = jiff::Timestamp::now().to_string();
    Snapshot {
        time: time.clone(),
        started: time.clone(),
        finished: time,
        host: "testhost".to_owned(),
        user: "tester".to_owned(),
        source: "db".to_owned(),
        paths: vec!["/db".to_owned()],
        tags: Vec::new(),
        incomplete: false,
        program: "nightfold tests".to_owned(),
        files,
        stats: SnapshotStats {
            size,
            ..SnapshotStats::default()
        },
        writer: SnapshotWriter::default(),
        extensions: BTreeMap::new(),
    }
}

/// Bytes without any pattern.
pub(crate) fn noise(seed: u8, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[seed]);
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}
