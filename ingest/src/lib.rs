//! Sources into a Nightfold repository, and the way back out.

mod backup;
mod copy;
mod database;
mod error;
pub mod fs;
mod listing;
mod process;
mod progress;
mod restore;
mod source;

pub use backup::{BackupReport, BackupRequest, Source, backup};
pub use copy::{Copied, CopyReport, CopyRequest, NotCopied, copy};
pub use database::mssql;
pub use database::{
    DatabaseFacts, DatabaseSource, DatabaseUrl, DrillReport, DrillServer, Engine, LoadReport,
    LoadRequest, Secret, ServerUrl, TableFacts, Tool, UrlError, chosen_database, databases, drill,
    is_database_url, load, recorded_tables, write_table,
};
pub use error::{Error, Failure, Result};
pub use listing::{Entries, entries, find_entry, write_content};
pub use progress::Progress;
pub use restore::{RestoreReport, RestoreRequest, restore};
