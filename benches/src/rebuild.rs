//! How fast the index is made anew from a local repository of many packs.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use nightfold_repo::Repository;
use nightfold_repo::format::StreamKind;
use nightfold_repo::repository::{ChunkInput, RunWriter, WriteOptions};
use nightfold_repo::storage::LocalStorage;

use crate::files;
use crate::index_model::mix;
use crate::library::{init_options, open};

/// Chunks are random, so that a frame takes as much.
const CHUNK_BYTES: usize = 1024;
/// What is beside a chunk in a pack, about.
const BESIDE_BYTES: usize = 40;
/// Chunks that are handed over together.
const AT_ONCE: usize = 64;

/// Options of `rebuild`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Number of packs
    #[arg(long, default_value_t = 5000)]
    packs: usize,
    /// Frames of one pack; a full pack of whole chunks has about 64, one of deltas some thousand
    #[arg(long, default_value_t = 64)]
    frames: usize,
    /// Folder for the repository, on the disk to measure
    #[arg(long)]
    work: PathBuf,
}

/// Makes the repository, rebuilds its index with its packs out of the page cache and in it, and removes it.
pub fn run(arguments: &Arguments) -> Result<()> {
    fs::create_dir_all(&arguments.work)?;
    let folder = arguments.work.canonicalize()?.join("rebuild");
    files::remove(&folder)?;
    fs::create_dir_all(&folder)?;
    let root = folder.join("repository");
    let mut init = init_options();
    init.pack_bytes = (arguments.frames * (CHUNK_BYTES + BESIDE_BYTES)) as u64;
    Repository::init(&LocalStorage::new(&root), &init)?;
    let start = Instant::now();
    fill(&open(&folder)?, arguments.packs * arguments.frames)?;
    println!("made in {:.1?}", start.elapsed());
    rustix::fs::sync();
    for from in ["disk", "page cache", "page cache"] {
        if from == "disk" {
            files::drop_from_cache(&root)?;
        }
        let repository = open(&folder)?;
        let start = Instant::now();
        let report = repository.rebuild_index()?;
        let seconds = start.elapsed().as_secs_f64();
        ensure!(report.damaged == 0, "a pack cannot be read");
        println!(
            "from the {from}: {} packs, {} frames in {seconds:.2} s: {:.0} packs/s, {:.0} frames/s",
            report.packs,
            report.frames,
            report.packs as f64 / seconds,
            report.frames as f64 / seconds,
        );
    }
    files::remove(&folder)
}

fn fill(repository: &Arc<Repository>, chunks: usize) -> Result<()> {
    let mut writer = RunWriter::start(repository, WriteOptions::default())?;
    for first in (0..chunks).step_by(AT_ONCE) {
        let bytes: Vec<Vec<u8>> = (first..(first + AT_ONCE).min(chunks)).map(chunk).collect();
        let inputs: Vec<ChunkInput<'_>> = bytes
            .iter()
            .map(|bytes| ChunkInput {
                bytes,
                samples: None,
                track: None,
            })
            .collect();
        writer.store(StreamKind::Data, &inputs)?;
    }
    writer.flush()?;
    Ok(())
}

fn chunk(number: usize) -> Vec<u8> {
    let words = (0..CHUNK_BYTES as u64 / 8).map(|word| mix((number as u64) << 20 | word));
    words.flat_map(u64::to_le_bytes).collect()
}
