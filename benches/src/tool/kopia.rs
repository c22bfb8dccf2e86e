//! Kopia.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{PASSWORD, Places, Tool, ids, json};
use crate::files;

#[derive(Debug)]
pub struct Kopia(Places);

impl Kopia {
    pub fn new(places: Places) -> Self {
        Self(places)
    }

    fn command(&self, verb: &[&str]) -> Command {
        let mut command = self.0.command(Path::new("kopia"));
        command
            .env("KOPIA_PASSWORD", PASSWORD)
            .env("KOPIA_CHECK_FOR_UPDATES", "false")
            .env("KOPIA_CACHE_DIRECTORY", &self.0.cache);
        command
            .arg("--config-file")
            .arg(self.0.home.join("kopia.config"))
            .args(["--no-progress", "--log-dir"])
            .arg(&self.0.scratch)
            .args(verb);
        command
    }
}

impl Tool for Kopia {
    fn version(&self) -> Command {
        let mut command = self.0.command(Path::new("kopia"));
        command.arg("--version");
        command
    }

    fn parameters(&self) -> &'static str {
        "`--compression zstd` (its default level)"
    }

    fn repository(&self) -> &Path {
        &self.0.repository
    }

    fn init(&self) -> Command {
        // Compression is a policy, set after the repository is made.
        let steps = r#"
            kopia "$@" repository create filesystem --path "$REPOSITORY" &&
            kopia "$@" policy set --global --compression zstd"#;
        let mut command = self.0.command(Path::new("sh"));
        command
            .env("KOPIA_PASSWORD", PASSWORD)
            .env("KOPIA_CHECK_FOR_UPDATES", "false")
            .env("KOPIA_CACHE_DIRECTORY", &self.0.cache)
            .env("REPOSITORY", &self.0.repository)
            .args(["-ec", steps, "sh", "--config-file"])
            .arg(self.0.home.join("kopia.config"))
            .args(["--no-progress", "--log-dir"])
            .arg(&self.0.scratch);
        command
    }

    fn backup(&self, source: &Path, _label: &str) -> Command {
        let mut command = self.command(&["snapshot", "create"]);
        // Sources are folders: a lone file is stored with the folder it lies in.
        command.arg(source.parent().unwrap_or(source));
        command
    }

    fn snapshots(&self) -> Result<Vec<String>> {
        // Two nights alike share one line unless all are asked for.
        let command = self.command(&["snapshot", "list", "--json", "--show-identical"]);
        ids(&json(command)?, "id")
    }

    fn restore(&self, snapshot: &str, target: &Path) -> Command {
        let mut command = self.command(&["snapshot", "restore"]);
        command.arg(snapshot).arg(target);
        command
    }

    fn restored(&self, source: &Path, target: &Path) -> PathBuf {
        target.join(files::name(source))
    }

    fn check(&self) -> Command {
        self.command(&["snapshot", "verify", "--verify-files-percent=100"])
    }
}
