//! `nightfold cat`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::fd::AsFd as _;

use clap::Args;
use nightfold_ingest::{Error as IngestError, chosen_database, write_content, write_table};

use crate::args::Choice;
use crate::context::Context;
use crate::exit::{Error, Outcome, Result};
use crate::{paths, select};

/// Options of `cat`.
#[derive(Debug, Args)]
pub struct CatArgs {
    /// A snapshot's id, its first digits, or 'latest'
    snapshot: String,
    /// The file, as `nightfold ls` prints it; of a dump through a pipe the name that it was given; with --table a
    /// database's name or the path of its dump
    path: OsString,
    /// Only what makes up this table of a dump: its definition, rows, keys and indexes, as statements
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    #[command(flatten)]
    choice: Choice,
}

/// Streams one file to standard output.
pub fn run(context: &Context, args: &CatArgs) -> Result<Outcome> {
    let repository = context.open()?;
    let snapshot = select::snapshot(&repository, &context.messages, &args.snapshot, &args.choice)?;
    if let Some(table) = &args.table {
        let facts = chosen_database(&snapshot, args.path.to_str(), None)?;
        let mut out = BufWriter::with_capacity(1 << 20, output()?);
        let written = write_table(&repository, &snapshot, &facts, table, &mut out)
            .and_then(|()| out.flush().map_err(IngestError::Output));
        return done(written);
    }
    let path = paths::given(&repository, &snapshot, &args.path)?;
    let entry = paths::file(&repository, &snapshot, &path)?;
    done(write_content(&repository, &entry, &mut output()?).map(drop))
}

/// Around the standard library's buffer, which looks at every line of a dump.
fn output() -> Result<File> {
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    stdout.map(File::from).map_err(Error::Output)
}

fn done(written: nightfold_ingest::Result<()>) -> Result<Outcome> {
    match written {
        Ok(()) => Ok(Outcome::Done),
        Err(IngestError::Output(error)) => Err(Error::Output(error)),
        Err(other) => Err(other.into()),
    }
}
