//! A script back into an empty database.

use std::io::Read;

use super::connection::Connection;
use super::error::{MssqlError, Result};
use super::script::Batches;

/// What was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Batches that were run.
    pub batches: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Runs a dump's script in one transaction: if anything fails, nothing of it stays.
///
/// Rows go as the `INSERT` statements of the script. A bulk load would be faster, but converts
/// values on its way.
pub fn load(connection: &mut Connection, script: &mut dyn Read) -> Result<LoadReport> {
    connection.run("cannot begin a transaction", "BEGIN TRANSACTION")?;
    let loaded = run_all(connection, script);
    if loaded.is_ok() {
        connection.run("cannot end the transaction", "COMMIT TRANSACTION")?;
    } else {
        // If this fails too, the server does it when the connection is gone.
        let _ = connection.run(
            "cannot take the load back",
            "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION",
        );
    }
    loaded
}

fn run_all(connection: &mut Connection, script: &mut dyn Read) -> Result<LoadReport> {
    let mut batches = Batches::new(script);
    let mut report = LoadReport::default();
    while let Some(batch) = batches.next()? {
        let what = format!("cannot run the batch at line {} of the dump", batch.line);
        connection.run(&what, &batch.sql)?;
        report.batches += 1;
        report.bytes += batch.sql.len() as u64;
    }
    // An error that ends the transaction must not pass for success.
    let what = "cannot load the dump";
    let rows = connection.rows(what, "SELECT @@TRANCOUNT")?;
    let open = rows
        .first()
        .map(|row| super::answer::Fields::new(what, row).number());
    match open.transpose()? {
        Some(1) => Ok(report),
        _ => Err(MssqlError::answer(
            what,
            "its transaction is no longer open",
        )),
    }
}
