//! The floor: what one changed night takes when the whole night before is at hand, with `zstd`.
//!
//! No tool that keeps every night restorable and finds its bases itself gets below it by much; how
//! near a repository's growth comes tells how good its deltas are, whatever the data.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::compare::only_entry;
use crate::corpus::Kind;
use crate::figures::Floor;
use crate::tool::in_path;

/// The arguments but for the files; the window of 2^31 spans the largest night.
pub const ARGUMENTS: [&str; 3] = ["-3", "--long=31", "--quiet"];

/// Nothing when a night is a folder, or when there is no `zstd` in `PATH`.
pub fn of(kind: Kind, nights: &[PathBuf]) -> Result<Option<Floor>> {
    let entries: Vec<PathBuf> = nights
        .iter()
        .map(|night| only_entry(night))
        .collect::<Result<_>>()?;
    if entries.iter().any(|entry| entry.is_dir()) {
        return Ok(None);
    }
    if !in_path("zstd") {
        eprintln!("zstd is not here: {kind} gets no floor");
        return Ok(None);
    }
    let bytes = entries
        .windows(2)
        .map(|pair| patch_bytes(&pair[0], &pair[1]))
        .collect::<Result<_>>()?;
    Ok(Some(Floor { kind, bytes }))
}

fn patch_bytes(before: &PathBuf, night: &PathBuf) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let patch = folder.path().join("patch");
    let mut command = Command::new("zstd");
    command.args(ARGUMENTS).arg("--patch-from").arg(before);
    command.arg(night).arg("-o").arg(&patch);
    let status = command.status().context("run zstd")?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(patch.metadata()?.len())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use anyhow::Result;

    use super::{Kind, in_path, of};

    #[test]
    fn a_night_with_one_change_takes_next_to_nothing() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let mut bytes: Vec<u8> = (0..300_000_u32)
            .map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let mut nights = Vec::new();
        for night in ["night-01", "night-02"] {
            let night = folder.path().join(night);
            fs::create_dir(&night)?;
            fs::write(night.join("app.db"), &bytes)?;
            nights.push(night);
            bytes[150_000] ^= 1;
        }
        let floor = of(Kind::Sqlite, &nights)?;
        assert_eq!(floor.is_some(), in_path("zstd"));
        if let Some(floor) = floor {
            assert!(floor.bytes.len() == 1 && floor.bytes[0] < 1000, "{floor:?}");
        }
        Ok(())
    }
}
