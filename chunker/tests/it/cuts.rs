//! Cut points.

use nightfold_chunker::{ChunkSizes, Cutter};
use proptest::prelude::*;

use crate::input::{Random, SMALL, any_data, rows, small_cutter};

proptest! {
    #[test]
    fn chunks_cover_the_data_within_bounds(data in any_data(40_000), last: bool) {
        let ends = small_cutter(1).cut_all(&data, last);
        let mut start = 0;
        for &end in &ends {
            let bytes = end - start;
            prop_assert!((1..=SMALL.max).contains(&bytes));
            prop_assert!(bytes >= SMALL.min || (last && end == data.len()));
            start = end;
        }
        if last {
            prop_assert_eq!(start, data.len());
        } else {
            prop_assert!(data.len() - start < SMALL.max);
        }
    }

    #[test]
    fn cuts_of_a_beginning_stay_when_more_data_comes(
        data in any_data(20_000),
        share in 0.0..=1.0_f64,
    ) {
        let cutter = small_cutter(1);
        let known = (data.len() as f64 * share) as usize;
        let early = cutter.cut_all(&data[..known], false);
        let all = cutter.cut_all(&data, true);
        prop_assert_eq!(&early[..], &all[..early.len()]);
    }
}

#[test]
fn cuts_do_not_depend_on_the_number_of_threads() {
    let cutter = Cutter::new(&[1; 32], ChunkSizes::default());
    let data = rows(&mut Random(9), 10 << 20).concat();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build()
            .unwrap()
            .install(|| cutter.cut_all(&data, true))
    };
    let ends = with(1);
    assert!(ends.len() > 20);
    assert_eq!(with(2), ends);
    assert_eq!(with(3), ends);
}

#[test]
fn edit_in_the_middle_only_changes_chunks_near_it() {
    let sizes = ChunkSizes {
        min: 1024,
        avg: 4096,
        max: 16_384,
    };
    let cutter = Cutter::new(&[1; 32], sizes);
    for seed in 0..20 {
        let before = rows(&mut Random(seed), 1 << 20).concat();
        let middle = before.len() / 2;
        let after = [&before[..middle], b"an edit", &before[middle..]].concat();

        // Ends counted from the front where the front is the same, and from the back behind.
        let ends_before = cutter.cut_all(&before, true);
        let ends_after = cutter.cut_all(&after, true);
        let near = 4 * sizes.max;
        let front = |ends: &[usize]| -> Vec<usize> {
            ends.iter().copied().filter(|&end| end <= middle).collect()
        };
        let back = |ends: &[usize], total: usize| -> Vec<usize> {
            let from_back = ends.iter().map(|&end| total - end);
            from_back.filter(|&end| end + near < middle).collect()
        };
        assert_eq!(front(&ends_before), front(&ends_after));
        let same = back(&ends_before, before.len());
        assert_eq!(same, back(&ends_after, after.len()));
        assert!(same.len() > 50, "the test looks at something");
    }
}

#[test]
fn average_is_near_what_was_asked_for() {
    let cutter = Cutter::new(&[1; 32], ChunkSizes::default());
    let data = rows(&mut Random(4), 16 << 20).concat();
    let mean = data.len() / cutter.cut_all(&data, true).len();
    assert!((200 << 10..400 << 10).contains(&mean), "{mean} bytes");
}

#[test]
fn another_secret_cuts_elsewhere() {
    let data = rows(&mut Random(2), 1 << 20).concat();
    let ends = small_cutter(1).cut_all(&data, true);
    let others = small_cutter(2).cut_all(&data, true);
    let shared = ends.iter().filter(|&end| others.binary_search(end).is_ok());
    // Of about 3,500 cuts each among a million places, a dozen coincide by chance.
    assert!(shared.count() < ends.len() / 50);
}
