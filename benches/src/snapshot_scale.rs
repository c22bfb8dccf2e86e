//! Opening and listing a repository with many snapshots.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use nightfold_chunker::ChunkId;
use nightfold_repo::Repository;
use nightfold_repo::format::{Content, Snapshot, SnapshotStats, SnapshotWriter};
use nightfold_repo::internals::seal_snapshot;
use nightfold_repo::repository::{ChunkInput, RunWriter, WriteOptions};
use nightfold_repo::storage::LocalStorage;

use crate::library::{init_options, open};

/// Runs whose time is taken.
const RUNS: usize = 5;
/// Different things that are backed up in turn.
const SOURCES: usize = 20;

/// Options of `snapshots`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Number of snapshots
    #[arg(long, default_value_t = 10_000)]
    count: usize,
    /// Folder for the repository, on the disk to measure
    #[arg(long)]
    work: PathBuf,
}

/// Makes the repository, opens it, lists it, backs up into it, and removes it.
pub fn run(arguments: &Arguments) -> Result<()> {
    let folder = arguments.work.join("snapshots");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let root = folder.join("repository");
    Repository::init(&LocalStorage::new(&root), &init_options())?;
    back_up(&open(&folder)?, 0)?;
    make(&folder, arguments.count)?;
    for _ in 0..RUNS {
        let start = Instant::now();
        let repository = open(&folder)?;
        let opened = start.elapsed();
        let start = Instant::now();
        let snapshots = repository.snapshots()?;
        let listed = start.elapsed();
        ensure!(snapshots.len() > arguments.count, "snapshots are missing");
        let start = Instant::now();
        repository.snapshots()?;
        let again = start.elapsed();
        println!("open {opened:.1?}, list {listed:.1?}, again {again:.1?}");
    }
    for run in 1..=RUNS {
        let start = Instant::now();
        let repository = open(&folder)?;
        // What `nightfold backup` asks for before it reads.
        repository.snapshots()?;
        back_up(&repository, run)?;
        println!(
            "open, list, store one chunk, publish: {:.1?}",
            start.elapsed()
        );
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// One run of one chunk.
fn back_up(repository: &Arc<Repository>, run: usize) -> Result<()> {
    let writer = RunWriter::start(repository, WriteOptions::default())?;
    let bytes = run.to_string().into_bytes();
    let chunks = [ChunkInput {
        bytes: &bytes,
        samples: None,
        track: None,
    }];
    let stream = nightfold_repo::format::StreamKind::Data;
    let ids = writer.store(stream, &chunks)?.concat();
    let content = Content::Chunks {
        size: bytes.len() as u64,
        depth: 0,
        ids,
    };
    writer.publish(|_| snapshot(run, &content))?;
    Ok(())
}

/// Puts snapshots without syncing each of them.
fn make(folder: &Path, count: usize) -> Result<()> {
    let repository = open(folder)?;
    let start = Instant::now();
    for night in 0..count {
        let ids = vec![ChunkId([night as u8; 20]); 4];
        let content = Content::Chunks {
            size: 1_000_000,
            depth: 1,
            ids,
        };
        let mut snapshot = snapshot(night, &content);
        snapshot.writer = SnapshotWriter {
            id: format!("{:032x}", night % SOURCES),
            sequence: (night / SOURCES + 1) as u64,
            previous: format!("{night:064x}"),
        };
        let (name, sealed) = seal_snapshot(&repository, &snapshot)?;
        fs::write(folder.join("repository").join(name.path()), sealed)?;
    }
    println!("{count} snapshots made in {:.1?}", start.elapsed());
    Ok(())
}

fn snapshot(night: usize, content: &Content) -> Snapshot {
    let time = |minute: usize| {
        let (year, month) = (2001 + night / 336, night / 28 % 12 + 1);
        let (day, hour) = (night % 28 + 1, 3);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:07.123456789+01:00")
    };
    let mut files = Vec::new();
    content.encode(&mut files);
    Snapshot {
        time: time(0),
        started: time(0),
        finished: time(10),
        host: "database.example.org".to_owned(),
        user: "backup".to_owned(),
        source: format!("source-{}", night % SOURCES),
        paths: vec![format!("/var/backups/source-{}/dump.sql", night % SOURCES)],
        tags: vec!["nightly".to_owned()],
        incomplete: false,
        program: "nightfold 0.1.0".to_owned(),
        files,
        stats: SnapshotStats {
            files: 3,
            size: 430_000_000 + night as u64 * 1_000_003,
            read: 430_000_000,
            chunks_delta: 40 + night as u64 % 17,
            added: 3_500_000,
            ..SnapshotStats::default()
        },
        writer: SnapshotWriter::default(),
        extensions: std::collections::BTreeMap::default(),
    }
}
