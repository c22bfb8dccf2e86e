//! Claims about patches: they are inverse, small where little changed, and bad ones are refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::{Form, Patcher, apply};
use crate::error::{Error, Result};

fn encode(chunk: &[u8], base: &[u8], level: i32) -> Result<Option<Vec<u8>>> {
    let delta = Patcher::new(chunk, base).encode(chunk, base, level)?;
    Ok(delta.map(|delta| delta.payload))
}

/// Rows as a dump has them, each with a number of its own.
fn rows(count: u32) -> Vec<u8> {
    (0..count)
        .flat_map(|id| {
            let note = (u64::from(id) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            format!(
                "{id}\tcustomer {}\t2026-01-05 02:00:00\t{note}\tpaid\n",
                id % 97
            )
            .into_bytes()
        })
        .collect()
}

fn patch(chunk: &[u8], base: &[u8]) -> Vec<u8> {
    let payload = encode(chunk, base, 3).unwrap().unwrap();
    assert!(apply(&payload, base, chunk.len()).unwrap() == chunk);
    payload
}

#[test]
fn an_edit_costs_little_more_than_its_bytes() {
    let base = rows(4000);
    let mut chunk = base.clone();
    let middle = chunk.len() / 2;
    chunk[middle..middle + 6].copy_from_slice(b"edited");
    assert!(patch(&chunk, &base).len() < 30);
}

#[test]
fn rows_removed_inserted_and_moved_are_followed() {
    let base = rows(4000);
    let line = |number: usize| {
        base.split_inclusive(|byte| *byte == b'\n')
            .nth(number)
            .unwrap()
    };
    let mut chunk = Vec::new();
    for number in 0..4000 {
        match number {
            100 | 2000..2020 => {}
            900 => {
                chunk.extend_from_slice(line(900));
                chunk.extend_from_slice(b"a new row that nobody has seen before\n");
            }
            3000 => {
                chunk.extend_from_slice(line(2005));
                chunk.extend_from_slice(line(3000));
            }
            _ => chunk.extend_from_slice(line(number)),
        }
    }
    assert!(patch(&chunk, &base).len() < 150);
}

#[test]
fn a_neighbour_is_not_followed_for_long() {
    // Every row of the chunk resembles the row before its own in the base but for the number.
    let row = |id: u32| format!("{id:08}\t1\t0\t{:84}\n", "").into_bytes();
    let base: Vec<u8> = (0..2500).flat_map(row).collect();
    let chunk: Vec<u8> = (40..2500).flat_map(row).collect();
    assert!(patch(&chunk, &base).len() < 200);
}

#[test]
fn a_base_is_followed_though_much_of_the_chunk_lies_before_it() {
    let (before, base) = (blake3_bytes(1, 100_000), rows(4000));
    let mut chunk = before.clone();
    for (number, line) in base.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match number % 500 {
            200 => chunk.extend_from_slice(b"a row that was edited\n"),
            _ => chunk.extend_from_slice(line),
        }
    }
    assert!(patch(&chunk, &base).len() < before.len() + 300);
}

#[test]
fn a_base_that_is_given_up_makes_no_patch() {
    // Of every 400 bytes 100 are in the base; then a long part is, which does not make up for it.
    let base = rows(4000);
    let chunk: Vec<u8> = (0..300_usize)
        .flat_map(|part| {
            [
                blake3_bytes(part as u8, 300),
                base[part * 400..][..100].to_vec(),
            ]
            .concat()
        })
        .chain(base.iter().copied())
        .collect();
    assert!(encode(&chunk, &base, 3).unwrap().is_none());
}

#[test]
fn a_chunk_is_followed_to_the_end_of_its_base() {
    let all = rows(5000);
    let lines: Vec<&[u8]> = all.split_inclusive(|byte| *byte == b'\n').collect();
    let base = lines[..3000].concat();
    // Behind the end: other rows, and one from the middle of the base.
    let behind = [lines[3500..3600].concat(), lines[1500..1504].concat()].concat();
    let mut edited = base.clone();
    edited[50_000..50_006].copy_from_slice(b"edited");
    let chunk = [&edited[..], &behind].concat();
    let mut patcher = Patcher::new(&chunk, &base);
    assert!(patcher.followed().0 > base.len() + 1000);
    assert!(patcher.end_with(&base));
    let (bytes, base_end) = patcher.followed();
    assert!(bytes.abs_diff(base.len()) < 16, "{bytes} of {}", base.len());
    assert!(base_end > base.len() - 16, "{base_end} of {}", base.len());
    let piece = &chunk[..bytes];
    let delta = patcher.encode(piece, &base, 3).unwrap().unwrap();
    assert!(delta.payload.len() < 60);
    assert!(apply(&delta.payload, &base, bytes).unwrap() == piece);
    // It was not reached.
    let mut patcher = Patcher::new(&chunk[..base.len() / 2], &base);
    assert!(!patcher.end_with(&base));
}

#[test]
fn only_long_runs_tell_places() {
    let all = rows(3000);
    let lines: Vec<&[u8]> = all.split_inclusive(|byte| *byte == b'\n').collect();
    let base = lines[..2000].concat();
    // Four rows from elsewhere in the base, behind what is not in it.
    let chunk = [
        &base[..90_000],
        &blake3_bytes(1, 5000),
        &lines[1990..1994].concat(),
    ]
    .concat();
    let patcher = Patcher::new(&chunk, &base);
    assert_eq!(patcher.followed().0, chunk.len());
    assert_eq!(patcher.surely_followed(), Some((90_000, 90_000)));
    let patcher = Patcher::new(&lines[1990..1994].concat(), &base);
    assert_eq!(patcher.surely_followed(), None);
}

#[test]
fn nothing_in_common_makes_no_patch() {
    let random = |seed: u8| blake3_bytes(seed, 50_000);
    assert!(encode(&random(1), &random(2), 3).unwrap().is_none());
    assert!(encode(&random(1)[..7], &random(2), 3).unwrap().is_none());
}

fn blake3_bytes(seed: u8, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    blake3::Hasher::new_keyed(&[seed; 32])
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

#[test]
fn every_form_occurs() {
    let base = rows(4000);
    let mut few = base.clone();
    few[9] = b'x';
    let mut some = base.clone();
    let mut many = base.clone();
    for (step, chunk) in [(5000, &mut some), (333, &mut many)] {
        for (at, byte) in chunk.iter_mut().enumerate() {
            if at % step < 8 {
                *byte = b'0' + (at / step % 10) as u8;
            }
        }
    }
    let forms = [few, some, many].map(|chunk| patch(&chunk, &base)[0]);
    assert_eq!(
        forms,
        [
            Form::Plain as u8,
            Form::ZstdPrefix as u8,
            Form::ZstdBase as u8
        ]
    );
    // Equal bytes again and again: they compress, and there is too little for a prefix.
    let mut edits = base.clone();
    for place in 1..30 {
        edits[place * 4000..][..4].copy_from_slice(b"same");
    }
    assert_eq!(patch(&edits, &base)[0], Form::Zstd as u8);
}

/// The layout that `docs/format.md` tells: it must not change.
#[test]
fn a_payload_written_by_hand_is_read() {
    // Plain; two copies; literals before them 0 and 3; places +2 and −1; lengths 4 and 3.
    let payload = [&[0, 2, 0, 3, 4, 1, 4, 3][..], b"new", b"tail"].concat();
    let base = b"0123456789abcdef";
    // Copy 2..6; then, at 6 + 3 − 1 = 8, 8..11.
    assert_eq!(apply(&payload, base, 14).unwrap(), b"2345new89atail");
}

#[test]
fn patches_that_break_the_rules_are_refused() {
    let base = b"0123456789abcdef";
    let plain = [&[0, 1, 0, 0, 8][..], b"tail"].concat();
    assert_eq!(apply(&plain, base, 12).unwrap(), b"01234567tail");
    // A copy of nothing pads the body beyond its chunk's length.
    let padded = [&[0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], b"tail"].concat();
    assert!(apply(&padded, base, 4).is_err());
    // A body shorter than stated.
    let body = [&[1, 0, 0, 8][..], &[b'x'; 200]].concat();
    let frame = super::zstd_frame::compress(&body, 3).unwrap();
    let stated = |bytes: usize| {
        let mut payload = vec![Form::Zstd as u8];
        crate::format::put_varint(&mut payload, bytes as u64);
        payload.extend_from_slice(&frame);
        apply(&payload, base, 208)
    };
    assert!(stated(204).is_ok());
    assert!(stated(205).is_err());
    // A base that zstd would not take as it is, also where it is not asked.
    assert!(apply(&plain, b"\x37\xa4\x30\xec and more", 12).is_err());
}

proptest! {
    #[test]
    fn patches_are_inverse(
        seed: u8,
        edits in proptest::collection::vec((0..200_000_usize, 0..300_usize, proptest::collection::vec(any::<u8>(), 0..80)), 0..40),
        whole_rows: bool,
    ) {
        let base = if whole_rows { rows(2500) } else { blake3_bytes(seed, 120_000) };
        let mut chunk = base.clone();
        for (at, removed, inserted) in edits {
            let at = at.min(chunk.len());
            let end = (at + removed).min(chunk.len());
            chunk.splice(at..end, inserted);
        }
        if let Some(payload) = encode(&chunk, &base, 3).unwrap() {
            prop_assert!(apply(&payload, &base, chunk.len()).unwrap() == chunk);
        }
    }

    #[test]
    fn short_and_odd_pairs_are_inverse(
        chunk in proptest::collection::vec(0..3_u8, 0..400),
        base in proptest::collection::vec(0..3_u8, 0..400),
    ) {
        if let Some(payload) = encode(&chunk, &base, 3).unwrap() {
            prop_assert!(apply(&payload, &base, chunk.len()).unwrap() == chunk);
        }
    }

    #[test]
    fn arbitrary_patches_are_refused_or_make_a_chunk_of_that_length(
        mut payload in proptest::collection::vec(any::<u8>(), 0..60),
        form in 0..5_u8,
        base in proptest::collection::vec(any::<u8>(), 0..100),
        raw_bytes in 0..1000_usize,
    ) {
        if let Some(first) = payload.first_mut() {
            *first = form;
        }
        match apply(&payload, &base, raw_bytes) {
            Ok(chunk) => prop_assert_eq!(chunk.len(), raw_bytes),
            Err(error) => prop_assert!(matches!(error, Error::Corrupt { .. }), "{:?}", error),
        }
    }

    #[test]
    fn changed_patches_never_panic(at in 0..500_usize, byte: u8) {
        let base = rows(600);
        let mut chunk = base.clone();
        chunk.splice(5000..5100, *b"something else altogether");
        chunk.splice(9000..9000, rows(3));
        let mut payload = patch(&chunk, &base);
        let at = at % payload.len();
        payload[at] ^= byte;
        let _ = apply(&payload, &base, chunk.len());
    }
}
