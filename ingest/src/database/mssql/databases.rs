//! Databases as a whole. The connection is to another database, such as `master`.

use super::answer::Fields;
use super::connection::Connection;
use super::error::{MssqlError, Result};
use super::name::{quoted, text};

/// Whether the server has a database of this name.
pub fn database_exists(connection: &mut Connection, name: &str) -> Result<bool> {
    let what = "cannot look for the database";
    let sql = format!(
        "SELECT COUNT(*) FROM sys.databases WHERE name = {}",
        text(name)
    );
    let rows = connection.rows(what, &sql)?;
    match rows.first() {
        Some(row) => Ok(Fields::new(what, row).number()? > 0),
        None => Err(MssqlError::answer(what, "no number")),
    }
}

/// Makes an empty database, with the collation that a dump names.
pub fn create_database(
    connection: &mut Connection,
    name: &str,
    collation: Option<&str>,
) -> Result<()> {
    let mut sql = format!("CREATE DATABASE {}", quoted(name));
    if let Some(collation) = collation {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if collation.is_empty() || !collation.bytes().all(is_word) {
            let what = format!("a database with collation {collation:?}");
            return Err(MssqlError::refused(what, "that is no name of a collation"));
        }
        sql = format!("{sql} COLLATE {collation}");
    }
    connection.run(&format!("cannot create the database {name}"), &sql)
}

/// Drops a database, and ends the sessions in it.
pub fn drop_database(connection: &mut Connection, name: &str) -> Result<()> {
    let what = format!("cannot drop the database {name}");
    alone(connection, &what, name)?;
    connection.run(&what, &format!("DROP DATABASE {}", quoted(name)))
}

/// Renames a database, and ends the sessions in it: a restored one takes the place of another. If
/// it fails, the database has its old name.
pub fn rename_database(connection: &mut Connection, from: &str, to: &str) -> Result<()> {
    let what = format!("cannot rename the database {from} to {to}");
    let alone = alone(connection, &what, from)?;
    let (from, to) = (quoted(from), quoted(to));
    connection.run(&what, &format!("ALTER DATABASE {from} MODIFY NAME = {to}"))?;
    if !alone {
        return Ok(());
    }
    let opened = connection.run(&what, &format!("ALTER DATABASE {to} SET MULTI_USER"));
    opened.inspect_err(|_| {
        // The failure is what there is to tell.
        let back = format!("ALTER DATABASE {to} MODIFY NAME = {from}");
        drop(connection.run(&what, &back));
    })
}

/// Ends the sessions in a database, if the server lets this user, and keeps others out. One that
/// is not open to anybody (being restored, offline) has none. Where they stay, what follows is
/// refused and says so.
fn alone(connection: &mut Connection, what: &str, name: &str) -> Result<bool> {
    let sql = format!(
        "IF DATABASEPROPERTYEX({}, 'Status') = 'ONLINE' \
         ALTER DATABASE {} SET SINGLE_USER WITH ROLLBACK IMMEDIATE",
        text(name),
        quoted(name)
    );
    match connection.run(what, &sql) {
        Ok(()) => Ok(true),
        Err(MssqlError::Server { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
