//! Which backups lead to a point in time: pure functions over what is recorded of them.
//!
//! A chain is a full backup, perhaps a differential that rests on it, and log backups, each of
//! which begins where the one before ends and continues its line of history.

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::facts::{BackupFacts, BackupKind, Lsn};

/// Where a restore is to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the state that one backup holds (its number among those that are held).
    Backup(usize),
    /// To a moment by the server's clock.
    Time(Timestamp),
    /// As far as the backups reach.
    Latest,
}

/// Backups in the order of their restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Their numbers among those that are held.
    pub steps: Vec<usize>,
    /// Up to when the logs are taken, in the server's local time. Nothing for all of them.
    pub stop_at: Option<DateTime>,
    /// The server's clock was set to another offset from UTC somewhere in the log that `stop_at` is
    /// in: by the other of the two the moment is this.
    pub or_at: Option<DateTime>,
}

/// Where a log backup that is taken now would fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextLog {
    /// Where it would begin.
    pub start: Option<Lsn>,
    /// The lines of history at its beginning and its end. Nothing: not known.
    pub forks: (Option<String>, Option<String>),
    /// Where the second of them began.
    pub fork_point: Option<Lsn>,
}

/// Why no chain leads there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// Nothing to begin with.
    #[error("no full backup is held that ended by {at}{}", hint(*earliest, "; the earliest ended at "))]
    NoFull {
        /// The time that was asked for.
        at: Timestamp,
        /// When the earliest full backup ended.
        earliest: Option<Timestamp>,
    },
    /// The backups end before.
    #[error(
        "no chain of backups reaches {at}{}{}",
        hint(*before, "; the nearest before it that can be reached is "),
        hint(*after, "; the nearest after it is ")
    )]
    NotReached {
        /// The time that was asked for.
        at: Timestamp,
        /// The latest reachable before.
        before: Option<Timestamp>,
        /// The earliest reachable after.
        after: Option<Timestamp>,
    },
    /// A log backup is missing between others.
    #[error(
        "the log chain has a gap: after {reached} the log goes on at {lsn}, but the next log backup \
         that is held begins at {next}; it cannot reach {at}; the nearest before it that can be \
         reached is {reached}"
    )]
    Gap {
        /// The time that was asked for.
        at: Timestamp,
        /// Up to when the chain holds.
        reached: Timestamp,
        /// Where the missing log begins.
        lsn: Lsn,
        /// Where the next one begins.
        next: Lsn,
    },
    /// The full backup that a differential rests on is not held.
    #[error(
        "the differential backup rests on the full backup {base}, which is not held here: another \
         program took it, or it was forgotten. Take a full backup as part of the chain first"
    )]
    BaseMissing {
        /// The id of the full backup.
        base: String,
    },
    /// A differential cannot rest on a backup outside of every chain.
    #[error(
        "no full backup that a differential could rest on: COPY_ONLY ones do not count. Take a \
         full backup as part of the chain first"
    )]
    NoBase,
    /// A log backup would begin behind what is held.
    #[error(
        "the log goes on at {start}, and the backups that are held end at {reached}: what was in \
         between is in a log backup that another program took, or that was lost, or that is still in \
         the staging folder. Take a full backup, or a differential one, first"
    )]
    LogElsewhere {
        /// Where a log backup would begin.
        start: Lsn,
        /// Up to where the held ones reach.
        reached: Lsn,
    },
    /// The database is not the one whose backups are held.
    #[error(
        "the database was restored from elsewhere: its history is not that of the backups that are \
         held. Take a full backup first"
    )]
    OtherHistory,
    /// Nothing that a log backup could be restored after.
    #[error("no full backup is held that a log backup could follow. Take a full backup first")]
    NoFullForLog,
    /// There is no such backup.
    #[error("there is no backup of number {0}")]
    NoSuchBackup(usize),
}

fn hint(at: Option<Timestamp>, words: &str) -> String {
    at.map(|at| format!("{words}{at}")).unwrap_or_default()
}

/// Whether a differential that is taken now can be restored from what is held. `bases` is what
/// the server says that it would rest on.
pub fn check_base(bases: &[String], held: &[BackupFacts]) -> Result<(), ChainError> {
    if bases.is_empty() {
        return Err(ChainError::NoBase);
    }
    match bases.iter().find(|base| base_of(base, held).is_none()) {
        Some(base) => Err(ChainError::BaseMissing { base: base.clone() }),
        None => Ok(()),
    }
}

/// Whether a log backup that is taken now can be restored from what is held.
pub fn check_log(next: &NextLog, held: &[BackupFacts]) -> Result<(), ChainError> {
    let reached = reaches(held).iter().map(|reach| reach.lsn).max();
    let reached = reached.ok_or(ChainError::NoFullForLog)?;
    let (Some(start), Some(like)) = (next.start, held.first()) else {
        return Ok(());
    };
    let mut all = held.to_vec();
    all.push(BackupFacts {
        kind: BackupKind::Log,
        id: String::new(),
        first_lsn: start,
        last_lsn: Lsn(u128::MAX),
        first_fork: next.forks.0.clone().or(next.forks.1.clone()),
        last_fork: next.forks.1.clone(),
        fork_point: next.fork_point,
        ..like.clone()
    });
    let fits = |reach: &Reach| reach.steps.last() == Some(&held.len());
    if reaches(&all).iter().any(fits) {
        Ok(())
    } else if start > reached {
        Err(ChainError::LogElsewhere { start, reached })
    } else {
        Err(ChainError::OtherHistory)
    }
}

/// The number of the full backup with this id, if a differential can rest on it.
fn base_of(id: &str, held: &[BackupFacts]) -> Option<usize> {
    held.iter().position(|backup| {
        backup.kind == BackupKind::Full && !backup.copy_only && backup.id.eq_ignore_ascii_case(id)
    })
}

/// Finds the backups that lead to `target`, the fewest logs first. All of `held` are of one
/// database.
pub fn plan(held: &[BackupFacts], target: Target) -> Result<Plan, ChainError> {
    match target {
        Target::Backup(number) => to_backup(held, number),
        Target::Time(at) => to_time(held, at),
        Target::Latest => {
            let reached = reaches(held)
                .into_iter()
                .max_by_key(|reach| (reach.until, reach.from));
            let Some(reached) = reached else {
                return Err(ChainError::NoFull {
                    at: Timestamp::MAX,
                    earliest: None,
                });
            };
            Ok(Plan {
                steps: reached.steps,
                ..Plan::default()
            })
        }
    }
}

/// To the very end of one backup.
fn to_backup(held: &[BackupFacts], number: usize) -> Result<Plan, ChainError> {
    let backup = held.get(number).ok_or(ChainError::NoSuchBackup(number))?;
    let steps = match backup.kind {
        BackupKind::Full => vec![number],
        BackupKind::Differential => {
            let base = backup.base_id.as_deref().ok_or(ChainError::NoBase)?;
            let missing = || ChainError::BaseMissing {
                base: base.to_owned(),
            };
            vec![base_of(base, held).ok_or_else(missing)?, number]
        }
        BackupKind::Log => {
            let through = reaches(held).into_iter().filter_map(|reach| {
                let at = reach.steps.iter().position(|step| *step == number)?;
                Some((reach.from, reach.steps.get(..=at)?.to_vec()))
            });
            match through.max_by_key(|(from, _)| *from) {
                Some((_, steps)) => steps,
                None => return Err(unreached(held, backup.finished)),
            }
        }
    };
    Ok(Plan {
        steps,
        ..Plan::default()
    })
}

fn to_time(held: &[BackupFacts], at: Timestamp) -> Result<Plan, ChainError> {
    // Of two lines of history the one that ended first was the database then: the other began when
    // it was restored to an earlier moment, after that.
    let reach = reaches(held)
        .into_iter()
        .filter(|reach| reach.from <= at && at <= reach.until)
        .max_by_key(|reach| (reach.from, std::cmp::Reverse(reach.until)));
    let Some(reach) = reach else {
        return Err(unreached(held, at));
    };
    // No more logs than up to the first that covers the time.
    let mut plan = Plan::default();
    let mut before: Option<&BackupFacts> = None;
    for number in reach.steps {
        let Some(backup) = held.get(number) else {
            continue;
        };
        if backup.kind == BackupKind::Log && reach.from == at {
            break;
        }
        plan.steps.push(number);
        if backup.kind == BackupKind::Log && at <= backup.started {
            plan.stop_at = backup.local(at);
            plan.or_at = before.and_then(|before| before.local(at));
            plan.or_at = plan.or_at.filter(|or_at| Some(*or_at) != plan.stop_at);
            break;
        }
        before = Some(backup);
    }
    Ok(plan)
}

/// For each backup the one that is restored right before it, by the shortest way. Nothing for a
/// full one, and for one that cannot be restored.
pub fn predecessors(held: &[BackupFacts]) -> Vec<Option<usize>> {
    let mut predecessors = vec![None; held.len()];
    let mut reaches = reaches(held);
    reaches.sort_by_key(|reach| reach.from);
    // The way from the latest full or differential backup is found last.
    for reach in reaches {
        for pair in reach.steps.windows(2) {
            if let [before, step] = *pair
                && let Some(known) = predecessors.get_mut(step)
            {
                *known = Some(before);
            }
        }
    }
    predecessors
}

/// What a full backup, perhaps with a differential, leads to together with the logs after it.
struct Reach {
    steps: Vec<usize>,
    /// When the last data backup ended.
    from: Timestamp,
    /// Up to when the logs reach. A log certainly holds what happened before its backup began.
    until: Timestamp,
    /// Up to where they reach in the log.
    lsn: Lsn,
    /// Where the log goes on, and the next log backup that does not fit.
    gap: Option<(Lsn, Lsn)>,
}

/// Everything that can be reached, for every full and differential backup, and in every line of
/// history that begins after it.
fn reaches(held: &[BackupFacts]) -> Vec<Reach> {
    let logs = held.iter().enumerate();
    let mut logs: Vec<_> = logs
        .filter(|(_, log)| log.kind == BackupKind::Log)
        .collect();
    // Of two that begin alike the longer one: a COPY_ONLY log backup does not end the log.
    logs.sort_by_key(|(_, log)| (log.first_lsn, std::cmp::Reverse(log.last_lsn)));
    let mut reaches = Vec::new();
    for (number, backup) in held.iter().enumerate() {
        let steps = match (backup.kind, &backup.base_id) {
            (BackupKind::Full, _) => vec![number],
            (BackupKind::Differential, Some(base)) => match base_of(base, held) {
                Some(full) => vec![full, number],
                None => continue,
            },
            _ => continue,
        };
        let mut open = vec![Point {
            steps,
            lsn: backup.last_lsn,
            until: backup.finished,
            fork: backup.last_fork.as_deref(),
        }];
        while let Some(point) = open.pop() {
            let (reach, branches) = with_logs(&logs, point, backup.finished);
            reaches.push(reach);
            open.extend(branches);
        }
    }
    reaches
}

/// How far a restore is.
#[derive(Clone)]
struct Point<'a> {
    steps: Vec<usize>,
    lsn: Lsn,
    until: Timestamp,
    /// The line of history.
    fork: Option<&'a str>,
}

impl<'a> Point<'a> {
    /// Whether a log goes on from here.
    fn meets(&self, log: &BackupFacts) -> bool {
        log.first_lsn <= self.lsn
            && (log.last_lsn > self.lsn || log.last_lsn == self.lsn && log.started > self.until)
    }

    fn is_in(&self, fork: Option<&str>) -> bool {
        match (self.fork, fork) {
            (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs),
            _ => true,
        }
    }

    fn with(&self, number: usize, log: &'a BackupFacts) -> Self {
        let mut steps = self.steps.clone();
        steps.push(number);
        Self {
            steps,
            lsn: log.last_lsn,
            until: self.until.max(log.started),
            fork: log.last_fork.as_deref().or(self.fork),
        }
    }
}

/// Whether the database was restored to an earlier point within this log.
fn turns(log: &BackupFacts) -> bool {
    match (&log.first_fork, &log.last_fork) {
        (Some(first), Some(last)) => !first.eq_ignore_ascii_case(last),
        _ => false,
    }
}

/// Goes on as far as the logs of one line of history lead; and the beginnings of others that leave
/// it on the way.
fn with_logs<'a>(
    logs: &[(usize, &'a BackupFacts)],
    mut point: Point<'a>,
    from: Timestamp,
) -> (Reach, Vec<Point<'a>>) {
    let (mut turning, mut straight) = (Vec::new(), Vec::new());
    for (number, log) in logs {
        let begins_here = point.is_in(log.first_fork.as_deref());
        // A data backup that was taken after the turn is in its line of history already.
        let has_turned = log.fork_point.is_some_and(|fork| fork <= point.lsn)
            && point.is_in(log.last_fork.as_deref());
        if turns(log) && begins_here && !has_turned {
            turning.push((*number, *log));
        } else if begins_here || turns(log) && has_turned {
            straight.push((*number, *log));
        }
    }
    // The latest point at which each of these can leave. It lies before where its line began.
    let mut branches: Vec<Option<Point<'a>>> = vec![None; turning.len()];
    let mut look = |point: &Point<'a>| {
        for ((number, log), branch) in turning.iter().zip(&mut branches) {
            let before = log.fork_point.is_none_or(|fork| point.lsn <= fork);
            if point.meets(log) && before && !point.steps.contains(number) {
                *branch = Some(point.with(*number, log));
            }
        }
    };
    look(&point);
    let mut gap = None;
    for (number, log) in straight {
        if point.meets(log) {
            point = point.with(number, log);
            look(&point);
        } else if log.first_lsn > point.lsn {
            gap = Some((point.lsn, log.first_lsn));
            break;
        }
    }
    let reach = Reach {
        steps: point.steps,
        from,
        until: point.until,
        lsn: point.lsn,
        gap,
    };
    (reach, branches.into_iter().flatten().collect())
}

/// Says why a time cannot be reached, and what can.
fn unreached(held: &[BackupFacts], at: Timestamp) -> ChainError {
    let reaches = reaches(held);
    let before = reaches
        .iter()
        .filter(|reach| reach.from <= at)
        .max_by_key(|reach| reach.until.min(at));
    let after = reaches
        .iter()
        .map(|reach| reach.from)
        .filter(|from| *from > at)
        .min();
    let Some(before) = before else {
        return ChainError::NoFull {
            at,
            earliest: after,
        };
    };
    match before.gap {
        Some((lsn, next)) => ChainError::Gap {
            at,
            reached: before.until.min(at),
            lsn,
            next,
        },
        None => ChainError::NotReached {
            at,
            before: Some(before.until.min(at)),
            after,
        },
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
