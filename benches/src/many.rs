//! A folder of very many small files: how fast, and in how much memory.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::json;

use crate::corpus::words;
use crate::files;
use crate::machine::machine;
use crate::measure::{Cost, measure};
use crate::random::Random;
use crate::tables::header;
use crate::tool::{ToolName, text};

const FILES_PER_FOLDER: u64 = 500;
/// Tools read a file again whose time stamp is so fresh that a later write could share it.
const SETTLE: Duration = Duration::from_millis(2500);

/// Options of `files`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The nightfold program
    #[arg(long)]
    nightfold: Option<PathBuf>,
    /// Tools to measure, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_value = "nightfold")]
    tools: Vec<ToolName>,
    /// How many files
    #[arg(long, default_value_t = 200_000)]
    count: u64,
    /// The same seed gives the same files
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for files, repositories and restored files, on the disk to measure
    #[arg(long)]
    work: PathBuf,
    /// File to write all figures to, as JSON
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Figures {
    tool: ToolName,
    version: String,
    first: Cost,
    unchanged: Cost,
    restore: Cost,
    repository_bytes: u64,
}

/// Measures each tool. Wrong bytes after a restore are an error.
pub fn run(arguments: &Arguments) -> Result<()> {
    fs::create_dir_all(&arguments.work)?;
    let work = arguments.work.canonicalize()?;
    let source = work.join("files");
    files::remove(&source)?;
    write_tree(&source, arguments.count, arguments.seed)?;
    let bytes = files::tree_bytes(&source)?;
    sleep(SETTLE);
    let mut rows = Vec::new();
    for tool in &arguments.tools {
        ensure!(
            tool.is_there(arguments.nightfold.as_deref()),
            "{tool} is not here"
        );
        eprintln!("{} files with {tool}", arguments.count);
        let folder = work.join("run");
        files::remove(&folder)?;
        let row = measure_tool(*tool, arguments, &source, &folder);
        rows.push(row.with_context(|| tool.to_string())?);
        files::remove(&folder)?;
    }
    files::remove(&source)?;
    if let Some(out) = &arguments.out {
        let figures = json!({
            "machine": machine(), "files": arguments.count, "bytes": bytes, "tools": rows,
        });
        fs::write(out, serde_json::to_string_pretty(&figures)? + "\n")?;
    }
    println!(
        "{} files, {:.0} MB, on {}\n\n{}",
        arguments.count,
        bytes as f64 / 1e6,
        machine(),
        table(&rows)
    );
    Ok(())
}

fn measure_tool(
    name: ToolName,
    arguments: &Arguments,
    source: &Path,
    folder: &Path,
) -> Result<Figures> {
    let tool = name.adapter(folder, arguments.nightfold.as_deref())?;
    let (log, target) = (folder.join("log"), folder.join("restored"));
    measure(&mut tool.init(), &log)?;
    let back_up = |label: &str| {
        rustix::fs::sync();
        measure(&mut tool.backup(source, label), &log)
    };
    let (first, unchanged) = (back_up("first")?, back_up("unchanged")?);
    let snapshots = tool.snapshots()?;
    fs::create_dir(&target)?;
    rustix::fs::sync();
    let snapshot = snapshots.last().context("no snapshot")?;
    let restore = measure(&mut tool.restore(snapshot, &target), &log)?;
    files::compare_trees(source, &tool.restored(source, &target))?;
    Ok(Figures {
        tool: name,
        version: text(&mut tool.version())?.trim().to_owned(),
        first,
        unchanged,
        restore,
        repository_bytes: files::tree_bytes(tool.repository())?,
    })
}

fn write_tree(folder: &Path, count: u64, seed: u64) -> Result<()> {
    let mut random = Random::new(seed, "files", 1);
    for number in 0..count {
        let parent = folder.join(format!("folder-{:05}", number / FILES_PER_FOLDER));
        if number % FILES_PER_FOLDER == 0 {
            fs::create_dir_all(&parent)?;
        }
        let mut text = format!("id = {}\nowner = {}\n", words::uuid(&mut random), number);
        for _ in 0..random.between(1, 24) {
            let length = random.between(4, 16);
            text.push_str(&words::sentence(&mut random, length));
            text.push('\n');
        }
        fs::write(parent.join(format!("file-{number:07}.txt")), text)?;
    }
    Ok(())
}

fn table(rows: &[Figures]) -> String {
    let mut text = header(&[
        "tool",
        "first s",
        "unchanged s",
        "restore s",
        "repository MB",
        "peak memory MB: first, unchanged, restore",
    ]);
    for row in rows {
        let peak = |cost: &Cost| cost.peak_rss_bytes as f64 / 1e6;
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.2} | {:.2} | {:.1} | {:.0}, {:.0}, {:.0} |",
            row.version,
            row.first.wall_seconds,
            row.unchanged.wall_seconds,
            row.restore.wall_seconds,
            row.repository_bytes as f64 / 1e6,
            peak(&row.first),
            peak(&row.unchanged),
            peak(&row.restore),
        );
    }
    text
}
