//! Nights of a `PostgreSQL` cluster's files, as `pg_basebackup` packs them while the server runs.
//!
//! The cluster is the one whose dumps are the kind `postgres`. Its rows repeat by the seed; what the
//! server itself writes down (its identifier, times, positions in the log) does not.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::Plan;
use super::postgres::{Cluster, Use};
use super::server::run;

/// What `pg_basebackup --format=tar` calls the archive of the main tablespace.
const ENTRY: &str = "base.tar";

/// Builds every night under `out`.
pub fn build(plan: &Plan, out: &Path) -> Result<()> {
    let cluster = Cluster::start(Use::BaseBackup)?;
    cluster.initialize(plan)?;
    // Freshly copied rows are marked as committed by who reads them first. A server that has run for
    // a while has that behind it, and would otherwise touch every page before the second night.
    cluster.execute(|sql| writeln!(sql, "VACUUM (FREEZE, ANALYZE);"))?;
    for night in 1..=plan.nights {
        if night > 1 {
            cluster.pass_day(plan, night)?;
        }
        back_up(&cluster, &plan.night_folder(out, night)?.join(ENTRY))?;
    }
    Ok(())
}

/// By default the log goes to an archive of its own, which a night of one file has no place for.
fn back_up(cluster: &Cluster, to: &Path) -> Result<()> {
    let folder = cluster.output_folder()?;
    let mut command = cluster.client(
        "pg_basebackup",
        &[
            "--format=tar",
            "--checkpoint=fast",
            "--wal-method=none",
            "--no-manifest",
            "--no-sync",
            "--label=night",
        ],
    );
    run(command.arg("--pgdata").arg(folder.path()))?;
    std::fs::copy(folder.path().join(ENTRY), to).context("take the archive over")?;
    Ok(())
}
