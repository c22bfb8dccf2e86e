//! Seeded nights of live servers' dumps and files, for `compare` to back up.
//!
//! The layout is `OUT/<kind>/night-01/<entry>`, with the same entry name every night.

mod basebackup;
mod mariadb;
mod postgres;
mod postgres_rows;
mod server;
mod settings;
mod sqlite;
pub mod vocabulary;
pub mod words;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::files;

/// What the nights consist of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Plain `pg_dump` of pgbench's tables and an application's.
    Postgres,
    /// `mariadb-dump` of a shop.
    Mariadb,
    /// A database file.
    Sqlite,
    /// `pg_basebackup` of the cluster that `Postgres` dumps.
    Basebackup,
    /// Settings files of forty computers.
    Settings,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Postgres => "postgres",
            Self::Mariadb => "mariadb",
            Self::Sqlite => "sqlite",
            Self::Basebackup => "basebackup",
            Self::Settings => "settings",
        })
    }
}

impl Kind {
    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL dump",
            Self::Mariadb => "MariaDB dump",
            Self::Sqlite => "SQLite file",
            Self::Basebackup => "PostgreSQL base backup",
            Self::Settings => "settings",
        }
    }
}

/// How large the corpus is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Size {
    /// A few MB, in seconds: does everything work?
    Smoke,
    /// An eighth.
    Small,
    /// What figures are published of.
    Full,
}

impl Size {
    /// This size's share of a full count.
    fn of(self, full: u64) -> u64 {
        match self {
            Self::Smoke => full / 60,
            Self::Small => full / 8,
            Self::Full => full,
        }
    }
}

/// Options of `corpus`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder to build the nights in; a kind that is there already is not touched
    #[arg(long)]
    out: PathBuf,
    /// Kinds to build, separated by commas [default: all]
    #[arg(long, value_delimiter = ',')]
    kind: Vec<KindOrAll>,
    #[command(flatten)]
    plan: Plan,
}

/// What the command line takes for a kind.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindOrAll {
    Postgres,
    Mariadb,
    Sqlite,
    Basebackup,
    Settings,
    All,
}

impl KindOrAll {
    fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Postgres => &[Kind::Postgres],
            Self::Mariadb => &[Kind::Mariadb],
            Self::Sqlite => &[Kind::Sqlite],
            Self::Basebackup => &[Kind::Basebackup],
            Self::Settings => &[Kind::Settings],
            Self::All => Kind::value_variants(),
        }
    }
}

/// What every kind's builder needs to know.
#[derive(Debug, clap::Args)]
pub struct Plan {
    /// Nights to build
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=99))]
    nights: u32,
    /// How large the nights are
    #[arg(long, value_enum, default_value_t = Size::Full)]
    size: Size,
    /// The same seed builds the same nights
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Plan {
    /// As the command line takes it.
    pub fn arguments(&self) -> Vec<String> {
        let size = self.size.to_possible_value();
        let size = size.map_or_else(String::new, |value| value.get_name().to_owned());
        [
            "--nights",
            &self.nights.to_string(),
            "--size",
            &size,
            "--seed",
            &self.seed.to_string(),
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// Makes the folder of a night.
    fn night_folder(&self, kind_folder: &Path, night: u32) -> Result<PathBuf> {
        let folder = kind_folder.join(format!("night-{night:02}"));
        std::fs::create_dir_all(&folder)?;
        eprintln!(
            "{}: night {night} of {}",
            kind_folder.display(),
            self.nights
        );
        Ok(folder)
    }
}

/// Builds the kinds asked for.
pub fn run(arguments: &Arguments) -> Result<()> {
    let all = [KindOrAll::All];
    let asked = if arguments.kind.is_empty() {
        &all
    } else {
        arguments.kind.as_slice()
    };
    for kind in asked.iter().flat_map(|kind| kind.kinds()) {
        build(*kind, &arguments.plan, &arguments.out).with_context(|| format!("build {kind}"))?;
    }
    Ok(())
}

/// A kind is built beside its place and renamed: a folder with its name is whole.
fn build(kind: Kind, plan: &Plan, out: &Path) -> Result<()> {
    let (partial, whole) = (
        out.join(format!("{kind}.partial")),
        out.join(kind.to_string()),
    );
    ensure!(!whole.exists(), "{} is there already", whole.display());
    if partial.exists() {
        std::fs::remove_dir_all(&partial)?;
    }
    let start = Instant::now();
    match kind {
        Kind::Postgres => postgres::build(plan, &partial)?,
        Kind::Mariadb => mariadb::build(plan, &partial)?,
        Kind::Sqlite => sqlite::build(plan, &partial)?,
        Kind::Basebackup => basebackup::build(plan, &partial)?,
        Kind::Settings => settings::build(plan, &partial)?,
    }
    std::fs::rename(&partial, &whole)?;
    println!("{kind}: built in {:.0} s", start.elapsed().as_secs_f64());
    for night in files::sorted_entries(&whole)? {
        let megabytes = files::tree_bytes(&night)? as f64 / 1e6;
        println!("  {}: {megabytes:.1} MB", files::name(&night));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use anyhow::Result;

    use super::{Plan, Size, files, settings, sqlite};

    const PLAN: Plan = Plan {
        nights: 2,
        size: Size::Smoke,
        seed: 7,
    };

    fn assert_repeatable(build: fn(&Plan, &Path) -> Result<()>) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        build(&PLAN, &one)?;
        build(&PLAN, &other)?;
        files::compare_trees(&one, &other)?;
        let nights = files::sorted_entries(&one)?;
        assert!(files::compare_trees(&nights[0], &nights[1]).is_err());
        Ok(())
    }

    #[test]
    fn a_seed_repeats_its_settings() -> Result<()> {
        assert_repeatable(settings::build)
    }

    #[test]
    fn a_seed_repeats_its_database_file() -> Result<()> {
        assert_repeatable(sqlite::build)
    }
}
