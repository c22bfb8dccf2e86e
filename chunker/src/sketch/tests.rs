//! The sketch against its definition, spelled out byte by byte.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::scan::samples_within;

/// The definition: every whole 64-byte window is hashed anew, and nothing is batched.
fn by_definition(sketcher: &Sketcher, chunk: &[u8]) -> Option<Sketch> {
    let mut greatest = [None; FEATURES];
    for value in values_by_definition(&sketcher.scanner, chunk) {
        for (i, greatest) in greatest.iter_mut().enumerate() {
            let value = value
                .wrapping_mul(sketcher.multipliers[i])
                .wrapping_add(sketcher.addends[i]);
            *greatest = (*greatest).max(Some(value));
        }
    }
    greatest[0]?;
    Some(Sketch(std::array::from_fn(|i| {
        pair(greatest[i].unwrap(), greatest[i + 6].unwrap())
    })))
}

fn values_by_definition(scanner: &Scanner, chunk: &[u8]) -> Vec<u32> {
    let samples = crate::scan::samples_by_definition(scanner, chunk);
    samples.into_iter().map(Sample::value).collect()
}

fn random(seed: u64, bytes: usize) -> Vec<u8> {
    let mut keys = KeyStream::new("nightfold chunker test input", &[seed as u8; 32]);
    (0..bytes).map(|_| keys.next_u64() as u8).collect()
}

#[test]
fn sketch_is_its_definition_at_every_length() {
    let sketcher = Sketcher::new(&[9; 32]);
    for (seed, bytes) in [4096, 4097, 4223, 5000, 5121, 6143, 9999]
        .into_iter()
        .enumerate()
    {
        let chunk = random(seed as u64, bytes);
        let sketch = sketcher.sketch(&chunk, None);
        assert!(sketch.is_some());
        assert_eq!(sketch, by_definition(&sketcher, &chunk), "{bytes} bytes");
    }
}

#[test]
fn samples_at_hand_make_the_sketch_of_a_scan() {
    let sketcher = Sketcher::new(&[9; 32]);
    let data = [random(1, 20_000), vec![7; 9000], random(2, 20_000)].concat();
    let all = sketcher.scanner.scan(&data, 0);
    for start in (0..data.len() - SKETCH_BYTES_MIN).step_by(97) {
        for bytes in [SKETCH_BYTES_MIN, 10_000] {
            let end = data.len().min(start + bytes);
            let chunk = &data[start..end];
            let samples = samples_within(&all, start, end);
            let sketch = sketcher.sketch(chunk, Some(samples));
            assert_eq!(sketch, sketcher.sketch(chunk, None), "{start}..{end}");
        }
    }
}

#[test]
fn short_chunks_get_no_sketch() {
    let sketcher = Sketcher::new(&[9; 32]);
    let chunk = random(3, SKETCH_BYTES_MIN);
    assert!(sketcher.sketch(&chunk, None).is_some());
    assert_eq!(sketcher.sketch(&chunk[1..], None), None);
    assert_eq!(sketcher.sketch(&[], None), None);
}

#[test]
fn matches_counts_equal_positions_only() {
    let sketch = Sketch([1, 2, 3, 4, 5, 6]);
    assert_eq!(sketch.matches(&sketch), 6);
    assert_eq!(sketch.matches(&Sketch([1, 2, 3, 4, 6, 5])), 4);
    assert_eq!(sketch.matches(&Sketch([2, 3, 4, 5, 6, 1])), 0);
}

#[test]
fn debug_keeps_the_keys_to_itself() {
    assert_eq!(format!("{:?}", Sketcher::new(&[0; 32])), "Sketcher { .. }");
}
