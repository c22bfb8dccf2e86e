//! The rows of one table, as they come from the server.

use tiberius::{ColumnData, Row};

use super::super::answer::Fields;
use super::super::catalog::table::{Identity, Table};
use super::super::connection::Connection;
use super::super::error::{MssqlError, Result};
use super::super::literal::{Form, VARIANT_COLUMNS, push_value, push_variant};
use super::super::name::{TableName, quoted};
use super::super::script::{INSERT, VALUES};
use super::DumpOptions;
use super::writer::Writer;

/// The server takes no more rows in one statement.
const STATEMENT_ROWS_MAX: u32 = 1000;
/// A statement ends after the row that brings it here.
const STATEMENT_BYTES_MAX: usize = 1 << 18;
/// One row in this many ends a statement, chosen by its bytes: so a row that comes or goes moves
/// the end of one statement, and not those of all that follow.
const STATEMENT_ROWS_MEAN: u64 = 256;
/// How much of a row is looked at for that. Keys mostly come first.
const LOOK_BYTES: usize = 64;

/// Writes all rows of a table, in the order of `order`. Returns how many.
pub(super) fn write_rows(
    connection: &mut Connection,
    table: &Table,
    order: &str,
    options: DumpOptions,
    writer: &mut Writer<'_>,
) -> Result<u64> {
    let name = &table.name;
    let selection = Selection::of(table, options)?;
    let identity = table
        .columns
        .iter()
        .find_map(|column| column.identity.as_ref());
    writer.rows_of(name)?;
    writer.write("GO\n")?;
    if identity.is_some() {
        writer.part(name, &format!("SET IDENTITY_INSERT {name} ON\n"))?;
    }
    let mut sql = format!("SELECT {} FROM {name}", selection.expressions.join(","));
    if !order.is_empty() {
        sql = format!("{sql} ORDER BY {order}");
    }
    let what = format!("cannot read the rows of {name}");
    let mut statement = Statement {
        table: name,
        insert: format!("{INSERT}{name} ({}){VALUES}\n", selection.columns.join(",")),
        rows: 0,
        bytes: 0,
        tuple: String::new(),
        total: 0,
    };
    if selection.columns.is_empty() {
        // Only what the server makes itself.
        if count(connection, name)? > 0 {
            return Err(MssqlError::refused(
                name.to_string(),
                "it has rows but no column that an INSERT could fill",
            ));
        }
    } else {
        connection.each_row(&what, &sql, &mut |row| {
            statement.add(row, &selection, writer)
        })?;
    }
    statement.end(writer)?;
    // The same transaction sees the same rows, so a short answer cannot pass for a small table.
    let counted = count(connection, name)?;
    if counted != statement.total {
        return Err(MssqlError::answer(
            what,
            format!("{} rows came, the server counts {counted}", statement.total),
        ));
    }
    if let Some(identity) = identity {
        writer.part(name, &format!("SET IDENTITY_INSERT {name} OFF\n"))?;
        if let Some(sql) = reseed(name, identity, counted) {
            writer.part(name, &sql)?;
        }
    }
    Ok(counted)
}

/// Lets an identity go on where it stood. In a table that never had a row the next number is the
/// very one that is set, else the one after it.
fn reseed(name: &TableName, identity: &Identity, rows: u64) -> Option<String> {
    let last = identity.last?;
    let value = if rows == 0 {
        last.checked_add(identity.increment)?
    } else {
        last
    };
    let literal = super::super::name::text(&name.to_string());
    Some(format!(
        "DBCC CHECKIDENT ({literal}, RESEED, {value}) WITH NO_INFOMSGS\n"
    ))
}

fn count(connection: &mut Connection, name: &TableName) -> Result<u64> {
    let what = format!("cannot count the rows of {name}");
    let rows = connection.rows(&what, &format!("SELECT COUNT_BIG(*) FROM {name}"))?;
    let Some(row) = rows.first() else {
        return Err(MssqlError::answer(what, "no number"));
    };
    let number = Fields::new(&what, row).number()?;
    u64::try_from(number).map_err(|_| MssqlError::answer(what, "a number below zero"))
}

/// What is selected of a table, and how it becomes literals.
struct Selection {
    /// Quoted names of the columns that are stored.
    columns: Vec<String>,
    /// Their literals.
    forms: Vec<Form>,
    /// What is selected: more than one for some columns.
    expressions: Vec<String>,
}

impl Selection {
    fn of(table: &Table, options: DumpOptions) -> Result<Self> {
        let mut selection = Self {
            columns: Vec::new(),
            forms: Vec::new(),
            expressions: Vec::new(),
        };
        for column in table.columns.iter().filter(|column| column.is_stored()) {
            let Some((expression, form)) = column.selected(options.utf16_as_bytes) else {
                return Err(MssqlError::refused(
                    format!("column {} of {}", quoted(&column.name), table.name),
                    format!(
                        "its type {} is not known to this program",
                        column.declared()
                    ),
                ));
            };
            let name = quoted(&column.name);
            selection.expressions.push(expression);
            if form == Form::Variant {
                let more = VARIANT_COLUMNS.map(|property| property.replace("{}", &name));
                selection.expressions.extend(more);
            }
            selection.columns.push(name);
            selection.forms.push(form);
        }
        Ok(selection)
    }

    /// Writes a row as a tuple.
    fn push_tuple(&self, out: &mut String, row: Row) -> std::result::Result<(), (usize, String)> {
        let cells: Vec<ColumnData<'static>> = row.into_iter().collect();
        let mut rest = cells.as_slice();
        out.push('(');
        for (number, form) in self.forms.iter().enumerate() {
            if number > 0 {
                out.push(',');
            }
            let (value, after) = rest
                .split_first()
                .ok_or_else(|| (number, "it is missing".to_owned()))?;
            rest = after;
            if *form == Form::Variant {
                let (properties, after) = rest
                    .split_at_checked(VARIANT_COLUMNS.len())
                    .ok_or_else(|| (number, "its type is missing".to_owned()))?;
                rest = after;
                push_variant(out, value, properties).map_err(|reason| (number, reason))?;
            } else {
                push_value(out, value, form).map_err(|reason| (number, reason))?;
            }
        }
        out.push(')');
        Ok(())
    }
}

/// The statement that is being written.
struct Statement<'a> {
    table: &'a TableName,
    insert: String,
    rows: u32,
    bytes: usize,
    tuple: String,
    total: u64,
}

impl Statement<'_> {
    fn add(&mut self, row: Row, selection: &Selection, writer: &mut Writer<'_>) -> Result<()> {
        self.tuple.clear();
        selection
            .push_tuple(&mut self.tuple, row)
            .map_err(|(column, reason)| {
                let column = selection.columns.get(column).cloned().unwrap_or_default();
                let row = self.total + 1;
                let what = format!("row {row} of {}, column {column}", self.table);
                MssqlError::answer(what, reason)
            })?;
        if self.rows == 0 {
            writer.rows_of(self.table)?;
            writer.write(&self.insert)?;
        } else {
            writer.write(",\n")?;
        }
        writer.write(&self.tuple)?;
        self.rows += 1;
        self.total += 1;
        self.bytes += self.tuple.len();
        if self.rows == STATEMENT_ROWS_MAX
            || self.bytes >= STATEMENT_BYTES_MAX
            || ends_statement(self.tuple.as_bytes())
        {
            self.end(writer)?;
        }
        Ok(())
    }

    fn end(&mut self, writer: &mut Writer<'_>) -> Result<()> {
        if self.rows > 0 {
            writer.write(";\nGO\n")?;
        }
        self.rows = 0;
        self.bytes = 0;
        Ok(())
    }
}

/// FNV-1a, which is enough to choose one row of some.
fn ends_statement(tuple: &[u8]) -> bool {
    let looked_at = tuple.iter().take(LOOK_BYTES);
    let hash = looked_at.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 32).is_multiple_of(STATEMENT_ROWS_MEAN)
}
