//! Nights are forgotten and pruned with several tools: what it takes, and what is left.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use crate::ledger::Ledger;
use crate::machine::machine;
use crate::measure::measure;
use crate::tool::{Pruning, ToolName, text};
use crate::{bytes, files};

/// Options of `forget`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The nightfold program
    #[arg(long)]
    nightfold: PathBuf,
    /// Tools to compare; those that are not in PATH are left out
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "nightfold,restic,rustic"
    )]
    tools: Vec<ToolName>,
    /// How many nights
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(3..))]
    nights: u32,
    /// Length of the first dump; K, M and G are powers of 1000
    #[arg(long, default_value = "20M", value_parser = bytes::parse)]
    bytes: u64,
    /// The same seed gives the same nights
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the dump and the repositories
    #[arg(long)]
    work: PathBuf,
    /// Only make the repositories, and keep them
    #[arg(long)]
    fill: bool,
    /// Only forget and prune in copies of repositories that were made and kept
    #[arg(long, conflicts_with = "fill")]
    ask: bool,
    /// File to write all figures to, as JSON
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Which nights stay: one in three either way.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Keep {
    Last,
    EveryThird,
}

impl Keep {
    fn keeps(self, night: u32, nights: u32) -> bool {
        match self {
            Self::Last => night > nights - nights / 3,
            Self::EveryThird => night.is_multiple_of(3),
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Last => "the last third is kept",
            Self::EveryThird => "every third is kept",
        }
    }
}

/// What one tool took, and left.
#[derive(Debug, Serialize)]
struct Row {
    tool: ToolName,
    keep: Keep,
    version: String,
    parameters: &'static str,
    bytes_before: u64,
    forget_seconds: f64,
    /// Of all runs of prune.
    prune_seconds: f64,
    peak_rss_bytes: u64,
    bytes_left: u64,
    /// Restores that were compared, byte for byte.
    restores: usize,
}

impl Row {
    fn seconds(&self) -> f64 {
        self.forget_seconds + self.prune_seconds
    }
}

/// Everything measured.
#[derive(Debug, Serialize)]
struct Figures {
    machine: String,
    nights: u32,
    bytes: u64,
    rows: Vec<Row>,
}

/// Makes a repository with each tool, then forgets and prunes in copies of it. A snapshot that is restored to other
/// bytes is an error.
pub fn run(arguments: &Arguments) -> Result<()> {
    fs::create_dir_all(&arguments.work)?;
    let folder = arguments.work.canonicalize()?.join("forget");
    let there = |tool: &ToolName| tool.is_there(Some(&arguments.nightfold));
    let bench = Bench {
        arguments,
        source: folder.join("app.sql"),
        log: folder.join("log"),
        tools: arguments.tools.iter().copied().filter(there).collect(),
        folder,
    };
    if !arguments.ask {
        files::remove(&bench.folder)?;
        fs::create_dir_all(&bench.folder)?;
        bench.fill()?;
    }
    if arguments.fill {
        return Ok(());
    }
    let figures = Figures {
        machine: machine(),
        nights: arguments.nights,
        bytes: arguments.bytes,
        rows: bench.rows()?,
    };
    if let Some(out) = &arguments.out {
        fs::write(out, serde_json::to_string_pretty(&figures)? + "\n")?;
    }
    print(&figures);
    files::remove(&bench.folder)
}

struct Bench<'a> {
    arguments: &'a Arguments,
    folder: PathBuf,
    source: PathBuf,
    log: PathBuf,
    tools: Vec<ToolName>,
}

impl Bench<'_> {
    fn tool(&self, name: ToolName, folder: &Path) -> Result<Box<dyn Pruning>> {
        let tool = name.pruning(folder, &self.arguments.nightfold)?;
        tool.with_context(|| format!("no prune of {name} is compared"))
    }

    fn made(&self, name: ToolName) -> PathBuf {
        self.folder.join(name.to_string()).join("made")
    }

    /// Which snapshot is which night, in a file beside the repository.
    fn ids(&self, name: ToolName) -> PathBuf {
        self.folder.join(name.to_string()).join("ids")
    }

    /// All nights into a repository of each tool.
    fn fill(&self) -> Result<()> {
        for &name in &self.tools {
            let tool = self.tool(name, &self.made(name))?;
            measure(&mut tool.init(), &self.log)?;
            let mut ids: Vec<String> = Vec::new();
            self.each_night(|night, ledger| {
                ledger.dump_to(&self.source)?;
                measure(
                    &mut tool.backup(&self.source, &night.to_string()),
                    &self.log,
                )?;
                let listed = tool.snapshots()?.into_iter();
                let added: Vec<String> = listed.filter(|id| !ids.contains(id)).collect();
                let [id] = added.as_slice() else {
                    anyhow::bail!("night {night}: {name} added {} snapshots", added.len());
                };
                ids.push(id.clone());
                Ok(())
            })?;
            fs::write(self.ids(name), ids.join("\n"))?;
            eprintln!("{name}: {} nights", ids.len());
        }
        Ok(())
    }

    fn each_night(&self, mut visit: impl FnMut(u32, &Ledger) -> Result<()>) -> Result<()> {
        let mut ledger = Ledger::new(self.arguments.seed, self.arguments.bytes)?;
        for night in 1..=self.arguments.nights {
            if night > 1 {
                ledger.pass_day(night);
            }
            visit(night, &ledger)?;
        }
        Ok(())
    }

    fn rows(&self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for keep in [Keep::Last, Keep::EveryThird] {
            for &name in &self.tools {
                rows.push(self.row(name, keep)?);
            }
        }
        Ok(rows)
    }

    /// Forgets, prunes, and restores what is kept, in a copy of all that the tool has on disk.
    fn row(&self, name: ToolName, keep: Keep) -> Result<Row> {
        let folder = self.folder.join(name.to_string()).join("copy");
        files::remove(&folder)?;
        files::copy_tree(&self.made(name), &folder)?;
        let tool = self.tool(name, &folder)?;
        let ids = fs::read_to_string(self.ids(name))?;
        let nights = (1..).zip(ids.lines().map(str::to_owned));
        let (kept, forgotten): (Vec<(u32, String)>, Vec<_>) =
            nights.partition(|(night, _)| keep.keeps(*night, self.arguments.nights));
        let forgotten: Vec<String> = forgotten.into_iter().map(|(_, id)| id).collect();
        let bytes_before = files::tree_bytes(tool.repository())?;
        let forget = measure(&mut tool.forget(&forgotten), &self.log)?;
        let mut row = Row {
            tool: name,
            keep,
            version: text(&mut tool.version())?.trim().to_owned(),
            parameters: tool.prune_parameters(),
            bytes_before,
            forget_seconds: forget.wall_seconds,
            prune_seconds: 0.0,
            peak_rss_bytes: forget.peak_rss_bytes,
            bytes_left: 0,
            restores: 0,
        };
        for _ in 0..tool.prune_runs() {
            let prune = measure(&mut tool.prune(), &self.log)?;
            row.prune_seconds += prune.wall_seconds;
            row.peak_rss_bytes = row.peak_rss_bytes.max(prune.peak_rss_bytes);
        }
        row.bytes_left = files::tree_bytes(tool.repository())?;
        let left = tool.snapshots()?;
        ensure!(
            left.len() == kept.len() && kept.iter().all(|(_, id)| left.contains(id)),
            "{name}: other snapshots are left than are kept"
        );
        row.restores = self.restore(name, &*tool, &kept)?;
        files::remove(&folder)?;
        Ok(row)
    }

    /// Every kept night of ours, the ends of the others'.
    fn restore(&self, name: ToolName, tool: &dyn Pruning, kept: &[(u32, String)]) -> Result<usize> {
        let (first, last) = (kept.first(), kept.last());
        let chosen = |night: &u32| {
            let ends = [first, last];
            let id = kept.iter().find(|(of, _)| of == night)?;
            (name == ToolName::Nightfold || ends.contains(&Some(id))).then_some(&id.1)
        };
        let (expected, target) = (self.folder.join("expected"), self.folder.join("restored"));
        let mut restores = 0;
        self.each_night(|night, ledger| {
            let Some(id) = chosen(&night) else {
                return Ok(());
            };
            ledger.dump_to(&expected)?;
            files::remove(&target)?;
            fs::create_dir(&target)?;
            measure(&mut tool.restore(id, &target), &self.log)?;
            files::compare_trees(&expected, &tool.restored(&self.source, &target))
                .with_context(|| format!("{name}: snapshot {id} of night {night}"))?;
            restores += 1;
            Ok(())
        })?;
        files::remove(&target)?;
        files::remove(&expected)?;
        Ok(restores)
    }
}

fn print(figures: &Figures) {
    println!(
        "{} nights of about {:.0} MB, on {}\n",
        figures.nights,
        figures.bytes as f64 / 1e6,
        figures.machine
    );
    println!(
        "| kept | tool | before | forget | prune | together | left | over ours | peak memory | compared |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    );
    let mut ours = None;
    for row in &figures.rows {
        if row.tool == ToolName::Nightfold {
            ours = Some(row.bytes_left);
        }
        let over = ours.map_or("unknown".to_owned(), |ours| {
            format!("{:.2}", row.bytes_left as f64 / ours as f64)
        });
        println!(
            "| {} | {} | {:.2} MB | {:.2} s | {:.2} s | {:.2} s | {:.2} MB | {over} | {:.0} MB | {} |",
            row.keep.title(),
            row.tool,
            row.bytes_before as f64 / 1e6,
            row.forget_seconds,
            row.prune_seconds,
            row.seconds(),
            row.bytes_left as f64 / 1e6,
            row.peak_rss_bytes as f64 / 1e6,
            row.restores,
        );
    }
    println!();
    for row in figures
        .rows
        .iter()
        .take_while(|row| matches!(row.keep, Keep::Last))
    {
        println!(
            "- {}: {}, prune with {}",
            row.tool, row.version, row.parameters
        );
    }
}

#[cfg(test)]
mod tests {
    use super::Keep;

    #[test]
    fn a_third_of_the_nights_stays_and_the_newest_is_among_them() {
        for keep in [Keep::Last, Keep::EveryThird] {
            let kept: Vec<u32> = (1..=90).filter(|night| keep.keeps(*night, 90)).collect();
            assert_eq!(kept.len(), 30);
            assert_eq!(kept.last(), Some(&90));
        }
        assert!(!Keep::Last.keeps(60, 90) && Keep::Last.keeps(61, 90));
    }
}
