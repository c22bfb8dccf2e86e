//! The scan against its definition, spelled out window by window.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;

/// The definition: every whole 64-byte window is hashed anew, and nothing is done side by side.
pub(crate) fn samples_by_definition(scanner: &Scanner, data: &[u8]) -> Vec<Sample> {
    let hash = |at: usize| {
        (0..64).fold(0_u64, |hash, age| {
            hash.wrapping_add(scanner.gear[usize::from(data[at - age])] << age)
        })
    };
    (64..data.len())
        .filter(|&at| hash(at) < 1 << 57 && hash(at) >> 25 != hash(at - 1) >> 25)
        .map(|at| Sample {
            at: at as u32,
            value: (hash(at) >> 25) as u32,
        })
        .collect()
}

fn random(seed: u64, bytes: usize) -> Vec<u8> {
    let mut keys = KeyStream::new("nightfold chunker test input", &[seed as u8; 32]);
    (0..bytes).map(|_| keys.next_u64() as u8).collect()
}

/// A secret that samples runs of zeros, at every position if repeats were not left out.
fn secret_that_samples_zeros() -> [u8; 32] {
    (0..=255)
        .map(|byte| [byte; 32])
        .find(|secret| Scanner::new(secret).hash(&[0; 64]) < SAMPLED_BELOW)
        .expect("one secret in 128 samples zeros")
}

proptest! {
    #[test]
    fn scan_is_its_definition(
        pattern in proptest::collection::vec(any::<u8>(), 1..3000),
        bytes in 0..9000_usize,
        from in 0..9000_usize,
    ) {
        let data: Vec<u8> = pattern.into_iter().cycle().take(bytes).collect();
        let scanner = Scanner::new(&[9; 32]);
        let mut expected = samples_by_definition(&scanner, &data);
        prop_assert_eq!(&scanner.scan(&data, 0), &expected);
        expected.retain(|sample| sample.at() >= from);
        prop_assert_eq!(scanner.scan(&data, from), expected);
    }
}

#[test]
fn pieces_join_without_a_seam() {
    let scanner = Scanner::new(&[9; 32]);
    let data = random(1, 2 * PIECE_BYTES + 12_345);
    let whole: Vec<Sample> = scanner.scan_piece(&data, 64, data.len()).concat();
    assert!(whole.len() > 15_000);
    for threads in 1..=3 {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        assert_eq!(pool.install(|| scanner.scan(&data, 0)), whole);
    }
}

#[test]
fn run_of_one_byte_has_no_more_than_the_samples_of_its_edges() {
    let scanner = Scanner::new(&secret_that_samples_zeros());
    assert_eq!(scanner.scan(&[0; 100_000], 0), []);
    let data = [random(1, 1000), vec![0; 100_000], random(2, 1000)].concat();
    let samples = scanner.scan(&data, 0);
    assert_eq!(samples, samples_by_definition(&scanner, &data));
    assert!(
        samples
            .iter()
            .any(|sample| sample.at() == 1063 || sample.at() == 1062)
    );
    assert!(samples.len() < 100);
}

#[test]
fn step_of_nothing_but_samples_fits() {
    // Two bytes in turn: under some secret both hashes are small.
    let data: Vec<u8> = [0, 1].into_iter().cycle().take(20_000).collect();
    let scanner = (0..=u16::MAX)
        .map(|number| {
            let mut secret = [0; 32];
            secret[..2].copy_from_slice(&number.to_le_bytes());
            Scanner::new(&secret)
        })
        .find(|scanner| {
            scanner.hash(&data[..64]) < SAMPLED_BELOW && scanner.hash(&data[1..65]) < SAMPLED_BELOW
        });
    if let Some(scanner) = scanner {
        assert_eq!(scanner.scan(&data, 0).len(), data.len() - 64);
    }
}

#[test]
fn samples_of_a_part_have_their_windows_in_it() {
    let scanner = Scanner::new(&[9; 32]);
    let data = random(3, 30_000);
    let all = scanner.scan(&data, 0);
    for (start, end) in [
        (0, 30_000),
        (1, 5000),
        (777, 778),
        (777, 842),
        (29_990, 30_000),
    ] {
        let alone = scanner.scan(&data[start..end], 0);
        let within = samples_within(&all, start, end).iter();
        let within: Vec<Sample> = within.map(|sample| sample.moved_forward(start)).collect();
        assert_eq!(within, alone);
    }
}

#[test]
fn debug_keeps_the_value_to_itself() {
    let sample = Sample { at: 7, value: 8 };
    assert_eq!(format!("{sample:?}"), "Sample { at: 7, .. }");
}
