//! The plan of a prune over the index of a large repository that exists nowhere: only its directories are made up.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, ensure};
use nightfold_chunker::ChunkId;
use nightfold_repo::format::{BaseRef, CodecKind, DirEntry, Directory, ObjectId};
use nightfold_repo::internals::BareIndex;

use crate::index_model::{Model, directory, mix, rank, skip_target};
use crate::index_scale::memory;

/// Bytes at which a pack is closed.
const PACK_BYTES: u64 = 16 << 20;
/// About what a whole frame takes: 400 000 of them are 100 GB.
const WHOLE_BYTES: u64 = 250_000;
/// About what a delta takes.
const DELTA_BYTES: u64 = 5_000;
/// Deltas get a sketch at every so many versions.
const SKETCH_EVERY: u64 = 4;

/// Options of `plan`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Number of whole chunks of 250 kB; K, M and G are powers of 1000
    #[arg(long, default_value = "400K", value_parser = crate::bytes::parse)]
    whole: u64,
    /// Nights in all, the first one whole
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(2..))]
    nights: u64,
    /// A chunk changes every so many nights
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Folder for the index
    #[arg(long)]
    work: PathBuf,
    /// Only fill the index, and keep it
    #[arg(long)]
    fill: bool,
    /// Only plan over an index that was filled and kept, so that peak memory is that of the plan
    #[arg(long, conflicts_with = "fill")]
    ask: bool,
}

/// Fills an index, plans over it, and removes it.
pub fn run(arguments: &Arguments) -> Result<()> {
    let nights = Nights {
        lineages: arguments.whole,
        count: arguments.nights,
        every: arguments.every,
    };
    fs::create_dir_all(&arguments.work)?;
    let folder = arguments.work.join("plan");
    let path = folder.join("index.sqlite");
    if !arguments.ask {
        crate::files::remove(&folder)?;
        fs::create_dir_all(&folder)?;
        let start = Instant::now();
        let index = BareIndex::open(&path)?;
        index.fill(nights.packs())?;
        ensure!(index.mark_broken()? == 0, "a delta without its base");
        println!(
            "fill: {:.1} s, {:.0} MB",
            start.elapsed().as_secs_f64(),
            crate::files::tree_bytes(&folder)? as f64 / 1e6
        );
    }
    if arguments.fill {
        return Ok(());
    }
    plan(&nights, &path)?;
    crate::files::remove(&folder)
}

fn plan(nights: &Nights, path: &std::path::Path) -> Result<()> {
    let start = Instant::now();
    let told = |what: &str| -> Result<()> {
        println!(
            "{what}: after {:.2} s, peak memory {} MB",
            start.elapsed().as_secs_f64(),
            memory("VmHWM")?
        );
        Ok(())
    };
    let index = BareIndex::open(path)?;
    index.verify()?;
    told("index looked through")?;
    let catalog = index.catalog()?;
    told(&format!("catalog of {} frames", catalog.frames()))?;
    let half = nights.count / 2;
    for (which, kept) in [("newest", half + 1..=nights.count), ("oldest", 1..=half)] {
        let begun = Instant::now();
        let plan = catalog.plan(|need| nights.needed(kept, need));
        told(&format!(
            "plan for the {which} half of the nights, {:.2} s",
            begun.elapsed().as_secs_f64()
        ))?;
        println!("{plan:?}");
        ensure!(plan.lost == 0, "a chunk is lost");
    }
    Ok(())
}

/// Night after night, each lineage changes every so many nights, a different part of them each night.
struct Nights {
    lineages: u64,
    count: u64,
    every: u64,
}

impl Nights {
    /// The version of a lineage that a night has: how often it changed since the first.
    fn version(&self, lineage: u64, night: u64) -> u64 {
        (lineage + night) / self.every - (lineage + 1) / self.every
    }

    fn id(&self, lineage: u64, version: u64) -> ChunkId {
        Model::id(version * self.lineages + lineage)
    }

    fn whole(lineage: u64) -> DirEntry {
        DirEntry {
            sealed_bytes: (WHOLE_BYTES - 50_000 + mix(lineage) % 100_000) as u32,
            ..Model::whole_entry(lineage)
        }
    }

    fn delta(&self, lineage: u64, version: u64) -> DirEntry {
        let base = self.id(lineage, skip_target(version));
        let at = version * self.lineages + lineage;
        let sketched = version.is_multiple_of(SKETCH_EVERY);
        DirEntry {
            id: self.id(lineage, version),
            sealed_bytes: (DELTA_BYTES / 2 + mix(at) % DELTA_BYTES) as u32,
            codec: CodecKind::ZstdDelta,
            base: Some(BaseRef::from(base)),
            version: version as u32,
            rank: rank(version),
            sketch: sketched.then(|| Model::sketch(lineage, version)),
            ..Model::whole_entry(lineage)
        }
    }

    /// The frames that a night adds, in the order of their lineages.
    fn entries(&self, night: u64) -> impl Iterator<Item = DirEntry> {
        let changed =
            move |lineage: &u64| night == 1 || (lineage + night).is_multiple_of(self.every);
        (0..self.lineages)
            .filter(changed)
            .map(move |lineage| match self.version(lineage, night) {
                0 => Self::whole(lineage),
                version => self.delta(lineage, version),
            })
    }

    fn packs(&self) -> impl Iterator<Item = (ObjectId, Directory)> {
        let nights = (1..=self.count).flat_map(|night| {
            let mut entries = self.entries(night);
            std::iter::from_fn(move || pack_of(&mut entries))
        });
        (0..)
            .zip(nights)
            .map(|(number, entries)| directory(number, entries))
    }

    fn needed(&self, kept: impl Iterator<Item = u64>, need: &mut dyn FnMut(ChunkId)) {
        for night in kept {
            (0..self.lineages)
                .for_each(|lineage| need(self.id(lineage, self.version(lineage, night))));
        }
    }
}

/// Entries until their pack is full; nothing when there are none left.
fn pack_of(entries: &mut impl Iterator<Item = DirEntry>) -> Option<Vec<DirEntry>> {
    let mut pack = Vec::new();
    let mut bytes = 0;
    while bytes < PACK_BYTES
        && let Some(entry) = entries.next()
    {
        bytes += u64::from(entry.sealed_bytes);
        pack.push(entry);
    }
    (!pack.is_empty()).then_some(pack)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Nights;

    #[test]
    fn every_version_that_a_night_needs_was_stored_by_then() {
        let nights = Nights {
            lineages: 20,
            count: 12,
            every: 5,
        };
        let mut stored = HashSet::new();
        for night in 1..=nights.count {
            let entries: Vec<_> = nights.entries(night).collect();
            assert_eq!(entries.len(), if night == 1 { 20 } else { 4 });
            stored.extend(entries.into_iter().map(|entry| entry.id));
            nights.needed(night..=night, &mut |id| assert!(stored.contains(&id)));
        }
    }
}
