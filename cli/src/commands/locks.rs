//! `nightfold locks`.

use clap::Args;
use nightfold_repo::format::Work;
use nightfold_repo::repository::{LeaseInfo, LeaseState};
use serde::Serialize;

use crate::args::JsonFlag;
use crate::context::Context;
use crate::exit::{Outcome, Result};
use crate::output::{Align, Output, Table};

/// Options of `locks`.
#[derive(Debug, Args)]
pub struct LocksArgs {
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Serialize)]
struct Shown<'l> {
    command: &'l str,
    host: &'l str,
    pid: u32,
    since: &'l str,
    work: Work,
    state: LeaseState,
    counter: u64,
}

impl<'l> Shown<'l> {
    fn of(info: &'l LeaseInfo) -> Self {
        let lease = &info.lease;
        Self {
            command: &lease.command,
            host: &lease.host,
            pid: lease.process.pid,
            since: &lease.started,
            work: lease.work,
            state: info.state,
            counter: lease.counter,
        }
    }
}

/// Shows who is at work.
pub fn run(context: &Context, args: &LocksArgs) -> Result<Outcome> {
    let leases = context.open()?.leases()?;
    let mut out = Output::open();
    if args.json.json {
        let shown: Vec<Shown<'_>> = leases.iter().map(Shown::of).collect();
        out.json(&shown)?;
    } else if leases.is_empty() {
        if !context.quiet {
            out.line("nothing is running")?;
        }
    } else {
        out.table(&table(&leases))?;
    }
    out.finish()?;
    Ok(Outcome::Done)
}

fn table(leases: &[LeaseInfo]) -> Table {
    let mut table = Table::new(&[
        ("COMMAND", Align::Left),
        ("HOST", Align::Left),
        ("PROCESS", Align::Right),
        ("AGE", Align::Right),
        ("STATE", Align::Left),
    ]);
    for info in leases {
        let lease = &info.lease;
        table.row(vec![
            lease.command.clone(),
            lease.host.clone(),
            lease.process.pid.to_string(),
            age(&lease.started),
            match (info.state, lease.work) {
                (LeaseState::Alive, Work::Exclusive) => "running, other maintenance waits",
                (LeaseState::Alive, _) => "running",
                (LeaseState::Gone, _) => "ended without a word; the next prune clears it away",
                (LeaseState::Still, _) => "taken for dead: not renewed for long",
                (LeaseState::Revoked, _) => "taken back",
            }
            .to_owned(),
        ]);
    }
    table
}

/// By this machine's clock: for people only.
fn age(started: &str) -> String {
    let Ok(started) = started.parse::<jiff::Timestamp>() else {
        return String::new();
    };
    let seconds = jiff::Timestamp::now().duration_since(started).as_secs();
    match seconds {
        ..60 => format!("{} s", seconds.max(0)),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
