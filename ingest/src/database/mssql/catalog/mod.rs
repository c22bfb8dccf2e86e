//! What `sys.*` tells of a server and a database.
//!
//! | module | duty |
//! |---|---|
//! | `server` | version, edition, the database's settings |
//! | `table` | tables and their columns |
//! | `key` | keys, indexes, constraints |
//! | `module` | views, functions, procedures, triggers, and what depends on what |
//! | `object` | schemas, types, sequences, synonyms |
//! | `security` | users, roles, permissions |
//! | `uncovered` | what a logical dump leaves out |

pub(super) mod key;
pub(super) mod module;
pub(super) mod object;
pub(super) mod security;
mod server;
pub(super) mod table;
pub(super) mod uncovered;

pub use server::ServerFacts;
pub use uncovered::NotCovered;

/// The major version of SQL Server 2008: what 2005 lacks is not asked for.
pub(super) const V2008: u32 = 10;
/// The major version of SQL Server 2012.
pub(super) const V2012: u32 = 11;
