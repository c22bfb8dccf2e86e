//! Tables and their columns.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::answer::Fields;
use super::super::connection::Connection;
use super::super::error::{MssqlError, Result};
use super::super::literal::Form;
use super::super::name::{TableName, quoted};
use super::V2008;

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) id: i64,
    pub(crate) name: TableName,
    pub(crate) columns: Vec<Column>,
}

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// The type as it was declared.
    declared: String,
    /// The system type beneath, `None` for one that an assembly defines.
    base: Option<String>,
    collation: Option<String>,
    nullable: bool,
    pub(crate) identity: Option<Identity>,
    /// The expression, and whether it is stored.
    computed: Option<(String, bool)>,
    rowguid: bool,
}

/// Where an identity column stands.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    seed: i128,
    pub(crate) increment: i128,
    pub(crate) last: Option<i128>,
}

const TABLES: &str = "SELECT t.object_id, s.name, t.name FROM sys.tables t \
    JOIN sys.schemas s ON s.schema_id = t.schema_id \
    WHERE t.is_ms_shipped = 0 ORDER BY s.name, t.name";

/// The tables behind table types (since 2008): rows are none, columns are.
const TABLE_TYPES: &str = "SELECT t.type_table_object_id, s.name, t.name FROM sys.table_types t \
    JOIN sys.schemas s ON s.schema_id = t.schema_id ORDER BY s.name, t.name";

const COLUMNS: &str = "SELECT c.object_id, c.name, ty.name, ts.name, \
    ty.is_user_defined, ty.is_assembly_type, bt.name, CAST(c.max_length AS int), \
    CAST(c.precision AS int), CAST(c.scale AS int), c.collation_name, c.is_nullable, \
    CAST(ic.seed_value AS decimal(38,0)), CAST(ic.increment_value AS decimal(38,0)), \
    CAST(ic.last_value AS decimal(38,0)), cc.definition, cc.is_persisted, c.is_rowguidcol \
    FROM sys.columns c JOIN ({tables}) t ON t.object_id = c.object_id \
    JOIN sys.types ty ON ty.user_type_id = c.user_type_id \
    LEFT JOIN sys.schemas ts ON ts.schema_id = ty.schema_id \
    LEFT JOIN sys.types bt ON bt.user_type_id = c.system_type_id \
    LEFT JOIN sys.identity_columns ic ON ic.object_id = c.object_id AND ic.column_id = c.column_id \
    LEFT JOIN sys.computed_columns cc ON cc.object_id = c.object_id AND cc.column_id = c.column_id \
    ORDER BY c.object_id, c.column_id";

/// Reads all tables, by name.
pub(crate) fn read_tables(connection: &mut Connection) -> Result<Vec<Table>> {
    let of = "SELECT object_id FROM sys.tables WHERE is_ms_shipped = 0";
    read(connection, TABLES, of)
}

/// Reads all table types, by name.
pub(crate) fn read_table_types(connection: &mut Connection, major: u32) -> Result<Vec<Table>> {
    if major < V2008 {
        return Ok(Vec::new());
    }
    let of = "SELECT type_table_object_id AS object_id FROM sys.table_types";
    read(connection, TABLE_TYPES, of)
}

fn read(connection: &mut Connection, tables: &str, of: &str) -> Result<Vec<Table>> {
    let mut columns: BTreeMap<i64, Vec<Column>> = BTreeMap::new();
    let what = "cannot read the list of columns";
    for row in connection.rows(what, &COLUMNS.replace("{tables}", of))? {
        let mut fields = Fields::new(what, &row);
        let table = fields.number()?;
        columns.entry(table).or_default().push(column(&mut fields)?);
    }
    let what = "cannot read the list of tables";
    let mut found = Vec::new();
    for row in connection.rows(what, tables)? {
        let mut fields = Fields::new(what, &row);
        let id = fields.number()?;
        let name = TableName {
            schema: fields.text()?,
            table: fields.text()?,
        };
        let columns = columns.remove(&id).unwrap_or_default();
        if columns.is_empty() {
            return Err(MssqlError::refused(
                name.to_string(),
                "its columns cannot be seen: the user lacks the right VIEW DEFINITION",
            ));
        }
        found.push(Table { id, name, columns });
    }
    Ok(found)
}

fn column(fields: &mut Fields<'_>) -> Result<Column> {
    let name = fields.text()?;
    let type_name = fields.text()?;
    let type_schema = fields.text_or_null()?.unwrap_or_default();
    let (user_defined, assembly) = (fields.flag()?, fields.flag()?);
    let base = fields.text_or_null()?.filter(|_| !assembly);
    let is_text = base
        .as_deref()
        .is_some_and(|base| matches!(base, "text" | "ntext" | "sysname") || base.ends_with("char"));
    let shape = TypeShape {
        bytes: fields.number()?,
        precision: fields.number()?,
        scale: fields.number()?,
    };
    let declared = if user_defined {
        format!("{}.{}", quoted(&type_schema), quoted(&type_name))
    } else {
        shape.of(&type_name)
    };
    let collation = fields.text_or_null()?;
    let nullable = fields.flag()?;
    let (seed, increment) = (fields.decimal_or_null()?, fields.decimal_or_null()?);
    let last = fields.decimal_or_null()?;
    let expression = fields.text_or_null()?;
    let stored = fields.flag()?;
    Ok(Column {
        name,
        declared,
        base,
        // An alias type brings its own.
        collation: collation.filter(|_| is_text && !user_defined),
        nullable,
        identity: seed.zip(increment).map(|(seed, increment)| Identity {
            seed,
            increment,
            last,
        }),
        computed: expression.map(|expression| (expression, stored)),
        rowguid: fields.flag()?,
    })
}

/// Length, precision and scale as the catalog tells them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TypeShape {
    pub(crate) bytes: i64,
    pub(crate) precision: i64,
    pub(crate) scale: i64,
}

impl TypeShape {
    /// A system type as it is declared with this shape.
    pub(crate) fn of(self, name: &str) -> String {
        let length = |bytes_each: i64| match self.bytes {
            -1 => format!("{name}(max)"),
            bytes => format!("{name}({})", bytes / bytes_each),
        };
        match name {
            "char" | "varchar" | "binary" | "varbinary" => length(1),
            "nchar" | "nvarchar" => length(2),
            "decimal" | "numeric" => format!("{name}({},{})", self.precision, self.scale),
            "time" | "datetime2" | "datetimeoffset" => format!("{name}({})", self.scale),
            _ => name.to_owned(),
        }
    }
}

impl Table {
    /// The lines of its columns in `CREATE TABLE`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let columns = self.columns.iter();
        columns
            .map(|column| format!("  {}", column.definition()))
            .collect()
    }
}

impl Column {
    /// The line of this column in `CREATE TABLE`.
    fn definition(&self) -> String {
        let name = quoted(&self.name);
        if let Some((expression, stored)) = &self.computed {
            let stored = match (stored, self.nullable) {
                (false, _) => "",
                (true, true) => " PERSISTED",
                (true, false) => " PERSISTED NOT NULL",
            };
            return format!("{name} AS {expression}{stored}");
        }
        let mut line = format!("{name} {}", self.declared);
        if let Some(collation) = &self.collation {
            line += " COLLATE ";
            line += collation;
        }
        if let Some(identity) = &self.identity {
            let _ = write!(line, " IDENTITY({},{})", identity.seed, identity.increment);
        }
        if self.rowguid {
            line += " ROWGUIDCOL";
        }
        line + if self.nullable { " NULL" } else { " NOT NULL" }
    }

    /// Whether rows carry a value for this column: the server makes the others itself.
    pub(crate) fn is_stored(&self) -> bool {
        self.computed.is_none() && !matches!(self.base.as_deref(), Some("timestamp"))
    }

    /// Whether values can be put in an order.
    pub(crate) fn is_orderable(&self) -> bool {
        match self.base.as_deref() {
            Some(base) => !matches!(base, "text" | "ntext" | "image" | "xml"),
            None => self.declared == "hierarchyid",
        }
    }

    /// What to select for this column, and how its literal is made of that. `None` if the type is
    /// not known to this program.
    pub(crate) fn selected(&self, utf16_as_bytes: bool) -> Option<(String, Form)> {
        let name = quoted(&self.name);
        let bytes = || format!("CAST({name} AS varbinary(max))");
        let Some(base) = self.base.as_deref() else {
            return Some((bytes(), Form::Cast(self.declared.clone())));
        };
        Some(match base {
            // The driver makes a binary fraction of money.
            "money" | "smallmoney" => (format!("CAST({name} AS decimal(19,4))"), Form::Plain),
            "nchar" | "nvarchar" | "sysname" if utf16_as_bytes => (bytes(), Form::Utf16),
            "ntext" if utf16_as_bytes => (
                format!("CAST(CAST({name} AS nvarchar(max)) AS varbinary(max))"),
                Form::Utf16,
            ),
            "tinyint" | "smallint" | "int" | "bigint" | "bit" | "real" | "float" | "decimal"
            | "numeric" | "uniqueidentifier" | "date" | "time" | "datetime2" | "datetimeoffset"
            | "datetime" | "smalldatetime" | "char" | "varchar" | "text" | "binary"
            | "varbinary" | "image" | "nchar" | "nvarchar" | "sysname" | "ntext" => {
                (name, Form::Plain)
            }
            "xml" => (name, Form::Xml),
            "sql_variant" => (name, Form::Variant),
            "hierarchyid" | "geometry" | "geography" => (bytes(), Form::Cast(base.to_owned())),
            _ => return None,
        })
    }

    /// The type as it was declared.
    pub(crate) fn declared(&self) -> &str {
        &self.declared
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn shapes_of_types() {
        let shape = |bytes, precision, scale| TypeShape {
            bytes,
            precision,
            scale,
        };
        assert_eq!(shape(20, 0, 0).of("nvarchar"), "nvarchar(10)");
        assert_eq!(shape(-1, 0, 0).of("varbinary"), "varbinary(max)");
        assert_eq!(shape(17, 38, 10).of("decimal"), "decimal(38,10)");
        assert_eq!(shape(8, 27, 7).of("datetime2"), "datetime2(7)");
        assert_eq!(shape(4, 10, 0).of("int"), "int");
    }
}
