//! The tools compared: how each is told to do the same thing.

mod borg;
mod kopia;
mod nightfold;
mod pruning;
mod restic;
mod rustic;
mod vykar;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub use nightfold::{Nightfold, Pruned, Stored};
pub use pruning::Pruning;

/// Every repository is encrypted; it is thrown away after the comparison.
const PASSWORD: &str = "correct horse battery staple";

/// Which tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ToolName {
    /// Ours.
    Nightfold,
    /// Whole-chunk dedup, zstd.
    Restic,
    /// Whole-chunk dedup, zstd; restic's format.
    Rustic,
    /// Whole-chunk dedup, zstd.
    Vykar,
    /// Whole-chunk dedup, zstd.
    Borg,
    /// Whole-chunk dedup, zstd.
    Kopia,
}

impl fmt::Display for ToolName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Nightfold => "nightfold",
            Self::Restic => "restic",
            Self::Rustic => "rustic",
            Self::Vykar => "vykar",
            Self::Borg => "borg",
            Self::Kopia => "kopia",
        })
    }
}

impl ToolName {
    /// The adapter, with all of the tool's files under `folder`.
    pub fn adapter(self, folder: &Path, nightfold: Option<&Path>) -> Result<Box<dyn Tool>> {
        let places = Places::make(folder)?;
        Ok(match self {
            Self::Nightfold => {
                let program =
                    nightfold.context("the comparison with nightfold needs --nightfold")?;
                Box::new(Nightfold::new(program, places)?)
            }
            Self::Restic => Box::new(restic::Restic::new(places)),
            Self::Rustic => Box::new(rustic::Rustic::new(places)),
            Self::Vykar => Box::new(vykar::Vykar::new(places)?),
            Self::Borg => Box::new(borg::Borg::new(places)),
            Self::Kopia => Box::new(kopia::Kopia::new(places)),
        })
    }

    /// Whether it can run here: ours when its program was given, a peer when it is in `PATH`.
    pub fn is_there(self, nightfold: Option<&Path>) -> bool {
        match self {
            Self::Nightfold => nightfold.is_some(),
            peer => in_path(&peer.to_string()),
        }
    }
}

/// One tool with one repository. Commands are built here and run by who measures them.
pub trait Tool: fmt::Debug {
    /// Prints the version.
    fn version(&self) -> Command;
    /// What was chosen for it, for the report.
    fn parameters(&self) -> &'static str;
    /// The folder whose size counts.
    fn repository(&self) -> &Path;
    /// Makes the encrypted repository.
    fn init(&self) -> Command;
    /// Stores `source`; tools that name snapshots take `label`.
    fn backup(&self, source: &Path, label: &str) -> Command;
    /// Every snapshot's id, in any order.
    fn snapshots(&self) -> Result<Vec<String>>;
    /// Restores to `target`, with the source's absolute path under it.
    fn restore(&self, snapshot: &str, target: &Path) -> Command;
    /// Where `restore` puts what was stored of `source`.
    fn restored(&self, source: &Path, target: &Path) -> PathBuf {
        target.join(source.strip_prefix("/").unwrap_or(source))
    }
    /// Reads and verifies all data.
    fn check(&self) -> Command;
}

/// Where a tool keeps its files, apart from the user's own.
#[derive(Debug)]
struct Places {
    repository: PathBuf,
    cache: PathBuf,
    home: PathBuf,
    scratch: PathBuf,
}

impl Places {
    fn make(folder: &Path) -> Result<Self> {
        let places = Self {
            repository: folder.join("repository"),
            cache: folder.join("cache"),
            home: folder.join("home"),
            scratch: folder.join("scratch"),
        };
        for made in [&places.cache, &places.home, &places.scratch] {
            std::fs::create_dir_all(made)?;
        }
        Ok(places)
    }

    /// A command that knows nothing of the user's settings.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("HOME", &self.home)
            .env("XDG_CACHE_HOME", &self.cache);
        command.env("TMPDIR", &self.scratch).env("LANG", "C.UTF-8");
        command
    }
}

/// Whether a program can be found by its name alone.
pub fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The ids in a JSON array of objects.
fn ids(array: &serde_json::Value, key: &str) -> Result<Vec<String>> {
    let objects = array
        .as_array()
        .context("a list of snapshots is an array")?;
    let id = |object: &serde_json::Value| object[key].as_str().map(str::to_owned);
    objects
        .iter()
        .map(id)
        .collect::<Option<_>>()
        .with_context(|| format!("no {key} in a snapshot"))
}

/// What a command that must succeed prints, as JSON.
fn json(mut command: Command) -> Result<serde_json::Value> {
    Ok(serde_json::from_str(&text(&mut command)?)?)
}

/// What a command that must succeed prints.
pub fn text(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("run {command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{errors}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}
