//! What is put down with every dump of a database.

use std::collections::BTreeMap;

use nightfold_repo::format::{Snapshot, escape_path};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checksum::RowSum;
use crate::error::{Error, Result};

/// The snapshot's extension that holds them.
const EXTENSION: &str = "databases";

/// What is known of a dump beside its bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatabaseFacts {
    /// Where the dump lies in the snapshot, as [`escape_path`] writes it.
    pub path: String,
    /// `sqlite`, `postgres`, `mysql` or `mssql`.
    pub engine: String,
    /// The server's name and version as it tells them, or SQLite's.
    pub version: String,
    /// The database's name.
    pub database: String,
    /// How the dump was made.
    pub method: String,
    /// When it was consistent: RFC 3339, by the clock of the server where it tells.
    pub time: String,
    /// The place in the server's log at which it was consistent, as `lsn`, `gtid` or `binlog`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub position: BTreeMap<String, String>,
    /// The program that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
    /// Its tables.
    pub tables: u64,
    /// The rows of all of them.
    pub rows: u64,
    /// Where the list of its tables lies in the snapshot.
    pub tables_path: String,
    /// What only this engine has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, Value>,
}

/// A dump program that was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version, as it tells it.
    pub version: String,
    /// The status that it exited with.
    pub exit: i32,
}

/// A table as it stands in a dump.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableFacts {
    /// Its name with its schema, as the dump writes it.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// The sum of the first 128 bits of each row's BLAKE3, modulo 2¹²⁸: 32 digits.
    pub checksum: String,
}

impl TableFacts {
    pub(crate) fn new(name: String, sum: RowSum) -> Self {
        Self {
            name,
            rows: sum.rows,
            checksum: sum.to_hex(),
        }
    }
}

/// The path of the list of tables that belongs to a dump.
pub(crate) fn tables_path(dump: &[u8]) -> Vec<u8> {
    [dump, b".tables"].concat()
}

/// One line a table, so that a night changes only the lines of tables that changed.
pub(crate) fn encode_tables(tables: &[TableFacts]) -> Vec<u8> {
    let mut out = Vec::new();
    for table in tables {
        // Strings and numbers always make JSON.
        out.extend(serde_json::to_vec(table).unwrap_or_default());
        out.push(b'\n');
    }
    out
}

/// Reads what [`encode_tables`] wrote.
pub(crate) fn decode_tables(path: &[u8], bytes: &[u8]) -> Result<Vec<TableFacts>> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let tables = lines
        .filter(|line| !line.is_empty())
        .map(serde_json::from_slice);
    tables.collect::<serde_json::Result<_>>().map_err(|error| {
        let reason = format!("it is no list of tables: {error}");
        let object = escape_path(path);
        nightfold_repo::Error::Corrupt { object, reason }.into()
    })
}

/// The dumps of databases in a snapshot.
pub fn databases(snapshot: &Snapshot) -> Result<Vec<DatabaseFacts>> {
    let Some(value) = snapshot.extensions.get(EXTENSION) else {
        return Ok(Vec::new());
    };
    Vec::deserialize(value).map_err(|error| Error::Facts(error.to_string()))
}

/// Puts the facts down in a snapshot.
pub(crate) fn put(snapshot: &mut Snapshot, facts: &[DatabaseFacts]) {
    if !facts.is_empty() {
        let value = serde_json::to_value(facts).unwrap_or_default();
        snapshot.extensions.insert(EXTENSION.to_owned(), value);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tables_are_read_again() {
        let mut sum = RowSum::default();
        sum.add(&blake3::hash(b"1\ta"));
        let tables = [
            TableFacts::new("public.\"a\nb\"".to_owned(), sum),
            TableFacts::new("public.b".to_owned(), RowSum::default()),
        ];
        let bytes = encode_tables(&tables);
        assert_eq!(bytes.split(|byte| *byte == b'\n').count(), 3);
        assert_eq!(decode_tables(b"/x", &bytes).unwrap(), tables);
        assert_eq!(decode_tables(b"/x", b"").unwrap(), []);
        assert!(decode_tables(b"/x", b"{}\n").is_err());
    }
}
