//! SQL Server: logical dumps and their way back, and the server's own backups.
//!
//! | module | duty | does I/O |
//! |---|---|---|
//! | `address` | where a server is, who asks, what is encrypted | no |
//! | `browser` | the port of a named instance | UDP |
//! | `connection` | a session that blocks | TCP |
//! | `answer`, `name`, `literal` | fields of answers, names and values in T-SQL | no |
//! | `catalog` | what `sys.*` tells | through a connection |
//! | `dump` | a database into a script | through a connection |
//! | `script` | the script's form: batches, tables, rows | no |
//! | `load` | a script into a database | through a connection |
//! | `databases` | making, dropping, renaming databases | through a connection |
//! | `pipe` | bytes from one thread to another | no |
//! | `server` | what the program's sources, restores and drills ask of this module | through connections |
//! | `native` | BACKUP and RESTORE, and chains of backups | through a connection; staging files |
//! | `backups` | those in a repository: made, and found again | through the others |
//! | `restorer` | out of a repository, into a database | through the others |
//!
//! The driver always offers TDS 7.4 and takes what the server answers, down to the 7.2 of SQL
//! Server 2005. Its feature `tds73` only adds the types that came with 2008, which a server of
//! 2005 never sends; without it rows of newer servers could not be read.

mod address;
mod answer;
mod backups;
mod browser;
mod catalog;
mod connection;
mod databases;
mod dump;
mod error;
mod literal;
mod load;
mod name;
pub mod native;
mod pipe;
mod restorer;
mod script;
mod server;

pub use address::{Address, DEFAULT_PORT, Encryption, Password, Trust};
pub(super) use backups::family;
pub use backups::{Held, NativeBackup, backup_of, rests_on};
pub use catalog::{NotCovered, ServerFacts};
pub use connection::Connection;
pub use databases::{create_database, database_exists, drop_database, rename_database};
pub use dump::{DumpOptions, DumpReport, Isolation, dump};
pub use error::{MssqlError, Result};
pub use load::{LoadReport, load};
pub use name::TableName;
pub(super) use restorer::Restorer;
pub use restorer::Step;
pub(super) use script::Pieces as MssqlText;
pub use script::{Event, Tables};
pub(super) use server::{Client, dumps, extract};
