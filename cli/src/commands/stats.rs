//! `nightfold stats`.

use clap::Args;
use nightfold_repo::stats::{ProvenStats, Stats};

use crate::args::JsonFlag;
use crate::context::Context;
use crate::exit::{Outcome, Result};
use crate::output::{Align, Output, Table, count, ratio, size};
use crate::time;

/// Widest bar of the histogram.
const BAR_WIDTH: u64 = 40;

/// Options of `stats`.
#[derive(Debug, Args)]
pub struct StatsArgs {
    #[command(flatten)]
    json: JsonFlag,
}

/// Tells how much is stored.
pub fn run(context: &Context, args: &StatsArgs) -> Result<Outcome> {
    let stats = context.open()?.stats()?;
    let mut out = Output::open();
    if args.json.json {
        out.json(&stats)?;
    } else {
        print(&mut out, &stats)?;
    }
    out.finish()?;
    Ok(Outcome::Done)
}

fn print(out: &mut Output, stats: &Stats) -> Result<()> {
    let stored = &stats.stored;
    let lines = [
        ("snapshots", stats.snapshots.to_string()),
        ("full copies would take", size(stats.logical_bytes)),
        ("the repository takes", size(stored.total)),
        (
            "that is",
            format!("{} less", ratio(stats.logical_bytes, stored.total)),
        ),
        ("", String::new()),
        (
            "chunks",
            format!("{}, {} as they were", stats.chunks, size(stats.raw_bytes)),
        ),
        (
            "  stored whole",
            (stats.frames.whole + stats.frames.stored).to_string(),
        ),
        ("  stored as deltas", stats.frames.delta.to_string()),
        ("encoded and compressed", size(stats.payload_bytes)),
        (
            "overhead",
            format!("{:.1} B for each chunk", stats.overhead_bytes_per_chunk),
        ),
        ("", String::new()),
        ("packs", stats.packs.to_string()),
        ("  contents of files", size(stored.packs_data)),
        ("  file lists and recipes", size(stored.packs_meta)),
        (
            "snapshots, keys, config",
            size(stored.snapshots + stored.keys + stored.config + stored.records),
        ),
        ("parity and copies", size(stored.parity)),
        (
            "oldest lineage",
            format!("{} versions", u64::from(stats.version_max) + 1),
        ),
    ];
    for (name, value) in lines {
        if name.is_empty() {
            out.line("")?;
        } else {
            out.line(format_args!("{name:<26}{value:>12}"))?;
        }
    }
    out.line("")?;
    proven(out, &stats.proven)?;
    histogram(out, &stats.depth_histogram)
}

/// What checks have read.
fn proven(out: &mut Output, proven: &ProvenStats) -> Result<()> {
    let name = "data proven";
    let Some(oldest) = &proven.oldest else {
        return out.line(format_args!(
            "{name:<26}{:>12} (`nightfold check --read-data`)",
            "never"
        ));
    };
    let oldest = oldest.parse().map_or_else(|_| oldest.clone(), time::day);
    out.line(format_args!(
        "{name:<26}{:>12} in {}, the oldest on {oldest}",
        size(proven.bytes),
        count(proven.packs, "pack")
    ))?;
    out.line(format_args!(
        "{:<26}{:>12}",
        "  packs never read", proven.packs_never
    ))
}

/// How many deltas a reader decodes for a chunk.
fn histogram(out: &mut Output, depths: &[u64]) -> Result<()> {
    let Some(most) = depths.iter().max().filter(|most| **most > 0) else {
        return Ok(());
    };
    out.line("")?;
    let mut table = Table::new(&[
        ("DELTAS TO DECODE", Align::Right),
        ("CHUNKS", Align::Right),
        ("", Align::Left),
    ]);
    for (depth, chunks) in depths.iter().enumerate() {
        let bar = (chunks * BAR_WIDTH).div_ceil(*most);
        table.row(vec![
            depth.to_string(),
            chunks.to_string(),
            "#".repeat(bar as usize),
        ]);
    }
    out.table(&table)
}
