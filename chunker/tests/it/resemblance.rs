//! Which chunks find each other, measured over many pairs with fixed seeds.

use nightfold_chunker::{Sketch, Sketcher};

use crate::input::{Random, row, rows};

const CHUNK_BYTES: usize = 256 << 10;

fn sketch(chunk: &[u8]) -> Sketch {
    Sketcher::new(&[1; 32]).sketch(chunk, None).unwrap()
}

/// Matches of chunks with copies in which `per_mille` of the rows were rewritten.
fn matches_after_edits(chunk_bytes: usize, per_mille: u64, pairs: u64) -> Vec<u32> {
    (0..pairs)
        .map(|seed| {
            let mut random = Random(seed);
            let mut rows = rows(&mut random, chunk_bytes);
            let before = sketch(&rows.concat());
            for place in &mut rows {
                if random.below(1000) < per_mille {
                    let id = random.below(1 << 30);
                    *place = row(&mut random, id);
                }
            }
            sketch(&rows.concat()).matches(&before)
        })
        .collect()
}

fn mean(matches: &[u32]) -> f64 {
    f64::from(matches.iter().sum::<u32>()) / matches.len() as f64
}

#[test]
fn chunk_with_two_percent_of_rows_rewritten_finds_its_base() {
    for per_mille in [10, 20] {
        let matches = matches_after_edits(CHUNK_BYTES, per_mille, 200);
        let found = matches.iter().filter(|&&count| count > 0).count();
        assert_eq!(found, matches.len(), "{per_mille} ‰");
        // 0.03 of the windows changed: (0.97 / 1.03)² × 6 is 5.3.
        let mean = mean(&matches);
        assert!(mean > 4.8, "{mean} super-features at {per_mille} ‰");
    }
}

#[test]
fn matches_tell_how_much_changed() {
    let means =
        [5, 50, 150, 400].map(|per_mille| mean(&matches_after_edits(64 << 10, per_mille, 100)));
    assert!(means.is_sorted_by(|more, less| more > less), "{means:?}");
    assert!(means[0] > 5.5 && means[3] < 1.5, "{means:?}");
}

#[test]
fn smallest_chunks_find_their_bases() {
    let matches = matches_after_edits(5000, 20, 500);
    let found = matches.iter().filter(|&&count| count > 0).count();
    assert!(found > 495, "{found} of 500");
}

#[test]
fn chunks_of_different_rows_do_not_match() {
    let sketches: Vec<Sketch> = (0..400)
        .map(|seed| sketch(&rows(&mut Random(seed), 64 << 10).concat()))
        .collect();
    let mut matches = 0;
    for (i, a) in sketches.iter().enumerate() {
        matches += sketches[..i].iter().map(|b| a.matches(b)).sum::<u32>();
    }
    // Of 79,800 pairs.
    assert!(matches <= 8, "{matches}");
}

#[test]
fn chunk_cut_elsewhere_still_matches() {
    let data = rows(&mut Random(5), CHUNK_BYTES).concat();
    let later = sketch(&data[1001..]);
    assert!(sketch(&data).matches(&later) >= 4);
}

#[test]
fn another_secret_makes_another_sketch() {
    let data = rows(&mut Random(5), CHUNK_BYTES).concat();
    let other = Sketcher::new(&[2; 32]).sketch(&data, None).unwrap();
    assert_eq!(sketch(&data).matches(&other), 0);
}
