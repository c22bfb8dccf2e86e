//! Years of nights in short: forget and prune every night, and compare with a repository that never held more than
//! what is kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use crate::corpus::words;
use crate::ledger::Ledger;
use crate::machine::machine;
use crate::measure::measure;
use crate::tool::{Nightfold, Pruned, Tool as _};
use crate::{bytes, files};

/// What is kept.
const KEEP: [(&str, &str); 3] = [
    ("--keep-daily", "14"),
    ("--keep-weekly", "8"),
    ("--keep-monthly", "12"),
];

/// Options of `retention`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The nightfold program
    #[arg(long)]
    nightfold: PathBuf,
    /// How many nights
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    nights: u32,
    /// Length of the first dump; K, M and G are powers of 1000
    #[arg(long, default_value = "25M", value_parser = bytes::parse)]
    bytes: u64,
    /// Every so many nights, and at the end, all that is kept is restored and a fresh repository is made of it
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// The same seed gives the same nights
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the dump and the repositories
    #[arg(long)]
    work: PathBuf,
    /// Leave the repository there
    #[arg(long)]
    leave: bool,
    /// File to write all figures to, as JSON
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What a night left, after its prune.
#[derive(Debug, Clone, Serialize)]
struct Night {
    number: u32,
    kept: usize,
    repository_bytes: u64,
    written_bytes: u64,
    deleted_bytes: u64,
    unused_bytes: u64,
    waiting_bytes: u64,
    prune_seconds: f64,
    /// A fresh repository of the same snapshots, on nights on which one was made.
    fresh_bytes: Option<u64>,
}

impl Night {
    fn over_fresh(&self) -> Option<f64> {
        let fresh = self.fresh_bytes?;
        Some(self.repository_bytes as f64 / fresh as f64)
    }
}

/// Everything measured.
#[derive(Debug, Serialize)]
struct Figures {
    machine: String,
    version: String,
    /// Restores that were compared, byte for byte.
    restores: usize,
    written_bytes: u64,
    deleted_bytes: u64,
    /// Bytes that prune wrote, over those that it deleted beyond them.
    written_over_freed: Option<f64>,
    over_fresh_max: Option<f64>,
    depth_max: Option<u64>,
    nights: Vec<Night>,
}

/// Runs all nights. A snapshot that is restored to other bytes is an error.
pub fn run(arguments: &Arguments) -> Result<()> {
    fs::create_dir_all(&arguments.work)?;
    let folder = arguments.work.canonicalize()?.join("retention");
    files::remove(&folder)?;
    let source = folder.join("app.sql");
    let mut run = Run {
        lasting: Store::new(&arguments.nightfold, &folder.join("lasting"), &source)?,
        program: &arguments.nightfold,
        folder: &folder,
        kept: BTreeMap::new(),
        restores: 0,
    };
    let figures = run.measure(arguments)?;
    if let Some(out) = &arguments.out {
        fs::write(out, serde_json::to_string_pretty(&figures)? + "\n")?;
    }
    print(&figures);
    if arguments.leave {
        return Ok(());
    }
    files::remove(&folder)
}

/// A snapshot that is kept, and what it must be restored to.
struct Kept {
    night: u32,
    ledger: Ledger,
}

struct Run<'a> {
    lasting: Store,
    program: &'a Path,
    folder: &'a Path,
    /// By the snapshot's id.
    kept: BTreeMap<String, Kept>,
    restores: usize,
}

impl Run<'_> {
    fn measure(&mut self, arguments: &Arguments) -> Result<Figures> {
        let mut ledger = Ledger::new(arguments.seed, arguments.bytes)?;
        let mut nights = Vec::new();
        for number in 1..=arguments.nights {
            if number > 1 {
                ledger.pass_day(number);
            }
            let mut night = self.night(&ledger, number)?;
            if number % arguments.every == 0 || number == arguments.nights {
                night.fresh_bytes = Some(self.fresh_bytes()?);
                self.restore_all()?;
                eprintln!("{}", told(&night));
            }
            nights.push(night);
        }
        let sum = |of: fn(&Night) -> u64| nights.iter().map(of).sum::<u64>();
        let (written, deleted) = (
            sum(|night| night.written_bytes),
            sum(|night| night.deleted_bytes),
        );
        let over_fresh = nights.iter().filter_map(Night::over_fresh);
        Ok(Figures {
            machine: machine(),
            version: self.lasting.nightfold.version_text()?,
            restores: self.restores,
            written_bytes: written,
            deleted_bytes: deleted,
            written_over_freed: over_freed(written, deleted),
            over_fresh_max: over_fresh.reduce(f64::max),
            depth_max: self
                .lasting
                .nightfold
                .stored()
                .and_then(|stored| stored.depth_max),
            nights,
        })
    }

    /// Backup, forget, prune.
    fn night(&mut self, ledger: &Ledger, number: u32) -> Result<Night> {
        self.lasting.back_up(ledger, number)?;
        let nightfold = &self.lasting.nightfold;
        let added = nightfold.snapshots()?.into_iter();
        let added: Vec<String> = added.filter(|id| !self.kept.contains_key(id)).collect();
        let [id] = added.as_slice() else {
            anyhow::bail!("night {number} added {} snapshots", added.len());
        };
        let kept = Kept {
            night: number,
            ledger: ledger.clone(),
        };
        self.kept.insert(id.clone(), kept);
        measure(&mut nightfold.forget(&KEEP), &self.lasting.log)?;
        let left = nightfold.snapshots()?;
        self.kept.retain(|id, _| left.contains(id));
        ensure!(
            !left.is_empty() && left.len() == self.kept.len(),
            "night {number}: {} snapshots are left, {} of them known",
            left.len(),
            self.kept.len()
        );
        let (pruned, prune_seconds) = nightfold.prune()?;
        let Pruned {
            written_bytes,
            deleted_bytes,
            unused_bytes,
            waiting_bytes,
        } = pruned;
        Ok(Night {
            number,
            kept: self.kept.len(),
            repository_bytes: self.lasting.bytes()?,
            written_bytes,
            deleted_bytes,
            unused_bytes,
            waiting_bytes,
            prune_seconds,
            fresh_bytes: None,
        })
    }

    /// The size of a repository of the kept snapshots alone, made one after the other.
    fn fresh_bytes(&self) -> Result<u64> {
        let folder = self.folder.join("fresh");
        files::remove(&folder)?;
        let fresh = Store::new(self.program, &folder, &self.lasting.source)?;
        let mut kept: Vec<&Kept> = self.kept.values().collect();
        kept.sort_by_key(|kept| kept.night);
        for kept in kept {
            fresh.back_up(&kept.ledger, kept.night)?;
        }
        let bytes = fresh.bytes()?;
        files::remove(&folder)?;
        Ok(bytes)
    }

    fn restore_all(&mut self) -> Result<()> {
        let (expected, target) = (self.folder.join("expected"), self.folder.join("restored"));
        let Store {
            nightfold, source, ..
        } = &self.lasting;
        for (id, kept) in &self.kept {
            kept.ledger.dump_to(&expected)?;
            files::remove(&target)?;
            fs::create_dir(&target)?;
            measure(&mut nightfold.restore(id, &target), &self.lasting.log)?;
            files::compare_trees(&expected, &nightfold.restored(source, &target))
                .with_context(|| format!("snapshot {id} of night {}", kept.night))?;
            self.restores += 1;
        }
        files::remove(&target)?;
        files::remove(&expected)
    }
}

/// A repository, and the file that is backed up into it.
struct Store {
    nightfold: Nightfold,
    source: PathBuf,
    log: PathBuf,
}

impl Store {
    fn new(program: &Path, folder: &Path, source: &Path) -> Result<Self> {
        let store = Self {
            nightfold: Nightfold::in_folder(program, folder)?,
            source: source.to_owned(),
            log: folder.join("log"),
        };
        measure(&mut store.nightfold.init(), &store.log)?;
        Ok(store)
    }

    fn back_up(&self, ledger: &Ledger, night: u32) -> Result<()> {
        ledger.dump_to(&self.source)?;
        let time = jiff::Timestamp::from_second(words::night_seconds(night))?;
        let mut backup = self.nightfold.backup(&self.source, "");
        backup.args(["--time", &time.to_string()]);
        measure(&mut backup, &self.log)?;
        Ok(())
    }

    fn bytes(&self) -> Result<u64> {
        files::tree_bytes(self.nightfold.repository())
    }
}

/// Copying alone frees nothing: what counts is what went beyond what came. Nothing if nothing was freed.
fn over_freed(written: u64, deleted: u64) -> Option<f64> {
    let freed = deleted.checked_sub(written).filter(|freed| *freed > 0)?;
    Some(written as f64 / freed as f64)
}

fn told(night: &Night) -> String {
    format!(
        "night {}: {} kept, {:.2} MB, {} times a fresh one",
        night.number,
        night.kept,
        night.repository_bytes as f64 / 1e6,
        ratio(night.over_fresh())
    )
}

fn ratio(value: Option<f64>) -> String {
    value.map_or("unknown".to_owned(), |value| format!("{value:.3}"))
}

fn print(figures: &Figures) {
    println!("{}, on {}\n", figures.version, figures.machine);
    println!("| night | kept | repository | over a fresh one |\n|---|---|---|---|");
    for night in &figures.nights {
        if night.fresh_bytes.is_some() {
            println!(
                "| {} | {} | {:.2} MB | {} |",
                night.number,
                night.kept,
                night.repository_bytes as f64 / 1e6,
                ratio(night.over_fresh())
            );
        }
    }
    let slowest = figures.nights.iter().map(|night| night.prune_seconds);
    println!("\n| figure | value | wanted |\n|---|---|---|");
    for (title, value, wanted) in [
        (
            "restores compared byte for byte",
            figures.restores.to_string(),
            "",
        ),
        (
            "largest size over a fresh repository's",
            ratio(figures.over_fresh_max),
            "at most 1.25",
        ),
        (
            "bytes that prune wrote over those it freed",
            ratio(figures.written_over_freed),
            "at most 2",
        ),
        (
            "written and deleted by prune",
            format!(
                "{:.2} MB, {:.2} MB",
                figures.written_bytes as f64 / 1e6,
                figures.deleted_bytes as f64 / 1e6
            ),
            "",
        ),
        (
            "slowest prune",
            format!("{:.2} s", slowest.fold(0.0, f64::max)),
            "",
        ),
        (
            "deltas to decode at most",
            figures
                .depth_max
                .map_or("unknown".to_owned(), |depth| depth.to_string()),
            "",
        ),
    ] {
        println!("| {title} | {value} | {wanted} |");
    }
}

#[cfg(test)]
mod tests {
    use super::over_freed;

    #[test]
    fn what_is_freed_is_what_goes_beyond_what_comes() {
        assert_eq!(over_freed(50, 100), Some(1.0));
        assert_eq!(over_freed(0, 100), Some(0.0));
        assert_eq!(over_freed(100, 100), None);
        assert_eq!(over_freed(100, 50), None);
    }
}
