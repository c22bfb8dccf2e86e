//! A script back into an empty database.

use std::io::Read;

use super::answer::Fields;
use super::connection::Connection;
use super::error::{MssqlError, Result};
use super::script::{Batches, PROGRAM};

/// What was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Batches that were run.
    pub batches: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Views, functions, procedures and triggers that the server did not take.
    pub warnings: Vec<String>,
}

/// Runs a dump's script in one transaction: if anything fails, nothing of it stays.
///
/// Rows go as the `INSERT` statements of the script. A bulk load would be faster, but converts
/// values on its way.
///
/// A view, function, procedure or trigger that the server does not take is left out and told of:
/// old databases have some that refer to what is gone.
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
    let mut program: Option<String> = None;
    while let Some(batch) = batches.next()? {
        let what = format!("cannot run the batch at line {} of the dump", batch.line);
        match program.take() {
            Some(name) => run_program(connection, &name, &batch.sql, &mut report.warnings)?,
            None => connection.run(&what, &batch.sql)?,
        }
        let head = batch.sql.lines().next().unwrap_or_default();
        program = head.strip_prefix(PROGRAM).map(str::to_owned);
        report.batches += 1;
        report.bytes += batch.sql.len() as u64;
    }
    // An error that ends the transaction must not pass for success.
    let what = "cannot load the dump";
    let rows = connection.rows(what, "SELECT @@TRANCOUNT")?;
    let open = rows.first().map(|row| Fields::new(what, row).number());
    match open.transpose()? {
        Some(1) => Ok(report),
        _ => Err(MssqlError::answer(
            what,
            "its transaction is no longer open",
        )),
    }
}

/// Makes a view, function, procedure or trigger, or tells that it cannot be made. The transaction
/// goes on, unless the server has given it up.
fn run_program(
    connection: &mut Connection,
    name: &str,
    sql: &str,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let what = format!("cannot make {name}");
    connection.run(&what, "SET XACT_ABORT OFF")?;
    let made = connection.run(&what, sql);
    if let Err(error) = made {
        let MssqlError::Server { .. } = error else {
            return Err(error);
        };
        let rows = connection.rows(&what, "SELECT CAST(XACT_STATE() AS int)")?;
        let state = rows.first().map(|row| Fields::new(&what, row).number());
        if state.transpose()? != Some(1) {
            return Err(error);
        }
        warnings.push(error.to_string());
    }
    connection.run(&what, "SET XACT_ABORT ON")
}
