//! `nightfold key`.

use clap::Subcommand;
use nightfold_repo::format::ObjectId;
use nightfold_repo::repository::KeyInfo;
use nightfold_repo::{KdfCost, Repository};
use serde_json::json;

use crate::args::JsonFlag;
use crate::context::Context;
use crate::exit::{Outcome, Result};
use crate::output::{Align, Output, Table};
use crate::{machine, password, time};

/// Verbs of `key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// List the passwords' key slots
    List(JsonFlag),
    /// Let one more password open the repository
    #[command(after_help = NEW_PASSWORD)]
    Add {
        /// Whose it is, or what for
        #[arg(long, default_value = "")]
        label: String,
    },
    /// Let a password no longer open the repository
    Remove {
        /// The first digits of the slot's id, as `nightfold key list` prints it
        id: String,
    },
    /// Replace the password in use
    #[command(after_help = NEW_PASSWORD)]
    Passwd,
}

const NEW_PASSWORD: &str = "The new password is taken from NIGHTFOLD_NEW_PASSWORD, from the first line of the file \
     NIGHTFOLD_NEW_PASSWORD_FILE, or asked for.";

/// Runs a verb.
pub fn run(context: &Context, command: &KeyCommand) -> Result<Outcome> {
    let repository = context.open()?;
    let host = machine::host();
    let said = match command {
        KeyCommand::List(args) => {
            list(&repository, args.json)?;
            return Ok(Outcome::Done);
        }
        KeyCommand::Add { label } => {
            let new = password::new()?.password;
            let id = repository.key_add(&new, KdfCost::default(), &host, label)?;
            format!("added key slot {}", short(id))
        }
        KeyCommand::Remove { id } => {
            let id = repository.key_remove(&id.to_ascii_lowercase())?;
            format!("removed key slot {}", short(id))
        }
        KeyCommand::Passwd => {
            let new = password::new()?.password;
            let id = repository.key_passwd(&new, KdfCost::default(), &host)?;
            format!("the new password opens key slot {}", short(id))
        }
    };
    let mut out = Output::open();
    if !context.quiet {
        out.line(said)?;
    }
    out.finish()?;
    Ok(Outcome::Done)
}

fn short(id: ObjectId) -> String {
    id.to_string()[..8].to_owned()
}

fn list(repository: &Repository, json: bool) -> Result<()> {
    let keys = repository.keys()?;
    let mut out = Output::open();
    if json {
        out.json(&keys.iter().map(key_json).collect::<Vec<_>>())?;
        return out.finish();
    }
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("CREATED", Align::Left),
        ("HOST", Align::Left),
        ("LABEL", Align::Left),
        ("COST", Align::Left),
        ("", Align::Left),
    ]);
    for key in keys {
        let created = key.created.parse().map_or(key.created, time::local);
        let in_use = if key.current { "in use" } else { "" };
        table.row(vec![
            short(key.id),
            created,
            key.host,
            key.label,
            key.kdf,
            in_use.to_owned(),
        ]);
    }
    out.table(&table)?;
    out.finish()
}

fn key_json(key: &KeyInfo) -> serde_json::Value {
    json!({
        "id": key.id.to_string(),
        "created": key.created,
        "host": key.host,
        "label": key.label,
        "kdf": key.kdf,
        "current": key.current,
    })
}
