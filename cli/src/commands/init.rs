//! `nightfold init`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nightfold_repo::Repository;
use nightfold_repo::limits::PARITY_PERCENT;
use nightfold_repo::repository::InitOptions;
use serde_json::json;

use crate::args::{JsonFlag, parity_percent};
use crate::context::Context;
use crate::exit::{Error, Outcome, Result};
use crate::machine;
use crate::output::Output;
use crate::password::{self, FromPassword};

/// Options of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// How the repository is sealed
    #[arg(long, value_enum, default_value = "aes-256-gcm", value_name = "HOW")]
    encryption: Choice,
    /// How much redundancy packs get, in percent of their bytes, to be restored from when a disk damages them; 0: none
    #[arg(long, value_name = "PERCENT", default_value_t = PARITY_PERCENT, value_parser = parity_percent())]
    parity: u8,
    /// Make it like this repository: with an id, keys and a password of its own, but the same secret for what chunks
    /// are called and where data are cut, so that `copy` moves what is stored as it is
    #[arg(long, value_name = "FOLDER")]
    like: Option<PathBuf>,
    #[command(flatten)]
    from: FromPassword,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// Nobody reads or forges it without a password
    #[value(name = "aes-256-gcm")]
    Aes256Gcm,
    /// Anybody who has the folder reads everything in it
    None,
}

/// Makes a repository.
pub fn run(context: &Context, args: &InitArgs) -> Result<Outcome> {
    let config = context.config()?;
    let storage = context.storage(&config)?;
    let encrypted = args.encryption != Choice::None;
    // Nobody should think up a password for a place that will be refused.
    if !storage.is_vacant()? {
        let location = storage.location();
        return Err(nightfold_repo::Error::NotEmpty { location }.into());
    }
    let like = match &args.like {
        Some(place) => Some(context.open_from(place.clone(), &args.from)?),
        None => None,
    };
    let password = if encrypted {
        Some(password::first(&config)?.password)
    } else if let Some(found) = password::configured(&config)? {
        // Every later command would be refused: an open repository where a password is set looks replaced.
        let message = format!(
            "a password comes from {}, but --encryption none has no use for one",
            found.origin
        );
        return Err(Error::failed(
            message,
            "take the password away, or leave --encryption none out",
        ));
    } else {
        None
    };
    let mut options = InitOptions::new(password, machine::host());
    options.parity = args.parity;
    let made = match &like {
        Some(like) => Repository::init_like(&*storage, options, like)?,
        None => Repository::init(&*storage, &options)?,
    };
    if let Some(like) =
        like.filter(|like| !encrypted && like.config().encryption != made.encryption)
    {
        context.messages.warning(format_args!(
            "the secret that names chunks in {} now lies open here: whoever reads this folder can confirm which large \
             files that he knows are stored in either",
            like.location()
        ));
    }
    let mut out = Output::open();
    if args.json.json {
        out.json(&json!({
            "id": made.id,
            "location": storage.location(),
            "encryption": made.encryption,
        }))?;
    } else if !context.quiet {
        out.line(format_args!(
            "made repository {} in {}",
            &made.id[..8],
            storage.location()
        ))?;
        out.line(if encrypted {
            "it opens with its password only: keep that where a fire that takes this machine won't"
        } else {
            "it is not encrypted: whoever can read the folder can read every backup in it"
        })?;
    }
    out.finish()?;
    Ok(Outcome::Done)
}
