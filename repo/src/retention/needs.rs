//! Snapshots that others cannot be restored without.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fate, Group, Kept};
use crate::format::ObjectId;

/// For a snapshot those that must be restored before it.
pub type RestsOn = BTreeMap<ObjectId, BTreeSet<ObjectId>>;

/// Turns the fate of snapshots around that kept ones rest on, directly or through others. Snapshots of `rests_on` that
/// are in no group are kept.
pub fn keep_needed(groups: &mut [&mut Group], rests_on: &RestsOn) {
    let fates = groups.iter().flat_map(|group| &group.snapshots);
    let mut removed: BTreeSet<ObjectId> = fates
        .filter(|(_, fate)| fate.is_removed())
        .map(|(id, _)| *id)
        .collect();
    let needed = needed(rests_on, &mut removed);
    for (id, fate) in groups.iter_mut().flat_map(|group| &mut group.snapshots) {
        if let Some(by) = needed.get(id) {
            *fate = Fate::Keep(vec![Kept::Needed(*by)]);
        }
    }
}

/// Which of the snapshots that are to go others rest on that stay, and one of these.
pub fn still_needed(rests_on: &RestsOn, doomed: &[ObjectId]) -> BTreeMap<ObjectId, ObjectId> {
    needed(rests_on, &mut doomed.iter().copied().collect())
}

/// What the wanted snapshots rest on, directly or through others.
pub fn all_needed(
    rests_on: &RestsOn,
    wanted: impl IntoIterator<Item = ObjectId>,
) -> BTreeSet<ObjectId> {
    let mut open: Vec<ObjectId> = wanted.into_iter().collect();
    let mut all = BTreeSet::new();
    while let Some(id) = open.pop() {
        let before = rests_on.get(&id).into_iter().flatten();
        open.extend(before.filter(|before| all.insert(**before)));
    }
    all
}

fn needed(rests_on: &RestsOn, removed: &mut BTreeSet<ObjectId>) -> BTreeMap<ObjectId, ObjectId> {
    let mut needed = BTreeMap::new();
    let stay = rests_on.keys().filter(|id| !removed.contains(*id));
    let mut open: Vec<(ObjectId, ObjectId)> = stay.map(|id| (*id, *id)).collect();
    while let Some((id, by)) = open.pop() {
        for before in rests_on.get(&id).into_iter().flatten() {
            if removed.remove(before) {
                needed.insert(*before, by);
                open.push((*before, by));
            }
        }
    }
    needed
}
