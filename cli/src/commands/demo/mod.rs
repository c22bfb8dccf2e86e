//! `nightfold demo`: the main job on made-up data, in a temporary folder.

mod database;
mod nights;
mod words;

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Instant;

use clap::Args;
use nightfold_repo::repository::Password;

use crate::context::Context;
use crate::exit::{Error, Outcome, Result};
use crate::output::Output;
use crate::stop::Stop;
use nights::Demo;

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep the temporary folder and tell how to look at it
    #[arg(long)]
    keep: bool,
}

/// Runs the demo.
pub fn run(context: &Context, args: &DemoArgs) -> Result<Outcome> {
    let begun = Instant::now();
    let stop = Stop::on_signals()?;
    let folder = tempfile::Builder::new()
        .prefix("nightfold-demo-")
        .tempdir()
        .map_err(|error| failed("cannot make a temporary folder", &error))?;
    let password = draw_password()?;
    let mut out = Output::open();
    let told = Demo::new(folder.path(), password.clone(), &context.messages, &stop)
        .and_then(|mut demo| demo.run(&mut out));
    if let Err(error) = told {
        return Err(if stop.requested() {
            Error::Interrupted("the temporary folder is removed")
        } else {
            error
        });
    }
    out.line("")?;
    if args.keep {
        write_password(&folder.path().join("password"), &password)?;
        keep(&mut out, &folder.keep())?;
    } else {
        let path = folder.path().display().to_string();
        folder
            .close()
            .map_err(|error| failed("cannot remove the temporary folder", &error))?;
        out.line(format_args!(
            "nothing is left behind: {path} is removed (--keep keeps it)"
        ))?;
    }
    out.line(format_args!(
        "done in {:.1} s",
        begun.elapsed().as_secs_f64()
    ))?;
    out.finish()?;
    Ok(Outcome::Done)
}

fn keep(out: &mut Output, folder: &Path) -> Result<()> {
    out.line(format_args!(
        "kept in {0}; to look at it:",
        folder.display()
    ))?;
    for (name, file) in [
        ("NIGHTFOLD_REPO", "repository"),
        ("NIGHTFOLD_PASSWORD_FILE", "password"),
        ("NIGHTFOLD_CACHE_DIR", "cache"),
    ] {
        out.line(format_args!(
            "  export {name}={}",
            folder.join(file).display()
        ))?;
    }
    for example in ["snapshots", "find shop.sqlite", "stats"] {
        out.line(format_args!("  nightfold {example}"))?;
    }
    Ok(())
}

/// Nobody needs to know it: 32 random hex digits.
fn draw_password() -> Result<Password> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| failed("cannot draw a password", &error))?;
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    Ok(Password::new(digits.into_bytes()))
}

fn write_password(path: &Path, password: &Password) -> Result<()> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(password))
        .map_err(|error| failed("cannot keep the password", &error))
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::failed(
        format!("{what}: {error}"),
        "the demo needs some 300 MB in the folder for temporary files (TMPDIR)",
    )
}
