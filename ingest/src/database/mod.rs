//! Live databases as sources, and as targets of a restore.

pub mod mssql;
