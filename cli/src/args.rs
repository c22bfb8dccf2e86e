//! What can be said on the command line. Each verb's own options stand in its file below `commands`.

use std::path::PathBuf;

use clap::builder::RangedI64ValueParser;
use clap::{Args, Parser, Subcommand};
use nightfold_repo::format::Snapshot;
use nightfold_repo::limits::PARITY_PERCENT_MAX;

use crate::commands::{
    backup, cat, check, compact, completions, copy, demo, diff, drill, find, forget, index, init,
    key, locks, ls, prune, repair, restore, snapshots, stats,
};

const AFTER_HELP: &str = "\
Environment:
  NIGHTFOLD_REPO              where the repository is
  NIGHTFOLD_PASSWORD          its password; or
  NIGHTFOLD_PASSWORD_FILE     a file whose first line it is; or
  NIGHTFOLD_PASSWORD_COMMAND  a shell command that prints it
  NIGHTFOLD_CONFIG            the configuration file
  NIGHTFOLD_CACHE_DIR         where the index lies (else XDG_CACHE_HOME or ~/.cache)

Exit codes:
  0 done   1 failed   2 wrong usage   3 snapshot made, but some files could not be read
  10 no repository   11 locked   12 wrong password   130 interrupted";

const GLOBAL: &str = "Options of every command";

/// Backups of nightly database dumps, stored as what changed; any night back byte for byte.
#[derive(Debug, Parser)]
#[command(name = "nightfold", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    /// What every verb takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every verb.
#[derive(Debug, Args)]
pub struct Global {
    /// The repository [env: NIGHTFOLD_REPO]
    #[arg(short, long, global = true, value_name = "FOLDER", help_heading = GLOBAL)]
    pub repo: Option<PathBuf>,
    /// The configuration file, else ./nightfold.toml, then those in $XDG_CONFIG_HOME/nightfold and
    /// /etc/nightfold [env: NIGHTFOLD_CONFIG]
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL)]
    pub config: Option<PathBuf>,
    /// Print nothing but warnings, errors and what was asked for
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub quiet: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new repository
    Init(init::InitArgs),
    /// Make a snapshot of files, of standard input, of a source in nightfold.toml, or of what a command prints
    Backup(backup::BackupArgs),
    /// List the snapshots
    Snapshots(snapshots::SnapshotsArgs),
    /// List the files of a snapshot
    Ls(ls::LsArgs),
    /// Tell in which snapshots a file occurs and when it changed
    Find(find::FindArgs),
    /// Tell what changed between two snapshots
    Diff(diff::DiffArgs),
    /// Get a snapshot, or a part of it, back
    Restore(restore::RestoreArgs),
    /// Write one file to standard output
    Cat(cat::CatArgs),
    /// Copy snapshots from another repository into this one
    Copy(copy::CopyArgs),
    /// Get room back from what no snapshot needs any more
    Prune(prune::PruneArgs),
    /// Store better what is kept for long: full packs, old data compressed harder, short chains, the newest key
    Compact(compact::CompactArgs),
    /// Show what is running on the repository
    Locks(locks::LocksArgs),
    /// Remove snapshots that a policy does not keep, or that are named
    Forget(forget::ForgetArgs),
    /// Look for damage
    Check(check::CheckArgs),
    /// Load dumps of databases into scratch databases, and compare them with what was put down
    Drill(drill::DrillArgs),
    /// Restore what is damaged from parity and copies, and tell what is lost
    Repair(repair::RepairArgs),
    /// Tell how much is stored and how well it folds
    Stats(stats::StatsArgs),
    /// List, add, remove and change passwords, and change the keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// The local index: derived from the repository, never needed for a restore elsewhere
    #[command(subcommand)]
    Index(index::IndexCommand),
    /// Five nights of a live database in a temporary folder: backup, restore, proof
    Demo(demo::DemoArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

/// `--json`, for the verbs that print facts.
#[derive(Clone, Copy, Debug, Args)]
pub struct JsonFlag {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Percents of parity that may be asked for.
pub fn parity_percent() -> RangedI64ValueParser<u8> {
    RangedI64ValueParser::new().range(0..=i64::from(PARITY_PERCENT_MAX))
}

/// Which snapshots count.
#[derive(Clone, Debug, Default, Args)]
pub struct Filter {
    /// Only snapshots of this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only snapshots taken on this host
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Only snapshots that carry this tag; given several times, all of them
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
}

impl Filter {
    /// Whether every snapshot counts.
    pub fn is_empty(&self) -> bool {
        self.source.is_none() && self.host.is_none() && self.tags.is_empty()
    }

    /// Whether this snapshot counts.
    pub fn matches(&self, snapshot: &Snapshot) -> bool {
        let is = |wanted: &Option<String>, has: &str| wanted.as_deref().is_none_or(|w| w == has);
        is(&self.source, &snapshot.source)
            && is(&self.host, &snapshot.host)
            && self.tags.iter().all(|tag| snapshot.tags.contains(tag))
    }
}

/// What `latest` means.
#[derive(Clone, Debug, Default, Args)]
pub struct Choice {
    /// Let `latest` mean the newest snapshot at or before this time: 'YYYY-MM-DD HH:MM' in local time (of an
    /// ambiguous hour the later), or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Which snapshots `latest` chooses from.
    #[command(flatten)]
    pub filter: Filter,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
