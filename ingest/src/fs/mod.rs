//! Directory trees: scanned into a sorted stream at backup, created anew at restore.
//!
//! Everything that only Unix offers is in `unix.rs`, so that another system has one place to replace.

mod exclude;
mod file;
mod found;
mod metadata;
mod names;
mod restore;
mod roots;
mod safe_path;
mod scan;
mod unix;

#[cfg(test)]
mod tests;

pub use file::FileBeingRestored;
pub use found::{Found, FoundKind, LinkIdentity, ScanItem, Xattrs};
pub use restore::{Device, Target};
pub use safe_path::{UnsafePath, safe_join};
pub use scan::{Scan, ScanError};
pub(crate) use unix::{
    answers, give_away, in_own_group, kill_group, killed_by, private_file, process_owner, run_as,
};
pub use unix::{as_path, holes, open_regular, path_bytes};
