//! Chunks that hold what were two: stored in pieces, each against its own base.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use nightfold_chunker::ChunkSizes;
use nightfold_repo::Repository;
use nightfold_repo::format::{Content, Kind, StreamKind};
use nightfold_repo::repository::{InitOptions, RunWriter, WriteOptions};
use nightfold_repo::storage::{MemoryStorage, Storage as _};

use crate::support::{CHEAP, noise, open, password, read_all, snapshot, store};

const SIZES: ChunkSizes = ChunkSizes {
    min: 4096,
    avg: 16_384,
    max: 65_536,
};

fn repository() -> (Arc<Repository>, tempfile::TempDir) {
    repository_in(&MemoryStorage::new())
}

fn repository_in(storage: &MemoryStorage) -> (Arc<Repository>, tempfile::TempDir) {
    let mut options = InitOptions::new(Some(password()), "testhost".to_owned());
    options.kdf = CHEAP;
    options.sizes = SIZES;
    Repository::init(storage, &options).unwrap();
    let cache = tempfile::tempdir().unwrap();
    (open(storage.clone(), cache.path()).unwrap(), cache)
}

/// What a run stored: contents, and how many whole frames, deltas and bytes.
struct Stored {
    contents: Vec<Content>,
    whole: u64,
    deltas: u64,
    bytes: u64,
}

fn back_up(repository: &Arc<Repository>, files: &[&[u8]], previous: &[Content]) -> Stored {
    let mut writer = RunWriter::start(repository, WriteOptions::default()).unwrap();
    let mut contents = Vec::new();
    for (at, bytes) in files.iter().enumerate() {
        let stored = store(
            repository,
            &writer,
            StreamKind::Data,
            bytes,
            previous.get(at),
        );
        contents.push(stored.unwrap());
    }
    writer.flush().unwrap();
    let totals = writer.totals();
    let [whole, deltas, bytes] = [&totals.whole, &totals.delta, &totals.stored_bytes]
        .map(|total| total.load(Ordering::Relaxed));
    for (content, bytes) in contents.iter().zip(files) {
        assert!(read_all(repository, content).unwrap() == *bytes);
    }
    let mut list = Vec::new();
    contents[0].encode(&mut list);
    writer
        .publish(|_| snapshot(list, files[0].len() as u64))
        .unwrap();
    Stored {
        contents,
        whole,
        deltas,
        bytes,
    }
}

/// The file with a cut point overwritten, number `from` or a later one, so that two of its chunks become one.
fn joined(repository: &Repository, file: &[u8], from: usize) -> Option<Vec<u8>> {
    let cuts = repository.cutter().cut_all(file, true);
    let inner = &cuts[..cuts.len() - 1];
    for (seed, cut) in inner
        .iter()
        .cycle()
        .skip(from)
        .take(20 * cuts.len())
        .enumerate()
    {
        let mut edited = file.to_vec();
        edited[cut - 40..cut + 40].copy_from_slice(&noise(seed as u64, 80));
        let again = repository.cutter().cut_all(&edited, true);
        if again.len() == cuts.len() - 1 && !again.contains(cut) {
            return Some(edited);
        }
    }
    None
}

#[test]
fn a_lost_cut_point_costs_no_more_than_the_edit() {
    let (repository, _cache) = repository();
    let file = noise(1, 500_000);
    let first = back_up(&repository, &[&file], &[]);
    let edited = joined(&repository, &file, 7).unwrap();
    let second = back_up(&repository, &[&edited], &first.contents);
    // No chunk of noise is stored again, though one of them is joined with its neighbour.
    assert_eq!(second.whole, 0);
    assert!(second.bytes < 3500, "{} bytes", second.bytes);
    let ids = |stored: &Stored| repository.content_ids(&stored.contents[0]).unwrap();
    assert!(ids(&second).len() >= ids(&first).len());
    // The cutter makes one chunk of them again: its pieces are known.
    let third = back_up(&repository, &[&edited], &second.contents);
    assert_eq!((third.whole, third.deltas), (0, 0));
    assert_eq!(ids(&third), ids(&second));
    // And back again.
    let fourth = back_up(&repository, &[&file], &third.contents);
    assert_eq!((fourth.whole, fourth.deltas), (0, 0));
}

#[test]
fn a_divided_chunk_met_again_in_the_run_names_its_pieces() {
    let (repository, _cache) = repository();
    let file = noise(2, 300_000);
    let first = back_up(&repository, &[&file, &file], &[]);
    let edited = joined(&repository, &file, 4).unwrap();
    // In other batches, and with a track that knows nothing.
    let files: [&[u8]; 3] = [&edited, &edited, &edited];
    let second = back_up(&repository, &files, &first.contents);
    assert_eq!(second.whole, 0);
    let ids = |content| repository.content_ids(content).unwrap();
    assert_eq!(ids(&second.contents[0]), ids(&second.contents[1]));
    assert_eq!(ids(&second.contents[0]), ids(&second.contents[2]));
}

#[test]
fn years_of_lost_cut_points_keep_every_night() {
    let (repository, _cache) = repository();
    let mut file = noise(3, 200_000);
    let mut nights: Vec<(Vec<u8>, Stored)> = Vec::new();
    for night in 0..40_usize {
        let previous = nights
            .last()
            .map_or(&[][..], |(_, stored)| &stored.contents);
        let stored = back_up(&repository, &[&file], previous);
        nights.push((file.clone(), stored));
        let cuts = repository.cutter().cut_all(&file, true).len();
        if cuts > 3 && !night.is_multiple_of(3) {
            file = joined(&repository, &file, night % (cuts - 2)).unwrap_or(file);
        }
        let at = night * 4999 % (file.len() - 2000);
        file.splice(at..at + night * 13, noise(night as u64, 400));
    }
    for (file, stored) in &nights {
        assert!(read_all(&repository, &stored.contents[0]).unwrap() == *file);
    }
    let later: u64 = nights[1..].iter().map(|(_, stored)| stored.bytes).sum();
    assert!(later < 39 * 6000, "{later} bytes in 39 nights");
    assert_clean_but_for_lists(&repository);
}

#[test]
fn a_base_that_had_another_shape_is_passed_over() {
    let (repository, _cache) = repository();
    // One chunk, most of which came on the second night; on the ninth the skip chain names the first.
    let mut file = noise(4, 1000);
    let mut contents = back_up(&repository, &[&file], &[]).contents;
    file.extend(noise(5, 2000));
    for night in 2..=8_usize {
        file[night * 300] ^= 1;
        contents = back_up(&repository, &[&file], &contents).contents;
    }
    file[2950] ^= 1;
    let ninth = back_up(&repository, &[&file], &contents);
    assert_eq!((ninth.whole, ninth.deltas), (0, 1));
    assert!(ninth.bytes < 500, "{} bytes", ninth.bytes);
}

/// Noise that the cutter makes one chunk of, before and after an edit.
fn one_chunk(
    repository: &Repository,
    bytes: usize,
    edit: impl Fn(&mut Vec<u8>),
) -> (Vec<u8>, Vec<u8>) {
    let is_one = |file: &[u8]| repository.cutter().cut_all(file, true) == [file.len()];
    let mut files = (100..1000).map(|seed| {
        let file = noise(seed, bytes);
        let mut edited = file.clone();
        edit(&mut edited);
        (file, edited)
    });
    files
        .find(|(file, edited)| is_one(file) && is_one(edited))
        .unwrap()
}

#[test]
fn a_piece_that_has_become_too_short_takes_none_of_the_others_along() {
    let (repository, _cache) = repository();
    let (file, edited) = one_chunk(&repository, 32_100, |file| {
        file.drain(500..600);
        file[20_000] ^= 1;
    });
    let mut contents = Vec::new();
    for bytes in [2100, 12_100, 32_100] {
        contents = back_up(&repository, &[&file[..bytes]], &contents).contents;
    }
    let ids = |content| repository.content_ids(content).unwrap().len();
    assert_eq!(ids(&contents[0]), 3);
    let shorter = back_up(&repository, &[&edited], &contents);
    assert_eq!((shorter.whole, shorter.deltas), (0, 2));
    assert!(shorter.bytes < 3500, "{} bytes", shorter.bytes);
}

#[test]
fn an_end_that_changed_and_grew_is_stored_as_one_chunk() {
    let (repository, _cache) = repository();
    let (file, edited) = one_chunk(&repository, 12_000, |file| file[1000] ^= 1);
    let first = back_up(&repository, &[&file[..3000]], &[]);
    let second = back_up(&repository, &[&edited[..7000]], &first.contents);
    assert_eq!((second.whole, second.deltas), (1, 0));
    let ids = |content| repository.content_ids(content).unwrap().len();
    assert_eq!(ids(&second.contents[0]), 1);
    // What did not change is not stored again.
    let third = back_up(&repository, &[&edited], &second.contents);
    assert_eq!((third.whole, third.deltas), (1, 0));
    assert_eq!(ids(&third.contents[0]), 2);
    assert!(third.bytes < 6000, "{} bytes", third.bytes);
}

#[test]
fn a_chain_that_is_as_long_as_may_be_is_left_for_a_shorter_one() {
    let (repository, _cache) = repository();
    // Each eighth version rests on the one before, since the ancestor that the skip chain names had another shape.
    let mut file = noise(8, 600);
    let mut contents = back_up(&repository, &[&file], &[]).contents;
    for version in 1..=80_usize {
        file[version * 7 % 600] ^= 1;
        if version % 8 == 1 && version < 32 {
            file.extend(noise(version as u64, 800));
        }
        let stored = back_up(&repository, &[&file], &contents);
        assert_eq!((stored.whole, stored.deltas), (0, 1), "version {version}");
        contents = stored.contents;
    }
    assert_clean_but_for_lists(&repository);
}

#[test]
fn whole_frames_and_deltas_of_files_lie_in_packs_of_their_own() {
    let storage = MemoryStorage::new();
    let (repository, _cache) = repository_in(&storage);
    let file = noise(6, 200_000);
    let first = back_up(&repository, &[&file], &[]);
    let mut grown = file.clone();
    grown[1000] ^= 1;
    grown.extend(noise(7, 100_000));
    let second = back_up(&repository, &[&grown], &first.contents);
    assert!(second.whole > 0 && second.deltas > 0);
    let packs = storage.list(Kind::Pack).unwrap();
    assert_eq!(packs.len(), 3);
}

/// The snapshots here hold no file list that can be read: only the packs are looked at.
fn assert_clean_but_for_lists(repository: &Repository) {
    let report = crate::support::check_data(repository);
    let in_packs = |problem: &&nightfold_repo::check::Problem| problem.object.contains("packs/");
    assert_eq!(report.problems.iter().filter(in_packs).count(), 0);
}
