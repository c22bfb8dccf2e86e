//! The cuts against their definition, and what decides at the edges.

use super::*;
use crate::keys::KeyStream;
use crate::scan::samples_by_definition;

const SMALL: ChunkSizes = ChunkSizes {
    min: 64,
    avg: 256,
    max: 1024,
};

fn random(seed: u8, bytes: usize) -> Vec<u8> {
    let mut keys = KeyStream::new("nightfold chunker test input", &[seed; 32]);
    (0..bytes).map(|_| keys.next_u64() as u8).collect()
}

/// The length of the first chunk of data that reach to the end of the input, from the rule as the
/// format document states it, and from nothing but these bytes.
fn by_definition(cutter: &Cutter, data: &[u8]) -> usize {
    let ChunkSizes { min, avg, max } = cutter.sizes;
    let b = avg.ilog2();
    let mut fallback = None;
    let chunk = &data[..data.len().min(max)];
    for sample in samples_by_definition(&cutter.scanner, chunk) {
        // The upper bits of the hash, as if it had 64 of them.
        let (at, hash) = (sample.at(), u64::from(sample.value()) << 25);
        if at < min {
            continue;
        }
        let bits = if at < avg { b + 1 } else { b };
        if hash < 1 << (64 - bits) {
            return at + 1;
        }
        if hash < 1 << (64 - b.saturating_sub(5)) {
            fallback = Some(at + 1);
        }
    }
    if data.len() < max {
        data.len()
    } else {
        fallback.unwrap_or(max)
    }
}

#[test]
fn cut_is_its_definition() {
    let cutter = Cutter::new(&[5; 32], SMALL);
    // Text of two letters has windows that repeat; zeros have nothing to choose from.
    let mut data = random(0, 20_000);
    data.extend(random(1, 5000).iter().map(|byte| b'a' + (byte & 1)));
    data.resize(28_000, 0);
    let mut lengths = std::collections::BTreeSet::new();
    for start in (0..data.len()).step_by(3) {
        let ends = cutter.cut_all(&data[start..], true);
        assert_eq!(ends[0], by_definition(&cutter, &data[start..]), "{start}");
        lengths.insert(ends[0]);
    }
    // Both sides of the average, and the maximum, were among them.
    assert!(lengths.len() > 50 && lengths.contains(&1024));
}

#[test]
fn parts_are_cut_like_the_whole() {
    let cutter = Cutter::new(&[5; 32], SMALL);
    let mut data = random(2, 40_000);
    data.resize(45_000, 0);
    for last in [false, true] {
        let whole = cutter.cut_all(&data, last);
        for part_bytes in [1025, 2000, 44_999, 45_000, 45_001] {
            assert_eq!(cutter.cut_parts(&data, last, part_bytes), whole);
        }
    }
}

#[test]
fn where_nothing_is_small_enough_the_last_that_nearly_is_ends_the_chunk() {
    let cutter = Cutter::new(&[5; 32], ChunkSizes::default());
    let max = cutter.sizes().max;
    let one_spot = random(3, 4096);
    let mut fallbacks = 0;
    for seed in 0..20 {
        let spot = &random(seed, 16 << 10);
        let mut data = vec![0; 3 * max];
        data[500_000..500_000 + spot.len()].copy_from_slice(spot);
        let ends = cutter.cut_all(&data, true);
        if ends[0] == max {
            continue;
        }
        fallbacks += 1;
        // The last window with a byte of the spot in it ends 63 bytes behind the spot.
        assert!((500_000..500_064 + spot.len()).contains(&ends[0]));
        // Bytes inserted ahead of the spot move the cut with it.
        let mut later = data.clone();
        later.splice(1000..1000, one_spot.iter().copied());
        assert_eq!(cutter.cut_all(&later, true)[0], ends[0] + one_spot.len());
    }
    assert!(fallbacks > 10);
}

#[test]
fn cuts_at_the_end_settle_only_when_more_data_cannot_move_them() {
    let cutter = Cutter::new(&[5; 32], ChunkSizes::default());
    let max = cutter.sizes().max;
    // Zeros are not cut but by force: their hash repeats.
    let data = vec![0; 2 * max];
    assert_eq!(cutter.cut_all(&data[..max - 1], false), []);
    assert_eq!(cutter.cut_all(&data[..max - 1], true), [max - 1]);
    assert_eq!(cutter.cut_all(&data[..max], false), [max]);
    assert_eq!(cutter.cut_all(&data[..=max], false), [max]);
    assert_eq!(cutter.cut_all(&data[..=max], true), [max, max + 1]);
    assert_eq!(cutter.cut_all(&data, false), [max, 2 * max]);
    assert_eq!(cutter.cut_all(&[], true), []);
}

#[test]
fn debug_keeps_the_tables_to_itself() {
    let cutter = Cutter::new(&[5; 32], ChunkSizes::default());
    let text = format!("{cutter:?}");
    assert!(text.starts_with("Cutter { sizes: ChunkSizes {") && text.ends_with(", .. }"));
}

#[test]
#[should_panic(expected = "must be validated")]
fn sizes_that_are_not_valid_are_refused() {
    Cutter::new(
        &[5; 32],
        ChunkSizes {
            min: 63,
            avg: 256,
            max: 1024,
        },
    );
}
