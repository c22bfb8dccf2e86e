//! restic.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{PASSWORD, Places, Tool, ids, json};

#[derive(Debug)]
pub struct Restic(Places);

impl Restic {
    pub fn new(places: Places) -> Self {
        Self(places)
    }

    pub(super) fn command(&self, verb: &str) -> Command {
        let mut command = self.0.command(Path::new("restic"));
        command
            .env("RESTIC_PASSWORD", PASSWORD)
            .arg("--repo")
            .arg(&self.0.repository);
        command.arg("--cache-dir").arg(&self.0.cache).arg(verb);
        command
    }
}

impl Tool for Restic {
    fn version(&self) -> Command {
        self.command("version")
    }

    fn parameters(&self) -> &'static str {
        "repository version 2, `--compression auto` (zstd at its default level, about 3)"
    }

    fn repository(&self) -> &Path {
        &self.0.repository
    }

    fn init(&self) -> Command {
        let mut command = self.command("init");
        command.args(["--repository-version", "2"]);
        command
    }

    fn backup(&self, source: &Path, _label: &str) -> Command {
        let mut command = self.command("backup");
        command
            .args(["--quiet", "--compression", "auto"])
            .arg(source);
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
