//! The sketch against its definition, spelled out byte by byte.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

/// The definition: every whole 64-byte window is hashed anew, and nothing is batched.
fn by_definition(sketcher: &Sketcher, chunk: &[u8]) -> Option<Sketch> {
    let mut greatest = [None; FEATURES];
    for window in chunk.windows(64) {
        let hash = (0..64).fold(0_u64, |hash, age| {
            hash.wrapping_add(sketcher.gear[usize::from(window[63 - age])] << age)
        });
        if hash >= 1 << 57 {
            continue;
        }
        let sample = (hash.wrapping_mul(*sketcher.mixer) >> 32) as u32;
        for (i, greatest) in greatest.iter_mut().enumerate() {
            let value = sample
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
        let sketch = sketcher.sketch(&chunk);
        assert!(sketch.is_some());
        assert_eq!(sketch, by_definition(&sketcher, &chunk), "{bytes} bytes");
    }
}

#[test]
fn only_sample_counts_wherever_it_lies() {
    // Zeros have no sample under this secret, so that all there is comes from the one spot.
    let sketcher = Sketcher::new(&[9; 32]);
    let zeros = vec![0; 5000];
    assert_eq!(sketcher.sketch(&zeros), None);
    let spot = random(1, 100);
    let mut found = 0;
    for at in (0..4900)
        .step_by(7)
        .chain([2400, 2436, 2437, 2499, 2500, 4899, 4900])
    {
        let mut chunk = zeros.clone();
        chunk[at..at + spot.len()].copy_from_slice(&spot);
        let sketch = sketcher.sketch(&chunk);
        assert_eq!(sketch, by_definition(&sketcher, &chunk), "at {at}");
        found += usize::from(sketch.is_some());
    }
    assert!(found > 100);
}

#[test]
fn windows_at_every_seam_are_whole() {
    // The first window, the last of the left half, the first of the right, and the last: enough
    // random ones that several are sampled, and that the oldest of the 64 bytes decides some.
    let sketcher = Sketcher::new(&[9; 32]);
    let bytes = SKETCH_BYTES_MIN;
    for end in [64, bytes / 2, bytes / 2 + 1, bytes] {
        let noise = random(4, 400 * 64);
        for window in noise.chunks(64) {
            let mut chunk = vec![0; bytes];
            chunk[end - 64..end].copy_from_slice(window);
            let expected = by_definition(&sketcher, &chunk);
            assert_eq!(sketcher.sketch(&chunk), expected, "window ending at {end}");
        }
    }
}

#[test]
fn block_of_nothing_but_samples_fits() {
    // Some secret samples zeros, and then every position is one.
    let secret = (0..=255)
        .map(|byte| [byte; 32])
        .find(|secret| Sketcher::new(secret).sketch(&[0; 4096]).is_some())
        .expect("one secret in 128 samples zeros");
    let sketcher = Sketcher::new(&secret);
    let mut chunk = vec![0; 20_000];
    assert_eq!(sketcher.sketch(&chunk), by_definition(&sketcher, &chunk));
    chunk[7000..9000].copy_from_slice(&random(2, 2000));
    assert_eq!(sketcher.sketch(&chunk), by_definition(&sketcher, &chunk));
}

#[test]
fn short_chunks_get_no_sketch() {
    let sketcher = Sketcher::new(&[9; 32]);
    let chunk = random(3, SKETCH_BYTES_MIN);
    assert!(sketcher.sketch(&chunk).is_some());
    assert_eq!(sketcher.sketch(&chunk[1..]), None);
    assert_eq!(sketcher.sketch(&[]), None);
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
