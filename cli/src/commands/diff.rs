//! `nightfold diff`.

use clap::Args;
use serde::Serialize;

use crate::args::{Choice, JsonFlag};
use crate::compare::{Change, Changed, compare};
use crate::context::Context;
use crate::exit::{Outcome, Result};
use crate::output::{Output, count, size};
use crate::select;

/// Options of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The earlier snapshot: an id, its first digits, or 'latest'
    a: String,
    /// The later snapshot
    b: String,
    #[command(flatten)]
    json: JsonFlag,
}

/// Sums over all paths.
#[derive(Default, Debug, Serialize)]
struct Summary {
    added: u64,
    added_bytes: u64,
    removed: u64,
    removed_bytes: u64,
    modified: u64,
    metadata: u64,
}

/// Tells what changed.
pub fn run(context: &Context, args: &DiffArgs) -> Result<Outcome> {
    let repository = context.open()?;
    let choice = Choice::default();
    let a = select::snapshot(&repository, &context.messages, &args.a, &choice)?;
    let b = select::snapshot(&repository, &context.messages, &args.b, &choice)?;
    let mut out = Output::open();
    let mut summary = Summary::default();
    let mut listed = Vec::new();
    for changed in compare(&repository, &a, &b)? {
        let changed = changed?;
        summary.count(&changed);
        if args.json.json {
            listed.push(changed);
        } else {
            out.line(changed.line())?;
        }
    }
    if args.json.json {
        out.json(&serde_json::json!({
            "a": a.id.to_string(),
            "b": b.id.to_string(),
            "changes": listed,
            "summary": summary,
        }))?;
    } else if !context.quiet {
        out.line(summary.line())?;
    }
    out.finish()?;
    Ok(Outcome::Done)
}

impl Changed {
    fn line(&self) -> String {
        let (sign, sizes) = match self.change {
            Change::Added => ('+', size(self.size_after)),
            Change::Removed => ('-', size(self.size_before)),
            Change::Modified => {
                let sizes = format!("{} -> {}", size(self.size_before), size(self.size_after));
                ('M', sizes)
            }
            Change::Metadata => ('U', String::new()),
        };
        format!("{sign} {sizes:>24}  {}", self.path)
    }
}

impl Summary {
    fn count(&mut self, changed: &Changed) {
        match changed.change {
            Change::Added => {
                self.added += 1;
                self.added_bytes += changed.size_after;
            }
            Change::Removed => {
                self.removed += 1;
                self.removed_bytes += changed.size_before;
            }
            Change::Modified => self.modified += 1,
            Change::Metadata => self.metadata += 1,
        }
    }

    fn line(&self) -> String {
        format!(
            "{} added ({}), {} removed ({}), {} modified, {} with other metadata only",
            count(self.added, "entry"),
            size(self.added_bytes),
            self.removed,
            size(self.removed_bytes),
            self.modified,
            self.metadata,
        )
    }
}
