//! Nightfold.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{PASSWORD, Places, Tool, ids, json, text};

/// The program under test, with its repository.
#[derive(Debug)]
pub struct Nightfold {
    program: PathBuf,
    places: Places,
}

impl Nightfold {
    pub(super) fn new(program: &Path, places: Places) -> Result<Self> {
        let program = program
            .canonicalize()
            .with_context(|| program.display().to_string())?;
        Ok(Self { program, places })
    }

    /// All of its files are made under `folder`.
    pub fn in_folder(program: &Path, folder: &Path) -> Result<Self> {
        Self::new(program, Places::make(folder)?)
    }

    pub(super) fn command(&self, verb: &str) -> Command {
        let mut command = self.places.command(&self.program);
        command.env("NIGHTFOLD_REPO", &self.places.repository);
        command.env("NIGHTFOLD_PASSWORD", PASSWORD).arg(verb);
        command
    }

    /// Stores standard input as the file `name`.
    pub fn backup_input(&self, name: &str) -> Command {
        let mut command = self.command("backup");
        command.args(["-", "--stdin-name", name]);
        command
    }

    /// What it prints as its version.
    pub fn version_text(&self) -> Result<String> {
        Ok(text(&mut self.version())?.trim().to_owned())
    }

    /// What the repository holds; nothing from a release that cannot tell.
    pub fn stored(&self) -> Option<Stored> {
        let mut command = self.command("stats");
        command.arg("--json");
        Stored::parse(&json(command).ok()?)
    }

    /// Forgets what the rules do not keep: options of `forget`, each with its number.
    pub fn forget(&self, rules: &[(&str, &str)]) -> Command {
        let mut command = self.command("forget");
        command.args(rules.iter().flat_map(|(option, number)| [option, number]));
        command
    }

    /// Prunes, and tells what it moved and how many seconds it took.
    pub fn prune(&self) -> Result<(Pruned, f64)> {
        let mut command = self.command("prune");
        command.arg("--json");
        let start = Instant::now();
        let report = json(command)?;
        let seconds = start.elapsed().as_secs_f64();
        Ok((Pruned::parse(&report)?, seconds))
    }

    /// Prints a stored file.
    pub fn cat(&self, snapshot: &str, path: &str) -> Command {
        let mut command = self.command("cat");
        command.args([snapshot, path]);
        command
    }
}

/// What `stats` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Chunks in all.
    pub chunks: u64,
    /// All of the repository that is not the codec's output.
    pub metadata_bytes: u64,
    /// The deltas to decode for the deepest chunk.
    pub depth_max: Option<u64>,
}

impl Stored {
    fn parse(stats: &Value) -> Option<Self> {
        let total = stats["stored"]["total"].as_u64()?;
        let depths = stats["depth_histogram"].as_array();
        Some(Self {
            chunks: stats["chunks"].as_u64()?,
            metadata_bytes: total.checked_sub(stats["payload_bytes"].as_u64()?)?,
            depth_max: depths.and_then(|depths| (depths.len() as u64).checked_sub(1)),
        })
    }
}

/// What a prune moved.
#[expect(
    clippy::struct_field_names,
    reason = "they are the fields of `prune --json`"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// Bytes of the packs that it wrote.
    pub written_bytes: u64,
    /// Bytes of the packs that it deleted.
    pub deleted_bytes: u64,
    /// Bytes of frames that were not needed when it began.
    pub unused_bytes: u64,
    /// Bytes of the packs that it left to be deleted by a later run.
    pub waiting_bytes: u64,
}

impl Pruned {
    fn parse(report: &Value) -> Result<Self> {
        let field = |name: &str| {
            let number = report[name].as_u64();
            number.with_context(|| format!("prune tells no {name}"))
        };
        Ok(Self {
            written_bytes: field("written_bytes")?,
            deleted_bytes: field("deleted_bytes")?,
            unused_bytes: field("unused_bytes")?,
            waiting_bytes: field("waiting_bytes")?,
        })
    }
}

impl Tool for Nightfold {
    fn version(&self) -> Command {
        self.command("--version")
    }

    fn parameters(&self) -> &'static str {
        "defaults"
    }

    fn repository(&self) -> &Path {
        &self.places.repository
    }

    fn init(&self) -> Command {
        self.command("init")
    }

    fn backup(&self, source: &Path, _label: &str) -> Command {
        let mut command = self.command("backup");
        command.arg(source).arg("--json");
        command
    }

    fn snapshots(&self) -> Result<Vec<String>> {
        let mut command = self.command("snapshots");
        command.arg("--json");
        ids(&json(command)?, "id")
    }

    fn restore(&self, snapshot: &str, target: &Path) -> Command {
        let mut command = self.command("restore");
        command.arg(snapshot).arg("--target").arg(target);
        command
    }

    fn check(&self) -> Command {
        let mut command = self.command("check");
        command.arg("--read-data");
        command
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Pruned, Stored};

    #[test]
    fn metadata_is_what_is_not_payload() {
        let stats = json!({
            "stored": {"total": 1500}, "payload_bytes": 1000, "chunks": 4,
            "depth_histogram": [2, 1, 1],
        });
        let expected = Stored {
            chunks: 4,
            metadata_bytes: 500,
            depth_max: Some(2),
        };
        assert_eq!(Stored::parse(&stats), Some(expected));
        assert_eq!(Stored::parse(&json!({"chunks": 4})), None);
    }

    #[test]
    fn a_prune_must_tell_what_it_moved() -> anyhow::Result<()> {
        let report = json!({
            "written_bytes": 3, "deleted_bytes": 5, "unused_bytes": 9, "waiting_bytes": 2, "packs": 7,
        });
        let expected = Pruned {
            written_bytes: 3,
            deleted_bytes: 5,
            unused_bytes: 9,
            waiting_bytes: 2,
        };
        assert_eq!(Pruned::parse(&report)?, expected);
        assert!(Pruned::parse(&json!({"written_bytes": 3})).is_err());
        Ok(())
    }
}
