//! `nightfold forget`.

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use nightfold_ingest::mssql::rests_on;
use nightfold_repo::Repository;
use nightfold_repo::format::ObjectId;
use nightfold_repo::prune::PruneOptions;
use nightfold_repo::repository::{StoredSnapshot, Unreadable};
use nightfold_repo::retention::{Candidate, GroupBy, Policy, keep_needed, plan, still_needed};
use serde_json::{Value, json};

use crate::args::{Filter, JsonFlag};
use crate::commands::prune;
use crate::context::Context;
use crate::exit::{Error, Outcome, Result};
use crate::fates::{self, Judged, Known};
use crate::keep::{KeepArgs, Policies};
use crate::output::{Output, count};
use crate::select;

const AFTER_HELP: &str = "\
Without --keep options and ids, the policies in nightfold.toml count: [keep], and
[sources.NAME.keep], with keys like `daily = 14`.
Each group is judged by itself, and its newest complete snapshot always stays.
What the snapshots stored stays until `nightfold prune` finds that nothing needs it.";

const ID_HINT: &str = "ids are hexadecimal; `nightfold snapshots` lists them";

/// Options of `forget`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ForgetArgs {
    /// Snapshots to remove, whatever they are; one that cannot be read only by its full id
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    keep: KeepArgs,
    /// Which snapshots are judged together: host, source, tags, or several with commas; '' for all
    #[arg(long, value_name = "WORDS", default_value = "host,source")]
    group_by: String,
    #[command(flatten)]
    filter: Filter,
    /// Remove nothing, only tell what would be removed and why
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Prune afterwards
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    json: JsonFlag,
}

/// Removes snapshots.
pub fn run(context: &Context, args: &ForgetArgs) -> Result<Outcome> {
    if args.ids.is_empty() {
        by_policy(context, args)
    } else {
        by_id(context, args)
    }
}

fn by_policy(context: &Context, args: &ForgetArgs) -> Result<Outcome> {
    let usage = |error: nightfold_repo::Error| Error::usage(error.to_string(), "");
    let by: GroupBy = args.group_by.parse().map_err(usage)?;
    // Refused before a password is asked for.
    args.keep.policy(Vec::new())?;
    let config = context.config()?;
    let configured = if args.keep.is_given() {
        None
    } else {
        let none = || {
            Error::usage(
                "what is to be kept?",
                "give --keep-daily 14 or the like, or [keep] in nightfold.toml, or the ids of snapshots to remove",
            )
        };
        Some(Policies::configured(&config)?.ok_or_else(none)?)
    };
    let repository = context.open_with(&config)?;
    let policies = match configured {
        Some(policies) => policies,
        None => Policies::one(named_policy(&repository, &args.keep)?),
    };
    let (mut snapshots, errors) = repository.snapshots_and_errors()?;
    for error in &errors {
        context
            .messages
            .warning(format_args!("{error}; it is left out"));
    }
    let rests_on = rests_on(&snapshots, &unreadable(&errors));
    snapshots.retain(|stored| args.filter.matches(&stored.snapshot));
    if snapshots.is_empty() && !args.json.json {
        context.messages.note(if args.filter.is_empty() {
            "there are no snapshots yet"
        } else {
            "no snapshot has this source, host and tags"
        });
        return Ok(Outcome::Done);
    }
    let (mut judged, without) = judge(&policies, &snapshots, by)?;
    let groups = judged.iter_mut().flat_map(|judged| &mut judged.groups);
    keep_needed(&mut groups.collect::<Vec<_>>(), &rests_on);
    for source in without {
        context.messages.note(format_args!(
            "nightfold.toml has no policy for {source}: all its snapshots are kept"
        ));
    }
    let doomed: Vec<ObjectId> = judged
        .iter()
        .flat_map(|judged| &judged.groups)
        .flat_map(|group| &group.snapshots)
        .filter(|(_, fate)| fate.is_removed())
        .map(|(id, _)| *id)
        .collect();
    let known: Known<'_> = snapshots.iter().map(|stored| (stored.id, stored)).collect();
    let mut out = Output::open();
    if !args.json.json && !context.quiet {
        // Seen before what it tells of is done; who pipes us into `head` wants it done all the same.
        match fates::print(&mut out, &judged, &known).and_then(|()| out.flush()) {
            Err(error) if !error.is_broken_pipe() => return Err(error),
            _ => {}
        }
    }
    let doomed = (&doomed[..], Unreadable::Refuse);
    finish(context, args, &repository, out, doomed, || {
        fates::json(&judged, &known)
    })
}

fn by_id(context: &Context, args: &ForgetArgs) -> Result<Outcome> {
    if args.keep.is_given() || !args.filter.is_empty() {
        return Err(Error::usage(
            "either ids or rules: an id says all about its snapshot",
            "leave out the ids, or --keep-…, --source, --host and --tag",
        ));
    }
    let repository = context.open()?;
    let mut doomed = BTreeSet::new();
    for text in &args.ids {
        let id = select::digits(text, ID_HINT)?;
        // A full id may name a snapshot that cannot be read.
        match id.parse() {
            Ok(full) => doomed.insert(repository.snapshot(&id).map_or(full, |stored| stored.id)),
            Err(()) => doomed.insert(repository.snapshot(&id)?.id),
        };
    }
    let listed: BTreeSet<ObjectId> = repository.snapshot_ids()?.into_iter().collect();
    if let Some(strange) = doomed.iter().find(|id| !listed.contains(id)) {
        return Err(Error::failed(format!("there is no snapshot {strange}"), ""));
    }
    let doomed: Vec<ObjectId> = doomed.into_iter().collect();
    let (snapshots, errors) = repository.snapshots_and_errors()?;
    let rests_on = rests_on(&snapshots, &unreadable(&errors));
    if let Some((id, by)) = still_needed(&rests_on, &doomed).first_key_value() {
        let (id, by) = (&id.to_string()[..8], &by.to_string()[..8]);
        return Err(Error::failed(
            format!("snapshot {by} cannot be restored without {id}: nothing was removed"),
            "name both, and all that rest on them",
        ));
    }
    let mut out = Output::open();
    if !args.json.json && !context.quiet {
        for id in &doomed {
            out.line(format_args!("remove {}", &id.to_string()[..8]))?;
        }
    }
    let doomed = (&doomed[..], Unreadable::Forget);
    finish(context, args, &repository, out, doomed, || json!([]))
}

/// Snapshots that cannot be read, by their ids.
fn unreadable(errors: &[nightfold_repo::Error]) -> Vec<ObjectId> {
    let id = |error: &nightfold_repo::Error| match error {
        nightfold_repo::Error::Corrupt { object, .. } => {
            object.rsplit('/').next().and_then(|id| id.parse().ok())
        }
        _ => None,
    };
    errors
        .iter()
        .map(|error| id(error).unwrap_or_default())
        .collect()
}

fn named_policy(repository: &Repository, keep: &KeepArgs) -> Result<Policy> {
    let ids = keep.keep_ids.iter().map(|text| {
        let stored = repository.snapshot(&select::digits(text, ID_HINT)?)?;
        Ok(stored.id)
    });
    let policy = keep.policy(ids.collect::<Result<_>>()?)?;
    Ok(policy.unwrap_or_default())
}

/// Snapshots of one policy are judged together. Also names the sources that no policy is for.
fn judge<'p>(
    policies: &'p Policies,
    snapshots: &[StoredSnapshot],
    by: GroupBy,
) -> Result<(Vec<Judged<'p>>, BTreeSet<String>)> {
    let mut parts: Vec<(&Policy, Vec<Candidate>)> = Vec::new();
    let mut without = BTreeSet::new();
    for stored in snapshots {
        let snapshot = &stored.snapshot;
        let Some(policy) = policies.of(&snapshot.source) else {
            without.insert(snapshot.source.clone());
            continue;
        };
        let candidate = Candidate::new(stored.id, snapshot);
        match parts.iter_mut().find(|(of, _)| std::ptr::eq(*of, policy)) {
            Some((_, part)) => part.push(candidate),
            None => parts.push((policy, vec![candidate])),
        }
    }
    let now = Timestamp::now();
    let judged = parts.into_iter().map(|(policy, part)| {
        let groups = plan(policy, &part, by, now)?;
        Ok(Judged { policy, groups })
    });
    Ok((judged.collect::<Result<_>>()?, without))
}

fn finish(
    context: &Context,
    args: &ForgetArgs,
    repository: &Arc<Repository>,
    mut out: Output,
    (doomed, unreadable): (&[ObjectId], Unreadable),
    groups: impl FnOnce() -> Value,
) -> Result<Outcome> {
    let number = if args.dry_run {
        doomed.len() as u64
    } else {
        repository.forget(doomed, unreadable)?
    };
    let pruned = if args.prune {
        let options = PruneOptions {
            dry_run: args.dry_run,
            ..PruneOptions::default()
        };
        Some(repository.prune(&options)?)
    } else {
        None
    };
    if args.json.json {
        let ids: Vec<_> = doomed.iter().map(ToString::to_string).collect();
        out.json(&json!({
            "dry_run": args.dry_run,
            "groups": groups(),
            "removed": ids,
            "pruned": pruned,
        }))?;
    } else if !context.quiet {
        let snapshots = count(number, "snapshot");
        out.line(match (args.dry_run, number) {
            (true, _) => format!("dry run: nothing was removed; it would be {snapshots}"),
            (false, 0) => "nothing to remove".to_owned(),
            (false, _) => format!("removed {snapshots}"),
        })?;
        if let Some(report) = pruned {
            prune::tell(&mut out, args.dry_run, &report)?;
        }
    }
    out.finish()?;
    Ok(Outcome::Done)
}
