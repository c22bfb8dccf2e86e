//! `nightfold cat`.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;

use clap::Args;
use nightfold_ingest::{Error as IngestError, write_content};

use crate::args::Choice;
use crate::context::Context;
use crate::exit::{Error, Outcome, Result};
use crate::{paths, select};

/// Options of `cat`.
#[derive(Debug, Args)]
pub struct CatArgs {
    /// A snapshot's id, its first digits, or 'latest'
    snapshot: String,
    /// The file, as `nightfold ls` prints it; of a dump through a pipe the name that it was given
    path: OsString,
    #[command(flatten)]
    choice: Choice,
}

/// Streams one file to standard output.
pub fn run(context: &Context, args: &CatArgs) -> Result<Outcome> {
    let repository = context.open()?;
    let snapshot = select::snapshot(&repository, &context.messages, &args.snapshot, &args.choice)?;
    let path = paths::given(&repository, &snapshot, &args.path)?;
    let entry = paths::file(&repository, &snapshot, &path)?;
    // Around the standard library's buffer, which looks at every line of a dump.
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    let mut out = stdout.map(File::from).map_err(Error::Output)?;
    match write_content(&repository, &entry, &mut out) {
        Ok(_) => Ok(Outcome::Done),
        Err(IngestError::Output(error)) => Err(Error::Output(error)),
        Err(other) => Err(other.into()),
    }
}
