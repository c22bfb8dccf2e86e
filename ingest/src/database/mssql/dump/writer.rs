//! Batches into a script.

use std::io::{BufWriter, Write};

use super::super::error::{MssqlError, Result};
use super::super::name::TableName;
use super::super::script::{FIRST_LINE, LAST_LINE, PART_OF, PROGRAM, ROWS_OF, TABLE};

/// How much is gathered before it is written.
const BUFFER_BYTES: usize = 1 << 18;

/// Settings that the batches below rely on. `sqlcmd` begins with other ones.
const SETTINGS: &str = "SET ANSI_NULLS ON\nSET ANSI_PADDING ON\nSET ANSI_WARNINGS ON\n\
    SET ARITHABORT ON\nSET CONCAT_NULL_YIELDS_NULL ON\nSET NUMERIC_ROUNDABORT OFF\n\
    SET QUOTED_IDENTIFIER ON\nSET NOCOUNT ON\nSET XACT_ABORT ON\n";

/// Writes a script.
pub(super) struct Writer<'a> {
    out: BufWriter<&'a mut dyn Write>,
    head: Option<String>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut dyn Write, collation: &str) -> Self {
        let head = format!(
            "{FIRST_LINE}\n-- collation: {collation}\n\
             -- into an empty database of this collation: sqlcmd -x -b -f 65001 -d DATABASE -i FILE\n\
             {SETTINGS}GO\n"
        );
        Self {
            out: BufWriter::with_capacity(BUFFER_BYTES, out),
            head: Some(head),
        }
    }

    /// A batch about nothing in particular.
    pub(super) fn batch(&mut self, sql: &str) -> Result<()> {
        self.write(sql)?;
        self.write(if sql.ends_with('\n') {
            "GO\n"
        } else {
            "\nGO\n"
        })
    }

    /// The batch that makes a table.
    pub(super) fn table(&mut self, table: &TableName, sql: &str) -> Result<()> {
        self.write(&format!("{TABLE}{table}\n"))?;
        self.batch(sql)
    }

    /// A batch that belongs to a table and needs nothing else.
    pub(super) fn part(&mut self, table: &TableName, sql: &str) -> Result<()> {
        self.write(&format!("{PART_OF}{table}\n"))?;
        self.batch(sql)
    }

    /// The batches of a module. What names it comes before the first, which sets the session up: a
    /// comment in the second would become part of the module.
    pub(super) fn program(&mut self, name: &TableName, batches: &[String]) -> Result<()> {
        self.write(&format!("{PROGRAM}{name}\n"))?;
        batches.iter().try_for_each(|sql| self.batch(sql))
    }

    /// The line before rows.
    pub(super) fn rows_of(&mut self, table: &TableName) -> Result<()> {
        self.write(&format!("{ROWS_OF}{table}\n"))
    }

    /// The settings again, after modules that came with their own.
    pub(super) fn settings(&mut self) -> Result<()> {
        self.batch(SETTINGS)
    }

    pub(super) fn write(&mut self, text: &str) -> Result<()> {
        let head = self.head.take().unwrap_or_default();
        self.out
            .write_all(head.as_bytes())
            .and_then(|()| self.out.write_all(text.as_bytes()))
            .map_err(failed)
    }

    /// The last line.
    pub(super) fn finish(mut self) -> Result<()> {
        self.write(&format!("{LAST_LINE}\n"))?;
        self.out.flush().map_err(failed)
    }
}

fn failed(error: std::io::Error) -> MssqlError {
    MssqlError::io("cannot write the dump", error)
}
