//! The server's own backups: BACKUP DATABASE into a folder that the server writes and this
//! program reads, and back.
//!
//! | module | duty | does I/O |
//! |---|---|---|
//! | `statements` | T-SQL | no |
//! | `facts` | what is recorded of a backup | no |
//! | `chain` | which backups lead to a point in time | no |
//! | `staging` | one folder under two names, and files that do not stay in it | files |
//! | `backup` | a backup made, verified and described | through a connection |
//! | `restore` | backups into a database | through a connection |
//! | `progress` | how far a long command is | through a second connection |

mod backup;
mod chain;
mod facts;
mod progress;
mod restore;
mod staging;
mod statements;

pub use backup::{BackupJob, Made, backup, check, left_log};
pub use chain::{ChainError, NextLog, Plan, Target, check_base, check_log, plan, predecessors};
pub use facts::{BackupFacts, BackupFile, BackupKind, Lsn};
pub use progress::Watch;
pub use restore::{RestoreJob, RestoreStep, check_database, is_damage, is_refusal, restore};
pub(super) use staging::PREFIX;
pub use staging::{StagedFile, Staging};
