//! Nightfold.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{PASSWORD, Places, Tool, ids, json};

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

    fn command(&self, verb: &str) -> Command {
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

    /// Prints a stored file.
    pub fn cat(&self, snapshot: &str, path: &str) -> Command {
        let mut command = self.command("cat");
        command.args([snapshot, path]);
        command
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
