//! Keys, indexes, foreign keys, checks and defaults.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::answer::Fields;
use super::super::connection::Connection;
use super::super::error::Result;
use super::super::name::{TableName, quoted};
use super::V2008;

/// A primary key, a unique constraint or an index of rows.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the catalog has a bit for each, and each goes its own way into the statement"
)]
pub(crate) struct Index {
    /// The table or view.
    pub(crate) object: i64,
    pub(crate) name: String,
    clustered: bool,
    pub(crate) unique: bool,
    pub(crate) primary: bool,
    constraint: bool,
    disabled: bool,
    ignores_duplicates: bool,
    fill_factor: i64,
    filter: Option<String>,
    pub(crate) keys: Vec<(String, bool)>,
    included: Vec<String>,
}

/// A column's name, whether it is descending, and whether it is only carried along.
type IndexColumn = (String, bool, bool);

/// Reads all indexes of tables and views, by object and number.
pub(crate) fn read_indexes(connection: &mut Connection, major: u32) -> Result<Vec<Index>> {
    let what = "cannot read the list of indexes";
    let mut columns: BTreeMap<(i64, i64), Vec<IndexColumn>> = BTreeMap::new();
    for row in connection.rows(what, INDEX_COLUMNS)? {
        let mut fields = Fields::new(what, &row);
        let index = (fields.number()?, fields.number()?);
        let column = (fields.text()?, fields.flag()?, fields.flag()?);
        columns.entry(index).or_default().push(column);
    }
    let filter = if major >= V2008 {
        "i.filter_definition"
    } else {
        "NULL"
    };
    let mut indexes = Vec::new();
    for row in connection.rows(what, &INDEXES.replace("{filter}", filter))? {
        let mut fields = Fields::new(what, &row);
        let (object, number) = (fields.number()?, fields.number()?);
        let mut index = Index {
            object,
            name: fields.text()?,
            clustered: fields.number()? == 1,
            unique: fields.flag()?,
            primary: fields.flag()?,
            constraint: fields.flag()?,
            disabled: fields.flag()?,
            ignores_duplicates: fields.flag()?,
            fill_factor: fields.number()?,
            filter: fields.text_or_null()?,
            keys: Vec::new(),
            included: Vec::new(),
        };
        index.constraint |= index.primary;
        for (name, descending, included) in columns.remove(&(object, number)).unwrap_or_default() {
            if included {
                index.included.push(name);
            } else {
                index.keys.push((name, descending));
            }
        }
        indexes.push(index);
    }
    Ok(indexes)
}

const INDEXES: &str = "SELECT i.object_id, i.index_id, i.name, CAST(i.type AS int), i.is_unique, \
    i.is_primary_key, i.is_unique_constraint, i.is_disabled, i.ignore_dup_key, \
    CAST(i.fill_factor AS int), {filter} \
    FROM sys.indexes i JOIN sys.objects o ON o.object_id = i.object_id \
    WHERE (o.type IN ('U', 'V') AND o.is_ms_shipped = 0 OR o.type = 'TT') AND i.type IN (1, 2) \
    AND i.is_hypothetical = 0 ORDER BY i.object_id, i.index_id";

const INDEX_COLUMNS: &str = "SELECT ic.object_id, ic.index_id, c.name, ic.is_descending_key, \
    ic.is_included_column FROM sys.index_columns ic \
    JOIN sys.columns c ON c.object_id = ic.object_id AND c.column_id = ic.column_id \
    JOIN sys.objects o ON o.object_id = ic.object_id \
    WHERE (o.type IN ('U', 'V') AND o.is_ms_shipped = 0 OR o.type = 'TT') \
    AND (ic.key_ordinal > 0 OR ic.is_included_column = 1) \
    ORDER BY ic.object_id, ic.index_id, ic.key_ordinal, ic.index_column_id";

impl Index {
    /// The statements that make it.
    pub(crate) fn statements(&self, on: &TableName) -> String {
        let name = quoted(&self.name);
        let kind = if self.clustered {
            "CLUSTERED"
        } else {
            "NONCLUSTERED"
        };
        let keys = self.key_list();
        let mut sql = if self.constraint {
            let unique = if self.primary {
                "PRIMARY KEY"
            } else {
                "UNIQUE"
            };
            format!("ALTER TABLE {on} ADD CONSTRAINT {name} {unique} {kind} ({keys})")
        } else {
            let unique = if self.unique { "UNIQUE " } else { "" };
            format!("CREATE {unique}{kind} INDEX {name} ON {on} ({keys})")
        };
        if !self.included.is_empty() {
            let included: Vec<_> = self.included.iter().map(|name| quoted(name)).collect();
            let _ = write!(sql, " INCLUDE ({})", included.join(","));
        }
        if let Some(filter) = &self.filter {
            let _ = write!(sql, " WHERE {filter}");
        }
        let mut options = Vec::new();
        if self.ignores_duplicates {
            options.push("IGNORE_DUP_KEY = ON".to_owned());
        }
        if (1..100).contains(&self.fill_factor) {
            options.push(format!("FILLFACTOR = {}", self.fill_factor));
        }
        if !options.is_empty() {
            let _ = write!(sql, " WITH ({})", options.join(", "));
        }
        sql.push('\n');
        if self.disabled {
            let _ = writeln!(sql, "ALTER INDEX {name} ON {on} DISABLE");
        }
        sql
    }

    /// As a line of a table type, whose keys have no names. `None` if it is no key.
    pub(crate) fn nameless(&self) -> Option<String> {
        let unique = if self.primary {
            "PRIMARY KEY"
        } else {
            "UNIQUE"
        };
        let kind = if self.clustered {
            "CLUSTERED"
        } else {
            "NONCLUSTERED"
        };
        let keys = self.key_list();
        self.constraint
            .then(|| format!("  {unique} {kind} ({keys})"))
    }

    /// The key columns, in order.
    pub(crate) fn key_list(&self) -> String {
        let keys: Vec<_> = self
            .keys
            .iter()
            .map(|(name, descending)| quoted(name) + if *descending { " DESC" } else { "" })
            .collect();
        keys.join(",")
    }

    /// Whether no two rows of the table can be alike in it.
    pub(crate) fn tells_rows_apart(&self) -> bool {
        self.primary || (self.unique && self.filter.is_none() && !self.disabled)
    }
}

/// A check, a default or a foreign key: a statement about a table.
#[derive(Clone, Debug)]
pub(crate) struct Constraint {
    pub(crate) table: i64,
    pub(crate) sql: String,
}

const DEFAULTS: &str = "SELECT d.parent_object_id, s.name, t.name, d.name, c.name, d.definition \
    FROM sys.default_constraints d JOIN sys.tables t ON t.object_id = d.parent_object_id \
    JOIN sys.schemas s ON s.schema_id = t.schema_id \
    JOIN sys.columns c ON c.object_id = d.parent_object_id AND c.column_id = d.parent_column_id \
    WHERE t.is_ms_shipped = 0 ORDER BY s.name, t.name, d.name";

/// Reads the defaults of columns.
pub(crate) fn read_defaults(connection: &mut Connection) -> Result<Vec<Constraint>> {
    let what = "cannot read the list of defaults";
    let read = |row: &tiberius::Row| {
        let mut fields = Fields::new(what, row);
        let table = fields.number()?;
        let on = table_name(&mut fields)?;
        let (name, column) = (fields.text()?, fields.text()?);
        let (name, column, definition) = (quoted(&name), quoted(&column), fields.text()?);
        let sql =
            format!("ALTER TABLE {on} ADD CONSTRAINT {name} DEFAULT {definition} FOR {column}\n");
        Ok(Constraint { table, sql })
    };
    connection.rows(what, DEFAULTS)?.iter().map(read).collect()
}

const CHECKS: &str = "SELECT k.parent_object_id, s.name, t.name, k.name, k.is_disabled, \
    k.is_not_trusted, k.is_not_for_replication, k.definition \
    FROM sys.check_constraints k JOIN sys.tables t ON t.object_id = k.parent_object_id \
    JOIN sys.schemas s ON s.schema_id = t.schema_id \
    WHERE t.is_ms_shipped = 0 ORDER BY s.name, t.name, k.name";

/// Reads the checks of tables.
pub(crate) fn read_checks(connection: &mut Connection) -> Result<Vec<Constraint>> {
    let what = "cannot read the list of checks";
    let read = |row: &tiberius::Row| {
        let mut fields = Fields::new(what, row);
        let table = fields.number()?;
        let on = table_name(&mut fields)?;
        let name = fields.text()?;
        let enforced = Enforced::read(&mut fields)?;
        let body = format!("CHECK {}{}", enforced.replication(), fields.text()?);
        let sql = enforced.statements(&on, &name, &body);
        Ok(Constraint { table, sql })
    };
    connection.rows(what, CHECKS)?.iter().map(read).collect()
}

const FOREIGN_KEYS: &str = "SELECT f.object_id, f.parent_object_id, s.name, t.name, f.name, \
    f.is_disabled, f.is_not_trusted, f.is_not_for_replication, rs.name, rt.name, \
    f.delete_referential_action_desc, f.update_referential_action_desc \
    FROM sys.foreign_keys f JOIN sys.tables t ON t.object_id = f.parent_object_id \
    JOIN sys.schemas s ON s.schema_id = t.schema_id \
    JOIN sys.tables rt ON rt.object_id = f.referenced_object_id \
    JOIN sys.schemas rs ON rs.schema_id = rt.schema_id \
    WHERE t.is_ms_shipped = 0 ORDER BY s.name, t.name, f.name";

const FOREIGN_COLUMNS: &str = "SELECT k.constraint_object_id, c.name, rc.name \
    FROM sys.foreign_key_columns k \
    JOIN sys.columns c ON c.object_id = k.parent_object_id AND c.column_id = k.parent_column_id \
    JOIN sys.columns rc ON rc.object_id = k.referenced_object_id \
    AND rc.column_id = k.referenced_column_id \
    ORDER BY k.constraint_object_id, k.constraint_column_id";

/// Reads the foreign keys.
pub(crate) fn read_foreign_keys(connection: &mut Connection) -> Result<Vec<Constraint>> {
    let what = "cannot read the list of foreign keys";
    let mut columns: BTreeMap<i64, Vec<(String, String)>> = BTreeMap::new();
    for row in connection.rows(what, FOREIGN_COLUMNS)? {
        let mut fields = Fields::new(what, &row);
        let key = fields.number()?;
        let pair = (quoted(&fields.text()?), quoted(&fields.text()?));
        columns.entry(key).or_default().push(pair);
    }
    let mut read = |row: &tiberius::Row| {
        let mut fields = Fields::new(what, row);
        let key = fields.number()?;
        let table = fields.number()?;
        let on = table_name(&mut fields)?;
        let name = fields.text()?;
        let enforced = Enforced::read(&mut fields)?;
        let to = table_name(&mut fields)?;
        let (from, referenced): (Vec<_>, Vec<_>) =
            columns.remove(&key).unwrap_or_default().into_iter().unzip();
        let (from, referenced) = (from.join(","), referenced.join(","));
        let mut body = format!("FOREIGN KEY ({from}) REFERENCES {to} ({referenced})");
        for event in ["DELETE", "UPDATE"] {
            let action = fields.text_or_null()?.unwrap_or_default();
            if !matches!(action.as_str(), "" | "NO_ACTION") {
                let _ = write!(body, " ON {event} {}", action.replace('_', " "));
            }
        }
        body += enforced.replication();
        let sql = enforced.statements(&on, &name, &body);
        Ok(Constraint { table, sql })
    };
    connection
        .rows(what, FOREIGN_KEYS)?
        .iter()
        .map(&mut read)
        .collect()
}

/// Whether a constraint is enforced, and was checked for the rows that are there.
struct Enforced {
    disabled: bool,
    untrusted: bool,
    not_for_replication: bool,
}

impl Enforced {
    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(Self {
            disabled: fields.flag()?,
            untrusted: fields.flag()?,
            not_for_replication: fields.flag()?,
        })
    }

    fn replication(&self) -> &'static str {
        if self.not_for_replication {
            " NOT FOR REPLICATION "
        } else {
            ""
        }
    }

    fn statements(&self, on: &TableName, name: &str, body: &str) -> String {
        let with = if self.untrusted || self.disabled {
            "NOCHECK"
        } else {
            "CHECK"
        };
        let name = quoted(name);
        let mut sql = format!("ALTER TABLE {on} WITH {with} ADD CONSTRAINT {name} {body}\n");
        if self.disabled {
            let _ = writeln!(sql, "ALTER TABLE {on} NOCHECK CONSTRAINT {name}");
        }
        sql
    }
}

fn table_name(fields: &mut Fields<'_>) -> Result<TableName> {
    Ok(TableName {
        schema: fields.text()?,
        table: fields.text()?,
    })
}
