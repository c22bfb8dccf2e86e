//! The logical dump: one script, read in one transaction, the same from night to night.
//!
//! | module | duty |
//! |---|---|
//! | `writer` | batches and their ends |
//! | `schema` | what is made before the rows, and after |
//! | `rows` | the rows of one table |

mod rows;
mod schema;
mod writer;

use std::io::Write;

use super::answer::Fields;
use super::catalog::uncovered::read_uncovered;
use super::catalog::{NotCovered, ServerFacts};
use super::connection::Connection;
use super::error::{MssqlError, Result};
use super::name::{TableName, quoted};
use schema::Schema;
use writer::Writer;

/// How a dump sees one state of the database while others write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Row versions: nobody waits. The database must allow it.
    #[default]
    Snapshot,
    /// Locks: writers wait for the dump.
    Serializable,
    /// Row versions where they are allowed, else locks: where nobody writes.
    Either,
}

/// How to dump.
#[derive(Clone, Copy, Debug, Default)]
pub struct DumpOptions {
    /// How one state is seen.
    pub isolation: Isolation,
    /// Takes Unicode texts as bytes: needed where one holds half of a surrogate pair. The dump
    /// comes out the same otherwise.
    pub utf16_as_bytes: bool,
}

/// What was dumped.
#[derive(Clone, Debug)]
pub struct DumpReport {
    /// The server and the database.
    pub server: ServerFacts,
    /// When the transaction began, by the server's clock: `YYYY-MM-DDThh:mm:ss.mmm`, UTC.
    pub consistent_at: String,
    /// Tables by name, with their numbers of rows as written and as the server counts them.
    pub tables: Vec<(TableName, u64)>,
    /// What is in the database and not in the dump.
    pub not_covered: Vec<NotCovered>,
}

/// Writes a script that makes the database's content anew. An error means that the script is not
/// whole; its last line is then missing.
pub fn dump(
    connection: &mut Connection,
    options: DumpOptions,
    out: &mut dyn Write,
) -> Result<DumpReport> {
    let server = ServerFacts::read(connection)?;
    if options.isolation == Isolation::Snapshot && !server.snapshots_allowed {
        let database = quoted(&server.database);
        return Err(MssqlError::refused(
            format!("a dump of {database} without stopping writers"),
            format!(
                "SNAPSHOT isolation is off. Run ALTER DATABASE {database} SET \
                 ALLOW_SNAPSHOT_ISOLATION ON once, or ask for serializable isolation, which makes \
                 writers wait for the dump"
            ),
        ));
    }
    let not_covered = read_uncovered(connection, server.major)?;
    let isolation = match options.isolation {
        Isolation::Either if server.snapshots_allowed => Isolation::Snapshot,
        other => other,
    };
    begin(connection, isolation)?;
    let consistent_at = now(connection)?;
    let schema = Schema::read(connection, server.major)?;
    let mut writer = Writer::new(out, &server.collation);
    schema.write_before(&mut writer)?;
    let mut tables = Vec::new();
    for table in &schema.tables {
        let order = schema.order_of(table);
        let rows = rows::write_rows(connection, table, &order, options, &mut writer)?;
        tables.push((table.name.clone(), rows));
    }
    schema.write_after(&mut writer)?;
    connection.run("cannot end the transaction", "COMMIT TRANSACTION")?;
    writer.finish()?;
    Ok(DumpReport {
        server,
        consistent_at,
        tables,
        not_covered,
    })
}

/// Begins the transaction. A table that is changed after this moment cannot be read in it, so
/// columns and rows fit together.
fn begin(connection: &mut Connection, isolation: Isolation) -> Result<()> {
    let level = match isolation {
        Isolation::Snapshot => "SNAPSHOT",
        Isolation::Serializable | Isolation::Either => "SERIALIZABLE",
    };
    let sql = format!("SET TRANSACTION ISOLATION LEVEL {level}");
    connection.run("cannot choose the isolation level", &sql)?;
    connection.run("cannot begin a transaction", "BEGIN TRANSACTION")
}

fn now(connection: &mut Connection) -> Result<String> {
    let what = "cannot ask for the server's time";
    let sql = "SELECT CONVERT(nvarchar(30), GETUTCDATE(), 126), COUNT(*) FROM sys.tables";
    let rows = connection.rows(what, sql)?;
    match rows.first() {
        Some(row) => Fields::new(what, row).text(),
        None => Err(MssqlError::answer(what, "no rows")),
    }
}
