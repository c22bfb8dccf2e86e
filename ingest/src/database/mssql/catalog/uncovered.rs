//! What a logical dump leaves out, so that nobody learns of it at a restore.

use super::super::answer::Fields;
use super::super::connection::Connection;
use super::super::error::{MssqlError, Result};

/// Something that is in the database and not in the dump.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotCovered {
    /// What it is.
    pub kind: String,
    /// Its name, or why it could not be listed.
    pub name: String,
}

/// Kinds, the major version that brought them, and how their names are asked for.
const KINDS: &[(&str, u32, &str)] = &[
    (
        "encrypted view, function, procedure or trigger",
        9,
        "SELECT o.name FROM sys.sql_modules m JOIN sys.objects o ON o.object_id = m.object_id \
         WHERE m.definition IS NULL AND o.is_ms_shipped = 0",
    ),
    (
        "assembly",
        9,
        "SELECT name FROM sys.assemblies WHERE assembly_id > 65535",
    ),
    (
        "module of an assembly",
        9,
        "SELECT o.name FROM sys.assembly_modules m JOIN sys.objects o ON o.object_id = m.object_id",
    ),
    (
        "XML, spatial, columnstore or hash index",
        9,
        "SELECT i.name FROM sys.indexes i JOIN sys.tables t ON t.object_id = i.object_id \
         WHERE i.type > 2 AND t.is_ms_shipped = 0",
    ),
    (
        "XML schema collection",
        9,
        "SELECT name FROM sys.xml_schema_collections WHERE xml_collection_id > 65535",
    ),
    (
        "partition function",
        9,
        "SELECT name FROM sys.partition_functions",
    ),
    (
        "full-text catalog",
        9,
        "SELECT name FROM sys.fulltext_catalogs",
    ),
    (
        "service queue",
        9,
        "SELECT name FROM sys.service_queues WHERE is_ms_shipped = 0",
    ),
    (
        "database trigger",
        9,
        "SELECT name FROM sys.triggers WHERE parent_class = 0",
    ),
    (
        "statistics made by hand",
        9,
        "SELECT s.name FROM sys.stats s JOIN sys.tables t ON t.object_id = s.object_id \
         WHERE s.user_created = 1 AND t.is_ms_shipped = 0",
    ),
    (
        "extended property",
        9,
        "SELECT DISTINCT name FROM sys.extended_properties WHERE class < 100",
    ),
    (
        "rule or default object",
        9,
        "SELECT name FROM sys.objects WHERE type IN ('R', 'D') AND parent_object_id = 0 \
         AND is_ms_shipped = 0",
    ),
    (
        "certificate",
        9,
        "SELECT name FROM sys.certificates WHERE name NOT LIKE '##%'",
    ),
    ("symmetric key", 9, "SELECT name FROM sys.symmetric_keys"),
    (
        "application role",
        9,
        "SELECT name FROM sys.database_principals WHERE type = 'A'",
    ),
    (
        "user of a certificate or key",
        9,
        "SELECT name FROM sys.database_principals WHERE type IN ('C', 'K') AND name NOT LIKE '##%'",
    ),
    (
        "check or default of a table type",
        10,
        "SELECT t.name FROM sys.table_types t \
         JOIN sys.objects o ON o.parent_object_id = t.type_table_object_id \
         WHERE o.type IN ('C', 'D')",
    ),
    (
        "file stream, sparse column or column set",
        10,
        "SELECT t.name + '.' + c.name FROM sys.columns c \
         JOIN sys.tables t ON t.object_id = c.object_id \
         WHERE c.is_filestream = 1 OR c.is_sparse = 1 OR c.is_column_set = 1",
    ),
    (
        "password of a user without login",
        11,
        "SELECT name FROM sys.database_principals WHERE authentication_type = 2",
    ),
    (
        "in-memory table",
        12,
        "SELECT name FROM sys.tables WHERE is_memory_optimized = 1",
    ),
    (
        "system versioning of a table",
        13,
        "SELECT name FROM sys.tables WHERE temporal_type = 2",
    ),
    (
        "security policy, which may hide rows from this user",
        13,
        "SELECT name FROM sys.security_policies",
    ),
    (
        "mask or encryption of a column, whose values are as this user sees them",
        13,
        "SELECT t.name + '.' + c.name FROM sys.columns c \
         JOIN sys.tables t ON t.object_id = c.object_id \
         WHERE c.is_masked = 1 OR c.encryption_type IS NOT NULL",
    ),
    (
        "external table",
        13,
        "SELECT name FROM sys.tables WHERE is_external = 1",
    ),
    (
        "graph table",
        14,
        "SELECT name FROM sys.tables WHERE is_node = 1 OR is_edge = 1",
    ),
];

/// Asks for everything of these kinds. A kind that cannot be listed is named too.
///
/// Must run outside of a transaction: a refusal would end it.
pub(crate) fn read_uncovered(connection: &mut Connection, major: u32) -> Result<Vec<NotCovered>> {
    let mut found = Vec::new();
    for &(kind, since, sql) in KINDS {
        if major < since {
            continue;
        }
        let entry = |name| NotCovered {
            kind: kind.to_owned(),
            name,
        };
        match connection.rows(kind, sql) {
            Ok(rows) => {
                for row in &rows {
                    if let Some(name) = Fields::new(kind, row).text_or_null()? {
                        found.push(entry(name));
                    }
                }
            }
            Err(MssqlError::Server { message, .. }) => {
                found.push(entry(format!("(cannot be listed: {message})")));
            }
            Err(error) => return Err(error),
        }
    }
    found.sort();
    Ok(found)
}
