//! Claims about chains.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// A backup over `from..to` of the log that began and ended at these seconds.
fn backup(
    kind: BackupKind,
    id: &str,
    (from, to): (u128, u128),
    (start, end): (i64, i64),
) -> BackupFacts {
    BackupFacts {
        database: "d".to_owned(),
        kind,
        copy_only: false,
        id: id.to_owned(),
        first_lsn: Lsn(from),
        last_lsn: Lsn(to),
        checkpoint_lsn: Lsn(from),
        first_fork: Some("F1".to_owned()),
        last_fork: Some("F1".to_owned()),
        fork_point: None,
        base_id: None,
        started: at(start),
        finished: at(end),
        utc_offset_minutes: 60,
        recovery_model: "FULL".to_owned(),
        bytes: 1,
        files: Vec::new(),
    }
}

fn full(id: &str, lsns: (u128, u128), times: (i64, i64)) -> BackupFacts {
    backup(BackupKind::Full, id, lsns, times)
}

fn differential(base: &str, lsns: (u128, u128), times: (i64, i64)) -> BackupFacts {
    BackupFacts {
        base_id: Some(base.to_owned()),
        ..backup(BackupKind::Differential, "I", lsns, times)
    }
}

fn log(lsns: (u128, u128), times: (i64, i64)) -> BackupFacts {
    backup(BackupKind::Log, "L", lsns, times)
}

/// A night: full, two logs, a differential, two logs.
fn night() -> Vec<BackupFacts> {
    vec![
        full("A", (90, 100), (0, 10)),
        log((80, 120), (20, 21)),
        log((120, 140), (40, 41)),
        differential("a", (150, 160), (50, 55)),
        log((140, 170), (60, 61)),
        log((170, 180), (80, 81)),
    ]
}

fn steps(held: &[BackupFacts], target: Target) -> Vec<usize> {
    plan(held, target).unwrap().steps
}

#[test]
fn facts_come_back_from_json() {
    let mut held = night();
    held[3].last_lsn = Lsn(31_000_000_005_600_001_000_000);
    let json = serde_json::to_value(&held).unwrap();
    assert_eq!(json[3]["last_lsn"], "31000000005600001000000");
    assert_eq!(json[3]["kind"], "differential");
    assert_eq!(
        serde_json::from_value::<Vec<BackupFacts>>(json).unwrap(),
        held
    );
}

#[test]
fn a_time_is_reached_by_the_last_differential_before_it_and_logs() {
    let held = night();
    assert_eq!(steps(&held, Target::Time(at(15))), [0, 1]);
    assert_eq!(steps(&held, Target::Time(at(30))), [0, 1, 2]);
    assert_eq!(steps(&held, Target::Time(at(52))), [0, 1, 2, 4]);
    assert_eq!(steps(&held, Target::Time(at(57))), [0, 3, 4]);
    assert_eq!(steps(&held, Target::Time(at(80))), [0, 3, 4, 5]);
    assert_eq!(steps(&held, Target::Latest), [0, 3, 4, 5]);
}

#[test]
fn the_logs_stop_at_the_servers_local_time() {
    let plan_at = |seconds| plan(&night(), Target::Time(at(seconds))).unwrap().stop_at;
    let expected: DateTime = "2027-01-15T09:00:15".parse().unwrap();
    assert_eq!(plan_at(15), Some(expected));
    assert_eq!(plan_at(10), None, "the full backup alone");
    assert_eq!(plan(&night(), Target::Latest).unwrap().stop_at, None);
}

#[test]
fn single_backups_bring_what_they_need() {
    let held = night();
    assert_eq!(steps(&held, Target::Backup(0)), [0]);
    assert_eq!(steps(&held, Target::Backup(3)), [0, 3]);
    assert_eq!(steps(&held, Target::Backup(2)), [0, 1, 2]);
    assert_eq!(steps(&held, Target::Backup(4)), [0, 3, 4]);
    assert_eq!(
        plan(&held, Target::Backup(9)),
        Err(ChainError::NoSuchBackup(9))
    );
}

#[test]
fn a_time_beyond_the_logs_names_the_nearest() {
    let error = plan(&night(), Target::Time(at(90))).unwrap_err();
    assert_eq!(
        error,
        ChainError::NotReached {
            at: at(90),
            before: Some(at(80)),
            after: None
        }
    );
    assert!(
        error.to_string().contains("2027-01-15T08:01:20Z"),
        "{error}"
    );
}

#[test]
fn a_time_before_everything_names_the_earliest() {
    let error = plan(&night(), Target::Time(at(5))).unwrap_err();
    assert_eq!(
        error,
        ChainError::NoFull {
            at: at(5),
            earliest: Some(at(10))
        }
    );
    assert!(plan(&[], Target::Latest).is_err());
}

#[test]
fn a_gap_is_named() {
    let mut held = night();
    held.remove(4);
    held.remove(3);
    assert_eq!(
        plan(&held, Target::Time(at(70))),
        Err(ChainError::Gap {
            at: at(70),
            reached: at(40),
            lsn: Lsn(140),
            next: Lsn(170)
        })
    );
    assert_eq!(steps(&held, Target::Time(at(40))), [0, 1, 2]);
    assert_eq!(steps(&held, Target::Latest), [0, 1, 2]);
    assert!(matches!(
        plan(&held, Target::Backup(3)),
        Err(ChainError::Gap { .. })
    ));
}

#[test]
fn without_logs_only_the_backups_themselves_are_reached() {
    let held = [
        full("A", (90, 100), (0, 10)),
        full("B", (190, 200), (100, 110)),
    ];
    assert_eq!(steps(&held, Target::Time(at(10))), [0]);
    assert_eq!(steps(&held, Target::Latest), [1]);
    assert_eq!(
        plan(&held, Target::Time(at(50))),
        Err(ChainError::NotReached {
            at: at(50),
            before: Some(at(10)),
            after: Some(at(110))
        })
    );
}

#[test]
fn a_differential_needs_its_own_base() {
    let held = [
        full("B", (90, 100), (0, 10)),
        differential("A", (150, 160), (50, 55)),
    ];
    let missing = ChainError::BaseMissing {
        base: "A".to_owned(),
    };
    assert_eq!(plan(&held, Target::Backup(1)), Err(missing.clone()));
    assert_eq!(steps(&held, Target::Latest), [0]);
    assert_eq!(check_base(&["A".to_owned()], &held), Err(missing));
    assert_eq!(check_base(&["b".to_owned()], &held), Ok(()));
    assert_eq!(check_base(&[], &held), Err(ChainError::NoBase));
}

#[test]
fn a_copy_is_no_base_but_logs_can_follow_it() {
    let mut held = night();
    held[0].copy_only = true;
    assert!(plan(&held, Target::Backup(3)).is_err());
    assert!(check_base(&["A".to_owned()], &held).is_err());
    assert_eq!(steps(&held, Target::Latest), [0, 1, 2, 4, 5]);
}

#[test]
fn logs_of_another_history_are_passed_over() {
    let mut held = night();
    let mut other = log((120, 500), (41, 42));
    other.first_fork = Some("F2".to_owned());
    other.last_fork = Some("F2".to_owned());
    held.push(other);
    assert_eq!(steps(&held, Target::Latest), [0, 3, 4, 5]);
    // A restored database goes on from a log of both.
    let mut bridge = log((180, 190), (90, 91));
    bridge.last_fork = Some("F3".to_owned());
    let mut after = log((190, 200), (95, 96));
    after.first_fork = Some("F3".to_owned());
    held.extend([bridge, after]);
    assert_eq!(steps(&held, Target::Latest), [0, 3, 4, 5, 7, 8]);
}

proptest! {
    /// Whatever backups are missing: a plan begins with a full backup, its logs follow on one
    /// another, and it covers the time.
    #[test]
    fn plans_hold_together(
        keep in prop::collection::vec(any::<bool>(), 24),
        seconds in 0..260_i64,
    ) {
        let mut all = Vec::new();
        for n in 0..24_i64 {
            let lsn = 100 + 10 * n as u128;
            let times = (10 * n, 10 * n + 5);
            all.push(match n % 8 {
                0 => full(&format!("{n}"), (lsn, lsn + 5), times),
                4 => differential(&format!("{}", n - 4), (lsn, lsn + 5), times),
                _ => {
                    // The log before ended where the log backup before it did.
                    let back = if matches!(n % 8, 1 | 5) { 20 } else { 10 };
                    log((lsn + 2 - back, lsn + 2), times)
                }
            });
        }
        let held: Vec<_> = all.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(one, _)| one).collect();
        let Ok(plan) = plan(&held, Target::Time(at(seconds))) else {
            return Ok(());
        };
        let chain: Vec<_> = plan.steps.iter().map(|step| &held[*step]).collect();
        prop_assert_eq!(chain[0].kind, BackupKind::Full);
        let data = chain.iter().take_while(|one| one.kind != BackupKind::Log).count();
        prop_assert!(data <= 2);
        if data == 2 {
            prop_assert_eq!(chain[1].base_id.as_ref(), Some(&chain[0].id));
        }
        prop_assert!(chain[data - 1].finished <= at(seconds));
        let mut lsn = chain[data - 1].last_lsn;
        for log in &chain[data..] {
            prop_assert_eq!(log.kind, BackupKind::Log);
            prop_assert!(log.first_lsn <= lsn && lsn <= log.last_lsn);
            lsn = log.last_lsn;
        }
        let reached = chain.last().unwrap();
        prop_assert!(reached.started >= at(seconds) || reached.finished == at(seconds));
        prop_assert_eq!(plan.stop_at.is_some(), data < chain.len());
    }
}

/// The database was restored in place to 130 while log 1 and 2 were taken, and a log since.
fn restored_in_place() -> Vec<BackupFacts> {
    let turned = BackupFacts {
        first_fork: Some("F1".to_owned()),
        last_fork: Some("F2".to_owned()),
        fork_point: Some(Lsn(130)),
        ..log((120, 200), (60, 61))
    };
    let after = BackupFacts {
        first_fork: Some("F2".to_owned()),
        last_fork: Some("F2".to_owned()),
        ..log((200, 220), (80, 81))
    };
    vec![
        full("A", (90, 100), (0, 10)),
        log((80, 120), (20, 21)),
        log((120, 140), (40, 41)),
        turned,
        after,
    ]
}

#[test]
fn each_line_of_history_is_followed_by_itself() {
    let held = restored_in_place();
    assert_eq!(steps(&held, Target::Backup(2)), [0, 1, 2]);
    assert_eq!(steps(&held, Target::Backup(4)), [0, 1, 3, 4]);
    assert_eq!(
        steps(&held, Target::Time(at(35))),
        [0, 1, 2],
        "as it was then"
    );
    assert_eq!(steps(&held, Target::Time(at(70))), [0, 1, 3, 4]);
    assert_eq!(
        predecessors(&held),
        [None, Some(0), Some(1), Some(1), Some(3)]
    );
}

#[test]
fn a_full_backup_after_a_turn_needs_only_what_follows() {
    let mut held = restored_in_place();
    held.push(BackupFacts {
        first_fork: Some("F2".to_owned()),
        last_fork: Some("F2".to_owned()),
        ..full("B", (170, 180), (55, 57))
    });
    assert_eq!(steps(&held, Target::Backup(4)), [5, 3, 4]);
    assert_eq!(steps(&held, Target::Backup(2)), [0, 1, 2]);
    assert_eq!(steps(&held, Target::Time(at(59))), [5, 3]);
}

#[test]
fn a_log_backup_must_go_on_from_what_is_held() {
    let next = |start, forks: (&str, &str), fork_point: Option<u128>| NextLog {
        start: Some(Lsn(start)),
        forks: (
            Some(forks.0.to_owned()).filter(|fork| !fork.is_empty()),
            Some(forks.1.to_owned()),
        ),
        fork_point: fork_point.map(Lsn),
    };
    let held = &restored_in_place()[..3];
    assert_eq!(check_log(&next(140, ("", "F1"), None), held), Ok(()));
    assert_eq!(check_log(&next(120, ("F1", "F2"), Some(130)), held), Ok(()));
    let elsewhere = check_log(&next(150, ("", "F1"), None), held);
    assert!(matches!(elsewhere, Err(ChainError::LogElsewhere { .. })));
    let other = check_log(&next(110, ("", "F9"), None), held);
    assert_eq!(other, Err(ChainError::OtherHistory));
    let nothing = check_log(&next(110, ("", "F1"), None), &held[1..]);
    assert_eq!(nothing, Err(ChainError::NoFullForLog));
}

#[test]
fn a_change_of_the_clock_is_told() {
    let mut held = restored_in_place();
    held.truncate(3);
    held[2].utc_offset_minutes = 120;
    let plan = plan(&held, Target::Time(at(30))).unwrap();
    let hour = jiff::Span::new().hours(1);
    assert_eq!(plan.or_at, plan.stop_at.map(|at| at - hour));
}
