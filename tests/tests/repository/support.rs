//! A small repository in memory, nights to back up into it, and reading them back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nightfold_chunker::{ChunkId, ChunkSizes};
use nightfold_repo::check::{CheckOptions, CheckReport, ReadData};
use nightfold_repo::format::{
    Content, Entry, Kind, Metadata, Node, ObjectName, Snapshot, SnapshotStats, SnapshotWriter,
    StreamKind,
};
use nightfold_repo::repository::{
    ChunkInput, InitOptions, LeaseTimes, OpenOptions, Password, RunWriter, StoredSnapshot, Track,
    WriteOptions,
};
use nightfold_repo::storage::{Fault, MemoryStorage, Plan, Storage};
use nightfold_repo::{KdfCost, Repository, Result};

/// Files by path, sorted as in a file list.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Small enough that a few kilobytes make many chunks, and lists of them recipes.
pub const SIZES: ChunkSizes = ChunkSizes {
    min: 64,
    avg: 256,
    max: 1024,
};

/// As cheap as Argon2id gets.
pub const CHEAP: KdfCost = KdfCost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

pub fn password() -> Password {
    Password::new(b"nightfold".to_vec())
}

/// An empty repository whose packs close at `pack_bytes`.
pub fn init(storage: &dyn Storage, pack_bytes: u64) {
    let mut options = InitOptions::new(Some(password()), "testhost".to_owned());
    options.kdf = CHEAP;
    options.sizes = SIZES;
    options.pack_bytes = pack_bytes;
    Repository::init(storage, &options).unwrap();
}

/// What a repository tells its user meanwhile.
pub type Notices = Arc<Mutex<Vec<String>>>;

/// Opens a repository with its index below `cache`.
pub fn open(storage: impl Storage + 'static, cache: &Path) -> Result<Arc<Repository>> {
    open_noticed(storage, cache).map(|(repository, _)| repository)
}

pub fn open_noticed(
    storage: impl Storage + 'static,
    cache: &Path,
) -> Result<(Arc<Repository>, Notices)> {
    open_shared(Arc::new(storage), cache)
}

pub fn open_shared(storage: Arc<dyn Storage>, cache: &Path) -> Result<(Arc<Repository>, Notices)> {
    let notices = Notices::default();
    let told = Arc::clone(&notices);
    let options = OpenOptions::new(
        cache.to_owned(),
        Some(password()),
        Arc::new(move |text| told.lock().unwrap().push(text.to_owned())),
    );
    let repository = Repository::open(storage, options)?;
    Ok((Arc::new(repository), notices))
}

/// Opens it for a client to whom every lease that does not move is dead at once: what is left of runs that a fault has
/// ended, in a process that lives on.
pub fn open_impatient(
    storage: Arc<dyn Storage>,
    cache: &Path,
    password: Password,
) -> Result<Arc<Repository>> {
    let mut options = OpenOptions::new(cache.to_owned(), Some(password), Arc::new(|_| ()));
    options.leases = LeaseTimes {
        renewed_every: Duration::from_secs(3600),
        dead_after: Duration::ZERO,
    };
    Ok(Arc::new(Repository::open(storage, options)?))
}

/// A new repository in memory, and the folder for its index.
pub fn fresh(pack_bytes: u64) -> (MemoryStorage, tempfile::TempDir) {
    let storage = MemoryStorage::new();
    init(&storage, pack_bytes);
    (storage, tempfile::tempdir().unwrap())
}

/// Copies the files of a folder and of those in it.
pub fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Bytes without any pattern, the same for the same seed.
pub fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// Rows of a table, every eleventh of which changes from night to night.
pub fn table(night: u64, rows: u64) -> Vec<u8> {
    let mut text = String::new();
    for row in 0..rows {
        let changed = if row % 11 == night % 11 { night } else { 0 };
        let word = u64::from_le_bytes(noise(row + 7919 * changed, 8).try_into().unwrap());
        let customer = row % 17;
        let _ = writeln!(
            text,
            "{row}\tcustomer {customer}\tAmount {word:x}\t2026-11-20"
        );
    }
    text.into_bytes()
}

/// What a source looks like on a night: a table that changes a little, a blob that stays, small files.
pub fn night(number: u64) -> Files {
    Files::from([
        ("/db/blob".to_owned(), noise(1, 3000)),
        ("/db/empty".to_owned(), Vec::new()),
        (
            "/db/note".to_owned(),
            format!("night {number}").into_bytes(),
        ),
        ("/db/table.sql".to_owned(), table(number, 150)),
    ])
}

/// Stores a stream of bytes in batches, as a backup does.
pub fn store(
    repository: &Repository,
    writer: &RunWriter,
    stream: StreamKind,
    bytes: &[u8],
    previous: Option<&Content>,
) -> Result<Content> {
    let track = match previous {
        Some(content) => repository.track(content)?,
        None => Track::default(),
    };
    let mut start = 0;
    let mut chunks = Vec::new();
    for end in repository.cutter().cut_all(bytes, true) {
        chunks.push(ChunkInput {
            bytes: &bytes[start..end],
            samples: None,
            track: Some((&track, start as u64)),
        });
        start = end;
    }
    let mut ids: Vec<ChunkId> = Vec::new();
    for batch in chunks.chunks(8) {
        ids.extend(writer.store(stream, batch)?.concat());
    }
    writer.store_recipe(bytes.len() as u64, ids, previous)
}

/// One backup run of `files`, each encoded against its version in the newest snapshot.
pub fn back_up(repository: &Arc<Repository>, files: &Files) -> Result<StoredSnapshot> {
    let writer = RunWriter::start(repository, WriteOptions::default())?;
    let newest = repository.snapshots()?.pop();
    begin(repository, writer, files, newest.as_ref())?.publish()
}

/// One backup run after another.
pub fn back_up_against(
    repository: &Arc<Repository>,
    files: &Files,
    newest: Option<&StoredSnapshot>,
) -> Result<StoredSnapshot> {
    begin_against(repository, files, newest)?.publish()
}

/// The first part of such a run.
pub fn begin_against(
    repository: &Arc<Repository>,
    files: &Files,
    newest: Option<&StoredSnapshot>,
) -> Result<Begun> {
    let writer = RunWriter::start(repository, WriteOptions::default())?;
    begin(repository, writer, files, newest)
}

/// A run that has stored its files and is not published.
pub struct Begun {
    writer: RunWriter,
    list: Vec<u8>,
    size: u64,
}

impl Begun {
    pub fn publish(self) -> Result<StoredSnapshot> {
        let published = self.writer.publish(|_| snapshot(self.list, self.size))?;
        Ok(published.unwrap())
    }
}

fn begin(
    repository: &Arc<Repository>,
    writer: RunWriter,
    files: &Files,
    newest: Option<&StoredSnapshot>,
) -> Result<Begun> {
    let previous = newest
        .map(|stored| stored.snapshot.file_list(""))
        .transpose()?;
    let previous_entries = match &previous {
        Some(list) => entries(repository, list)?,
        None => Vec::new(),
    };
    let mut list = Vec::new();
    for (path, bytes) in files {
        let before = previous_entries
            .iter()
            .find(|entry| entry.path == path.as_bytes())
            .and_then(|entry| match &entry.node {
                Node::File(content) => Some(content),
                _ => None,
            });
        let content = if bytes.len() <= 16 {
            Content::Inline(bytes.clone())
        } else {
            store(repository, &writer, StreamKind::Data, bytes, before)?
        };
        let entry = Entry {
            path: path.clone().into_bytes(),
            metadata: Metadata::default(),
            node: Node::File(content),
            extensions: Vec::new(),
        };
        entry.encode(&mut list);
    }
    let list = store(
        repository,
        &writer,
        StreamKind::Meta,
        &list,
        previous.as_ref(),
    )?;
    let mut encoded = Vec::new();
    list.encode(&mut encoded);
    Ok(Begun {
        writer,
        list: encoded,
        size: files.values().map(|bytes| bytes.len() as u64).sum(),
    })
}

/// A snapshot of this file list; the seconds of its time tell the order of runs.
pub fn snapshot(files: Vec<u8>, size: u64) -> Snapshot {
    use std::sync::atomic::{AtomicU64, Ordering};
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let run = RUNS.fetch_add(1, Ordering::SeqCst);
    let time = format!(
        "2026-11-{:02}T{:02}:{:02}:{:02}Z",
        20 + run / 86_400,
        run / 3600 % 24,
        run / 60 % 60,
        run % 60
    );
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

/// The entries of a file list.
pub fn entries(repository: &Repository, list: &Content) -> Result<Vec<Entry>> {
    let bytes = read_all(repository, list)?;
    let mut entries = Vec::new();
    let mut at = 0;
    while let Some((entry, length)) = Entry::decode(&bytes[at..]).unwrap() {
        entries.push(entry);
        at += length;
    }
    Ok(entries)
}

/// The bytes of a content. An error of the reader is an error of the repository.
pub fn read_all(repository: &Repository, content: &Content) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = repository.content_reader(content)?;
    match reader.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(nightfold_repo::Error::NoSuch(error.to_string())),
    }
}

/// All files of a snapshot, as far as they can be read: path and bytes, or why not.
pub fn restore(
    repository: &Repository,
    stored: &StoredSnapshot,
) -> Result<BTreeMap<String, Result<Vec<u8>>>> {
    let list = stored.snapshot.file_list("snapshot")?;
    let mut files = BTreeMap::new();
    for entry in entries(repository, &list)? {
        let Node::File(content) = &entry.node else {
            panic!("only files are backed up here")
        };
        let path = String::from_utf8(entry.path.clone()).unwrap();
        files.insert(path, read_all(repository, content));
    }
    Ok(files)
}

/// Panics unless the snapshot reads back as these files.
pub fn assert_restores(repository: &Repository, stored: &StoredSnapshot, expected: &Files) {
    let restored: Files = restore(repository, stored)
        .unwrap()
        .into_iter()
        .map(|(path, bytes)| {
            (
                path.clone(),
                bytes.unwrap_or_else(|e| panic!("{path}: {e}")),
            )
        })
        .collect();
    assert!(restored == *expected, "the files read back are other ones");
}

/// Checks with every byte read.
pub fn check_data(repository: &Repository) -> CheckReport {
    let options = CheckOptions {
        read_data: ReadData::All,
    };
    repository.check(&options, &|_, _| ()).unwrap()
}

/// Checks the structure.
pub fn check(repository: &Repository) -> CheckReport {
    let options = CheckOptions::default();
    repository.check(&options, &|_, _| ()).unwrap()
}

/// Panics if a check with every byte read finds anything wrong.
pub fn assert_clean(repository: &Repository) -> CheckReport {
    let report = check_data(repository);
    assert_eq!(report.problems, [], "notes: {:?}", report.notes);
    report
}

/// The packs of a stream in the order of their names.
pub fn objects(storage: &MemoryStorage, kind: Kind) -> Vec<ObjectName> {
    let objects = storage.objects();
    objects
        .keys()
        .filter(|name| name.kind == kind)
        .copied()
        .collect()
}

/// The machine goes down at this operation, which is not done.
pub fn cut_before(operation: u64) -> Plan {
    Plan::new(0, Fault::Cut(operation))
}

/// The same, and the operation is done.
pub fn cut_after(operation: u64) -> Plan {
    Plan::new(1, Fault::Cut(operation))
}

/// From this operation on the disk is full.
pub fn full_from(operation: u64) -> Plan {
    Plan::new(0, Fault::FullFrom(operation))
}
