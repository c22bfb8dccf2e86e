//! Backs up the same nights with every tool, restores and compares them, and measures each step.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::corpus::Kind;
use crate::figures::{Action, Record, Step, ToolFacts};
use crate::files;
use crate::floor;
use crate::measure::{Cost, measure};
use crate::report::{Comparison, Failure, Outputs};
use crate::tool::{Tool, ToolName, text};

/// Tools read a file again whose time stamp is so fresh that a later write could share it.
const SETTLE: Duration = Duration::from_millis(2500);

/// Options of `compare`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder that `corpus` built
    #[arg(long)]
    pub corpus: PathBuf,
    /// The nightfold program
    #[arg(long)]
    pub nightfold: Option<PathBuf>,
    /// Tools to compare, separated by commas; those that are not in PATH are left out [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub tools: Vec<ToolName>,
    /// Kinds to back up, separated by commas [default: what the corpus has]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub kinds: Vec<Kind>,
    /// How often everything is done, with the tools in another order
    #[arg(long, default_value_t = 1)]
    pub rounds: u32,
    /// Folder for sources, repositories and restored files, on the disk to measure
    #[arg(long)]
    pub work: PathBuf,
    #[command(flatten)]
    pub outputs: Outputs,
}

/// Runs the comparison. Wrong bytes after a restore of ours are an error.
pub fn run(arguments: &Arguments) -> Result<()> {
    fs::create_dir_all(&arguments.work)?;
    let work = arguments.work.canonicalize()?;
    let mut comparison = Comparison::new();
    let tools = tools(arguments)?;
    for tool in &tools {
        comparison
            .tools
            .push(tool_facts(*tool, arguments, &work.join("version"))?);
    }
    let kinds = kinds(arguments)?;
    for kind in &kinds {
        comparison
            .floors
            .extend(floor::of(*kind, &arguments.nights(*kind)?)?);
    }
    for round in 1..=arguments.rounds {
        for kind in &kinds {
            for tool in rotated(&tools, round) {
                eprintln!("round {round}: {kind} with {tool}");
                match session(arguments, &work.join("run"), *kind, tool) {
                    Ok(steps) => comparison
                        .records
                        .extend(steps.into_iter().map(|step| Record {
                            kind: *kind,
                            tool,
                            round,
                            step,
                        })),
                    // A peer that fails must not cost the figures of all the others.
                    Err(error) if tool != ToolName::Nightfold => {
                        eprintln!("{kind} with {tool} failed: {error:?}");
                        comparison.failures.push(Failure {
                            session: format!("{kind} with {tool}, round {round}"),
                            reason: format!("{error:#}"),
                        });
                    }
                    Err(error) => return Err(error.context(format!("{kind} with {tool}"))),
                }
                // A long comparison that is interrupted leaves the figures so far.
                comparison.write(&arguments.outputs)?;
            }
        }
    }
    println!("{}", comparison.markdown());
    Ok(())
}

fn session(arguments: &Arguments, folder: &Path, kind: Kind, tool: ToolName) -> Result<Vec<Step>> {
    files::remove(folder)?;
    let adapter = tool.adapter(folder, arguments.nightfold.as_deref())?;
    let nights = arguments.nights(kind)?;
    let steps = Session::new(adapter.as_ref(), folder, &nights)?.run();
    files::remove(folder)?;
    steps
}

impl Arguments {
    fn nights(&self, kind: Kind) -> Result<Vec<PathBuf>> {
        files::sorted_entries(&self.corpus.join(kind.to_string()))
    }
}

/// The tools asked for, without those that are not here.
fn tools(arguments: &Arguments) -> Result<Vec<ToolName>> {
    let asked = if arguments.tools.is_empty() {
        <ToolName as clap::ValueEnum>::value_variants()
    } else {
        arguments.tools.as_slice()
    };
    let (there, missing): (Vec<ToolName>, Vec<ToolName>) = asked
        .iter()
        .copied()
        .partition(|tool| tool.is_there(arguments.nightfold.as_deref()));
    for tool in missing {
        eprintln!("{tool} is not here, and left out");
    }
    ensure!(!there.is_empty(), "none of the tools is here");
    Ok(there)
}

fn kinds(arguments: &Arguments) -> Result<Vec<Kind>> {
    let there = |kind: &Kind| arguments.corpus.join(kind.to_string()).is_dir();
    if arguments.kinds.is_empty() {
        let all = <Kind as clap::ValueEnum>::value_variants().iter();
        let found: Vec<Kind> = all.copied().filter(there).collect();
        ensure!(
            !found.is_empty(),
            "no corpus in {}",
            arguments.corpus.display()
        );
        return Ok(found);
    }
    let missing = arguments.kinds.iter().find(|kind| !there(kind));
    ensure!(missing.is_none(), "the corpus has no {missing:?}");
    Ok(arguments.kinds.clone())
}

fn tool_facts(tool: ToolName, arguments: &Arguments, folder: &Path) -> Result<ToolFacts> {
    let adapter = tool.adapter(folder, arguments.nightfold.as_deref())?;
    let version = text(&mut adapter.version())?.trim().to_owned();
    let parameters = adapter.parameters().to_owned();
    files::remove(folder)?;
    Ok(ToolFacts {
        tool,
        version,
        parameters,
    })
}

/// Every tool is first, second, … equally often: what runs later finds a warmer machine.
fn rotated(tools: &[ToolName], round: u32) -> Vec<ToolName> {
    let mut order = tools.to_vec();
    order.rotate_left((round as usize - 1) % tools.len().max(1));
    order
}

/// One tool with one kind's nights.
struct Session<'a> {
    tool: &'a dyn Tool,
    nights: &'a [PathBuf],
    source: PathBuf,
    restored: PathBuf,
    log: PathBuf,
    steps: Vec<Step>,
    /// In the order of the backups.
    snapshots: Vec<String>,
}

impl<'a> Session<'a> {
    fn new(tool: &'a dyn Tool, folder: &Path, nights: &'a [PathBuf]) -> Result<Self> {
        ensure!(!nights.is_empty(), "a corpus without nights");
        let source = folder.join("source");
        fs::create_dir_all(&source)?;
        let entry = only_entry(&nights[0])?;
        Ok(Self {
            tool,
            nights,
            source: source.join(files::name(&entry)),
            restored: folder.join("restored"),
            log: folder.join("log"),
            steps: Vec::new(),
            snapshots: Vec::new(),
        })
    }

    fn run(mut self) -> Result<Vec<Step>> {
        measure(&mut self.tool.init(), &self.log)?;
        for (index, night) in self.nights.iter().enumerate() {
            files::remove(&self.source)?;
            files::copy_tree(&only_entry(night)?, &self.source)?;
            if index + 1 == self.nights.len() {
                sleep(SETTLE);
            }
            self.back_up(Action::Backup, index + 1)?;
        }
        self.back_up(Action::Unchanged, self.nights.len())?;
        for night in (1..=self.nights.len()).rev() {
            self.restore(Action::Restore, night, night)?;
        }
        self.restore(
            Action::RestoreUnchanged,
            self.nights.len(),
            self.nights.len() + 1,
        )?;
        let cost = measure(&mut self.tool.check(), &self.log)?;
        self.push(Action::Check, self.nights.len(), cost)?;
        Ok(self.steps)
    }

    fn back_up(&mut self, action: Action, night: usize) -> Result<()> {
        let label = format!("{action:?}-{night:02}");
        // Writes that the copy or the step before left behind are not this step's.
        rustix::fs::sync();
        let cost = measure(&mut self.tool.backup(&self.source, &label), &self.log)?;
        self.push(action, night, cost)?;
        let mut new = self.tool.snapshots()?;
        new.retain(|id| !self.snapshots.contains(id));
        ensure!(
            new.len() == 1,
            "a backup makes one snapshot, not {}",
            new.len()
        );
        self.snapshots.append(&mut new);
        Ok(())
    }

    /// Restores the `ordinal`-th snapshot, which must hold `night`.
    fn restore(&mut self, action: Action, night: usize, ordinal: usize) -> Result<()> {
        files::remove(&self.restored)?;
        fs::create_dir_all(&self.restored)?;
        rustix::fs::sync();
        let mut command = self
            .tool
            .restore(&self.snapshots[ordinal - 1], &self.restored);
        let cost = measure(&mut command, &self.log)?;
        let found = self.tool.restored(&self.source, &self.restored);
        files::compare_trees(&only_entry(&self.nights[night - 1])?, &found)
            .with_context(|| format!("night {night} was restored wrongly"))?;
        files::remove(&self.restored)?;
        self.push(action, night, cost)
    }

    fn push(&mut self, action: Action, night: usize, cost: Cost) -> Result<()> {
        let input_bytes = files::tree_bytes(&self.nights[night - 1])?;
        let repository_bytes = files::tree_bytes(self.tool.repository())?;
        self.steps.push(Step {
            action,
            night,
            input_bytes,
            repository_bytes,
            cost,
        });
        Ok(())
    }
}

/// A night is one file or one folder, with the same name every night.
pub fn only_entry(night: &Path) -> Result<PathBuf> {
    let mut entries = files::sorted_entries(night)?;
    ensure!(
        entries.len() == 1,
        "{} must have one entry",
        night.display()
    );
    entries.pop().context("a night has an entry")
}
