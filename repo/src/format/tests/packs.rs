//! Directories, frame heads and footers.

use nightfold_chunker::Sketch;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::header::{HEADER_BYTES, Header, Kind, ObjectId, ObjectName};
use super::super::pack::{
    BaseRef, CodecKind, DirEntry, Directory, Footer, FrameHead, StreamKind, decode_frame_length,
    encode_frame_length,
};
use super::{bytes, chunk_id, damaged, flips};
use crate::limits::{CHUNK_BYTES_MAX, PACK_BYTES_MAX, RANK_MAX};

fn dir_entry() -> impl Strategy<Value = DirEntry> {
    (
        chunk_id(),
        0..=PACK_BYTES_MAX as u32,
        0..=CHUNK_BYTES_MAX as u32,
        any::<u32>(),
        proptest::option::of((1..=RANK_MAX, any::<[u8; 12]>())),
        any::<bool>(),
        proptest::option::of(any::<[u32; 6]>()),
    )
        .prop_map(
            |(id, sealed_bytes, raw_bytes, version, base, stored, sketch)| DirEntry {
                id,
                sealed_bytes,
                raw_bytes,
                codec: match base {
                    Some(_) => CodecKind::ZstdDelta,
                    None if stored => CodecKind::Stored,
                    None => CodecKind::Zstd,
                },
                base: base.map(|(_, base)| BaseRef(base)),
                version,
                rank: base.map_or(0, |(rank, _)| rank),
                sketch: sketch.map(Sketch),
            },
        )
}

fn directory() -> impl Strategy<Value = Directory> {
    (any::<bool>(), vec(dir_entry(), 0..6)).prop_map(|(meta, entries)| Directory {
        stream: if meta {
            StreamKind::Meta
        } else {
            StreamKind::Data
        },
        entries,
    })
}

proptest! {
    #[test]
    fn directories_are_inverse(directory in directory()) {
        let encoded = directory.encode();
        for kept in 0..encoded.len() {
            prop_assert!(Directory::decode(&encoded[..kept]).is_err());
        }
        prop_assert_eq!(Directory::decode(&encoded), Ok(directory));
    }

    #[test]
    fn damaged_directories_are_refused_or_have_one_spelling(
        directory in directory(), flips in flips(), kept: usize,
    ) {
        let input = damaged(&directory.encode(), &flips, kept);
        // Byte 1 is the sketch's version: with another one sketches are dropped.
        if let Ok(directory) = Directory::decode(&input)
            && input[1] == nightfold_chunker::SKETCH_VERSION
        {
            prop_assert_eq!(directory.encode(), input);
            // No length makes the places of frames overflow.
            prop_assert!(directory.frames_end() >= HEADER_BYTES as u64);
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(input in bytes(120)) {
        let _ = Directory::decode(&input);
        let _ = FrameHead::decode(&input);
        let _ = decode_frame_length(&input);
    }

    #[test]
    fn offsets_count_the_lengths_in_front_of_frames(directory in directory()) {
        let mut end = HEADER_BYTES as u64;
        for (offset, entry) in directory.offsets() {
            let mut length = Vec::new();
            encode_frame_length(&mut length, entry.sealed_bytes);
            prop_assert_eq!(length.len() as u64, entry.length_bytes());
            prop_assert_eq!(offset, end + length.len() as u64);
            end = offset + u64::from(entry.sealed_bytes);
        }
        prop_assert_eq!(directory.frames_end(), end);
    }

    #[test]
    fn frame_lengths_are_inverse(sealed_bytes in 0..=PACK_BYTES_MAX as u32, rest in bytes(3)) {
        let mut encoded = Vec::new();
        encode_frame_length(&mut encoded, sealed_bytes);
        let length = encoded.len();
        encoded.extend(rest);
        prop_assert_eq!(decode_frame_length(&encoded), Ok((sealed_bytes as usize, length)));
    }

    #[test]
    fn frame_heads_are_inverse(entry in dir_entry(), payload in bytes(40)) {
        let head = FrameHead { codec: entry.codec, base: entry.base };
        let mut frame = Vec::new();
        head.encode(&mut frame);
        frame.extend(&payload);
        prop_assert_eq!(FrameHead::decode(&frame), Ok((head, &payload[..])));
    }

    #[test]
    fn a_footer_changed_anywhere_is_refused(
        directory_bytes: u32, at in 0usize..16, mask in 1..=u8::MAX, header_at in 0..HEADER_BYTES,
    ) {
        let mut header = Header::new(ObjectName::new(Kind::Pack, ObjectId([3; 32])), 0).encode();
        let footer = Footer { directory_bytes };
        let encoded = footer.encode(&header);
        prop_assert_eq!(Footer::decode(&encoded, &header), Ok(footer));
        let mut changed = encoded;
        changed[at] ^= mask;
        prop_assert!(Footer::decode(&changed, &header).is_err());
        header[header_at] ^= mask;
        prop_assert!(Footer::decode(&encoded, &header).is_err());
    }

    #[test]
    fn a_base_reference_means_its_chunk(id in chunk_id(), other in chunk_id()) {
        let base = BaseRef::from(id);
        let (low, high) = base.range();
        prop_assert!((low..=high).contains(&id));
        prop_assert_eq!((low..=high).contains(&other), BaseRef::from(other) == base);
    }
}

#[test]
fn a_count_beyond_the_bytes_allocates_nothing() {
    // 2⁴⁰ frames in 7 bytes.
    let input = [0, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20];
    assert!(Directory::decode(&input).is_err());
}

#[test]
fn sketches_of_another_version_are_dropped() {
    let entry = DirEntry {
        id: nightfold_chunker::ChunkId([1; 20]),
        sealed_bytes: 100,
        raw_bytes: 200,
        codec: CodecKind::Zstd,
        base: None,
        version: 0,
        rank: 0,
        sketch: Some(Sketch([1, 2, 3, 4, 5, 6])),
    };
    let mut directory = Directory {
        stream: StreamKind::Data,
        entries: vec![entry],
    };
    let mut encoded = directory.encode();
    encoded[1] += 1;
    directory.entries[0].sketch = None;
    assert_eq!(Directory::decode(&encoded), Ok(directory));
}

#[test]
fn ranks_out_of_range_are_refused() {
    for (rank, sound) in [
        (0, false),
        (1, true),
        (RANK_MAX, true),
        (RANK_MAX + 1, false),
    ] {
        let entry = DirEntry {
            id: nightfold_chunker::ChunkId([1; 20]),
            sealed_bytes: 100,
            raw_bytes: 200,
            codec: CodecKind::ZstdDelta,
            base: Some(BaseRef([2; 12])),
            version: 1,
            rank,
            sketch: None,
        };
        let directory = Directory {
            stream: StreamKind::Meta,
            entries: vec![entry],
        };
        let decoded = Directory::decode(&directory.encode());
        assert_eq!(decoded.is_ok(), sound, "rank {rank}");
    }
}
