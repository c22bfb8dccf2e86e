//! What a policy makes of snapshots, in words and JSON.

use std::collections::BTreeMap;

use nightfold_repo::format::ObjectId;
use nightfold_repo::repository::StoredSnapshot;
use nightfold_repo::retention::{Fate, Group, Policy};
use serde_json::{Value, json};

use crate::describe::SnapshotJson;
use crate::exit::Result;
use crate::output::{Align, Output, Table};
use crate::time;

/// The snapshots that were judged.
pub type Known<'s> = BTreeMap<ObjectId, &'s StoredSnapshot>;

/// Groups that one policy judged.
pub struct Judged<'p> {
    /// The policy.
    pub policy: &'p Policy,
    /// The groups.
    pub groups: Vec<Group>,
}

/// A table for each group.
pub fn print(out: &mut Output, judged: &[Judged<'_>], known: &Known<'_>) -> Result<()> {
    for Judged { policy, groups } in judged {
        for group in groups {
            print_group(out, policy, group, known)?;
        }
    }
    Ok(())
}

fn print_group(out: &mut Output, policy: &Policy, group: &Group, known: &Known<'_>) -> Result<()> {
    let removed = group.snapshots.iter().filter(|(_, fate)| fate.is_removed());
    let removed = removed.count();
    out.line(format_args!(
        "{} ({policy}): keep {}, remove {removed}",
        group.key,
        group.snapshots.len() - removed,
    ))?;
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("TIME", Align::Left),
        ("TAGS", Align::Left),
        ("", Align::Left),
        ("REASON", Align::Left),
    ]);
    for (id, fate) in &group.snapshots {
        let Some(stored) = known.get(id) else {
            continue;
        };
        let (what, why) = match fate {
            Fate::Keep(_) => ("keep", reasons(fate).join(", ")),
            Fate::Remove(_) => ("remove", reasons(fate).join(", ")),
        };
        table.row(vec![
            stored.short_id(),
            time::local(stored.snapshot.timestamp()),
            stored.snapshot.tags.join(","),
            what.to_owned(),
            why,
        ]);
    }
    out.table(&table)?;
    out.line("")
}

fn reasons(fate: &Fate) -> Vec<String> {
    match fate {
        Fate::Keep(reasons) => reasons.iter().map(ToString::to_string).collect(),
        Fate::Remove(reason) => vec![reason.to_string()],
    }
}

/// The groups for scripts.
pub fn json(judged: &[Judged<'_>], known: &Known<'_>) -> Value {
    let snapshots = |group: &Group, removed: bool| {
        let snapshots = group.snapshots.iter();
        let those = snapshots.filter(|(_, fate)| fate.is_removed() == removed);
        let told = those.filter_map(|(id, fate)| {
            Some(json!({
                "snapshot": SnapshotJson::new(known.get(id)?, None, None),
                "reasons": reasons(fate),
            }))
        });
        told.collect::<Vec<_>>()
    };
    let groups = judged.iter().flat_map(|judged| {
        let told = judged.groups.iter().map(|group| {
            json!({
                "host": group.key.host,
                "source": group.key.source,
                "tags": group.key.tags,
                "policy": judged.policy.to_string(),
                "keep": snapshots(group, false),
                "remove": snapshots(group, true),
            })
        });
        told.collect::<Vec<_>>()
    });
    groups.collect()
}
