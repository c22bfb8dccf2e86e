//! Everything that the README's figures come from, in one run on one machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum as _;

use crate::compare;
use crate::corpus::{Kind, Plan};
use crate::files;
use crate::report::Outputs;
use crate::tool::ToolName;

/// Options of `all`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder for the nights, the figures, the tables and the pictures, on the disk to measure
    #[arg(long)]
    out: PathBuf,
    /// The nightfold program
    #[arg(long)]
    nightfold: PathBuf,
    /// Folder of the nights; a kind that is there already is taken as it is [default: OUT/corpus]
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// Kinds of nights, separated by commas [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// Tools to compare, separated by commas; those that are not in PATH are left out [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    tools: Vec<ToolName>,
    /// How often everything is done, with the tools in another order
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    #[command(flatten)]
    plan: Plan,
}

/// Builds what is missing, measures, and writes the results.
pub fn run(arguments: &Arguments) -> Result<()> {
    let out = &arguments.out;
    fs::create_dir_all(out)?;
    let corpus = arguments
        .corpus
        .clone()
        .unwrap_or_else(|| out.join("corpus"));
    let kinds = if arguments.kinds.is_empty() {
        Kind::value_variants().to_vec()
    } else {
        arguments.kinds.clone()
    };
    build_missing(&kinds, &corpus, &arguments.plan)?;
    let work = out.join("work");
    compare::run(&compare::Arguments {
        corpus,
        nightfold: Some(arguments.nightfold.clone()),
        tools: arguments.tools.clone(),
        kinds,
        rounds: arguments.rounds,
        work: work.clone(),
        outputs: Outputs {
            out: Some(out.join("figures.json")),
            markdown: Some(out.join("figures.md")),
            plots: Some(out.join("plots")),
        },
    })?;
    files::remove(&work)
}

/// In a process of its own: a tool's peak memory is never less than that of who starts it.
fn build_missing(kinds: &[Kind], corpus: &Path, plan: &Plan) -> Result<()> {
    let (there, missing): (Vec<Kind>, Vec<Kind>) = kinds
        .iter()
        .copied()
        .partition(|kind| corpus.join(kind.to_string()).exists());
    for kind in there {
        eprintln!("{kind} is there, and taken as it is");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = missing.iter().map(Kind::to_string).collect();
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("corpus").arg("--out").arg(corpus);
    command.arg("--kind").arg(names.join(","));
    command.args(plan.arguments());
    let status = command.status().context("run the corpus command")?;
    ensure!(status.success(), "the corpus was not built: {status}");
    Ok(())
}
