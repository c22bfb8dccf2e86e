//! Whether the index is as it was written.
//!
//! A changed row that is found betrays itself by its guard. One whose key was changed is not found: before a
//! chunk is called lost, the whole index is looked through, once.

use std::sync::PoisonError;

use rusqlite::Connection;

use super::Index;
use super::catch_up::broken_frames;
use super::lookup::{damaged, each_stored};
use super::row::{IdRow, number_of};
use crate::error::Result;

impl Index {
    /// Looks through the whole index, unless that was done since it was opened.
    pub(crate) fn verify_once(&self) -> Result<()> {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if !*verified {
            self.verify()?;
            *verified = true;
        }
        Ok(())
    }

    /// Looks through the whole index.
    pub(crate) fn verify(&self) -> Result<()> {
        self.packs()?;
        self.read(verify)
    }
}

fn verify(connection: &Connection) -> rusqlite::Result<()> {
    // One view of all tables.
    let transaction = connection.unchecked_transaction()?;
    let verdict: String =
        transaction.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(damaged(0, &verdict));
    }
    let mut listed_as_broken = transaction.prepare("SELECT 1 FROM broken WHERE number = ?1")?;
    let (mut frames, mut broken, mut first_frames) = (0, 0, 0);
    let mut expected = 0u128;
    each_stored(&transaction, 0, |stored| {
        let row = IdRow::of(&stored);
        expected = expected.wrapping_add(row.fingerprint());
        frames += 1;
        if stored.broken {
            listed_as_broken.query_row([row.number], |_| Ok(()))?;
            broken += 1;
        }
        first_frames += i64::from(number_of(&stored.frame) == stored.frame.pack);
        Ok(())
    })?;
    if fingerprints(&transaction)? != expected {
        return Err(damaged(1, "two rows of one frame differ"));
    }
    let listed: (i64, i64, i64) = transaction.query_row(
        "SELECT (SELECT count(*) FROM ids), (SELECT coalesce(sum(frames), 0) FROM packs),
            (SELECT count(*) FROM packs WHERE frames > 0)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    if listed != (frames, frames, first_frames) {
        return Err(damaged(0, "tables differ in which frames there are"));
    }
    if broken_frames(&transaction)? != broken {
        return Err(damaged(0, "marks of broken frames were changed"));
    }
    Ok(())
}

/// The sum over the rows that find frames. Looked up one by one for each frame, they would be read all over; sums of
/// two lists are alike only if the lists are, in whatever order.
fn fingerprints(connection: &Connection) -> rusqlite::Result<u128> {
    let mut statement = connection.prepare("SELECT key, number, mark FROM ids")?;
    let mut rows = statement.query([])?;
    let mut sum = 0u128;
    while let Some(row) = rows.next()? {
        let row = IdRow::from_mark(row.get(0)?, row.get(1)?, row.get(2)?)
            .ok_or_else(|| damaged(2, "a row was changed"))?;
        sum = sum.wrapping_add(row.fingerprint());
    }
    Ok(sum)
}
