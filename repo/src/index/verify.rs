//! Whether the index is as it was written.
//!
//! A changed row that is found betrays itself by its guard. One whose key was changed is not found: before a
//! chunk is called lost, the whole index is looked through, once.

use std::sync::PoisonError;

use rusqlite::Connection;

use super::Index;
use super::lookup::{FRAME_COLUMNS, damaged, guarded_frame_row, meta};
use crate::error::Result;

impl Index {
    /// Looks through the whole index, unless that was done since it was opened.
    pub(crate) fn verify_once(&self) -> Result<()> {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if !*verified {
            self.packs()?;
            self.read(verify)?;
            *verified = true;
        }
        Ok(())
    }
}

fn verify(connection: &Connection) -> rusqlite::Result<()> {
    let verdict: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(damaged(0, &verdict));
    }
    let strays: i64 = connection.query_row(
        "SELECT count(*) FROM frames WHERE pack NOT IN (SELECT number FROM packs)",
        [],
        |row| row.get(0),
    )?;
    if strays != 0 {
        return Err(damaged(1, "frames of packs that it does not list"));
    }
    let mut statement =
        connection.prepare(&format!("SELECT {FRAME_COLUMNS}, broken FROM frames"))?;
    let mut rows = statement.query([])?;
    let mut broken_frames = 0;
    while let Some(row) = rows.next()? {
        let broken = row.get::<_, i64>(12)? != 0;
        guarded_frame_row(row, broken)?;
        broken_frames += i64::from(broken);
    }
    if broken_frames == meta(connection, "broken")?.unwrap_or(0) {
        Ok(())
    } else {
        Err(damaged(12, "marks of broken frames were changed"))
    }
}
