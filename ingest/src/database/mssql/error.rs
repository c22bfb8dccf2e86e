//! What can go wrong between this program and SQL Server.

use std::io;

/// Result with [`MssqlError`].
pub type Result<T> = std::result::Result<T, MssqlError>;

/// Why something with SQL Server failed. No message holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MssqlError {
    /// Nobody answers at the address.
    #[error("cannot reach SQL Server at {address}: {source}")]
    Unreachable {
        /// Host and port, or host and instance.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The SQL Browser does not know the instance, or does not answer.
    #[error("cannot find the instance {instance} on {host}: {reason}; name its port instead")]
    Instance {
        /// The host.
        host: String,
        /// The instance.
        instance: String,
        /// What happened.
        reason: String,
    },
    /// The server cannot be trusted, or has no encryption that can be agreed on.
    #[error("no encrypted connection to {address}: {reason}")]
    Tls {
        /// Host and port.
        address: String,
        /// What the library said, and what to do.
        reason: String,
    },
    /// User, password or database were refused.
    #[error("{address} refused the login of {user} to {database}: {message} (error {number})")]
    Login {
        /// Host and port.
        address: String,
        /// The user.
        user: String,
        /// The database.
        database: String,
        /// SQL Server's number of the error.
        number: u32,
        /// What the server said.
        message: String,
    },
    /// The server refused something.
    #[error("{what}: {message} (SQL Server error {number})")]
    Server {
        /// What was being done.
        what: String,
        /// SQL Server's number of the error.
        number: u32,
        /// What the server said.
        message: String,
    },
    /// The connection broke, or what came over it made no sense.
    #[error("{what}: the connection to SQL Server failed: {reason}")]
    Connection {
        /// What was being done.
        what: String,
        /// What the library said.
        reason: String,
    },
    /// What the server sent is not what was asked for.
    #[error("{what}: unexpected answer from SQL Server: {reason}")]
    Answer {
        /// What was being done.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that the caller must change first.
    #[error("{what}: {reason}")]
    Refused {
        /// What was asked for.
        what: String,
        /// Why it is not done, and what to do.
        reason: String,
    },
    /// A script that is not one of ours, or is cut off.
    #[error("the script is damaged at line {line}: {reason}")]
    Script {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// The chain of backups does not reach.
    #[error(transparent)]
    Chain(#[from] super::native::ChainError),
    /// Reading or writing on this side failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The run was told to stop.
    #[error("interrupted")]
    Interrupted,
}

impl MssqlError {
    /// The number of the server's error, if it was the server who refused.
    pub fn number(&self) -> Option<u32> {
        match self {
            Self::Login { number, .. } | Self::Server { number, .. } => Some(*number),
            _ => None,
        }
    }

    pub(super) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            what: what.into(),
            source,
        }
    }

    pub(super) fn answer(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Answer {
            what: what.into(),
            reason: reason.into(),
        }
    }

    pub(super) fn refused(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused {
            what: what.into(),
            reason: reason.into(),
        }
    }

    /// Puts the driver's error into ours. `what` says what was being done.
    pub(super) fn driver(what: &str, error: tiberius::error::Error) -> Self {
        use tiberius::error::Error as Driver;
        let what = what.to_owned();
        match error {
            Driver::Server(token) => Self::Server {
                what,
                number: token.code(),
                message: token.message().to_owned(),
            },
            Driver::Utf16 => Self::Answer {
                what,
                reason: "a text holds half a surrogate pair; ask for texts as bytes".to_owned(),
            },
            other => Self::Connection {
                what,
                reason: told(&other),
            },
        }
    }
}

/// What the driver says, without what it says before that.
pub(super) fn told(error: &tiberius::error::Error) -> String {
    match error {
        tiberius::error::Error::Io { message, .. } => {
            let said_twice = "An error occurred during the attempt of performing I/O: ";
            message.replace(said_twice, "")
        }
        other => other.to_string(),
    }
}
