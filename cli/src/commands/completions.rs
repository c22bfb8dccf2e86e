//! `nightfold completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use crate::args::Cli;
use crate::exit::{Outcome, Result};
use crate::output::Output;

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints a completion script.
pub fn run(args: &CompletionsArgs) -> Result<Outcome> {
    // Into memory first: the generator panics when it cannot write.
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "nightfold", &mut script);
    let mut out = Output::open();
    out.line(String::from_utf8_lossy(&script).trim_end())?;
    out.finish()?;
    Ok(Outcome::Done)
}
