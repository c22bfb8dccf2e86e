//! The form of a logical dump: a script of batches that end with `GO`, as `sqlcmd` reads it.
//!
//! Batches about one table begin with a comment that names it: `-- table [s].[t]`,
//! `-- rows of [s].[t]`. A row is one line. The last line tells that nothing is missing.
//!
//! | module | duty |
//! |---|---|
//! | `lines` | lines that end outside of texts, names and comments |
//! | `batches` | batches, for loading |
//! | `tables` | tables and rows, for counts and checksums |
//! | `select` | a single table |
//! | `pieces` | the same as `tables`, in the form that all engines' dumps share |

mod batches;
mod lines;
mod pieces;
mod select;
mod tables;

pub(super) use batches::Batches;
pub(crate) use pieces::Pieces;
pub(crate) use select::Selection;
pub use tables::{Event, Tables};

/// The first line of a script. Its number changes when older programs could not load it.
pub(super) const FIRST_LINE: &str = "-- SQL Server database dumped by nightfold, form 1";
/// The last line of a script.
pub(super) const LAST_LINE: &str = "-- end of dump";
/// Begins a batch with rows, or stands for those of an empty table.
pub(super) const ROWS_OF: &str = "-- rows of ";
/// Begins the batch that makes a table.
pub(super) const TABLE: &str = "-- table ";
/// Begins batches that belong to a table and need nothing but it.
pub(super) const PART_OF: &str = "-- part of ";
/// Begins the batch before the one that makes a view, function, procedure or trigger.
pub(super) const PROGRAM: &str = "-- program ";
/// What a batch of rows begins with, and the line ends with.
pub(super) const INSERT: &str = "INSERT INTO ";
pub(super) const VALUES: &str = " VALUES";

/// Whether a line ends a batch.
fn is_go(line: &[u8]) -> bool {
    line.trim_ascii().eq_ignore_ascii_case(b"GO")
}
