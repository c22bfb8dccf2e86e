//! A comparison's figures as JSON and as Markdown.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::figures::{Record, Summary, ToolFacts, summarize};
use crate::tool::ToolName;

const NOTES: &str = "\
MB are 10^6 bytes. Repositories are encrypted, on a local disk. Before every backup the night's \
file is written anew at the same path and the disk synchronized; sources and repositories are in \
the page cache. *First night* is the repository after it, *growth* what a later night adds to it \
(median); speeds are MB of source per second of wall time (medians), *unchanged* is a backup of \
the last night once more. Peak memory is the highest of all backups and restores. Every night was \
restored and compared byte for byte. Borg reads a lone file again on the unchanged night, because \
its files cache leaves out the newest file.\n";

/// Everything measured so far.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Which tools, and how they were set.
    pub tools: Vec<ToolFacts>,
    /// In the order of measuring.
    pub records: Vec<Record>,
}

impl Comparison {
    /// Writes both files.
    pub fn write(&self, out: &Path, markdown: &Path) -> Result<()> {
        let figures = json!({
            "machine": machine(),
            "tools": self.tools,
            "summaries": summarize(&self.records),
            "records": self.records,
        });
        fs::write(out, serde_json::to_string_pretty(&figures)? + "\n")?;
        fs::write(markdown, self.markdown())?;
        Ok(())
    }

    /// The tables, with what is needed to read them.
    pub fn markdown(&self) -> String {
        let summaries = summarize(&self.records);
        let rounds = self
            .records
            .iter()
            .map(|record| record.round)
            .max()
            .unwrap_or(0);
        let mut text = format!("Measured on {}, {rounds} round(s).\n\n", machine());
        for facts in &self.tools {
            let _ = writeln!(
                text,
                "- {}: {}; {}",
                facts.tool, facts.version, facts.parameters
            );
        }
        text.push('\n');
        text.push_str(&figures_table(&summaries));
        let ratios = ratio_table(&summaries);
        if !ratios.is_empty() {
            let _ = write!(text, "\nNightfold against restic:\n\n{ratios}");
        }
        let _ = write!(text, "\n{NOTES}");
        text
    }
}

fn figures_table(summaries: &[Summary]) -> String {
    let mut text = header(&[
        "corpus",
        "tool",
        "first night MB",
        "growth a night MB",
        "first MB/s",
        "changed MB/s",
        "unchanged s",
        "restore newest MB/s",
        "restore oldest MB/s",
        "check s",
        "peak memory MB",
    ]);
    for row in summaries {
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {:.3} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} | {:.2} | {:.0} |",
            row.kind,
            row.tool,
            row.first_night_bytes / 1e6,
            row.growth_bytes / 1e6,
            row.first_speed,
            row.changed_speed,
            row.unchanged_seconds,
            row.restore_newest_speed,
            row.restore_oldest_speed,
            row.check_seconds,
            row.peak_rss_bytes as f64 / 1e6,
        );
    }
    text
}

/// Empty when one of the two did not run.
fn ratio_table(summaries: &[Summary]) -> String {
    let of = |tool: ToolName| summaries.iter().filter(move |row| row.tool == tool);
    let mut rows = String::new();
    for ours in of(ToolName::Nightfold) {
        let Some(theirs) = of(ToolName::Restic).find(|row| row.kind == ours.kind) else {
            continue;
        };
        let _ = writeln!(
            rows,
            "| {} | 1/{:.1} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            ours.kind,
            theirs.growth_bytes / ours.growth_bytes,
            ours.first_night_bytes / theirs.first_night_bytes,
            ours.first_speed / theirs.first_speed,
            ours.changed_speed / theirs.changed_speed,
            ours.restore_newest_speed / theirs.restore_newest_speed,
            ours.restore_oldest_speed / theirs.restore_oldest_speed,
            ours.peak_rss_bytes as f64 / theirs.peak_rss_bytes as f64,
        );
    }
    if rows.is_empty() {
        return rows;
    }
    let head = header(&[
        "corpus",
        "growth",
        "first night size",
        "first speed",
        "changed speed",
        "restore newest speed",
        "restore oldest speed",
        "peak memory",
    ]);
    head + &rows
}

fn header(columns: &[&str]) -> String {
    let mut text = String::new();
    for column in columns {
        let _ = write!(text, "| {column} ");
    }
    text.push_str("|\n");
    text.push_str(&"|---".repeat(columns.len()));
    text.push_str("|\n");
    text
}

/// The processor and the memory, as far as the kernel tells.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let processor = kernel_fact("/proc/cpuinfo", "model name");
    let memory = kernel_fact("/proc/meminfo", "MemTotal");
    format!("{cores} cores ({processor}), memory {memory}")
}

fn kernel_fact(file: &str, key: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text
        .lines()
        .find(|line| line.starts_with(key))
        .unwrap_or_default();
    line.split_once(':')
        .map_or("unknown", |(_, value)| value.trim())
        .to_owned()
}
