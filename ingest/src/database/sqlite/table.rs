//! One table out of a file of SQLite.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::restore::staged;
use super::{PATIENCE, failed, quoted, still_uri};
use crate::database::load::Writer;
use crate::error::{Error, Result};

/// Copies one table with its indexes from what `write` writes into a database, in one transaction.
pub(in crate::database) fn restore_table(
    path: &Path,
    table: &str,
    replace: bool,
    write: Writer<'_>,
    cancel: &AtomicBool,
) -> Result<()> {
    let (stage, source) = staged(write)?;
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    let statements = definition(&source, table, path)?;
    drop(source);
    let copied = Connection::open(path).and_then(|mut to| {
        to.busy_timeout(PATIENCE)?;
        to.execute("ATTACH ? AS stored", [still_uri(&stage.path("copy"))])?;
        let transaction = to.transaction()?;
        let name = quoted(table);
        if replace {
            transaction.execute_batch(&format!("DROP TABLE IF EXISTS main.{name}"))?;
        }
        for (at, statement) in statements.iter().enumerate() {
            transaction.execute_batch(statement)?;
            if at == 0 {
                let rows = format!("INSERT INTO main.{name} SELECT * FROM stored.{name}");
                transaction.execute_batch(&rows)?;
            }
        }
        transaction.commit()
    });
    copied.map_err(|error| failed(path, &error))
}

/// Writes the statements that make one table of what `write` writes, as the shell of SQLite does.
pub(in crate::database) fn write_table(
    table: &str,
    write: Writer<'_>,
    out: &mut dyn Write,
) -> Result<()> {
    let (stage, source) = staged(write)?;
    let path = stage.path("copy");
    let statements = definition(&source, table, &path)?;
    for (at, statement) in statements.iter().enumerate() {
        writeln!(out, "{statement};").map_err(Error::Output)?;
        if at == 0 {
            write_rows(&source, table, out)?;
        }
    }
    Ok(())
}

fn write_rows(source: &Connection, table: &str, out: &mut dyn Write) -> Result<()> {
    let failed = |error: rusqlite::Error| failed(Path::new(table), &error);
    let query = source.prepare(&format!("SELECT * FROM {}", quoted(table)));
    let mut query = query.map_err(failed)?;
    let columns = query.column_count();
    let mut rows = query.query([]).map_err(failed)?;
    let mut line = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        line.clear();
        line.extend_from_slice(format!("INSERT INTO {} VALUES(", quoted(table)).as_bytes());
        for column in 0..columns {
            if column > 0 {
                line.push(b',');
            }
            spell(row.get_ref(column).map_err(failed)?, &mut line);
        }
        line.extend_from_slice(b");\n");
        out.write_all(&line).map_err(Error::Output)?;
    }
    Ok(())
}

/// A value as SQLite reads it.
fn spell(value: ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null => out.extend_from_slice(b"NULL"),
        ValueRef::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        ValueRef::Real(number) if number.is_infinite() => {
            out.extend_from_slice(if number > 0.0 { b"9e999" } else { b"-9e999" });
        }
        // The shortest digits that make the same number again, and always a point or an exponent.
        ValueRef::Real(number) => out.extend_from_slice(format!("{number:?}").as_bytes()),
        ValueRef::Text(text) if !text.contains(&0) => {
            out.push(b'\'');
            for byte in text {
                out.push(*byte);
                if *byte == b'\'' {
                    out.push(b'\'');
                }
            }
            out.push(b'\'');
        }
        ValueRef::Text(bytes) => {
            out.extend_from_slice(b"CAST(");
            spell(ValueRef::Blob(bytes), out);
            out.extend_from_slice(b" AS TEXT)");
        }
        ValueRef::Blob(bytes) => {
            out.extend_from_slice(b"X'");
            for byte in bytes {
                out.extend_from_slice(format!("{byte:02x}").as_bytes());
            }
            out.push(b'\'');
        }
    }
}

/// The statement that makes a table, then those of its indexes.
fn definition(source: &Connection, table: &str, path: &Path) -> Result<Vec<String>> {
    let statements = source.prepare(
        "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND type IN ('table', 'index') AND sql IS NOT NULL
         ORDER BY type DESC, rowid",
    );
    let statements = statements.and_then(|mut query| {
        let rows = query.query_map([table], |row| row.get(0))?;
        rows.collect::<rusqlite::Result<Vec<String>>>()
    });
    let statements = statements.map_err(|error| failed(path, &error))?;
    if statements.is_empty() {
        return Err(Error::NoTable {
            table: table.to_owned(),
            dump: "the snapshot's copy of the file".to_owned(),
        });
    }
    Ok(statements)
}
