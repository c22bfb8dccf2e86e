//! Claims about which packs are read.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use super::*;

fn pack(seed: u64, bytes: u64, read: Option<i64>) -> Candidate {
    let id = ObjectId(*blake3::hash(&seed.to_le_bytes()).as_bytes());
    let read = read.map(|second| Timestamp::from_second(second).unwrap());
    Candidate { id, bytes, read }
}

fn packs(count: u64) -> Vec<Candidate> {
    (0..count).map(|seed| pack(seed, 100, None)).collect()
}

#[test]
fn groups_divide_the_packs_and_every_pack_stays_in_its_own() {
    let packs = packs(500);
    for of in [1, 2, 7, 1000] {
        let mut seen = BTreeSet::new();
        for number in 1..=of {
            let chosen = ReadData::Group { number, of }.choose(&packs);
            assert!(chosen.iter().all(|at| seen.insert(*at)), "{number}/{of}");
            // Whatever else is there.
            let fewer = ReadData::Group { number, of }.choose(&packs[..100]);
            assert!(fewer.iter().eq(chosen.iter().filter(|at| **at < 100)));
        }
        assert_eq!(seen.len(), 500, "{of}");
    }
    let half = ReadData::Group { number: 1, of: 2 }.choose(&packs).len();
    assert!((200..300).contains(&half), "{half}");
}

#[test]
fn a_share_takes_the_unread_then_the_oldest_until_its_bytes_are_reached() {
    let packs = [
        pack(0, 100, Some(30)),
        pack(1, 500, Some(10)),
        pack(2, 100, None),
        pack(3, 300, Some(20)),
    ];
    for (percent, expected) in [
        (0.001, vec![2]),
        (10.0, vec![2]),
        (10.1, vec![2, 1]),
        (60.0, vec![2, 1]),
        (61.0, vec![2, 1, 3]),
        (100.0, vec![2, 1, 3, 0]),
    ] {
        assert_eq!(
            ReadData::Percent(percent).choose(&packs),
            expected,
            "{percent}%"
        );
    }
    assert_eq!(ReadData::Percent(5.0).choose(&[]), Vec::<usize>::new());
}

#[test]
fn shares_taken_one_after_the_other_reach_every_pack() {
    let mut packs = packs(40);
    for night in 1..=20 {
        let chosen = ReadData::Percent(5.0).choose(&packs);
        assert_eq!(chosen.len(), 2);
        for at in chosen {
            packs[at].read = Some(Timestamp::from_second(night).unwrap());
        }
    }
    assert!(packs.iter().all(|pack| pack.read.is_some()));
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let refused = [
        (ReadData::Percent(0.0), "above 0%"),
        (ReadData::Percent(-1.0), "above 0%"),
        (ReadData::Percent(100.5), "at most 100%"),
        (ReadData::Percent(f64::NAN), "above 0%"),
        (ReadData::Group { number: 7, of: 5 }, "no group 7 of 5"),
        (ReadData::Group { number: 0, of: 5 }, "no group 0 of 5"),
        (ReadData::Group { number: 0, of: 0 }, "one group"),
        (ReadData::For(Duration::ZERO), "zero"),
    ];
    for (read, reason) in refused {
        let error = read.validate().unwrap_err().to_string();
        assert!(error.contains(reason), "{read:?}: {error}");
    }
    for read in [
        ReadData::None,
        ReadData::All,
        ReadData::Percent(100.0),
        ReadData::Group { number: 5, of: 5 },
        ReadData::For(Duration::from_secs(1)),
    ] {
        read.validate().unwrap();
    }
}

/// How many packs are begun of `left` in a minute, where each takes so many microseconds; and how long that took.
fn read_in_a_minute(each: u64, mut left: usize) -> (usize, u64) {
    let mut pace = Pace::new(ReadData::For(Duration::from_secs(60)));
    let (mut begun, mut now) = (0, 0);
    loop {
        let count = pace.next(Duration::from_micros(now), left);
        assert!(count <= STEP_PACKS_MAX);
        if count == 0 {
            return (begun, now);
        }
        begun += count;
        left -= count;
        now += each * count as u64;
    }
}

#[test]
fn no_pack_is_begun_after_the_budget_is_used_up() {
    let minute = 60_000_000;
    for each in [1000, 10_000, 300_000, 1_000_000, 7_000_000] {
        let (begun, took) = read_in_a_minute(each, usize::MAX);
        assert_eq!(begun as u64, minute / each + u64::from(minute % each > 0));
        assert!((minute..minute + each).contains(&took), "{each}: {took}");
    }
    assert_eq!(read_in_a_minute(2 * minute, 10).0, 1, "one is always read");
    assert_eq!(read_in_a_minute(0, 1000).0, 1000, "all that there are");
    assert_eq!(read_in_a_minute(1, 0).0, 0);
}

#[test]
fn the_first_pack_is_read_even_if_the_structure_took_all_the_time() {
    let mut pace = Pace::new(ReadData::For(Duration::from_secs(60)));
    assert_eq!(pace.next(Duration::from_secs(61), 5), 1);
    assert_eq!(pace.next(Duration::from_secs(62), 4), 0);
}

#[test]
fn without_a_budget_all_are_begun_at_once() {
    let mut pace = Pace::new(ReadData::Percent(5.0));
    assert_eq!(pace.next(Duration::from_secs(1 << 30), 12_345), 12_345);
    assert_eq!(pace.next(Duration::ZERO, 0), 0);
}
