//! Claims about filling an empty index at once.

use nightfold_chunker::ChunkId;

use super::super::{Index, IndexedPack};
use super::sketches::sketched;
use super::{base_frames, delta, fixture, id, pack, whole};
use crate::error::Error;
use crate::format::{BaseRef, CodecKind, DirEntry, Directory};

/// What an index answers to everything it can be asked about these chunks.
fn answers(index: &Index, chunks: u32) -> Vec<String> {
    let mut answers = Vec::new();
    for chunk in 0..chunks {
        let id = numbered(chunk).id;
        answers.push(format!("{:?}", index.frames(id).unwrap()));
        let base = BaseRef::from(id);
        answers.push(format!("{:?}", base_frames(index, base)));
        let sketch = numbered(chunk).sketch.unwrap();
        answers.push(format!("{:?}", index.similar(&sketch).unwrap()));
    }
    answers.push(format!("{:?}", index.packs().unwrap()));
    answers
}

/// Chunks that share features with their neighbours; every third is a delta, some of them of nothing.
fn numbered(chunk: u32) -> DirEntry {
    let mut entry = sketched(0, [chunk / 20, chunk / 10, chunk % 7, chunk, 1, 2]);
    let id_of = |chunk: u32| {
        let mut id = [7; 20];
        id[..4].copy_from_slice(&chunk.wrapping_mul(0x9e37_79b1).to_be_bytes());
        ChunkId(id)
    };
    entry.id = id_of(chunk);
    if chunk % 3 == 2 {
        entry.codec = CodecKind::ZstdDelta;
        let base = if chunk.is_multiple_of(5) {
            u32::MAX - chunk
        } else {
            chunk - 1
        };
        entry.base = Some(BaseRef::from(id_of(base)));
        (entry.rank, entry.version) = (1, 1);
    }
    entry
}

fn numbered_packs(chunks: u32) -> Vec<(IndexedPack, Directory)> {
    let all: Vec<_> = (0..chunks).map(numbered).collect();
    let packs = all.chunks(100).enumerate();
    packs
        .map(|(at, entries)| {
            let mut pack = pack(1, entries);
            pack.0.id.0[..8].copy_from_slice(&(at as u64).to_be_bytes());
            pack
        })
        .collect()
}

#[test]
fn an_index_filled_at_once_is_as_one_filled_pack_by_pack() {
    // Enough for partitions that do not stay in memory.
    let chunks = 60_000;
    let packs = numbered_packs(chunks);
    let at_once = fixture();
    let mut batches = packs.chunks(64).map(|packs| Ok(packs.to_vec()));
    at_once.index.fill(&mut batches).unwrap();
    let one_by_one = fixture();
    for pack in &packs {
        one_by_one.index.insert(std::slice::from_ref(pack)).unwrap();
    }
    for index in [&at_once.index, &one_by_one.index] {
        assert_eq!(index.mark_broken().unwrap(), u64::from(chunks / 15));
        index.verify_once().unwrap();
    }
    let some = 2000;
    assert_eq!(
        answers(&at_once.index, some),
        answers(&one_by_one.index, some)
    );
    // It goes on as any other.
    let again = Index::open(&at_once.path(), "repository").unwrap();
    again.insert(&[pack(9, &[whole(9)])]).unwrap();
    assert!(at_once.index.holds(id(9)).unwrap());
    let beside = std::fs::read_dir(at_once.folder.path()).unwrap();
    let staged = beside.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("staged")
    });
    assert_eq!(staged.count(), 0);
}

#[test]
fn an_index_whose_filling_was_interrupted_is_noticed() {
    for batches in [0, 1, 500] {
        let packs = numbered_packs(50_000);
        let fixture = fixture();
        let failure =
            std::iter::once_with(|| Err(Error::Invalid("the storage went away".to_owned())));
        let some = packs
            .chunks(1)
            .take(batches)
            .map(|packs| Ok(packs.to_vec()));
        let filled = fixture.index.fill(some.chain(failure));
        assert!(matches!(filled, Err(Error::Invalid(_))));
        let path = fixture.path();
        drop(fixture.index);
        let again = Index::open(&path, "repository");
        assert!(matches!(again.err(), Some(Error::IndexCorrupt { .. })));
        Index::remove(&path).unwrap();
        Index::open(&path, "repository").unwrap();
    }
}

#[test]
fn an_index_that_another_process_uses_is_filled_too() {
    let fixture = fixture();
    let other = Index::open(&fixture.path(), "repository").unwrap();
    assert!(!other.holds(id(1)).unwrap());
    let packs = vec![pack(1, &[whole(1)]), pack(2, &[delta(2, 1, 1)])];
    fixture.index.fill(std::iter::once(Ok(packs))).unwrap();
    assert!(other.holds(id(1)).unwrap() && other.holds(id(2)).unwrap());
}
