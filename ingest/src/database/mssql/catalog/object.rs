//! Schemas, alias types, sequences and synonyms.

use std::fmt::Write as _;

use super::super::answer::Fields;
use super::super::connection::Connection;
use super::super::error::Result;
use super::super::name::{TableName, quoted};
use super::V2012;
use super::table::TypeShape;

/// Schemas that every database has.
const SCHEMAS: &str = "SELECT s.name, p.name FROM sys.schemas s \
    LEFT JOIN sys.database_principals p ON p.principal_id = s.principal_id \
    WHERE s.schema_id NOT BETWEEN 16384 AND 16399 AND s.name NOT IN ('dbo', 'guest', 'sys', 'INFORMATION_SCHEMA') \
    ORDER BY s.name";

/// Reads the statements that make the schemas.
pub(crate) fn read_schemas(connection: &mut Connection) -> Result<Vec<String>> {
    let what = "cannot read the list of schemas";
    let read = |row: &tiberius::Row| {
        let mut fields = Fields::new(what, row);
        let mut sql = format!("CREATE SCHEMA {}", quoted(&fields.text()?));
        if let Some(owner) = fields.text_or_null()?.filter(|owner| owner != "dbo") {
            let _ = write!(sql, " AUTHORIZATION {}", quoted(&owner));
        }
        Ok(sql + "\n")
    };
    connection.rows(what, SCHEMAS)?.iter().map(read).collect()
}

const TYPES: &str = "SELECT s.name, t.name, b.name, CAST(t.max_length AS int), \
    CAST(t.precision AS int), CAST(t.scale AS int), t.is_nullable \
    FROM sys.types t JOIN sys.schemas s ON s.schema_id = t.schema_id \
    JOIN sys.types b ON b.user_type_id = t.system_type_id \
    WHERE t.is_user_defined = 1 AND t.is_assembly_type = 0 {alias} ORDER BY s.name, t.name";

/// Reads the statements that make alias types.
pub(crate) fn read_types(connection: &mut Connection, major: u32) -> Result<Vec<String>> {
    let what = "cannot read the list of types";
    let alias = if major >= super::V2008 {
        "AND t.is_table_type = 0"
    } else {
        ""
    };
    let read = |row: &tiberius::Row| {
        let mut fields = Fields::new(what, row);
        let name = TableName {
            schema: fields.text()?,
            table: fields.text()?,
        };
        let base = fields.text()?;
        let shape = TypeShape {
            bytes: fields.number()?,
            precision: fields.number()?,
            scale: fields.number()?,
        };
        let null = if fields.flag()? { "NULL" } else { "NOT NULL" };
        Ok(format!(
            "CREATE TYPE {name} FROM {} {null}\n",
            shape.of(&base)
        ))
    };
    let sql = TYPES.replace("{alias}", alias);
    connection.rows(what, &sql)?.iter().map(read).collect()
}

const SEQUENCES: &str = "SELECT s.name, q.name, t.name, CAST(q.precision AS int), \
    CAST(q.current_value AS decimal(38,0)), CAST(q.increment AS decimal(38,0)), \
    CAST(q.minimum_value AS decimal(38,0)), CAST(q.maximum_value AS decimal(38,0)), \
    q.is_cycling, q.is_cached, q.cache_size, CAST(q.start_value AS decimal(38,0)) \
    FROM sys.sequences q JOIN sys.schemas s ON s.schema_id = q.schema_id \
    JOIN sys.types t ON t.user_type_id = q.system_type_id ORDER BY s.name, q.name";

/// Reads the statements that make sequences, so that the next number is one that was never given.
pub(crate) fn read_sequences(connection: &mut Connection, major: u32) -> Result<Vec<String>> {
    if major < V2012 {
        return Ok(Vec::new());
    }
    let what = "cannot read the list of sequences";
    let read = |row: &tiberius::Row| {
        let mut fields = Fields::new(what, row);
        let name = TableName {
            schema: fields.text()?,
            table: fields.text()?,
        };
        let mut kind = fields.text()?;
        let precision = fields.number()?;
        if matches!(kind.as_str(), "decimal" | "numeric") {
            let _ = write!(kind, "({precision},0)");
        }
        let current = fields.decimal_or_null()?;
        let increment = fields.decimal_or_null()?.unwrap_or(1);
        let least = fields.decimal_or_null()?.unwrap_or_default();
        let most = fields.decimal_or_null()?.unwrap_or_default();
        let cycles = fields.flag()?;
        let cached = fields.flag()?;
        let cache = match (cached, fields.number_or_null()?) {
            (false, _) => "NO CACHE".to_owned(),
            (true, None) => "CACHE".to_owned(),
            (true, Some(size)) => format!("CACHE {size}"),
        };
        let start = fields.decimal_or_null()?.unwrap_or_default();
        let mut sql = format!(
            "CREATE SEQUENCE {name} AS {kind} START WITH {start} INCREMENT BY {increment} \
             MINVALUE {least} MAXVALUE {most} {}CYCLE {cache}\n",
            if cycles { "" } else { "NO " }
        );
        // The current number may have been given or not: the server does not tell.
        let next = current.filter(|current| *current != start);
        let next = next.map(|current| current.saturating_add(increment));
        if let Some(next) = next.filter(|next| (least..=most).contains(next)) {
            let _ = writeln!(sql, "ALTER SEQUENCE {name} RESTART WITH {next}");
        }
        Ok(sql)
    };
    connection.rows(what, SEQUENCES)?.iter().map(read).collect()
}

const SYNONYMS: &str = "SELECT s.name, y.name, y.base_object_name FROM sys.synonyms y \
    JOIN sys.schemas s ON s.schema_id = y.schema_id ORDER BY s.name, y.name";

/// Reads the statements that make synonyms.
pub(crate) fn read_synonyms(connection: &mut Connection) -> Result<Vec<String>> {
    let what = "cannot read the list of synonyms";
    let read = |row: &tiberius::Row| {
        let mut fields = Fields::new(what, row);
        let name = TableName {
            schema: fields.text()?,
            table: fields.text()?,
        };
        Ok(format!("CREATE SYNONYM {name} FOR {}\n", fields.text()?))
    };
    connection.rows(what, SYNONYMS)?.iter().map(read).collect()
}
