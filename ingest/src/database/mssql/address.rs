//! Where a SQL Server is, who is asking, and how the connection is protected.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

/// The port of a default instance.
pub const DEFAULT_PORT: u16 = 1433;

/// How to reach one database of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Name or IP address of the host.
    pub host: String,
    /// The port. Without it the instance is asked for, or else it is 1433.
    pub port: Option<u16>,
    /// A named instance, whose port the SQL Browser tells (UDP 1434).
    pub instance: Option<String>,
    /// The database.
    pub database: String,
    /// The login.
    pub user: String,
    /// What of the connection is encrypted.
    pub encryption: Encryption,
    /// Whom to believe that the server is who it says.
    pub trust: Trust,
}

/// What of a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Everything, or there is no connection.
    Required,
    /// The login alone; data go in the clear.
    LoginOnly,
    /// Nothing, the password included: for servers of 2005 and 2008 that know TLS 1.0 at most,
    /// inside a segment or tunnel that is trusted.
    Off,
}

/// Whom to believe that the server is who it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The system's certificate authorities.
    System,
    /// Those, and the ones in a file (PEM).
    CaFile(PathBuf),
    /// Anybody: protects from listeners, not from impostors.
    Anyone,
}

impl Address {
    /// The same server, another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            ..self.clone()
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, &self.instance) {
            (Some(port), _) => write!(f, "{}:{port}", self.host),
            (None, Some(instance)) => write!(f, "{}\\{instance}", self.host),
            (None, None) => write!(f, "{}:{DEFAULT_PORT}", self.host),
        }
    }
}

/// A password: wiped when dropped, and never shown.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password in.
    pub fn new(password: Zeroizing<String>) -> Self {
        Self(password)
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
