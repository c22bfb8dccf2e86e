//! The local index at scale: filled with packs' directories through the code that backups use, then asked.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nightfold_repo::internals::BareIndex;

use crate::index_model::{Model, mix};

/// Packs entered one by one, as a backup does, to see what an insert costs at this size.
const NIGHT_PACKS: u64 = 100;

/// Options of `index`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Number of chunks; K, M and G are powers of 1000
    #[arg(long, default_value = "1M", value_parser = crate::bytes::parse)]
    chunks: u64,
    /// Frames of one pack
    #[arg(long, default_value_t = 1000)]
    pack: u64,
    /// Folder for the index, on the disk to measure
    #[arg(long)]
    work: PathBuf,
    /// Threads that ask
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Seconds for each question
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Instead: so many alike nights of `--chunks` chunks, a pack each
    #[arg(long, conflicts_with_all = ["fill", "ask"])]
    nights: Option<u64>,
    /// Only fill it, and keep it
    #[arg(long)]
    fill: bool,
    /// Only ask one that was filled and kept
    #[arg(long, conflicts_with = "fill")]
    ask: bool,
}

/// Given a random number, asks something of which the answer is known; `false` if it was wrong.
type Question<'q> = dyn Fn(u64) -> Result<bool> + Sync + 'q;

/// Fills, asks, and removes the index.
pub fn run(arguments: &Arguments) -> Result<()> {
    if let Some(nights) = arguments.nights {
        return pass_nights(arguments, nights);
    }
    let model = Model::new(arguments.chunks, arguments.pack);
    fs::create_dir_all(&arguments.work)?;
    let folder = arguments.work.join(format!("index-{}", arguments.chunks));
    if !arguments.ask {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        fill(arguments, &model, &folder)?;
    }
    if !arguments.fill {
        ask(arguments, &model, &folder)?;
        fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

fn fill(arguments: &Arguments, model: &Model, folder: &std::path::Path) -> Result<()> {
    let start = Instant::now();
    let index = BareIndex::open(&folder.join("index.sqlite"))?;
    let mut told = 1;
    index.fill((0..model.packs()).map(|pack| {
        if (pack + 1) * 10 >= told * model.packs() {
            let frames = (pack + 1) * arguments.pack;
            let seconds = start.elapsed().as_secs_f64();
            println!("read the directories of {frames} chunks after {seconds:.1} s");
            told += 1;
        }
        model.pack(pack)
    }))?;
    println!("filled after {:.1} s", start.elapsed().as_secs_f64());
    ensure!(index.mark_broken()? == 0, "a delta without its base");
    drop(index);
    let seconds = start.elapsed().as_secs_f64();
    let bytes = crate::files::tree_bytes(folder)?;
    println!(
        "fill: {seconds:.1} s, {:.0} chunks/s, {:.1} MB, {:.1} bytes a chunk, peak memory {} MB",
        model.chunks() as f64 / seconds,
        bytes as f64 / 1e6,
        bytes as f64 / model.chunks() as f64,
        memory("VmHWM")?
    );
    Ok(())
}

fn ask(arguments: &Arguments, model: &Model, folder: &std::path::Path) -> Result<()> {
    let start = Instant::now();
    let index = BareIndex::open(&folder.join("index.sqlite"))?;
    println!("open: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let questions: [(&str, &Question<'_>); 10] = [
        ("holds, present", &|n| {
            Ok(index.holds(Model::id(n % model.chunks()))?)
        }),
        ("holds, absent", &|n| {
            Ok(!index.holds(Model::id(n | 1 << 62))?)
        }),
        ("100 at once, present", &|n| {
            let ids: Vec<_> = (0..100)
                .map(|at| Model::id(mix(n + at) % model.chunks()))
                .collect();
            Ok(index.holds_each(&ids)?.iter().all(|held| *held))
        }),
        ("100 at once, absent", &|n| {
            let ids: Vec<_> = (0..100)
                .map(|at| Model::id(mix(n + at) | 1 << 62))
                .collect();
            Ok(!index.holds_each(&ids)?.iter().any(|held| *held))
        }),
        ("frames, present", &|n| {
            Ok(index.frames(Model::id(n % model.chunks()))? == 1)
        }),
        ("frames, absent", &|n| {
            Ok(index.frames(Model::id(n | 1 << 62))? == 0)
        }),
        ("chain of a delta", &|n| {
            Ok(index.chain(Model::id(model.random_delta(n)))? > 1)
        }),
        ("chain, 1000 neighbours", &|n| {
            let first = n % model.chunks().saturating_sub(1000).max(1);
            for at in first..(first + 1000).min(model.chunks()) {
                index.chain(Model::id(at))?;
            }
            Ok(true)
        }),
        ("similar, present", &|n| {
            let at = model.random_delta(n);
            Ok(!index.similar(&model.sketch_of(at))?.is_empty())
        }),
        ("similar, absent", &|n| {
            index.similar(&Model::foreign_sketch(n))?;
            Ok(true)
        }),
    ];
    for (name, question) in questions {
        // Once to warm up, once to measure.
        measure(arguments, question, arguments.seconds / 4.0)?;
        let (count, seconds) = measure(arguments, question, arguments.seconds)?;
        let rate = count as f64 / seconds;
        let micros = seconds * 1e6 * arguments.threads as f64 / count as f64;
        println!("{name:24} {rate:>10.0}/s {micros:>9.2} us a thread");
    }
    println!(
        "memory: {} MB, of these {} MB our own; peak {} MB",
        memory("VmRSS")?,
        memory("RssAnon")?,
        memory("VmHWM")?
    );
    let start = Instant::now();
    for night in 0..NIGHT_PACKS {
        let (id, directory) = model.new_pack(night);
        index.insert(id, directory)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{NIGHT_PACKS} new packs of {} frames: {:.1} ms a pack, {:.2} us a frame",
        arguments.pack,
        seconds * 1e3 / NIGHT_PACKS as f64,
        seconds * 1e6 / (NIGHT_PACKS * arguments.pack) as f64
    );
    Ok(())
}

/// Whether night follows night without anything getting slower.
fn pass_nights(arguments: &Arguments, nights: u64) -> Result<()> {
    let folder = arguments.work.join("index-nights");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let path = folder.join("index.sqlite");
    let index = BareIndex::open(&path)?;
    let model = Model::nights(arguments.chunks, nights);
    let (first, mut told) = (model.packs() - nights, 10);
    for pack in 0..model.packs() {
        let (id, directory) = model.pack(pack);
        let frames = directory.entries.len() as f64;
        let start = Instant::now();
        index.insert(id, directory)?;
        let entered = start.elapsed().as_secs_f64() * 1e6 / frames;
        if pack + 1 != first + told {
            continue;
        }
        let asked = told * model.deltas_a_night() + arguments.chunks;
        let question = |n: u64| {
            let newest = asked - 1 - n % model.deltas_a_night();
            let found = index.similar(&model.sketch_of(newest))?;
            Ok(!found.is_empty())
        };
        let (count, seconds) = measure(arguments, &question, arguments.seconds)?;
        let micros = seconds * 1e6 * arguments.threads as f64 / count as f64;
        let bytes = crate::files::tree_bytes(&folder)? as f64 / 1e6;
        println!(
            "after {told} nights: insert {entered:.1} us a frame, similar {micros:.1} us, {bytes:.1} MB"
        );
        told *= 10;
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// How often, and in how many seconds, all threads asked; a wrong answer is an error.
fn measure(arguments: &Arguments, question: &Question<'_>, seconds: f64) -> Result<(u64, f64)> {
    let asked = AtomicU64::new(0);
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(seconds);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.threads)
            .map(|thread| {
                let asked = &asked;
                scope.spawn(move || -> Result<()> {
                    let mut random = mix(thread + 77);
                    let mut count = 0;
                    while count % 64 != 0 || Instant::now() < end {
                        random = mix(random);
                        ensure!(question(random >> 2)?, "a wrong answer");
                        count += 1;
                        if count % 64 == 0 || Instant::now() >= end {
                            asked.fetch_add(count, Ordering::Relaxed);
                            count = 0;
                            if Instant::now() >= end {
                                break;
                            }
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        for thread in threads {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    Ok((asked.into_inner(), start.elapsed().as_secs_f64()))
}

/// A line of this process's status, in MB.
pub fn memory(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib.unwrap_or("0").parse::<u64>()? / 1000)
}
