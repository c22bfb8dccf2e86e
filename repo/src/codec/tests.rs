//! Claims about codecs: inverse, bounded, and silent about nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::{decode, encode_delta, encode_snapshot, encode_whole, may_be_base, verify_delta};
use crate::format::CodecKind;
use crate::limits::CHUNK_BYTES_MAX;

/// Rows as in a dump, and noise between them.
fn chunk() -> impl Strategy<Value = Vec<u8>> {
    let row = (any::<u16>(), "[a-d]{0,12}")
        .prop_map(|(key, word)| format!("{key}\tthe same in every row\t{word}\n").into_bytes());
    prop_oneof![
        vec(row, 0..60).prop_map(|rows| rows.concat()),
        vec(any::<u8>(), 0..2000),
        (any::<u8>(), 0usize..4000).prop_map(|(byte, count)| vec![byte; count]),
    ]
}

/// A chunk and a later version of it.
fn versions() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let edits = vec((any::<usize>(), vec(any::<u8>(), 0..20)), 0..5);
    (chunk(), edits).prop_map(|(old, edits)| {
        let mut new = old.clone();
        for (at, bytes) in edits {
            let at = at % (new.len() + 1);
            let end = (at + bytes.len() / 2).min(new.len());
            new.splice(at..end, bytes);
        }
        (old, new)
    })
}

fn noise(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

proptest! {
    #[test]
    fn whole_chunks_are_inverse(chunk in chunk(), level in 1..=19i32) {
        let encoded = encode_whole(&chunk, level).unwrap();
        let decoded = decode(encoded.codec, &encoded.payload, None, chunk.len()).unwrap();
        prop_assert_eq!(&decoded, &chunk);
        prop_assert!(encoded.payload.len() <= chunk.len());
    }

    #[test]
    fn deltas_are_inverse((old, new) in versions(), level in 1..=6i32) {
        prop_assume!(may_be_base(&old) && !new.is_empty());
        let encoded = encode_delta(&new, &old, level).unwrap();
        prop_assert!(encoded.codec.is_delta());
        verify_delta(&new, &old, &encoded).unwrap();
        let decoded = decode(encoded.codec, &encoded.payload, Some(&old), new.len()).unwrap();
        prop_assert_eq!(decoded, new);
    }

    #[test]
    fn another_length_than_the_directory_says_is_refused(chunk in chunk(), other in 0usize..5000) {
        prop_assume!(other != chunk.len());
        let encoded = encode_whole(&chunk, 3).unwrap();
        prop_assert!(decode(encoded.codec, &encoded.payload, None, other).is_err());
    }

    /// Frames are sealed; a payload that a forger sealed must still do no more than fail its chunk's id.
    #[test]
    fn damaged_payloads_decode_to_the_right_length_or_not_at_all(
        (old, new) in versions(), flips in vec((any::<usize>(), 1..=u8::MAX), 1..4), kept: usize,
    ) {
        prop_assume!(may_be_base(&old) && !new.is_empty());
        for (encoded, base) in [
            (encode_whole(&new, 3).unwrap(), None),
            (encode_delta(&new, &old, 3).unwrap(), Some(&old[..])),
        ] {
            let mut payload = encoded.payload;
            let length = payload.len();
            for (at, mask) in &flips {
                payload[at % length] ^= mask;
            }
            for payload in [&payload[..], &payload[..kept % length]] {
                if let Ok(decoded) = decode(encoded.codec, payload, base, new.len()) {
                    prop_assert_eq!(decoded.len(), new.len());
                }
            }
        }
    }

    #[test]
    fn arbitrary_payloads_never_panic(payload in vec(any::<u8>(), 0..300), raw_bytes in 0usize..10_000) {
        for codec in [CodecKind::Stored, CodecKind::Zstd, CodecKind::ZstdDelta, CodecKind::Columns, CodecKind::Patch] {
            for base in [None, Some(&b"a base of some length, and then a little more of it"[..])] {
                if let Ok(decoded) = decode(codec, &payload, base, raw_bytes) {
                    prop_assert_eq!(decoded.len(), raw_bytes);
                }
            }
        }
    }

    #[test]
    fn snapshots_are_inverse(json in chunk()) {
        let payload = encode_snapshot(&json).unwrap();
        prop_assert_eq!(decode(CodecKind::Zstd, &payload, None, json.len()).unwrap(), json);
    }
}

#[test]
fn a_delta_that_is_not_its_chunk_is_caught_before_it_is_sealed() {
    let (old, new) = (vec![1; 500], vec![2; 500]);
    let delta = encode_delta(&new, &old, 3).unwrap();
    assert!(verify_delta(&new, &old, &delta).is_ok());
    assert!(verify_delta(&old, &old, &delta).is_err());
    assert!(verify_delta(&new[1..], &old, &delta).is_err());
}

#[test]
fn a_delta_needs_its_base() {
    let base = noise(4000);
    // A copy: zstd leaves out the part of a base that overlaps the chunk in memory.
    let chunk = base[4..].to_vec();
    let super::Encoded { codec, payload } = encode_delta(&chunk, &base, 3).unwrap();
    let decode = |base| decode(codec, &payload, base, chunk.len());
    assert_eq!(decode(Some(&base)).unwrap(), chunk);
    assert!(decode(None).is_err());
    assert!(decode(Some(&[])).is_err());
    let reversed: Vec<u8> = base.iter().rev().copied().collect();
    assert!(decode(Some(&reversed)).map_or(true, |decoded| decoded != chunk));
    assert!(payload.len() < 40, "{} bytes", payload.len());
}

#[test]
fn what_looks_like_a_trained_dictionary_is_no_base() {
    let mut dictionary = 0xEC30_A437_u32.to_le_bytes().to_vec();
    dictionary.extend([7; 200]);
    assert!(!may_be_base(&dictionary));
    assert!(!may_be_base(&[]));
    assert!(may_be_base(&dictionary[1..]));
    let payload = encode_delta(&[7; 300], &[7; 200], 3).unwrap().payload;
    assert!(decode(CodecKind::ZstdDelta, &payload, Some(&dictionary), 300).is_err());
}

#[test]
fn rows_become_columns_and_other_text_does_not() {
    let rows: Vec<String> = (0..3000)
        .map(|row| format!("{row}\t{}\tsome word {}\n", row * row % 7919, row % 13))
        .collect();
    let rows = rows.concat();
    let encoded = encode_whole(rows.as_bytes(), 3).unwrap();
    assert_eq!(encoded.codec, CodecKind::Columns);
    let decoded = decode(encoded.codec, &encoded.payload, None, rows.len()).unwrap();
    assert_eq!(decoded, rows.as_bytes());
    let prose = rows.replace('\t', " ");
    assert_eq!(
        encode_whole(prose.as_bytes(), 3).unwrap().codec,
        CodecKind::Zstd
    );
}

#[test]
fn incompressible_chunks_are_stored() {
    let noise = noise(100_000);
    let encoded = encode_whole(&noise, 3).unwrap();
    assert_eq!(encoded.codec, CodecKind::Stored);
    assert_eq!(encoded.payload, noise);
    assert!(encode_whole(&[], 3).unwrap().payload.is_empty());
}

#[test]
fn a_bomb_does_not_go_off() {
    // The largest chunk, of zeros, in a directory that says it has a kilobyte.
    let bomb = encode_whole(&vec![0; CHUNK_BYTES_MAX], 3).unwrap();
    assert!(bomb.payload.len() < 2048);
    for raw_bytes in [0, 1, 1024, CHUNK_BYTES_MAX - 1] {
        assert!(decode(bomb.codec, &bomb.payload, None, raw_bytes).is_err());
    }
    assert!(decode(bomb.codec, &bomb.payload, None, CHUNK_BYTES_MAX).is_ok());
}

#[test]
fn an_absurd_content_size_allocates_nothing() {
    let before = peak_address_space_kib();
    for claimed in [8u64 << 30, 1 << 40, u64::MAX - 2, u64::MAX] {
        // Descriptor: 8 bytes of content size; with and without a window of its own (the largest there is).
        for (descriptor, window) in [(0b1110_0000, None), (0b1100_0000, Some(0xff))] {
            let mut payload = vec![descriptor];
            payload.extend(window);
            payload.extend(claimed.to_le_bytes());
            // One last block that repeats a byte 2²¹-1 times.
            payload.extend([0b1111_1011, 0xff, 0xff, 0x41]);
            for (codec, base) in [
                (CodecKind::Zstd, None),
                (CodecKind::ZstdDelta, Some(&b"some base"[..])),
            ] {
                assert!(decode(codec, &payload, base, 4096).is_err());
            }
        }
    }
    let grown = peak_address_space_kib() - before;
    assert!(grown < 1 << 20, "{grown} KiB");
}

/// Untouched allocations count here too; other tests of this process reserve far less than a gigabyte.
fn peak_address_space_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmPeak:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse().unwrap()
}
