//! `nightfold key`.

use std::sync::Arc;

use clap::Subcommand;
use nightfold_repo::format::ObjectId;
use nightfold_repo::repository::{KeyInfo, RotateOptions};
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
    /// Seal everything from now on under a new key, which only a new password opens
    #[command(after_help = NEW_KEY)]
    Rotate {
        /// Remove the key slots of other passwords, which cannot get the new key
        #[arg(long)]
        remove_others: bool,
    },
}

const NEW_KEY: &str = "What is in the repository already stays under the old key until `nightfold compact` has moved \
     it. The new password is taken from NIGHTFOLD_NEW_PASSWORD, from the first line of the file \
     NIGHTFOLD_NEW_PASSWORD_FILE, or asked for. Others who have a password must be added again with \
     `nightfold key add`.";

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
        KeyCommand::Rotate { remove_others } => rotate(&repository, &host, *remove_others)?,
    };
    let mut out = Output::open();
    if !context.quiet {
        out.line(said)?;
    }
    out.finish()?;
    Ok(Outcome::Done)
}

fn rotate(repository: &Arc<Repository>, host: &str, remove_others: bool) -> Result<String> {
    let new = password::new()?.password;
    let rotated = repository.key_rotate(&RotateOptions {
        password: &new,
        cost: KdfCost::default(),
        host,
        remove_others,
    })?;
    let mut said = format!(
        "the new password opens key slot {}; new data are sealed under its new key",
        short(rotated.slot)
    );
    for slot in &rotated.removed {
        let removed = format!(
            "\nremoved key slot {} \u{201c}{}\u{201d}",
            short(slot.id),
            slot.label
        );
        said = said + &removed + ": add it again with `nightfold key add`";
    }
    said += "\n`nightfold compact` moves what is there already to the new key; until then the old key still opens it";
    Ok(said)
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
    if repository.newest_epoch() > 0 {
        let old = repository.under_old_keys()?;
        if !old.is_none() {
            out.line(format_args!(
                "still under old keys, until `nightfold compact` has moved it: {}",
                super::compact::under(&old)
            ))?;
        }
    }
    out.finish()
}

fn key_json(key: &KeyInfo) -> serde_json::Value {
    json!({
        "id": key.id.to_string(),
        "created": key.created,
        "host": key.host,
        "label": key.label,
        "kdf": key.kdf,
        "epoch": key.epoch,
        "current": key.current,
    })
}
