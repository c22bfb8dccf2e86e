//! Random damage to packs: within reach of parity everything is as it was afterwards; beyond it what is lost is named
//! exactly and everything else restores.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use nightfold_repo::Repository;
use nightfold_repo::format::{Kind, ObjectId, ObjectName};
use nightfold_repo::repair::{RepairOptions, RepairReport};
use nightfold_repo::repository::{InitOptions, StoredSnapshot};
use nightfold_repo::storage::{MemoryStorage, Storage as _};

use super::support::{CHEAP, Files, assert_restores, back_up, noise, open, password, restore};

const SECTOR: usize = 4096;
const PARITY_PERCENT: u8 = 3;

/// How many damages of which kind there were, all of them undone.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Undone {
    pub flips: u64,
    pub sectors: u64,
    pub runs: u64,
}

/// Draws numbers, the same for the same seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 += 1;
        let bytes = noise(self.0.wrapping_mul(0x9e37_79b9), 8);
        (u64::from_le_bytes(bytes.try_into().unwrap()) % end as u64) as usize
    }

    /// So many different numbers below `end`.
    fn choose(&mut self, count: usize, end: usize) -> BTreeSet<usize> {
        let mut chosen = BTreeSet::new();
        while chosen.len() < count.min(end) {
            chosen.insert(self.below(end));
        }
        chosen
    }
}

/// A repository with packs of several sizes.
pub struct Victim {
    storage: MemoryStorage,
    nights: Vec<(StoredSnapshot, Files)>,
    cache: tempfile::TempDir,
}

/// How a pack is divided, as its sidecar says (format, "Parity").
struct Shape {
    shard_bytes: usize,
    data: usize,
    parity: usize,
}

impl Victim {
    /// Four nights of files that hardly compress; `scale` MiB in all or so.
    pub fn new(scale: usize) -> Self {
        let storage = MemoryStorage::new();
        let mut options = InitOptions::new(Some(password()), "testhost".to_owned());
        options.kdf = CHEAP;
        options.pack_bytes = 4 << 20;
        options.parity = PARITY_PERCENT;
        Repository::init(&storage, &options).unwrap();
        let cache = tempfile::tempdir().unwrap();
        let mut nights = Vec::new();
        for night in 0..4_usize {
            let mut files = Files::new();
            for file in 0..4_usize {
                let mut bytes = noise(file as u64 + 1, (scale << 20) / 4 + file * 12_345);
                for change in 0..night * 3 {
                    let at = (change * 7919 + file * 104_729) * 53 % bytes.len();
                    bytes[at] ^= 0x55;
                }
                files.insert(format!("/db/table{file}"), bytes);
            }
            // New data of a night of its own.
            let new = noise(100 + night as u64, 60_000 << night);
            files.insert("/db/new".to_owned(), new);
            let repository = open(storage.clone(), cache.path()).unwrap();
            nights.push((back_up(&repository, &files).unwrap(), files));
        }
        Self {
            storage,
            nights,
            cache,
        }
    }

    fn packs(&self) -> Vec<ObjectName> {
        let listed = self.storage.list(Kind::Pack).unwrap().into_iter();
        let mut packs: Vec<_> = listed
            .map(|listed| ObjectName::new(Kind::Pack, listed.id))
            .collect();
        packs.sort();
        packs
    }

    fn shape(&self, pack: ObjectName) -> Shape {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"nightfold v1 parity of").update(&[2]);
        hasher.update(&pack.id.0);
        let sidecar = ObjectName::new(Kind::Parity, ObjectId(*hasher.finalize().as_bytes()));
        let bytes = self.storage.get(sidecar).unwrap();
        let number =
            |at: usize| u32::from_le_bytes(bytes[48 + at..52 + at].try_into().unwrap()) as usize;
        Shape {
            shard_bytes: number(12),
            data: number(24),
            parity: number(28),
        }
    }

    /// Damages as many shards of a pack as it has parity shards, or fewer, `rounds` times, and repairs.
    pub fn within_reach(&self, dice: &mut Dice, rounds: usize) -> Undone {
        let packs = self.packs();
        let repository = open(self.storage.clone(), self.cache.path()).unwrap();
        let mut undone = Undone::default();
        for round in 0..rounds {
            let pack = packs[dice.below(packs.len())];
            let whole = self.storage.get(pack).unwrap();
            let shape = self.shape(pack);
            let (places, count) = match round % 3 {
                0 => (flips(dice, &shape, whole.len()), &mut undone.flips),
                1 => (sectors(dice, &shape, whole.len()), &mut undone.sectors),
                _ => (vec![run(dice, whole.len())], &mut undone.runs),
            };
            self.harm(pack, &places);
            assert_ne!(self.storage.get(pack).unwrap(), whole, "round {round}");
            let report = repair(&repository);
            assert_eq!(report.lost, [], "round {round}: {places:?}");
            assert_eq!((report.damaged, report.repaired.len()), (1, 1));
            assert!(self.storage.get(pack).unwrap() == whole, "round {round}");
            *count += 1;
        }
        for (stored, files) in &self.nights {
            assert_restores(&repository, stored, files);
        }
        undone
    }

    /// Damages more shards than there are parity shards. Returns how many files, and of how many snapshots, were lost.
    pub fn beyond_reach(&self, dice: &mut Dice, rounds: usize) -> (u64, u64) {
        // Of those that are smaller parity restores all.
        let shards = |pack: &ObjectName, shape: &Shape| {
            let bytes = self.storage.get(*pack).unwrap().len();
            bytes.div_ceil(shape.shard_bytes)
        };
        let mut packs = self.packs();
        packs.retain(|pack| {
            let shape = self.shape(*pack);
            shards(pack, &shape) > shape.parity
        });
        let (mut files_lost, mut snapshots_lost) = (0, 0);
        for round in 0..rounds {
            let copy = Self {
                storage: self.storage.fork(),
                nights: self.nights.clone(),
                cache: tempfile::tempdir().unwrap(),
            };
            let pack = packs[dice.below(packs.len())];
            let shape = copy.shape(pack);
            let all = shards(&pack, &shape);
            let many = (shape.parity + 1 + dice.below(3)).min(all);
            let shards = dice.choose(many, all);
            let starts = shards.into_iter().map(|at| at * shape.shard_bytes);
            copy.harm(pack, &starts.map(|at| at..at + 1).collect::<Vec<_>>());
            let repository = open(copy.storage.clone(), copy.cache.path()).unwrap();
            let report = repair(&repository);
            assert_eq!(
                (report.damaged, report.repaired.len()),
                (1, 0),
                "round {round}"
            );
            let named = report
                .lost
                .iter()
                .any(|lost| lost.object == pack.to_string());
            assert!(named, "round {round}: {:?}", report.lost);
            let (files, snapshots) = copy.assert_exact(&report);
            files_lost += files;
            snapshots_lost += snapshots;
        }
        (files_lost, snapshots_lost)
    }

    fn harm(&self, pack: ObjectName, places: &[Range<usize>]) {
        let mut objects = self.storage.objects();
        let bytes = objects.get_mut(&pack).unwrap();
        for place in places {
            let end = place.end.min(bytes.len());
            match &mut bytes[place.start..end] {
                [byte] => *byte ^= 0x20,
                sector => sector.fill(0),
            }
        }
    }

    /// What cannot be read, by reading everything, is what the report says.
    fn assert_exact(&self, report: &RepairReport) -> (u64, u64) {
        let cache = tempfile::tempdir().unwrap();
        let repository = open(self.storage.clone(), cache.path()).unwrap();
        let (mut files_lost, mut unread) = (0, BTreeSet::new());
        for (stored, files) in &self.nights {
            let name = ObjectName::new(Kind::Snapshot, stored.id).to_string();
            let told: String = report
                .lost
                .iter()
                .filter(|lost| lost.object == name)
                .map(|lost| lost.what.clone())
                .collect();
            let Ok(read) = restore(&repository, stored) else {
                assert!(told.contains("its file list cannot be read"), "{told}");
                unread.insert(stored.id);
                continue;
            };
            let mut lost = Vec::new();
            for (path, bytes) in read {
                match bytes {
                    Ok(bytes) => assert!(bytes == files[&path], "wrong bytes of {path}"),
                    Err(_) => lost.push(path),
                }
            }
            if lost.is_empty() {
                assert_eq!(told, "");
                continue;
            }
            let count = lost.len();
            let plural = if count == 1 { "" } else { "s" };
            let start = format!("{count} file{plural} cannot be restored: ");
            assert!(told.starts_with(&start), "{told}: {lost:?}");
            for path in lost.iter().take(3) {
                assert!(told.contains(path.as_str()), "{told}: {lost:?}");
            }
            files_lost += count as u64;
            unread.insert(stored.id);
        }
        let told: BTreeSet<_> = report.snapshots_lost.iter().copied().collect();
        assert_eq!(told, unread, "{:?}", report.lost);
        (files_lost, unread.len() as u64)
    }
}

fn repair(repository: &Arc<Repository>) -> RepairReport {
    let options = RepairOptions::default();
    repository.repair(&options, &|_, _| ()).unwrap()
}

/// Single bits, in as many shards as can be restored or fewer.
fn flips(dice: &mut Dice, shape: &Shape, bytes: usize) -> Vec<Range<usize>> {
    let count = 1 + dice.below(shape.parity);
    let real = bytes.div_ceil(shape.shard_bytes).min(shape.data);
    let shards = dice.choose(count, real);
    let places = shards.into_iter().map(|shard| {
        let start = shard * shape.shard_bytes;
        start + dice.below(shape.shard_bytes.min(bytes - start))
    });
    places.map(|at| at..at + 1).collect()
}

/// Whole sectors, as a disk loses them.
fn sectors(dice: &mut Dice, shape: &Shape, bytes: usize) -> Vec<Range<usize>> {
    let within_reach = shape.parity * shape.shard_bytes / SECTOR;
    let count = 1 + dice.below(within_reach);
    let sectors = dice.choose(count, bytes.div_ceil(SECTOR));
    let starts = sectors.into_iter().map(|at| at * SECTOR);
    starts.map(|at| at..at + SECTOR).collect()
}

/// One run of a fiftieth of the pack.
fn run(dice: &mut Dice, bytes: usize) -> Range<usize> {
    let length = (bytes / 50).max(2);
    let start = dice.below(bytes - length);
    start..start + length
}

#[test]
fn damage_within_reach_is_undone_and_beyond_it_named() {
    let victim = Victim::new(6);
    let undone = victim.within_reach(&mut Dice::new(1), 39);
    let expected = Undone {
        flips: 13,
        sectors: 13,
        runs: 13,
    };
    assert_eq!(undone, expected);
    let (files, snapshots) = victim.beyond_reach(&mut Dice::new(2), 6);
    assert!(files > 0 && snapshots > 0);
}
