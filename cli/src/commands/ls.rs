//! `nightfold ls`.

use std::ffi::OsString;

use clap::Args;
use nightfold_ingest::entries;
use nightfold_repo::format::Entry;

use crate::args::{Choice, JsonFlag};
use crate::context::Context;
use crate::describe::{EntryJson, long_line};
use crate::exit::{Error, Outcome, Result};
use crate::output::Output;
use crate::{paths, select};

/// Options of `ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// A snapshot's id, its first digits, or 'latest'
    snapshot: String,
    /// Only this file, or what lies below this directory
    path: Option<OsString>,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    json: JsonFlag,
}

/// Lists the files of a snapshot.
pub fn run(context: &Context, args: &LsArgs) -> Result<Outcome> {
    let repository = context.open()?;
    let snapshot = select::snapshot(&repository, &context.messages, &args.snapshot, &args.choice)?;
    let top = match &args.path {
        Some(text) => paths::given(&repository, &snapshot, text)?,
        None => Vec::new(),
    };
    let mut found = top.is_empty();
    let listed = entries(&repository, &snapshot)?
        .map(|entry| entry.map_err(Error::from))
        .filter(|entry| match entry {
            Ok(entry) => paths::is_within(&entry.path, &top),
            Err(_) => true,
        })
        .inspect(|_| found = true);
    let mut out = Output::open();
    print(&mut out, args.json.json, listed)?;
    out.finish()?;
    if found {
        Ok(Outcome::Done)
    } else {
        let hint = "paths are whole, from the root on: leave it out to see all that there are";
        Err(paths::no_such(&top, &snapshot, hint))
    }
}

fn print(
    out: &mut Output,
    json: bool,
    mut listed: impl Iterator<Item = Result<Entry>>,
) -> Result<()> {
    if json {
        return out.json_array(listed.map(|entry| Ok(EntryJson::from(&entry?))));
    }
    listed.try_for_each(|entry| out.line(long_line(&entry?)))
}
