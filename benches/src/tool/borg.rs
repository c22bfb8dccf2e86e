//! Borg.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{PASSWORD, Places, Tool, ids, json};

#[derive(Debug)]
pub struct Borg(Places);

impl Borg {
    pub fn new(places: Places) -> Self {
        Self(places)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = self.0.command(Path::new("borg"));
        command
            .env("BORG_REPO", &self.0.repository)
            .env("BORG_PASSPHRASE", PASSWORD);
        command.env("BORG_BASE_DIR", &self.0.home).arg(verb);
        command
    }
}

impl Tool for Borg {
    fn version(&self) -> Command {
        self.command("--version")
    }

    fn parameters(&self) -> &'static str {
        "`--encryption repokey-blake2`, `--compression zstd,3`"
    }

    fn repository(&self) -> &Path {
        &self.0.repository
    }

    fn init(&self) -> Command {
        let mut command = self.command("init");
        command.args(["--encryption", "repokey-blake2"]);
        command
    }

    fn backup(&self, source: &Path, label: &str) -> Command {
        let mut command = self.command("create");
        command
            .args(["--compression", "zstd,3"])
            .arg(format!("::{label}"))
            .arg(source);
        command
    }

    fn snapshots(&self) -> Result<Vec<String>> {
        let mut command = self.command("list");
        command.arg("--json");
        ids(&json(command)?["archives"], "name")
    }

    fn restore(&self, snapshot: &str, target: &Path) -> Command {
        let mut command = self.command("extract");
        command.arg(format!("::{snapshot}")).current_dir(target);
        command
    }

    fn check(&self) -> Command {
        let mut command = self.command("check");
        command.arg("--verify-data");
        command
    }
}
