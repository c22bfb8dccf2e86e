//! What holds for any policy and any nights.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{candidate, later};
use crate::format::ObjectId;
use crate::retention::{Candidate, Fate, Group, GroupBy, Kept, Policy, plan};

fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (
        0i64..400 * 24 * 4,
        -12i32..=14,
        0u8..2,
        0u8..2,
        any::<bool>(),
    );
    prop::collection::vec(one, 1..60).prop_map(|all| {
        let numbered = (0..).zip(all);
        numbered
            .map(|(number, (quarters, offset, source, tag, incomplete))| {
                let base: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
                let time = base + SignedDuration::from_mins(quarters * 15);
                Candidate {
                    time,
                    offset: jiff::tz::Offset::from_hours(offset as i8).unwrap(),
                    source: format!("source {source}"),
                    tags: vec![format!("tag {tag}")],
                    incomplete,
                    ..candidate(number, "2026-01-01T00:00:00Z")
                }
            })
            .collect()
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let count = || prop::option::weighted(0.4, 1u32..20);
    let counts = (
        count(),
        count(),
        count(),
        count(),
        count(),
        count(),
        count(),
    );
    (counts, prop::option::weighted(0.3, 1u32..100)).prop_filter_map("no rule", |(counts, days)| {
        let (last, hourly, daily, weekly, monthly, quarterly, yearly) = counts;
        let policy = Policy {
            last,
            hourly,
            daily,
            weekly,
            monthly,
            quarterly,
            yearly,
            within: days.map(|days| format!("{days}d").parse().unwrap()),
            ..Policy::default()
        };
        (!policy.is_empty()).then_some(policy)
    })
}

fn kept_ids(groups: &[Group]) -> BTreeSet<ObjectId> {
    let all = groups.iter().flat_map(|group| &group.snapshots);
    all.filter(|(_, fate)| !fate.is_removed())
        .map(|(id, _)| *id)
        .collect()
}

proptest! {
    #[test]
    fn every_snapshot_has_one_fate_and_every_group_keeps_one(nights in any_candidates(), policy in any_policy()) {
        let groups = plan(&policy, &nights, GroupBy::default(), later()).unwrap();
        let judged: Vec<ObjectId> = groups.iter().flat_map(|g| &g.snapshots).map(|(id, _)| *id).collect();
        let all: BTreeSet<_> = nights.iter().map(|night| night.id).collect();
        prop_assert_eq!(judged.len(), nights.len());
        prop_assert_eq!(judged.into_iter().collect::<BTreeSet<_>>(), all);
        for group in &groups {
            let keeps = |(_, fate): &(ObjectId, Fate)| matches!(fate, Fate::Keep(why) if !why.is_empty());
            prop_assert!(group.snapshots.iter().any(keeps));
        }
    }

    #[test]
    fn forgetting_twice_forgets_nothing_more(nights in any_candidates(), policy in any_policy()) {
        let first = kept_ids(&plan(&policy, &nights, GroupBy::default(), later()).unwrap());
        let mut rest = nights;
        rest.retain(|night| first.contains(&night.id));
        let second = kept_ids(&plan(&policy, &rest, GroupBy::default(), later()).unwrap());
        prop_assert_eq!(first, second);
    }

    #[test]
    fn one_rule_more_keeps_no_less(nights in any_candidates(), policy in any_policy(), daily in 1u32..20) {
        let more = Policy { daily: Some(policy.daily.unwrap_or(0) + daily), ..policy.clone() };
        let few = kept_ids(&plan(&policy, &nights, GroupBy::default(), later()).unwrap());
        let many = kept_ids(&plan(&more, &nights, GroupBy::default(), later()).unwrap());
        prop_assert!(few.is_subset(&many));
    }

    #[test]
    fn a_count_of_periods_keeps_that_many_or_all_there_are(nights in any_candidates(), count in 1u32..20) {
        let policy = Policy { daily: Some(count), ..Policy::default() };
        let by = "".parse().unwrap();
        let groups = plan(&policy, &nights, by, later()).unwrap();
        let days: BTreeSet<_> = nights.iter().map(|n| n.offset.to_datetime(n.time).date()).collect();
        let kept = groups[0].snapshots.iter().filter(|(_, fate)| matches!(fate, Fate::Keep(why) if *why != [Kept::Newest]));
        prop_assert_eq!(kept.count(), days.len().min(count as usize));
    }

    #[test]
    fn the_order_of_a_listing_does_not_matter(nights in any_candidates(), policy in any_policy()) {
        let mut turned = nights.clone();
        turned.reverse();
        let one = plan(&policy, &nights, GroupBy::default(), later()).unwrap();
        prop_assert_eq!(one, plan(&policy, &turned, GroupBy::default(), later()).unwrap());
    }
}
