//! Many nights in a row: does growth stay flat, and is an old night restored as fast as a new one?

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::figures::median;
use crate::machine::machine;
use crate::measure::measure;
use crate::rows::Table;
use crate::tool::{Nightfold, Stored, Tool as _};
use crate::{bytes, files};

/// As many nights at both ends are compared, if there are twice as many.
const WINDOW: usize = 10;
const RESTORES: usize = 3;

/// Options of `nights`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The nightfold program
    #[arg(long)]
    nightfold: PathBuf,
    /// How many nights
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(2..))]
    nights: u32,
    /// Length of a dump; K, M and G are powers of 1000
    #[arg(long, default_value = "30M", value_parser = bytes::parse)]
    bytes: u64,
    /// The same seed gives the same nights
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the dump and the repository, on the disk to measure
    #[arg(long)]
    work: PathBuf,
    /// File to write all figures to, as JSON
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What a night took.
#[derive(Debug, Clone, Serialize)]
struct Night {
    number: u32,
    seconds: f64,
    cpu_seconds: f64,
    peak_rss_bytes: u64,
    growth_bytes: u64,
}

/// Medians of a few restores, in seconds.
#[derive(Debug, Clone, Copy, Serialize)]
struct Restores {
    /// Repository and index in the page cache.
    warm: f64,
    /// Neither in the page cache.
    cold: f64,
}

/// Everything measured.
#[derive(Debug, Serialize)]
struct Figures {
    machine: String,
    version: String,
    dump_bytes: u64,
    repository_bytes: u64,
    nights: Vec<Night>,
    growth_flatness: Option<f64>,
    time_flatness: Option<f64>,
    metadata_bytes_per_new_chunk: Option<f64>,
    depth_max: Option<u64>,
    restore_first: Restores,
    restore_newest: Restores,
}

/// Backs up night after night, then restores the ends. Wrong bytes are an error.
pub fn run(arguments: &Arguments) -> Result<()> {
    fs::create_dir_all(&arguments.work)?;
    let folder = arguments.work.canonicalize()?.join("nights");
    files::remove(&folder)?;
    let nightfold = Nightfold::in_folder(&arguments.nightfold, &folder)?;
    let run = Run {
        log: folder.join("log"),
        source: folder.join("app.sql"),
        first: folder.join("first.sql"),
        nightfold,
        folder,
    };
    let figures = run.measure(arguments)?;
    if let Some(out) = &arguments.out {
        fs::write(out, serde_json::to_string_pretty(&figures)? + "\n")?;
    }
    print(&figures);
    files::remove(&run.folder)
}

struct Run {
    nightfold: Nightfold,
    folder: PathBuf,
    source: PathBuf,
    /// What the first night must be restored to.
    first: PathBuf,
    log: PathBuf,
}

impl Run {
    fn measure(&self, arguments: &Arguments) -> Result<Figures> {
        measure(&mut self.nightfold.init(), &self.log)?;
        let mut table = Table::new(arguments.seed, arguments.bytes)?;
        let mut stored = files::tree_bytes(self.nightfold.repository())?;
        let mut nights = Vec::new();
        let (mut after_first, mut first) = (None, String::new());
        for night in 1..=arguments.nights {
            if night > 1 {
                table.pass_day(night);
            }
            let measured = self.back_up(&table, night, &mut stored)?;
            if night % 10 == 0 {
                eprintln!("night {night}: {:.2} s", measured.seconds);
            }
            nights.push(measured);
            if night == 1 {
                fs::copy(&self.source, &self.first)?;
                after_first = self.nightfold.stored();
                first = self.nightfold.snapshots()?.pop().context("no snapshot")?;
            }
        }
        let at_end = self.nightfold.stored();
        Ok(Figures {
            machine: machine(),
            version: self.nightfold.version_text()?,
            dump_bytes: files::tree_bytes(&self.source)?,
            repository_bytes: stored,
            growth_flatness: flatness(&of(&nights, |night| night.growth_bytes as f64)),
            time_flatness: flatness(&of(&nights, |night| night.seconds)),
            nights,
            metadata_bytes_per_new_chunk: after_first
                .zip(at_end)
                .and_then(|(before, after)| metadata_per_chunk(before, after)),
            depth_max: at_end.and_then(|stored| stored.depth_max),
            restore_first: self.restores(&first, &self.first)?,
            restore_newest: self.restores("latest", &self.source)?,
        })
    }

    fn back_up(&self, table: &Table, night: u32, stored: &mut u64) -> Result<Night> {
        let mut dump = BufWriter::new(File::create(&self.source)?);
        table.write(&mut dump)?;
        dump.flush()?;
        drop(dump);
        rustix::fs::sync();
        let cost = measure(&mut self.nightfold.backup(&self.source, ""), &self.log)?;
        let before = std::mem::replace(stored, files::tree_bytes(self.nightfold.repository())?);
        Ok(Night {
            number: night,
            seconds: cost.wall_seconds,
            cpu_seconds: cost.cpu_seconds(),
            peak_rss_bytes: cost.peak_rss_bytes,
            growth_bytes: stored.saturating_sub(before),
        })
    }

    fn restores(&self, snapshot: &str, expected: &Path) -> Result<Restores> {
        let seconds = |cold| {
            (0..RESTORES)
                .map(|_| self.restore(snapshot, expected, cold))
                .collect::<Result<Vec<f64>>>()
        };
        let (cold, warm) = (seconds(true)?, seconds(false)?);
        Ok(Restores {
            cold: median(cold.into_iter()),
            warm: median(warm.into_iter()),
        })
    }

    fn restore(&self, snapshot: &str, expected: &Path, cold: bool) -> Result<f64> {
        let target = self.folder.join("restored");
        files::remove(&target)?;
        fs::create_dir(&target)?;
        rustix::fs::sync();
        if cold {
            files::drop_from_cache(&self.folder)?;
        }
        let cost = measure(&mut self.nightfold.restore(snapshot, &target), &self.log)?;
        files::compare_trees(expected, &self.nightfold.restored(&self.source, &target))?;
        Ok(cost.wall_seconds)
    }
}

/// The changed nights' values.
fn of(nights: &[Night], value: impl Fn(&Night) -> f64) -> Vec<f64> {
    nights.iter().skip(1).map(value).collect()
}

/// The mean of the last nights over the mean of the first changed ones: 1 when nothing piles up.
fn flatness(changed: &[f64]) -> Option<f64> {
    let window = WINDOW.min(changed.len() / 2);
    let sum = |values: &[f64]| values.iter().sum::<f64>();
    let (early, late) = (
        sum(&changed[..window]),
        sum(&changed[changed.len() - window..]),
    );
    (window > 0 && early > 0.0).then(|| late / early)
}

fn metadata_per_chunk(before: Stored, after: Stored) -> Option<f64> {
    let chunks = after.chunks.checked_sub(before.chunks)?;
    let bytes = after.metadata_bytes.checked_sub(before.metadata_bytes)?;
    (chunks > 0).then(|| bytes as f64 / chunks as f64)
}

fn print(figures: &Figures) {
    let growth = of(&figures.nights, |night| night.growth_bytes as f64);
    let seconds = of(&figures.nights, |night| night.seconds);
    let peak = figures
        .nights
        .iter()
        .map(|night| night.peak_rss_bytes)
        .max();
    let told =
        |value: Option<f64>| value.map_or("unknown".to_owned(), |value| format!("{value:.2}"));
    let (first, newest) = (figures.restore_first, figures.restore_newest);
    println!(
        "{} nights of {:.1} MB, {}, on {}\n",
        figures.nights.len(),
        figures.dump_bytes as f64 / 1e6,
        figures.version,
        figures.machine
    );
    println!("| figure | value |\n|---|---|");
    for (title, value) in [
        (
            "repository",
            format!("{:.2} MB", figures.repository_bytes as f64 / 1e6),
        ),
        (
            "growth a night, median",
            format!("{:.1} kB", median(growth.into_iter()) / 1e3),
        ),
        (
            "growth of the last nights over the first",
            told(figures.growth_flatness),
        ),
        (
            "backup, median",
            format!("{:.3} s", median(seconds.into_iter())),
        ),
        (
            "backup time of the last nights over the first",
            told(figures.time_flatness),
        ),
        (
            "peak memory of a backup",
            format!("{:.0} MB", peak.unwrap_or(0) as f64 / 1e6),
        ),
        (
            "metadata bytes for each new chunk",
            told(figures.metadata_bytes_per_new_chunk),
        ),
        (
            "deltas to decode at most",
            figures
                .depth_max
                .map_or("unknown".to_owned(), |depth| depth.to_string()),
        ),
        (
            "restore of the first night, warm and cold",
            format!("{:.3} s, {:.3} s", first.warm, first.cold),
        ),
        (
            "restore of the newest night, warm and cold",
            format!("{:.3} s, {:.3} s", newest.warm, newest.cold),
        ),
        (
            "restore of the newest over the first, warm and cold",
            format!(
                "{:.2}, {:.2}",
                newest.warm / first.warm,
                newest.cold / first.cold
            ),
        ),
    ] {
        println!("| {title} | {value} |");
    }
}

#[cfg(test)]
mod tests {
    use super::{Stored, flatness, metadata_per_chunk};

    #[test]
    fn flatness_compares_the_ends() {
        let changed: Vec<f64> = (0..59)
            .map(|night| if night < 49 { 2.0 } else { 3.0 })
            .collect();
        assert!(flatness(&changed).is_some_and(|ratio| (ratio - 1.5).abs() < 1e-9));
        assert!(flatness(&[2.0, 9.0, 4.0]).is_some_and(|ratio| (ratio - 2.0).abs() < 1e-9));
        assert_eq!(flatness(&[1.0]), None);
        assert_eq!(flatness(&[]), None);
    }

    #[test]
    fn metadata_is_counted_over_the_new_chunks() {
        let stored = |chunks, metadata_bytes| Stored {
            chunks,
            metadata_bytes,
            depth_max: None,
        };
        let per_chunk = metadata_per_chunk(stored(10, 2000), stored(30, 4000));
        assert!(per_chunk.is_some_and(|bytes| (bytes - 100.0).abs() < 1e-9));
        assert_eq!(metadata_per_chunk(stored(10, 2000), stored(10, 2000)), None);
    }
}
