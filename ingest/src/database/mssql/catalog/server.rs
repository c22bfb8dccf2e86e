//! What server this is, and how the database is set.

use super::super::answer::Fields;
use super::super::connection::Connection;
use super::super::error::{MssqlError, Result};

/// What is recorded of a server and the database that one is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// As the server writes it, `10.50.6000.34`.
    pub version: String,
    /// The first number of the version: 9 is 2005, 10 is 2008, 11 is 2012.
    pub major: u32,
    /// `Express Edition (64-bit)`.
    pub edition: String,
    /// The database's name as the server writes it.
    pub database: String,
    /// The database's collation.
    pub collation: String,
    /// Whether a transaction may ask for SNAPSHOT isolation.
    pub snapshots_allowed: bool,
    /// 1 full, 2 bulk-logged, 3 simple.
    pub recovery_model: u8,
}

const ASK: &str = "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)), \
    CAST(SERVERPROPERTY('Edition') AS nvarchar(256)), d.name, \
    CAST(DATABASEPROPERTYEX(d.name, 'Collation') AS nvarchar(128)), \
    CAST(d.snapshot_isolation_state AS int), CAST(d.recovery_model AS int) \
    FROM sys.databases d WHERE d.name = DB_NAME()";

impl ServerFacts {
    /// The server as it is told to users.
    pub fn product(&self) -> String {
        format!("SQL Server {}, {}", self.version, self.edition)
    }

    /// Asks the server.
    pub fn read(connection: &mut Connection) -> Result<Self> {
        let what = "cannot ask for the server's version";
        let rows = connection.rows(what, ASK)?;
        let Some(row) = rows.first() else {
            return Err(MssqlError::answer(what, "the database is not listed"));
        };
        let mut fields = Fields::new(what, row);
        let version = fields.text()?;
        let major = version.split('.').next().and_then(|part| part.parse().ok());
        Ok(Self {
            major: major.ok_or_else(|| MssqlError::answer(what, "no version"))?,
            version,
            edition: fields.text_or_null()?.unwrap_or_default(),
            database: fields.text()?,
            collation: fields.text_or_null()?.unwrap_or_default(),
            snapshots_allowed: fields.number_or_null()? == Some(1),
            recovery_model: fields.number_or_null()?.unwrap_or_default() as u8,
        })
    }
}
