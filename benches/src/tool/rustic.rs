//! rustic.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use super::{PASSWORD, Places, Tool, ids, json};

#[derive(Debug)]
pub struct Rustic(Places);

impl Rustic {
    pub fn new(places: Places) -> Self {
        Self(places)
    }

    pub(super) fn command(&self, verb: &str) -> Command {
        let mut command = self.0.command(Path::new("rustic"));
        command
            .env("RUSTIC_REPOSITORY", &self.0.repository)
            .env("RUSTIC_PASSWORD", PASSWORD)
            .env("RUSTIC_CACHE_DIR", &self.0.cache);
        command.args(["--no-progress", verb]);
        command
    }
}

impl Tool for Rustic {
    fn version(&self) -> Command {
        let mut command = self.0.command(Path::new("rustic"));
        command.arg("--version");
        command
    }

    fn parameters(&self) -> &'static str {
        "repository version 2, `--set-compression 3`"
    }

    fn repository(&self) -> &Path {
        &self.0.repository
    }

    fn init(&self) -> Command {
        let mut command = self.command("init");
        command.args(["--set-version", "2", "--set-compression", "3"]);
        command
    }

    fn backup(&self, source: &Path, _label: &str) -> Command {
        let mut command = self.command("backup");
        command.arg(source);
        command
    }

    fn snapshots(&self) -> Result<Vec<String>> {
        let mut command = self.command("snapshots");
        command.arg("--json");
        let groups = json(command)?;
        ids(&Value::Array(flatten(&groups)), "id")
    }

    fn restore(&self, snapshot: &str, target: &Path) -> Command {
        let mut command = self.command("restore");
        command.arg(snapshot).arg(target);
        command
    }

    fn check(&self) -> Command {
        let mut command = self.command("check");
        command.arg("--read-data");
        command
    }
}

/// Releases differ in how they nest snapshots in groups: whatever has an id is one.
fn flatten(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values.iter().flat_map(flatten).collect(),
        Value::Object(fields) if fields.contains_key("id") => vec![value.clone()],
        Value::Object(fields) => fields.get("snapshots").map(flatten).unwrap_or_default(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::flatten;

    #[test]
    fn snapshots_are_found_in_every_nesting() {
        let (one, other) = (json!({"id": "a"}), json!({"id": "b"}));
        let expected = vec![one.clone(), other.clone()];
        assert_eq!(flatten(&json!([one, other])), expected);
        assert_eq!(flatten(&json!([["group", [one, other]]])), expected);
        let group = json!({"group_key": {"hostname": "h"}, "snapshots": [one, other]});
        assert_eq!(flatten(&json!([group])), expected);
    }
}
