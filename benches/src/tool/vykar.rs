//! vykar.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{PASSWORD, Places, Tool, text};
use crate::files;

#[derive(Debug)]
pub struct Vykar {
    places: Places,
    config: PathBuf,
}

impl Vykar {
    pub fn new(places: Places) -> Result<Self> {
        let config = places.home.join("vykar.yaml");
        let path = |path: &Path| serde_json::to_string(path).context("a path that is text");
        // A string of JSON is one of YAML.
        let settings = format!(
            "repositories:\n  - url: {}\n    label: night\ncache_dir: {}\n\
             compression:\n  algorithm: zstd\n  zstd_level: 3\n",
            path(&places.repository)?,
            path(&places.cache)?,
        );
        std::fs::write(&config, settings)?;
        Ok(Self { places, config })
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = self.places.command(Path::new("vykar"));
        command
            .env("VYKAR_PASSPHRASE", PASSWORD)
            .arg("--config")
            .arg(&self.config)
            .arg(verb);
        command
    }
}

impl Tool for Vykar {
    fn version(&self) -> Command {
        let mut command = self.places.command(Path::new("vykar"));
        command.arg("--version");
        command
    }

    fn parameters(&self) -> &'static str {
        "`encryption: auto`, `compression: zstd`, `zstd_level: 3`"
    }

    fn repository(&self) -> &Path {
        &self.places.repository
    }

    fn init(&self) -> Command {
        self.command("init")
    }

    fn backup(&self, source: &Path, _label: &str) -> Command {
        let mut command = self.command("backup");
        // One label for all nights: it is by the label that an earlier snapshot is found again.
        command.args(["--label", "night"]).arg(source);
        command
    }

    fn snapshots(&self) -> Result<Vec<String>> {
        Ok(listed(&text(&mut self.command("list"))?))
    }

    fn restore(&self, snapshot: &str, target: &Path) -> Command {
        let mut command = self.command("restore");
        command.arg(snapshot).arg(target);
        command
    }

    fn restored(&self, source: &Path, target: &Path) -> PathBuf {
        // What a folder holds comes back without the folder.
        if source.is_dir() {
            target.to_owned()
        } else {
            target.join(files::name(source))
        }
    }

    fn check(&self) -> Command {
        let mut command = self.command("check");
        command.arg("--verify-data");
        command
    }
}

/// Rows of the table begin with the id, a hash; the head and continued cells don't.
fn listed(table: &str) -> Vec<String> {
    table
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn ids_are_taken_from_the_rows_of_the_table() {
        let table = " ID        Date              Host  Label  Source      Files\n \
                     0a1b2c3d  2026-01-05 02:00  here  night  /srv/app    1\n \
                     4e5f6071  2026-01-06 02:00               /srv/app    1\n";
        assert_eq!(listed(table), ["0a1b2c3d", "4e5f6071"]);
        assert!(listed("No snapshots found.\n").is_empty());
    }
}
