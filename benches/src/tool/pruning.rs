//! Tools that forget snapshots and give their room back.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::nightfold::Nightfold;
use super::restic::Restic;
use super::rustic::Rustic;
use super::{Places, Tool, ToolName};

/// A tool that takes room back at once, in a fixed number of runs.
pub trait Pruning: Tool {
    /// Removes these snapshots.
    fn forget(&self, snapshots: &[String]) -> Command;
    /// Takes back the room of what nothing needs.
    fn prune(&self) -> Command;
    /// How often `prune` is run until the room is there.
    fn prune_runs(&self) -> usize {
        1
    }
    /// How it was told to prune, for the report.
    fn prune_parameters(&self) -> &'static str;
}

impl ToolName {
    /// The adapter with all of the tool's files under `folder`; none if the comparison of prune leaves the tool out.
    pub fn pruning(self, folder: &Path, nightfold: &Path) -> Result<Option<Box<dyn Pruning>>> {
        Ok(match self {
            Self::Nightfold => Some(Box::new(Nightfold::in_folder(nightfold, folder)?)),
            Self::Restic => Some(Box::new(Restic::new(Places::make(folder)?))),
            Self::Rustic => Some(Box::new(Rustic::new(Places::make(folder)?))),
            Self::Vykar | Self::Borg | Self::Kopia => None,
        })
    }
}

impl Pruning for Nightfold {
    fn forget(&self, snapshots: &[String]) -> Command {
        let mut command = self.command("forget");
        command.args(snapshots);
        command
    }

    fn prune(&self) -> Command {
        self.command("prune")
    }

    /// The first condemns, the second deletes.
    fn prune_runs(&self) -> usize {
        2
    }

    fn prune_parameters(&self) -> &'static str {
        "defaults"
    }
}

impl Pruning for Restic {
    fn forget(&self, snapshots: &[String]) -> Command {
        let mut command = self.command("forget");
        command.arg("--quiet").args(snapshots);
        command
    }

    fn prune(&self) -> Command {
        self.command("prune")
    }

    fn prune_parameters(&self) -> &'static str {
        "defaults (`--max-unused 5%`)"
    }
}

impl Pruning for Rustic {
    fn forget(&self, snapshots: &[String]) -> Command {
        let mut command = self.command("forget");
        command.args(snapshots);
        command
    }

    fn prune(&self) -> Command {
        let mut command = self.command("prune");
        command.args(["--instant-delete", "--max-repack", "unlimited"]);
        command
    }

    fn prune_parameters(&self) -> &'static str {
        "`--instant-delete --max-repack unlimited` (by default it waits 23 hours and repacks at most a tenth)"
    }
}
