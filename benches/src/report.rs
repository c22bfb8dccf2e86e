//! A comparison's figures as JSON, as tables and as pictures; and both anew from the JSON.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::figures::{Floor, Record, ToolFacts, summarize};
use crate::machine::machine;
use crate::ratios::ratios;
use crate::{plot, tables};

const NOTES: &str = "\
MB are 10^6 bytes. Repositories are encrypted, on a local disk. Before every backup the night's \
file is written anew at the same path and the disk synchronized; sources and repositories are in \
the page cache. Every tool has folders of its own for cache and home, new for every run. *First \
night* is the repository after it, *growth* what a later night adds to it (median); speeds are MB \
of source per second of wall time (medians), *unchanged* is a backup of the last night once more. \
*Floor* is all later nights' growth over what `zstd -3 --long=31 --patch-from` takes for the same \
nights, each with the whole night before at hand. Peak memory is the highest of all backups and of \
all restores. Every night was restored and compared byte for byte. Borg reads a lone file again on \
the unchanged night, because its files cache leaves out the newest file.\n";

/// Where the results go.
#[derive(Debug, Clone, clap::Args)]
pub struct Outputs {
    /// File to write all figures to, as JSON
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// File to write the tables to, as Markdown
    #[arg(long)]
    pub markdown: Option<PathBuf>,
    /// Folder to write the pictures to, as SVG
    #[arg(long)]
    pub plots: Option<PathBuf>,
}

/// Options of `report`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Figures that `compare` wrote; those of several files, separated by commas, are put together
    #[arg(long, required = true, value_delimiter = ',')]
    from: Vec<PathBuf>,
    #[command(flatten)]
    outputs: Outputs,
}

/// Writes tables and pictures of figures measured before.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut comparison = Comparison::new();
    for (index, from) in arguments.from.iter().enumerate() {
        let text = fs::read_to_string(from).with_context(|| format!("read {}", from.display()))?;
        let part: Comparison =
            serde_json::from_str(&text).with_context(|| from.display().to_string())?;
        if index == 0 {
            comparison.machine.clone_from(&part.machine);
        }
        comparison.add(part)?;
    }
    comparison.write(&arguments.outputs)?;
    println!("{}", comparison.markdown());
    Ok(())
}

/// A tool that did not get through a kind's nights.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// Where and who.
    pub session: String,
    /// Why.
    pub reason: String,
}

/// Everything measured so far.
#[derive(Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// What it ran on.
    pub machine: String,
    /// Which tools, and how they were set.
    pub tools: Vec<ToolFacts>,
    /// Of the kinds that have one.
    pub floors: Vec<Floor>,
    /// Peers that failed; what they had measured is left out.
    pub failures: Vec<Failure>,
    /// In the order of measuring.
    pub records: Vec<Record>,
}

impl Comparison {
    /// Nothing yet, on this machine.
    pub fn new() -> Self {
        Self {
            machine: machine(),
            tools: Vec::new(),
            floors: Vec::new(),
            failures: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Takes over what another run measured. Figures of two machines or two releases don't mix.
    fn add(&mut self, other: Self) -> Result<()> {
        ensure!(
            other.machine == self.machine,
            "figures of another machine: {}",
            other.machine
        );
        for facts in other.tools {
            match self.tools.iter().find(|known| known.tool == facts.tool) {
                Some(known) => ensure!(
                    known == &facts,
                    "figures of another release: {}",
                    facts.version
                ),
                None => self.tools.push(facts),
            }
        }
        for floor in other.floors {
            if !self.floors.contains(&floor) {
                self.floors.push(floor);
            }
        }
        self.failures.extend(other.failures);
        // Rounds of the same kind and tool go on counting, so that none is taken for another.
        let rounds = self.records.iter().map(|record| record.round).max();
        let (before, known) = (rounds.unwrap_or(0), self.records.len());
        for mut record in other.records {
            let earlier = self.records[..known]
                .iter()
                .any(|old| (old.kind, old.tool) == (record.kind, record.tool));
            record.round += if earlier { before } else { 0 };
            self.records.push(record);
        }
        Ok(())
    }

    /// Writes what was asked for.
    pub fn write(&self, outputs: &Outputs) -> Result<()> {
        if let Some(out) = &outputs.out {
            fs::write(out, self.json()?)?;
        }
        if let Some(markdown) = &outputs.markdown {
            fs::write(markdown, self.markdown())?;
        }
        if let Some(folder) = &outputs.plots {
            self.draw(folder)?;
        }
        Ok(())
    }

    fn draw(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let summaries = summarize(&self.records, &self.floors);
        for (name, picture) in [
            ("growth.svg", plot::growth(&summaries, &self.floors)),
            ("throughput.svg", plot::throughput(&summaries)),
        ] {
            fs::write(folder.join(name), picture)?;
        }
        Ok(())
    }

    /// What was measured, and what follows from it. Only the former is read again.
    fn json(&self) -> Result<String> {
        let summaries = summarize(&self.records, &self.floors);
        let mut figures = serde_json::to_value(self)?;
        figures["ratios"] = json!(ratios(&summaries));
        figures["summaries"] = json!(summaries);
        Ok(serde_json::to_string_pretty(&figures)? + "\n")
    }

    /// The tables, with what is needed to read them.
    pub fn markdown(&self) -> String {
        let summaries = summarize(&self.records, &self.floors);
        let rounds = self
            .records
            .iter()
            .map(|record| record.round)
            .max()
            .unwrap_or(0);
        let mut text = format!("Measured on {}, {rounds} round(s).\n\n", self.machine);
        for facts in &self.tools {
            let _ = writeln!(
                text,
                "- {}: {}; {}",
                facts.tool, facts.version, facts.parameters
            );
        }
        for failure in &self.failures {
            let _ = writeln!(text, "- failed: {}: {}", failure.session, failure.reason);
        }
        let _ = write!(text, "\n{}", tables::figures(&summaries));
        let ratios = ratios(&summaries);
        if !ratios.is_empty() {
            let _ = write!(
                text,
                "\nNightfold against the best peer of every figure (its name, and the target):\n\n{}",
                tables::promises(&ratios)
            );
            let _ = write!(
                text,
                "\nThe same in numbers, beside the peer that is fastest over a first and a changed \
                 night together:\n\n{}",
                tables::ratios(&ratios)
            );
        }
        let _ = write!(
            text,
            "\nThe repository after every night, MB:\n\n{}\n{NOTES}",
            tables::nights(&summaries)
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Comparison;
    use crate::figures::tests::two_nights;
    use crate::tool::ToolName;

    fn measured(tool: ToolName) -> Comparison {
        let mut comparison = Comparison::new();
        comparison
            .records
            .extend(two_nights(tool, 1, 1.0, [1000, 1010]));
        comparison
    }

    #[test]
    fn runs_on_one_machine_are_put_together() -> anyhow::Result<()> {
        let mut all = measured(ToolName::Nightfold);
        all.add(measured(ToolName::Nightfold))?;
        all.add(measured(ToolName::Restic))?;
        let rounds: Vec<u32> = all.records.iter().map(|record| record.round).collect();
        assert_eq!(rounds, [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1]);
        let mut elsewhere = measured(ToolName::Borg);
        elsewhere.machine.push_str(", another");
        assert!(all.add(elsewhere).is_err());
        Ok(())
    }

    #[test]
    fn figures_are_read_again_as_they_were_written() -> anyhow::Result<()> {
        let mut comparison = Comparison::new();
        comparison
            .records
            .extend(two_nights(ToolName::Nightfold, 1, 1.0, [1000, 1010]));
        comparison
            .records
            .extend(two_nights(ToolName::Restic, 1, 2.0, [1000, 1900]));
        let json = comparison.json()?;
        let again: Comparison = serde_json::from_str(&json)?;
        assert_eq!(again.json()?, json);
        assert_eq!(again.markdown(), comparison.markdown());
        Ok(())
    }
}
