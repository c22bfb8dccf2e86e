//! How far a long command is. The server tells it on another connection only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tiberius::ColumnData;

use super::super::answer::Fields;
use super::super::connection::Connection;
use super::super::error::{MssqlError, Result};
use super::statements;

/// How often the server is asked.
const PERIOD: Duration = Duration::from_secs(1);
/// How often the end of the command is looked for.
const POLL: Duration = Duration::from_millis(50);

/// Follows a command from another connection.
pub struct Watch<'a> {
    /// Opens the connection.
    pub connect: &'a (dyn Fn() -> Result<Connection<'a>> + Sync),
    /// Takes percent, from 0 to 100.
    pub tell: &'a (dyn Fn(f32) + Sync),
}

/// Runs a batch, and tells meanwhile how far it is. What goes wrong with telling does not matter.
pub(super) fn run_watched(
    connection: &mut Connection,
    what: &str,
    sql: &str,
    watch: Option<&Watch<'_>>,
) -> Result<()> {
    let Some(watch) = watch else {
        return connection.run(what, sql);
    };
    let rows = connection.rows(what, "SELECT CAST(@@SPID AS int)")?;
    let Some(row) = rows.first() else {
        return Err(MssqlError::answer(what, "no number of the session"));
    };
    let session = Fields::new(what, row).number()?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| follow(watch, session, &done));
        let ran = connection.run(what, sql);
        done.store(true, Ordering::Relaxed);
        ran
    })
}

fn follow(watch: &Watch<'_>, session: i64, done: &AtomicBool) {
    let Ok(mut connection) = (watch.connect)() else {
        return;
    };
    let sql = statements::progress(session);
    while !done.load(Ordering::Relaxed) {
        let Ok(rows) = connection.rows("cannot ask how far the command is", &sql) else {
            return;
        };
        let percent = rows.first().and_then(|row| row.get_column_data(0).ok());
        if let Some(ColumnData::F32(Some(percent))) = percent {
            (watch.tell)(*percent);
        }
        let mut waited = Duration::ZERO;
        while waited < PERIOD && !done.load(Ordering::Relaxed) {
            thread::sleep(POLL);
            waited += POLL;
        }
    }
}
