//! Copying snapshots into another repository, and what is there when that is interrupted.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nightfold_ingest::{CopyReport, CopyRequest, Error as IngestError, Progress, copy};
use nightfold_repo::copy::{Copier, Outcome, original};
use nightfold_repo::format::{Content, Entry, Extension, Kind, Metadata, Node, StreamKind};
use nightfold_repo::prune::PruneOptions;
use nightfold_repo::repository::{
    InitOptions, LeaseTimes, OpenOptions, RunWriter, StoredSnapshot, Unreadable, WriteOptions,
};
use nightfold_repo::storage::{Fault, FaultStorage, MemoryStorage, Plan, Storage};
use nightfold_repo::{Error, Repository};
use tempfile::TempDir;

use crate::support::{
    CHEAP, Files, SIZES, assert_clean, assert_restores, back_up, entries, fresh, full_from, night,
    noise, objects, open, open_shared, password, snapshot, store,
};

/// As much as there is to rewrite.
const EVERYTHING: PruneOptions = PruneOptions {
    dry_run: false,
    pack_unused_min: 0.0,
    copied_max: 1.0,
};

/// A repository in memory with its client.
struct Place {
    storage: MemoryStorage,
    cache: TempDir,
    repository: Arc<Repository>,
}

impl Place {
    fn of(storage: MemoryStorage) -> Self {
        let cache = tempfile::tempdir().unwrap();
        let repository = open(storage.clone(), cache.path()).unwrap();
        Self {
            storage,
            cache,
            repository,
        }
    }

    /// An empty repository.
    fn new() -> Self {
        Self::of(fresh(4000).0)
    }

    /// An empty repository like this one.
    fn like(&self) -> Self {
        let storage = MemoryStorage::new();
        let mut options = InitOptions::new(Some(password()), "testhost".to_owned());
        options.kdf = CHEAP;
        Repository::init_like(&storage, options, &self.repository).unwrap();
        Self::of(storage)
    }

    fn pack_bytes(&self) -> u64 {
        let listed = self.storage.list(Kind::Pack).unwrap();
        listed.iter().map(|pack| pack.bytes).sum()
    }

    fn nights(&self, count: u64) -> Vec<(StoredSnapshot, Files)> {
        (0..count)
            .map(|number| {
                let files = night(number);
                (back_up(&self.repository, &files).unwrap(), files)
            })
            .collect()
    }

    fn prune(&self) {
        self.repository.prune(&EVERYTHING).unwrap();
        self.repository.prune(&EVERYTHING).unwrap();
    }

    fn forget(&self, snapshots: &[&StoredSnapshot]) {
        let ids: Vec<_> = snapshots.iter().map(|stored| stored.id).collect();
        self.repository.forget(&ids, Unreadable::Refuse).unwrap();
    }
}

/// Copies what `wanted` names.
fn copy_some(
    source: &Arc<Repository>,
    destination: &Arc<Repository>,
    wanted: impl Fn(&StoredSnapshot) -> bool,
) -> Result<CopyReport, IngestError> {
    let snapshots = source.snapshots()?;
    let request = CopyRequest {
        snapshots: &snapshots,
        wanted: snapshots
            .iter()
            .filter(|stored| wanted(stored))
            .map(|stored| stored.id)
            .collect(),
        dry_run: false,
    };
    let cancel = AtomicBool::new(false);
    copy(source, destination, &request, &Progress::default(), &cancel)
}

/// Copies everything, which must succeed.
fn copy_all(source: &Place, destination: &Place) -> CopyReport {
    let report = copy_some(&source.repository, &destination.repository, |_| true).unwrap();
    assert!(report.stopped.is_none(), "{report:?}");
    assert!(report.damaged.is_empty(), "{report:?}");
    report
}

/// The snapshot's copy is there and reads back.
fn assert_copied(destination: &Repository, nights: &[(StoredSnapshot, Files)]) {
    let copies = destination.snapshots().unwrap();
    for (stored, files) in nights {
        let mut copies = copies
            .iter()
            .filter(|copy| original(copy) == original(stored));
        let copy = copies.next().expect("a copy");
        assert_eq!(copies.count(), 0, "it is there once");
        assert_restores(destination, copy, files);
        let mut same = copy.snapshot.clone();
        same.files.clone_from(&stored.snapshot.files);
        same.writer = stored.snapshot.writer.clone();
        same.extensions.clone_from(&stored.snapshot.extensions);
        assert_eq!(same, stored.snapshot);
    }
}

#[test]
fn between_like_repositories_frames_are_taken_over() {
    let source = Place::new();
    let nights = source.nights(6);
    let destination = source.like();
    let report = copy_all(&source, &destination);
    assert!(report.alike);
    assert_eq!((report.copied.len(), report.present), (6, 0));
    assert_copied(&destination.repository, &nights);
    assert_eq!(
        assert_clean(&destination.repository).notes,
        Vec::<String>::new()
    );
    let (all, copied) = (source.pack_bytes(), destination.pack_bytes());
    // Frames are taken over; how many packs they lie in may differ.
    assert!(copied.abs_diff(all) < all / 20, "{copied} of {all}");
    assert_eq!(objects(&destination.storage, Kind::Lease), []);
    assert_eq!(objects(&source.storage, Kind::Lease), []);
}

#[test]
fn between_other_repositories_contents_are_stored_anew() {
    let source = Place::new();
    let nights = source.nights(6);
    let destination = Place::new();
    let report = copy_all(&source, &destination);
    assert!(!report.alike);
    assert_copied(&destination.repository, &nights);
    assert_eq!(
        assert_clean(&destination.repository).notes,
        Vec::<String>::new()
    );
    // As deltas, as the source has them.
    let (all, copied) = (source.pack_bytes(), destination.pack_bytes());
    assert!(copied < all + all / 10, "{copied} of {all}");
}

#[test]
fn a_second_run_copies_nothing_and_a_later_one_what_is_new() {
    let source = Place::new();
    let mut nights = source.nights(3);
    for destination in [source.like(), Place::new()] {
        copy_all(&source, &destination);
        let before: Vec<_> = destination.storage.objects().keys().copied().collect();
        let report = copy_all(&source, &destination);
        assert_eq!((report.copied.len(), report.present), (0, 3));
        let after: Vec<_> = destination.storage.objects().keys().copied().collect();
        assert_eq!(before, after);

        let number = nights.len() as u64;
        let files = night(number);
        nights.push((back_up(&source.repository, &files).unwrap(), files));
        let whole = destination.pack_bytes();
        let missing = nights.len() - 3;
        let report = copy_all(&source, &destination);
        assert_eq!((report.copied.len(), report.present), (missing, 3));
        let grown = destination.pack_bytes() - whole;
        assert!(grown < whole / 3 * missing as u64, "{grown} after {whole}");
        assert_copied(&destination.repository, &nights);
        nights.pop();
        source.forget(&[&source.repository.snapshots().unwrap()[number as usize]]);
    }
}

#[test]
fn encrypted_and_open_repositories_are_copied_into_each_other() {
    let closed = Place::new();
    let nights = closed.nights(2);
    let open_to_all = |storage: &MemoryStorage, cache: &Path| {
        let options = OpenOptions::new(cache.to_owned(), None, Arc::new(|_| ()));
        Arc::new(Repository::open(Arc::new(storage.clone()), options).unwrap())
    };
    let mut options = InitOptions::new(None, "testhost".to_owned());
    options.sizes = SIZES;
    options.pack_bytes = 4000;
    let (alike, other) = (MemoryStorage::new(), MemoryStorage::new());
    Repository::init(&other, &options).unwrap();
    Repository::init_like(&alike, options, &closed.repository).unwrap();
    for storage in [alike, other] {
        let cache = tempfile::tempdir().unwrap();
        let opened = open_to_all(&storage, cache.path());
        copy_some(&closed.repository, &opened, |_| true).unwrap();
        assert_copied(&opened, &nights);
        assert_clean(&opened);
        let back = Place::new();
        copy_some(&opened, &back.repository, |_| true).unwrap();
        assert_copied(&back.repository, &nights);
    }
}

#[test]
fn an_original_is_known_wherever_its_copies_went() {
    let (first, second) = (Place::new(), Place::new());
    let nights = first.nights(2);
    let third = second.like();
    copy_all(&first, &second);
    copy_all(&second, &third);
    for (from, to) in [(&first, &third), (&third, &first), (&second, &first)] {
        assert_eq!(copy_all(from, to).copied.len(), 0);
    }
    assert_copied(&third.repository, &nights);
}

/// Publishes a snapshot with what only a newer program writes.
fn from_the_future(repository: &Arc<Repository>) -> (StoredSnapshot, Vec<Entry>) {
    let writer = RunWriter::start(repository, WriteOptions::default()).unwrap();
    let bytes = noise(5, 2000);
    let content = store(repository, &writer, StreamKind::Data, &bytes, None).unwrap();
    let unknown = Extension::Unknown {
        tag: 77,
        value: b"tomorrow".to_vec(),
    };
    let entry = |path: &str, node| Entry {
        path: path.as_bytes().to_vec(),
        metadata: Metadata {
            mode: 0o640,
            ..Metadata::default()
        },
        node,
        extensions: vec![unknown.clone(), Extension::Holes(vec![(0, 7)])],
    };
    let list = [
        entry("/db", Node::Directory),
        entry("/db/a", Node::File(content)),
        entry("/db/b", Node::Hardlink(b"/db/a".to_vec())),
        entry("/db/c", Node::Symlink(b"a".to_vec())),
        entry("/db/d", Node::File(Content::Inline(b"small".to_vec()))),
    ];
    let mut stream = Vec::new();
    for entry in &list {
        entry.encode(&mut stream);
    }
    let content = store(repository, &writer, StreamKind::Meta, &stream, None).unwrap();
    let mut files = Vec::new();
    content.encode(&mut files);
    let published = writer.publish(|_| {
        let mut snapshot = snapshot(files, 2005);
        snapshot.tags = vec!["nightly".to_owned()];
        let future = serde_json::json!({"of": ["tomorrow", 7]});
        snapshot.extensions.insert("future".to_owned(), future);
        snapshot
    });
    (published.unwrap().unwrap(), list.to_vec())
}

#[test]
fn what_this_program_does_not_know_survives() {
    let source = Place::new();
    let (stored, list) = from_the_future(&source.repository);
    for destination in [source.like(), Place::new()] {
        copy_all(&source, &destination);
        let copy = destination.repository.snapshots().unwrap().remove(0);
        let (before, after) = (&stored.snapshot.extensions, &copy.snapshot.extensions);
        assert_eq!(after["future"], before["future"]);
        assert_eq!(after["original"], stored.id.to_string());
        assert_ne!(after["lease"], before["lease"]);
        assert_eq!(copy.snapshot.tags, ["nightly"]);
        assert_eq!(copy.snapshot.stats, stored.snapshot.stats);
        assert_eq!(copy.snapshot.writer.sequence, 1);
        let content = copy.snapshot.file_list("copy").unwrap();
        let without_contents = |entries: Vec<Entry>| -> Vec<Entry> {
            let strip = |entry: Entry| match entry.node {
                Node::File(content) => Entry {
                    node: Node::File(Content::Inline(vec![content.size() as u8])),
                    ..entry
                },
                _ => entry,
            };
            entries.into_iter().map(strip).collect()
        };
        let copied = entries(&destination.repository, &content).unwrap();
        assert_eq!(without_contents(copied), without_contents(list.clone()));
    }
}

#[test]
fn bases_that_no_copied_snapshot_needs_come_along() {
    let source = Place::new();
    let nights = source.nights(5);
    let destination = source.like();
    let newest = &nights[4..];
    let report = copy_some(&source.repository, &destination.repository, |stored| {
        stored.id == newest[0].0.id
    });
    assert_eq!(report.unwrap().copied.len(), 1);
    assert_copied(&destination.repository, newest);
    assert_clean(&destination.repository);
    // Then the older ones, which find most of what they need.
    copy_all(&source, &destination);
    assert_copied(&destination.repository, &nights);
    assert_clean(&destination.repository);
    let (all, copied) = (source.pack_bytes(), destination.pack_bytes());
    assert!(copied < all + all / 20, "{copied} of {all}");
}

#[test]
fn what_two_writers_stored_at_once_is_copied() {
    let source = Place::new();
    source.nights(1);
    let cache = tempfile::tempdir().unwrap();
    let other = open(source.storage.clone(), cache.path()).unwrap();
    let nights = [(1, &source.repository), (2, &other)].map(|(number, repository)| {
        let files = night(number);
        (back_up(repository, &files).unwrap(), files)
    });
    let destination = source.like();
    copy_all(&source, &destination);
    assert_copied(&destination.repository, &nights);
    assert_clean(&destination.repository);
}

#[test]
fn a_copy_does_not_need_its_source_any_more() {
    let source = Place::new();
    let nights = source.nights(6);
    let destinations = [source.like(), Place::new()];
    for destination in &destinations {
        copy_all(&source, destination);
    }
    let gone: Vec<_> = nights[1..5].iter().map(|(stored, _)| stored).collect();
    source.forget(&gone);
    source.prune();
    for destination in &destinations {
        assert_copied(&destination.repository, &nights);
        assert_clean(&destination.repository);
    }
    // And what prune left and wrote anew in the source can be copied too.
    let again = source.like();
    assert_eq!(copy_all(&source, &again).copied.len(), 2);
    assert_copied(&again.repository, &[nights[0].clone(), nights[5].clone()]);
    assert_clean(&again.repository);
}

#[test]
fn a_repository_is_not_copied_into_itself() {
    let place = Place::new();
    place.nights(1);
    let cache = tempfile::tempdir().unwrap();
    let same = open(place.storage.fork(), cache.path()).unwrap();
    let refused = copy_some(&place.repository, &same, |_| true);
    assert!(
        matches!(refused, Err(IngestError::Repository(Error::Invalid(_)))),
        "{refused:?}"
    );
}

#[test]
fn a_source_that_cannot_be_written_to_is_read() {
    let source = Place::new();
    let nights = source.nights(2);
    let closed = FaultStorage::new(source.storage.clone(), full_from(0));
    let cache = tempfile::tempdir().unwrap();
    let repository = open(closed, cache.path()).unwrap();
    assert!(repository.reading_lease("copy").is_none());
    for destination in [source.like(), Place::new()] {
        copy_some(&repository, &destination.repository, |_| true).unwrap();
        assert_copied(&destination.repository, &nights);
    }
}

/// Snapshots one by one, with somebody else at work on the destination in between.
fn with_a_pruner(pruner: impl Fn(&Place) -> Arc<Repository>) {
    let source = Place::new();
    let nights = source.nights(3);
    let destination = source.like();
    let mut copier = Copier::start(&source.repository, &destination.repository, false).unwrap();
    let pruner = pruner(&destination);
    for (stored, _) in &nights {
        let copied = copier.copy(stored, &|_| (), &AtomicBool::new(false));
        let Ok(Outcome::Copied(Some(copy))) = copied else {
            panic!("{copied:?}")
        };
        pruner.forget(&[copy.id], Unreadable::Refuse).unwrap();
        pruner.prune(&EVERYTHING).unwrap();
        pruner.prune(&EVERYTHING).unwrap();
    }
    let again = copier.copy(&nights[2].0, &|_| (), &AtomicBool::new(false));
    assert!(matches!(again, Ok(Outcome::Copied(Some(_)))), "{again:?}");
    drop(copier);
    pruner.prune(&EVERYTHING).unwrap();
    pruner.prune(&EVERYTHING).unwrap();
    assert_copied(&destination.repository, &nights[2..]);
    assert_clean(&pruner);
}

#[test]
fn what_was_copied_before_stays_while_the_run_lasts() {
    with_a_pruner(|place| {
        let cache = place.cache.path().join("other");
        open(place.storage.clone(), &cache).unwrap()
    });
}

#[test]
fn a_run_that_was_taken_for_dead_looks_at_everything_again() {
    with_a_pruner(|place| {
        let cache = place.cache.path().join("other");
        let mut options = OpenOptions::new(cache, Some(password()), Arc::new(|_| ()));
        options.leases = LeaseTimes {
            renewed_every: Duration::from_secs(3600),
            dead_after: Duration::ZERO,
        };
        let storage: Arc<dyn Storage> = Arc::new(place.storage.clone());
        Arc::new(Repository::open(storage, options).unwrap())
    });
}

#[test]
fn what_arrived_before_an_interruption_is_not_sent_again() {
    let source = Place::of(fresh(1500).0);
    let nights = source.nights(2);
    let empty = source.like();
    let run = |fault: Option<Fault>| {
        let storage = empty.storage.fork();
        let cache = tempfile::tempdir().unwrap();
        let plan = fault.map_or_else(Plan::default, |fault| Plan::new(1, fault));
        let faulty = Arc::new(FaultStorage::new(storage.clone(), plan));
        let shared: Arc<dyn Storage> = faulty.clone();
        let report = open_shared(shared, cache.path())
            .map_err(IngestError::from)
            .and_then(|(opened, _)| copy_some(&source.repository, &opened, |_| true));
        let whole = report.is_ok_and(|report| report.stopped.is_none());
        (
            Place {
                repository: open(storage.clone(), cache.path()).unwrap(),
                storage,
                cache,
            },
            whole,
            faulty.operations(),
        )
    };
    let (uninterrupted, whole, operations) = run(None);
    assert!(whole);
    let mut halves = 0;
    for operation in 0..operations {
        for fault in [Fault::Cut(operation), Fault::FullFrom(operation)] {
            let (place, whole, _) = run(Some(fault));
            let there = place.repository.snapshots().unwrap().len();
            assert!(there == 2 || !whole, "{fault:?}");
            halves += usize::from(there == 1);
            assert_eq!(copy_all(&source, &place).copied.len(), 2 - there);
            assert_copied(&place.repository, &nights);
            // Packs that were closed early cost a little.
            let (all, once) = (place.pack_bytes(), uninterrupted.pack_bytes());
            assert!(all < once + 1500, "{fault:?}: {all} instead of {once}");
        }
    }
    assert!(halves > 0, "some runs ended between two snapshots");
}

#[test]
fn a_damaged_snapshot_is_left_out_and_named() {
    let source = Place::new();
    let nights = source.nights(1);
    let known = objects(&source.storage, Kind::Pack);
    let files = Files::from([("/db/lost".to_owned(), noise(77, 3000))]);
    back_up(&source.repository, &files).unwrap();
    let new = objects(&source.storage, Kind::Pack);
    let later = back_up(&source.repository, &nights[0].1).unwrap();
    // Of the packs of the second night, those with its data.
    for pack in new.iter().filter(|pack| !known.contains(pack)) {
        let mut bytes = source.storage.get(*pack).unwrap();
        if bytes.len() > 2000 {
            bytes[1000] ^= 1;
            source.storage.delete(*pack).unwrap();
            source.storage.put(*pack, &bytes).unwrap();
        }
    }
    for destination in [source.like(), Place::new()] {
        let report = copy_some(&source.repository, &destination.repository, |_| true).unwrap();
        assert!(report.stopped.is_none(), "{report:?}");
        assert_eq!(report.copied.len(), 2);
        assert_eq!(report.damaged.len(), 1);
        let told = report.damaged[0].error.to_string();
        assert!(told.contains("chunk"), "{told}");
        let whole = [nights[0].clone(), (later.clone(), nights[0].1.clone())];
        assert_copied(&destination.repository, &whole);
        assert_clean(&destination.repository);
    }
}
