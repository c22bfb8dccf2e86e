//! One huge stream through standard input and back: speed, and memory that must stay flat.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};

use crate::bytes;
use crate::files;
use crate::measure::{Cost, Running, measure};
use crate::stream::RowStream;
use crate::tool::{Nightfold, Tool as _};

const NAME: &str = "big.sql";

/// Options of `pipe`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The nightfold program
    #[arg(long)]
    nightfold: PathBuf,
    /// Length of the stream; K, M and G are powers of 1000
    #[arg(long, default_value = "10G", value_parser = bytes::parse)]
    bytes: u64,
    /// The same seed gives the same stream
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the repository, on the disk to measure
    #[arg(long)]
    work: PathBuf,
}

/// Backs the stream up and compares what comes back. Wrong bytes are an error.
pub fn run(arguments: &Arguments) -> Result<()> {
    fs::create_dir_all(&arguments.work)?;
    let folder = arguments.work.canonicalize()?.join("pipe");
    files::remove(&folder)?;
    let nightfold = Nightfold::in_folder(&arguments.nightfold, &folder)?;
    let log = folder.join("log");
    measure(&mut nightfold.init(), &log)?;
    let stream = || RowStream::new(arguments.seed, arguments.bytes);
    let cost = back_up(&nightfold, stream(), &log)?;
    print("backup", arguments.bytes, &cost);
    let stored = files::tree_bytes(nightfold.repository())?;
    println!("repository: {:.1} MB", stored as f64 / 1e6);
    let cost = read_back(&nightfold, stream(), &log)?;
    print("cat", arguments.bytes, &cost);
    files::remove(&folder)
}

fn back_up(nightfold: &Nightfold, mut stream: RowStream, log: &Path) -> Result<Cost> {
    let output = File::create(log)?;
    let mut command = nightfold.backup_input(NAME);
    command
        .stdin(Stdio::piped())
        .stdout(output.try_clone()?)
        .stderr(output);
    let mut running = Running::start(&mut command)?;
    let mut input = running
        .child
        .stdin
        .take()
        .context("standard input is a pipe")?;
    let mut written = Ok(());
    while let Some(block) = stream.next_block() {
        written = input.write_all(block);
        if written.is_err() {
            // The child has gone: its status says why.
            break;
        }
    }
    drop(input);
    let (status, cost) = running.finish()?;
    ensure!(
        status.success(),
        "backup: {status}\n{}",
        fs::read_to_string(log)?
    );
    written.context("write to the backup")?;
    Ok(cost)
}

fn read_back(nightfold: &Nightfold, mut stream: RowStream, log: &Path) -> Result<Cost> {
    let mut command = nightfold.cat("latest", NAME);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(log)?);
    let mut running = Running::start(&mut command)?;
    let mut output = running
        .child
        .stdout
        .take()
        .context("standard output is a pipe")?;
    let mut found = Vec::new();
    let mut position = 0;
    while let Some(block) = stream.next_block() {
        found.resize(block.len(), 0);
        output.read_exact(&mut found).with_context(|| {
            format!("cat ended early, after {position} bytes or a little later")
        })?;
        ensure!(found == block, "cat differs at or after byte {position}");
        position += block.len() as u64;
    }
    ensure!(
        output.read(&mut [0])? == 0,
        "cat printed more than was stored"
    );
    let (status, cost) = running.finish()?;
    ensure!(
        status.success(),
        "cat: {status}\n{}",
        fs::read_to_string(log)?
    );
    Ok(cost)
}

fn print(action: &str, bytes: u64, cost: &Cost) {
    println!(
        "{action}: {:.1} s, {:.0} MB/s, processor {:.1} s, peak memory {:.0} MB",
        cost.wall_seconds,
        bytes as f64 / 1e6 / cost.wall_seconds,
        cost.cpu_seconds(),
        cost.peak_rss_bytes as f64 / 1e6
    );
}
