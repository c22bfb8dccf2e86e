//! The rules on calendars of all sorts.
#![allow(clippy::unwrap_used)]

mod properties;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::error::Error;
use crate::format::{ObjectId, Snapshot, SnapshotStats, SnapshotWriter};

fn candidate(number: u16, time: &str) -> Candidate {
    let snapshot = Snapshot {
        time: time.to_owned(),
        started: time.to_owned(),
        finished: time.to_owned(),
        host: "db1".to_owned(),
        user: "root".to_owned(),
        source: "app".to_owned(),
        paths: Vec::new(),
        tags: Vec::new(),
        incomplete: false,
        program: String::new(),
        files: Vec::new(),
        stats: SnapshotStats::default(),
        writer: SnapshotWriter::default(),
        extensions: BTreeMap::new(),
    };
    let mut id = ObjectId::default();
    id.0[..2].copy_from_slice(&number.to_be_bytes());
    Candidate::new(id, &snapshot)
}

/// Numbered from 0.
fn candidates(times: &[&str]) -> Vec<Candidate> {
    let numbers = 0..;
    let pairs = times.iter().zip(numbers);
    pairs
        .map(|(time, number)| candidate(number, time))
        .collect()
}

fn number(id: ObjectId) -> u16 {
    u16::from_be_bytes([id.0[0], id.0[1]])
}

/// Far in the future, so that the clock does not matter.
fn later() -> Timestamp {
    "2100-01-01T00:00:00Z".parse().unwrap()
}

fn judged(policy: &Policy, candidates: &[Candidate]) -> Vec<(u16, Fate)> {
    let groups = plan(policy, candidates, GroupBy::default(), later()).unwrap();
    let fates = groups.into_iter().flat_map(|group| group.snapshots);
    fates.map(|(id, fate)| (number(id), fate)).collect()
}

/// What is kept by a rule, with the words for it.
fn kept(policy: &Policy, candidates: &[Candidate]) -> Vec<(u16, String)> {
    let fates = judged(policy, candidates).into_iter();
    let kept = fates.filter_map(|(number, fate)| match fate {
        Fate::Keep(reasons) if reasons == [Kept::Newest] => None,
        Fate::Keep(reasons) => Some((
            number,
            reasons
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "),
        )),
        Fate::Remove(_) => None,
    });
    kept.collect()
}

fn kept_numbers(policy: &Policy, candidates: &[Candidate]) -> Vec<u16> {
    let kept = kept(policy, candidates);
    kept.into_iter().map(|(number, _)| number).collect()
}

#[test]
fn every_rule_keeps_the_newest_of_its_periods() {
    let nights = candidates(&[
        "2025-12-31T03:00:00+01:00",
        "2026-02-01T03:00:00+01:00",
        "2026-03-31T23:10:00+02:00",
        "2026-11-19T03:00:00+01:00",
        "2026-11-20T03:00:00+01:00",
        "2026-11-20T03:59:00+01:00",
    ]);
    let one = Some(1);
    let cases: [(Policy, &[(u16, &str)]); 7] = [
        (
            Policy {
                last: Some(2),
                ..Policy::default()
            },
            &[(4, "last snapshot"), (5, "last snapshot")],
        ),
        (
            Policy {
                hourly: Some(2),
                ..Policy::default()
            },
            &[
                (3, "hourly snapshot 2026-11-19 03:00"),
                (5, "hourly snapshot 2026-11-20 03:00"),
            ],
        ),
        (
            Policy {
                daily: Some(2),
                ..Policy::default()
            },
            &[
                (3, "daily snapshot 2026-11-19"),
                (5, "daily snapshot 2026-11-20"),
            ],
        ),
        (
            Policy {
                weekly: Some(3),
                ..Policy::default()
            },
            &[
                (1, "weekly snapshot 2026-W05"),
                (2, "weekly snapshot 2026-W14"),
                (5, "weekly snapshot 2026-W47"),
            ],
        ),
        (
            Policy {
                monthly: Some(2),
                ..Policy::default()
            },
            &[
                (2, "monthly snapshot 2026-03"),
                (5, "monthly snapshot 2026-11"),
            ],
        ),
        (
            Policy {
                quarterly: Some(2),
                ..Policy::default()
            },
            &[
                (2, "quarterly snapshot 2026-Q1"),
                (5, "quarterly snapshot 2026-Q4"),
            ],
        ),
        (
            Policy {
                daily: one,
                yearly: Some(9),
                ..Policy::default()
            },
            &[
                (0, "yearly snapshot 2025"),
                (5, "daily snapshot 2026-11-20; yearly snapshot 2026"),
            ],
        ),
    ];
    for (policy, expected) in cases {
        let expected: Vec<_> = expected
            .iter()
            .map(|(n, why)| (*n, (*why).to_owned()))
            .collect();
        assert_eq!(kept(&policy, &nights), expected, "{policy}");
    }
}

#[test]
fn days_are_those_of_the_clock_on_the_wall() {
    let daily = Policy {
        daily: Some(9),
        ..Policy::default()
    };
    // Two evenings of New York: one day of London.
    let nights = candidates(&["2026-11-19T23:30:00-05:00", "2026-11-20T00:30:00-05:00"]);
    assert_eq!(kept_numbers(&daily, &nights), [0, 1]);
    let nights = candidates(&["2026-11-20T04:30:00Z", "2026-11-20T05:30:00Z"]);
    assert_eq!(kept_numbers(&daily, &nights), [1]);
}

#[test]
fn an_hour_that_clocks_show_twice_is_one_and_the_later_stands_for_it() {
    let hourly = Policy {
        hourly: Some(9),
        ..Policy::default()
    };
    let nights = candidates(&[
        "2026-10-25T01:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:10:00+01:00",
        "2026-10-25T03:30:00+01:00",
    ]);
    assert_eq!(kept_numbers(&hourly, &nights), [0, 2, 3]);
}

#[test]
fn days_of_23_and_25_hours_are_days() {
    let daily = Policy {
        daily: Some(3),
        ..Policy::default()
    };
    let spring = candidates(&[
        "2026-03-28T03:00:00+01:00",
        "2026-03-29T00:05:00+01:00",
        "2026-03-29T23:55:00+02:00",
        "2026-03-30T03:00:00+02:00",
    ]);
    assert_eq!(kept_numbers(&daily, &spring), [0, 2, 3]);
    let autumn = candidates(&[
        "2026-10-24T23:59:00+02:00",
        "2026-10-25T00:01:00+02:00",
        "2026-10-25T23:59:00+01:00",
    ]);
    assert_eq!(kept_numbers(&daily, &autumn), [0, 2]);
}

/// Times, and how their years end: the day, and the reason for which it is kept.
type Case<'c> = (&'c [&'c str], &'c [(u16, &'c str)]);

#[test]
fn weeks_do_not_end_with_the_year() {
    let weekly = Policy {
        weekly: Some(9),
        ..Policy::default()
    };
    let cases: [Case<'_>; 2] = [
        // Thursday to Sunday are still of the week that Monday the 28th began.
        (
            &[
                "2026-12-27T03:00:00Z",
                "2026-12-28T03:00:00Z",
                "2026-12-31T03:00:00Z",
                "2027-01-03T03:00:00Z",
                "2027-01-04T03:00:00Z",
            ],
            &[
                (0, "weekly snapshot 2026-W52"),
                (3, "weekly snapshot 2026-W53"),
                (4, "weekly snapshot 2027-W01"),
            ],
        ),
        // The last days of 2024 are of the first week of 2025.
        (
            &[
                "2024-12-29T03:00:00Z",
                "2024-12-30T03:00:00Z",
                "2025-01-05T03:00:00Z",
            ],
            &[
                (0, "weekly snapshot 2024-W52"),
                (2, "weekly snapshot 2025-W01"),
            ],
        ),
    ];
    for (times, expected) in cases {
        let expected: Vec<_> = expected
            .iter()
            .map(|(n, why)| (*n, (*why).to_owned()))
            .collect();
        assert_eq!(kept(&weekly, &candidates(times)), expected);
    }
}

#[test]
fn leap_days_are_days_of_february() {
    let nights = candidates(&[
        "2028-02-28T03:00:00Z",
        "2028-02-29T03:00:00Z",
        "2028-03-01T03:00:00Z",
    ]);
    let daily = Policy {
        daily: Some(9),
        ..Policy::default()
    };
    assert_eq!(kept_numbers(&daily, &nights), [0, 1, 2]);
    let monthly = Policy {
        monthly: Some(9),
        ..Policy::default()
    };
    assert_eq!(kept_numbers(&monthly, &nights), [1, 2]);
    // A year before a leap day is the last of February.
    let within = Policy {
        within: Some("1y".parse().unwrap()),
        ..Policy::default()
    };
    let nights = candidates(&[
        "2027-02-28T02:59:00Z",
        "2027-02-28T03:01:00Z",
        "2028-02-29T03:00:00Z",
    ]);
    assert_eq!(kept_numbers(&within, &nights), [1, 2]);
}

#[test]
fn ages_count_back_from_the_newest_of_the_group() {
    let mut nights = candidates(&[
        "2026-10-21T03:00:00Z",
        "2026-10-21T03:00:01Z",
        "2026-11-20T03:00:00Z",
        "2020-01-01T03:00:00Z",
    ]);
    nights[3].source = "long dead".to_owned();
    let within = Policy {
        within: Some("30d".parse().unwrap()),
        ..Policy::default()
    };
    let expected = [(1, "within 30d"), (2, "within 30d"), (3, "within 30d")]
        .map(|(n, why)| (n, why.to_owned()));
    assert_eq!(kept(&within, &nights), expected);
}

#[test]
fn a_wrong_clock_makes_nothing_old() {
    let nights = candidates(&[
        "2026-11-01T03:00:00Z",
        "2026-11-20T03:00:00Z",
        "2036-11-20T03:00:00Z",
    ]);
    let within = Policy {
        within: Some("7d".parse().unwrap()),
        ..Policy::default()
    };
    let kept = |now: &str| {
        let groups = plan(&within, &nights, GroupBy::default(), now.parse().unwrap()).unwrap();
        let kept = groups[0]
            .snapshots
            .iter()
            .filter(|(_, fate)| !fate.is_removed());
        kept.map(|(id, _)| number(*id)).collect::<Vec<_>>()
    };
    // A snapshot from the future makes none old.
    assert_eq!(kept("2026-11-20T12:00:00Z"), [1, 2]);
    // A clock in the past takes all for young.
    assert_eq!(kept("2026-11-01T12:00:00Z"), [0, 1, 2]);
    assert_eq!(kept("1970-01-01T00:00:00Z"), [0, 1, 2]);
}

#[test]
fn an_incomplete_snapshot_stands_for_a_period_only_if_no_complete_one_can() {
    let mut nights = candidates(&[
        "2026-11-19T03:00:00Z",
        "2026-11-20T03:00:00Z",
        "2026-11-20T13:00:00Z",
    ]);
    nights[0].incomplete = true;
    nights[2].incomplete = true;
    let daily = Policy {
        daily: Some(9),
        ..Policy::default()
    };
    assert_eq!(kept_numbers(&daily, &nights), [0, 1]);
    let why = &judged(&daily, &nights)[2].1;
    assert_eq!(
        *why,
        Fate::Remove(Removed::Other(nights[1].id, "2026-11-20".to_owned()))
    );
}

#[test]
fn the_newest_complete_snapshot_of_a_group_stays() {
    let mut nights = candidates(&[
        "2026-11-18T03:00:00Z",
        "2026-11-19T03:00:00Z",
        "2026-11-20T03:00:00Z",
    ]);
    nights[0].tags = vec!["release".to_owned()];
    nights[2].incomplete = true;
    let tags = Policy {
        tags: vec!["release".to_owned()],
        ..Policy::default()
    };
    let fates = judged(&tags, &nights);
    assert_eq!(
        fates[0].1,
        Fate::Keep(vec![Kept::Tag("release".to_owned())])
    );
    assert_eq!(fates[1].1, Fate::Keep(vec![Kept::Newest]));
    assert_eq!(fates[2].1, Fate::Remove(Removed::NoRule));
    // If none is complete, the newest.
    nights[1].incomplete = true;
    nights[0].incomplete = true;
    let fates = judged(&tags, &nights);
    assert_eq!(fates[1].1, Fate::Remove(Removed::NoRule));
    assert_eq!(fates[2].1, Fate::Keep(vec![Kept::Newest]));
}

#[test]
fn what_goes_is_told_by_the_coarsest_rule() {
    let nights = candidates(&[
        "2026-10-01T03:00:00Z",
        "2026-11-16T03:00:00Z",
        "2026-11-20T03:00:00Z",
    ]);
    let policy = Policy {
        daily: Some(1),
        weekly: Some(1),
        ..Policy::default()
    };
    let told: Vec<_> = judged(&policy, &nights)
        .into_iter()
        .filter_map(|(_, fate)| match fate {
            Fate::Remove(why) => Some(why.to_string()),
            Fate::Keep(_) => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            "before the newest of the weeks",
            "00020000 is kept for 2026-W47"
        ]
    );
}

#[test]
fn groups_are_judged_apart() {
    let mut nights = candidates(&[
        "2026-11-18T03:00:00Z",
        "2026-11-19T03:00:00Z",
        "2026-11-20T03:00:00Z",
    ]);
    nights[0].host = "db2".to_owned();
    nights[1].tags = vec!["b".to_owned(), "a".to_owned()];
    let last = Policy {
        last: Some(1),
        ..Policy::default()
    };
    let groups = |by: &str| {
        let groups = plan(&last, &nights, by.parse().unwrap(), later()).unwrap();
        let groups = groups.iter().map(|group| {
            let ids = group
                .snapshots
                .iter()
                .map(|(id, _)| number(*id).to_string());
            format!("{}: {}", group.key, ids.collect::<Vec<_>>().join(" "))
        });
        groups.collect::<Vec<_>>()
    };
    assert_eq!(groups(""), ["all: 0 1 2"]);
    assert_eq!(groups("source"), ["app: 0 1 2"]);
    assert_eq!(groups("host,source"), ["app on db1: 1 2", "app on db2: 0"]);
    assert_eq!(
        groups("tags,source"),
        ["app without tags: 0 2", "app with a,b: 1"]
    );
    assert!(matches!("path".parse::<GroupBy>(), Err(Error::Invalid(_))));
}

#[test]
fn a_policy_that_keeps_nothing_is_refused() {
    let refused = |policy: &Policy, nights: &[Candidate]| match plan(
        policy,
        nights,
        GroupBy::default(),
        later(),
    ) {
        Err(Error::Invalid(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let nights = candidates(&["2026-11-20T03:00:00Z"]);
    assert!(refused(&Policy::default(), &nights).contains("without any rule"));
    let zero = Policy {
        last: Some(3),
        daily: Some(0),
        ..Policy::default()
    };
    assert!(refused(&zero, &nights).starts_with("keep-daily 0 keeps nothing"));
    let zero = Policy {
        last: Some(0),
        ..Policy::default()
    };
    assert!(refused(&zero, &[]).starts_with("keep-last 0 keeps nothing"));
    let zero = Policy {
        last: Some(1),
        within: Some("0d".parse().unwrap()),
        ..Policy::default()
    };
    assert!(refused(&zero, &nights).starts_with("keep-within of no time"));
    let tags = Policy {
        tags: vec!["misspelt".to_owned()],
        ..Policy::default()
    };
    assert!(refused(&tags, &nights).contains("(tag misspelt) keeps none of the 1 snapshots"));
    assert_eq!(plan(&tags, &[], GroupBy::default(), later()).unwrap(), []);
}

#[test]
fn ages_are_read_and_written() {
    for text in ["30d", "2y5m7d3h", "1w", "4000y"] {
        assert_eq!(text.parse::<Age>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "30",
        "d",
        "30 d",
        "-3d",
        "3d2y",
        "1d1d",
        "30days",
        "99999y",
        "99999999999d",
        "1\u{fc}",
    ] {
        assert!(
            matches!(text.parse::<Age>(), Err(Error::Invalid(_))),
            "{text}"
        );
    }
    // Before the first year of the calendar nothing is old.
    let within = Policy {
        within: Some("19000y".parse().unwrap()),
        ..Policy::default()
    };
    assert_eq!(
        kept_numbers(
            &within,
            &candidates(&["-009999-06-01T00:00:00Z", "2026-11-20T03:00:00Z"])
        ),
        [0, 1]
    );
}

#[test]
fn what_kept_snapshots_rest_on_stays() {
    let nights: Vec<String> = (1..=6)
        .map(|day| format!("2026-11-0{day}T03:00:00Z"))
        .collect();
    let nights: Vec<&str> = nights.iter().map(String::as_str).collect();
    let all = candidates(&nights);
    let policy = Policy {
        last: Some(1),
        ..Policy::default()
    };
    let mut groups = plan(&policy, &all, GroupBy::default(), later()).unwrap();
    let id = |number: usize| all[number].id;
    // A full backup, two logs on it; another, and two logs on that.
    let rests: RestsOn = [(1, 0), (2, 1), (4, 3), (5, 4)]
        .map(|(one, before)| (id(one), [id(before)].into()))
        .into();
    keep_needed(&mut groups.iter_mut().collect::<Vec<_>>(), &rests);
    let kept: Vec<_> = groups[0]
        .snapshots
        .iter()
        .filter(|(_, fate)| !fate.is_removed())
        .map(|(id, fate)| (number(*id), fate.clone()))
        .collect();
    let needed = || Fate::Keep(vec![Kept::Needed(id(5))]);
    assert_eq!(
        kept,
        [
            (3, needed()),
            (4, needed()),
            (5, Fate::Keep(vec![Kept::Last]))
        ]
    );
    assert_eq!(
        all_needed(&rests, [id(5), id(2)]),
        [0, 1, 3, 4].map(id).into()
    );
    assert_eq!(still_needed(&rests, &[id(0), id(1), id(2)]), [].into());
    assert_eq!(
        still_needed(&rests, &[id(0), id(4)]),
        [(id(0), id(1)), (id(4), id(5))].into()
    );
}
