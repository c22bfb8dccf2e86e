//! Nights of a `SQLite` database: the file itself, copied after a checkpoint.

use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, params};

use super::{Plan, words};
use crate::random::Random;

const CONTACTS: u64 = 150_000;
const MESSAGES: u64 = 640_000;
/// One row in so many is updated every night.
const UPDATED_ONE_IN: u64 = 100;
/// Of the messages updated so many in a thousand get another text, the others a state and a time.
const EDITED_PERMILLE: u64 = 200;

const SCHEMA: &str = "
    CREATE TABLE contacts (
        id INTEGER PRIMARY KEY, name TEXT, email TEXT, city TEXT, seen_at TEXT);
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY, contact_id INTEGER, sent_at TEXT, state TEXT, read_at TEXT, body TEXT);
    CREATE INDEX messages_contact ON messages (contact_id);
    CREATE INDEX contacts_email ON contacts (email);";

/// Builds every night under `out`.
pub fn build(plan: &Plan, out: &Path) -> Result<()> {
    let scratch = tempfile::Builder::new().prefix("nf-corpus-").tempdir()?;
    let file = scratch.path().join("app.db");
    let mut database = Connection::open(&file)?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144;",
    )?;
    database.execute_batch(SCHEMA)?;
    insert_contacts(&mut database, plan)?;
    insert_messages(&mut database, plan)?;
    for night in 1..=plan.nights {
        if night > 1 {
            pass_day(&mut database, plan, night)?;
        }
        // Afterwards the file alone is the whole database, and nobody writes to it.
        database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        std::fs::copy(&file, plan.night_folder(out, night)?.join("app.db"))?;
    }
    Ok(())
}

fn insert_contacts(database: &mut Connection, plan: &Plan) -> Result<()> {
    let mut random = Random::new(plan.seed, "contacts", 1);
    let transaction = database.transaction()?;
    {
        let mut insert = transaction.prepare("INSERT INTO contacts VALUES (?, ?, ?, ?, ?)")?;
        for id in 1..=plan.size.of(CONTACTS) {
            let name = words::name(&mut random);
            let email = words::email(&name, id);
            let (city, seen) = (words::city(&mut random), words::past(&mut random));
            insert.execute(params![id as i64, name, email, city, seen])?;
        }
    }
    Ok(transaction.commit()?)
}

fn insert_messages(database: &mut Connection, plan: &Plan) -> Result<()> {
    let mut random = Random::new(plan.seed, "messages", 1);
    let contacts = plan.size.of(CONTACTS);
    let transaction = database.transaction()?;
    {
        let mut insert = transaction.prepare("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)")?;
        for id in 1..=plan.size.of(MESSAGES) {
            let (contact, sent) = (random.between(1, contacts), words::past(&mut random));
            let state = random.pick_common(&["read", "answered", "unread", "archived"]);
            let body = body(&mut random);
            insert.execute(params![id as i64, contact as i64, sent, state, sent, body])?;
        }
    }
    Ok(transaction.commit()?)
}

/// Everything that the application does between two copies.
fn pass_day(database: &mut Connection, plan: &Plan, night: u32) -> Result<()> {
    let mut random = Random::new(plan.seed, "day", night);
    let (contacts, messages) = (plan.size.of(CONTACTS), plan.size.of(MESSAGES));
    let transaction = database.transaction()?;
    {
        let mut update = transaction.prepare("UPDATE contacts SET seen_at = ? WHERE id = ?")?;
        for _ in 0..contacts / UPDATED_ONE_IN {
            let (seen, id) = (
                words::last_day(&mut random, night),
                random.between(1, contacts),
            );
            update.execute(params![seen, id as i64])?;
        }
        let mut read =
            transaction.prepare("UPDATE messages SET state = ?, read_at = ? WHERE id = ?")?;
        let mut edit = transaction.prepare("UPDATE messages SET body = ? WHERE id = ?")?;
        for _ in 0..messages / UPDATED_ONE_IN {
            let id = random.between(1, messages) as i64;
            let state = random.pick_common(&["read", "answered", "unread", "archived"]);
            read.execute(params![state, words::last_day(&mut random, night), id])?;
            if random.permille(EDITED_PERMILLE) {
                edit.execute(params![body(&mut random), id])?;
            }
        }
    }
    Ok(transaction.commit()?)
}

fn body(random: &mut Random) -> String {
    let length = random.between(8, 38);
    words::sentence(random, length)
}
