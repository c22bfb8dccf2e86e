//! Claims about packs: what is built reads back, and what was changed does not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use nightfold_chunker::ChunkId;

use super::reader::parse;
use super::{NewFrame, PackBuilder, open_frame, read_directory};
use crate::crypto::{Keys, Vault};
use crate::error::Error;
use crate::format::{
    BaseRef, CodecKind, Encryption, FrameHead, ObjectName, StreamKind, decode_frame_length,
};
use crate::storage::{Listed, MemoryStorage, Storage as _};

fn vault(encryption: Encryption) -> Vault {
    Vault {
        keys: Keys::draw().unwrap(),
        repository: [1; 16],
        encryption,
    }
}

fn frames() -> Vec<NewFrame> {
    (0..5u8)
        .map(|number| {
            let delta = number % 2 == 1;
            NewFrame {
                id: ChunkId([number; 20]),
                raw_bytes: 1000 + u32::from(number),
                codec: if delta {
                    CodecKind::ZstdDelta
                } else {
                    CodecKind::Stored
                },
                base: delta.then_some(BaseRef([number - u8::from(delta); 12])),
                version: u32::from(number),
                rank: u8::from(delta),
                sketch: None,
                payload: vec![number; 40 * usize::from(number)],
            }
        })
        .collect()
}

fn pack(vault: &Vault) -> (ObjectName, Vec<u8>) {
    let mut builder = PackBuilder::new(vault, StreamKind::Data, vec![9; 100]).unwrap();
    for frame in frames() {
        builder.push(&frame).unwrap();
    }
    let finished = builder.finish(vault).unwrap();
    (finished.name, finished.bytes)
}

/// Reads everything that is in a pack, as `check` does; `None` when anything is not as it was.
fn read_all(vault: &Vault, name: ObjectName, bytes: &[u8]) -> Option<Vec<(FrameHead, Vec<u8>)>> {
    let (header, directory) = parse(vault, name, bytes).ok()?;
    let mut frames = Vec::new();
    for (ordinal, (offset, entry)) in directory.offsets().enumerate() {
        let start = offset as usize;
        let end = start + entry.sealed_bytes as usize;
        let length_bytes = entry.length_bytes() as usize;
        let length = decode_frame_length(&bytes[start - length_bytes..]).ok()?;
        if length != (entry.sealed_bytes as usize, length_bytes) {
            return None;
        }
        let mut sealed = bytes[start..end].to_vec();
        let (head, payload) =
            open_frame(vault, name, header.epoch, ordinal as u32, &mut sealed).ok()?;
        frames.push((head, payload.to_vec()));
    }
    Some(frames)
}

#[test]
fn a_pack_reads_back() {
    for encryption in [Encryption::Aes256Gcm, Encryption::None] {
        let vault = vault(encryption);
        let (name, bytes) = pack(&vault);
        let read = read_all(&vault, name, &bytes).unwrap();
        for (frame, (head, payload)) in frames().iter().zip(read) {
            assert_eq!((head.codec, head.base), (frame.codec, frame.base));
            assert_eq!(payload, frame.payload);
        }
        let (_, directory) = parse(&vault, name, &bytes).unwrap();
        for (frame, entry) in frames().iter().zip(directory.entries) {
            assert_eq!(
                (entry.id, entry.raw_bytes, entry.version, entry.rank),
                (frame.id, frame.raw_bytes, frame.version, frame.rank)
            );
        }
    }
}

#[test]
fn no_byte_can_be_changed_unnoticed() {
    for encryption in [Encryption::Aes256Gcm, Encryption::None] {
        let vault = vault(encryption);
        let (name, bytes) = pack(&vault);
        for at in 0..bytes.len() {
            for mask in [1, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= mask;
                assert!(read_all(&vault, name, &changed).is_none(), "byte {at}");
            }
            assert!(read_all(&vault, name, &bytes[..at]).is_none(), "{at} bytes");
        }
    }
}

#[test]
fn frames_cannot_change_places() {
    let vault = vault(Encryption::Aes256Gcm);
    let mut builder = PackBuilder::new(&vault, StreamKind::Meta, Vec::new()).unwrap();
    for frame in frames().into_iter().take(2) {
        builder
            .push(&NewFrame {
                payload: vec![0; 30],
                base: None,
                codec: CodecKind::Stored,
                rank: 0,
                ..frame
            })
            .unwrap();
    }
    let finished = builder.finish(&vault).unwrap();
    let entries: Vec<_> = finished.directory.offsets().collect();
    let [a, b] = [0, 1].map(|at| {
        let start = entries[at].0 as usize;
        start..start + entries[at].1.sealed_bytes as usize
    });
    let mut swapped = finished.bytes.clone();
    swapped[a.clone()].copy_from_slice(&finished.bytes[b.clone()]);
    swapped[b].copy_from_slice(&finished.bytes[a]);
    assert!(read_all(&vault, finished.name, &swapped).is_none());
    assert!(read_all(&vault, finished.name, &finished.bytes).is_some());
}

#[test]
fn directories_are_read_from_the_end_however_long() {
    let vault = vault(Encryption::Aes256Gcm);
    for frames in [0, 1, 700, 3000] {
        let mut builder = PackBuilder::new(&vault, StreamKind::Data, Vec::new()).unwrap();
        for number in 0..frames {
            let mut id = [0; 20];
            id[..4].copy_from_slice(&u32::to_be_bytes(number));
            builder
                .push(&NewFrame {
                    id: ChunkId(id),
                    raw_bytes: 3,
                    codec: CodecKind::Stored,
                    base: None,
                    version: 0,
                    rank: 0,
                    sketch: None,
                    payload: vec![1, 2, 3],
                })
                .unwrap();
        }
        let pack = builder.finish(&vault).unwrap();
        let storage = MemoryStorage::new();
        storage.put(pack.name, &pack.bytes).unwrap();
        let listed = |bytes| Listed {
            id: pack.name.id,
            bytes,
        };
        let length = pack.bytes.len() as u64;
        let (header, directory) = read_directory(&vault, &storage, listed(length)).unwrap();
        assert_eq!(header.epoch, pack.epoch);
        assert_eq!(directory, pack.directory);
        // A store that lists another size than it holds.
        for wrong in [0, 47, length - 1, length + 1, length + 100_000, u64::MAX] {
            let read = read_directory(&vault, &storage, listed(wrong));
            assert!(matches!(read, Err(Error::Corrupt { .. })), "{wrong} bytes");
        }
    }
}
