//! What is kept of checks that read data, and since when snapshots are proven.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::forge::{Forge, list, noise};
use super::stores::{Listing, Meanwhile, ReadOnly};
use crate::check::{CheckOptions, CheckReport, Clock, ReadData};
use crate::format::StreamKind::{Data, Meta};
use crate::format::{
    CondemnedFrames, CondemnedRecord, Content, Kind, ObjectId, ObjectName, Proof, Proven, Verdict,
};
use crate::repository::{OpenOptions, Password, Repository, StoredSnapshot};
use crate::storage::Storage;

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn check_at(repository: &Repository, second: i64, read_data: ReadData) -> CheckReport {
    let clock = Clock {
        now: time(second),
        elapsed: &|| Duration::ZERO,
    };
    let options = CheckOptions { read_data };
    repository.check_by(&clock, &options, &|_, _| ()).unwrap()
}

fn clean_at(forge: &Forge, second: i64, read_data: ReadData) -> CheckReport {
    let report = check_at(&forge.repository, second, read_data);
    assert_eq!(
        (&report.problems, &report.notes),
        (&Vec::new(), &Vec::new())
    );
    report
}

impl Forge {
    fn proven(&self, stored: &StoredSnapshot) -> Option<Timestamp> {
        let proven = self.repository.proven_snapshots().unwrap();
        proven.get(&stored.id).copied()
    }

    fn pack_proven(&self, pack: ObjectName) -> Option<Timestamp> {
        self.repository.proofs().unwrap().of_pack(pack.id)
    }

    fn proof_records(&self) -> Vec<ObjectId> {
        let listed = self.storage.list(Kind::Proof).unwrap();
        listed.iter().map(|listed| listed.id).collect()
    }

    fn flip(&self, pack: ObjectName, at: usize) {
        self.storage.objects().get_mut(&pack).unwrap()[at] ^= 1;
    }
}

/// Two snapshots; the second rests on a delta against a base in the first one's pack.
struct Nights {
    forge: Forge,
    first: StoredSnapshot,
    second: StoredSnapshot,
    /// Of contents, oldest first.
    packs: [ObjectName; 2],
    /// Of file lists, oldest first.
    lists: [ObjectName; 2],
}

fn nights() -> Nights {
    let forge = Forge::new();
    let base = noise(1, 500);
    let mut top = base.clone();
    top[7] ^= 1;
    let night = |chunk: &[u8], frame| {
        let pack = forge.pack(Data, &[frame]);
        let files = list(&[("/a", forge.content(&[chunk]))]);
        let list = forge.pack(Meta, &[forge.whole(&files)]);
        (pack, list, forge.snapshot(&forge.content(&[&files]), 0))
    };
    let (old, old_list, first) = night(&base, forge.whole(&base));
    let (new, new_list, second) = night(&top, forge.delta(&top, &base, 1));
    Nights {
        packs: [old, new],
        lists: [old_list, new_list],
        first,
        second,
        forge,
    }
}

#[test]
fn a_whole_read_proves_all_snapshots_and_leaves_one_record() {
    let Nights {
        forge,
        first,
        second,
        packs,
        ..
    } = nights();
    clean_at(&forge, 100, ReadData::None);
    assert_eq!(forge.proof_records(), []);
    let report = clean_at(&forge, 100, ReadData::All);
    assert_eq!((report.packs, report.packs_read), (4, 4));
    assert_eq!(forge.proven(&first), Some(time(100)));
    clean_at(&forge, 200, ReadData::All);
    assert_eq!(forge.proof_records().len(), 1);
    assert_eq!(forge.proven(&first), Some(time(200)));
    assert_eq!(forge.proven(&second), Some(time(200)));
    assert_eq!(forge.pack_proven(packs[0]), Some(time(200)));
    // The structure alone changes nothing.
    let before = forge.proof_records();
    clean_at(&forge, 300, ReadData::None);
    assert_eq!(forge.proof_records(), before);
}

#[test]
fn a_snapshot_is_proven_when_all_its_packs_are_and_as_of_the_oldest() {
    // Which pack is read first is by chance.
    for _ in 0..8 {
        let nights = nights();
        let forge = &nights.forge;
        let ([old, new], [old_list, new_list]) = (nights.packs, nights.lists);
        let needs = [
            (&nights.first, vec![old, old_list]),
            (&nights.second, vec![old, new, new_list]),
        ];
        for second in 1..=6 {
            assert_eq!(
                clean_at(forge, second, ReadData::Percent(0.1)).packs_read,
                1
            );
            for (stored, packs) in &needs {
                let times: Vec<_> = packs.iter().map(|pack| forge.pack_proven(*pack)).collect();
                // Never comes before all times.
                assert_eq!(forge.proven(stored), times.into_iter().min().unwrap());
            }
        }
        assert_eq!(forge.repository.proven_snapshots().unwrap().len(), 2);
    }
}

#[test]
fn snapshots_with_the_same_recipe_are_proven_as_of_it() {
    let forge = Forge::new();
    let chunk = noise(1, 500);
    let recipe: Vec<u8> = [forge.id(&chunk); 3].iter().flat_map(|id| id.0).collect();
    let content = Content::Chunks {
        size: 1500,
        depth: 1,
        ids: vec![forge.id(&recipe)],
    };
    let data = forge.pack(Data, &[forge.whole(&chunk)]);
    let recipe = forge.pack(Meta, &[forge.whole(&recipe)]);
    let files: Vec<_> = ["/a", "/b"]
        .map(|path| list(&[(path, content.clone())]))
        .into();
    let lists: Vec<_> = files
        .iter()
        .map(|files| forge.pack(Meta, &[forge.whole(files)]))
        .collect();
    // The last has the file list of the second.
    let stored = [0, 1, 1].map(|at| (at, forge.snapshot(&forge.content(&[&files[at]]), 0)));
    for second in 1..=4 {
        clean_at(&forge, second, ReadData::Percent(0.1));
        for (at, stored) in &stored {
            let needed = [data, recipe, lists[*at]].map(|pack| forge.pack_proven(pack));
            assert_eq!(forge.proven(stored), needed.into_iter().min().unwrap());
        }
    }
    assert_eq!(forge.repository.proven_snapshots().unwrap().len(), 3);
}

#[test]
fn a_budget_reads_one_pack_at_least_and_goes_on_where_it_stopped() {
    let Nights { forge, .. } = nights();
    let elapsed = || Duration::from_secs(3600);
    let options = CheckOptions {
        read_data: ReadData::For(Duration::from_secs(60)),
    };
    for read in 1..=4 {
        let clock = Clock {
            now: time(read),
            elapsed: &elapsed,
        };
        let report = forge
            .repository
            .check_by(&clock, &options, &|_, _| ())
            .unwrap();
        assert_eq!((report.packs_read, report.problems.len()), (1, 0));
    }
    let proofs = forge.repository.proofs().unwrap();
    let mut times: Vec<_> = forge
        .storage
        .list(Kind::Pack)
        .unwrap()
        .iter()
        .map(|pack| proofs.of_pack(pack.id))
        .collect();
    times.sort();
    assert_eq!(times, [1, 2, 3, 4].map(|read| Some(time(read))));
}

#[test]
fn a_part_finds_the_damage_in_its_packs_and_not_that_in_others() {
    let forge = Forge::new();
    let (here, there) = (noise(1, 500), noise(2, 500));
    let packs = [here.as_slice(), &there].map(|chunk| forge.pack(Data, &[forge.whole(chunk)]));
    forge.snapshot_of(&[
        ("/here", forge.content(&[&here])),
        ("/there", forge.content(&[&there])),
    ]);
    forge.flip(packs[0], 100);
    let found: Vec<bool> = (1..=1024)
        .map(|number| check_at(&forge.repository, 5, ReadData::Group { number, of: 1024 }))
        .filter(|report| report.packs_read > 0)
        .map(|report| !report.problems.is_empty())
        .collect();
    assert_eq!(found.iter().filter(|found| **found).count(), 1, "{found:?}");
    assert_eq!(forge.pack_proven(packs[0]), None);
    assert_eq!(forge.pack_proven(packs[1]), Some(time(5)));
}

#[test]
fn damage_takes_the_proofs_of_the_pack_and_of_what_rests_on_it() {
    let Nights {
        forge,
        first,
        second,
        packs,
        ..
    } = nights();
    clean_at(&forge, 10, ReadData::All);
    forge.flip(packs[0], 100);
    let report = check_at(&forge.repository, 20, ReadData::All);
    assert!(!report.problems.is_empty());
    assert_eq!(forge.pack_proven(packs[0]), None);
    // Its only frame could not be decoded for want of its base.
    assert_eq!(forge.pack_proven(packs[1]), Some(time(10)));
    assert_eq!((forge.proven(&first), forge.proven(&second)), (None, None));
    forge.flip(packs[0], 100);
    clean_at(&forge, 30, ReadData::All);
    assert_eq!(forge.proven(&first), Some(time(30)));
    // A directory that cannot be opened shows without reading data.
    let last = forge.storage.objects()[&packs[0]].len() - 1;
    forge.flip(packs[0], last);
    let report = check_at(&forge.repository, 40, ReadData::None);
    assert!(!report.problems.is_empty());
    assert_eq!(forge.pack_proven(packs[0]), None);
    assert_eq!(forge.proven(&second), None);
    assert_eq!(forge.proof_records().len(), 1);
}

#[test]
fn checks_at_once_lose_nothing() {
    let Nights {
        forge,
        first,
        packs,
        ..
    } = nights();
    // The second was begun before the first had ended: it puts its proof beside that of the first.
    let other = Forge::open(forge.storage.clone());
    let client = Client::open(Meanwhile {
        inner: forge.storage.clone(),
        before_put: Mutex::new(Some(Box::new(move || {
            clean_at(&other, 50, ReadData::All);
        }))),
    });
    check_at(&client.repository, 60, ReadData::Percent(0.1));
    assert_eq!(forge.proof_records().len(), 2);
    let mut times: Vec<_> = packs.iter().map(|pack| forge.pack_proven(*pack)).collect();
    times.sort();
    assert!(
        times
            .iter()
            .all(|proven| proven.is_some_and(|at| at >= time(50)))
    );
    assert!(forge.proven(&first) >= Some(time(50)));
    clean_at(&forge, 70, ReadData::Percent(0.1));
    assert_eq!(forge.proof_records().len(), 1);
    assert!(packs.iter().all(|pack| forge.pack_proven(*pack).is_some()));
}

#[test]
fn a_crash_between_writing_and_deleting_leaves_proofs_that_merge() {
    let Nights { forge, first, .. } = nights();
    clean_at(&forge, 10, ReadData::All);
    let old = forge.storage.fork();
    clean_at(&forge, 20, ReadData::All);
    for (name, bytes) in &*old.objects() {
        if name.kind == Kind::Proof {
            forge.storage.put(*name, bytes).unwrap();
        }
    }
    assert_eq!(forge.proof_records().len(), 2);
    assert_eq!(forge.proven(&first), Some(time(20)));
    clean_at(&forge, 30, ReadData::Percent(0.1));
    assert_eq!(forge.proof_records().len(), 1);
}

#[test]
fn packs_that_are_gone_and_frames_that_move_count_no_more() {
    let Nights { forge, first, .. } = nights();
    let orphan = forge.pack(Data, &[forge.whole(&noise(5, 300))]);
    check_at(&forge.repository, 10, ReadData::All);
    assert_eq!(forge.pack_proven(orphan), Some(time(10)));
    forge.storage.delete(orphan).unwrap();
    forge.repository.unprove_snapshots().unwrap();
    assert_eq!(forge.pack_proven(orphan), None);
    assert_eq!(forge.proven(&first), None);
    clean_at(&forge, 20, ReadData::Percent(0.1));
    assert_eq!(forge.proven(&first), Some(time(10)));
}

#[test]
fn where_a_chunk_goes_once_its_pack_is_deleted_must_be_read_first() {
    let forge = Forge::new();
    let chunk = noise(1, 500);
    let old = forge.pack(Data, &[forge.whole(&chunk)]);
    let stored = forge.snapshot_of(&[("/a", forge.content(&[&chunk]))]);
    clean_at(&forge, 10, ReadData::All);
    let new = forge.pack(Data, &[forge.whole(&chunk)]);
    let verdict = CondemnedRecord::Verdict(Verdict {
        packs: vec![old.id],
        ..Verdict::default()
    });
    forge
        .repository
        .put_record(Kind::Condemned, &verdict)
        .unwrap();
    // The unread pack is the new one: as of now it is read with the next check.
    clean_at(&forge, 20, ReadData::Percent(0.1));
    assert_eq!(forge.pack_proven(new), Some(time(20)));
    assert_eq!(forge.proven(&stored), Some(time(10)), "by its file list");
    let again = forge.pack(Data, &[forge.whole(&noise(2, 500))]);
    let other = forge.snapshot_of(&[("/b", forge.content(&[&noise(2, 500)]))]);
    clean_at(&forge, 30, ReadData::All);
    assert_eq!(forge.proven(&other), Some(time(30)));
    let copy = forge.pack(
        Data,
        &[forge.whole(&noise(2, 500)), forge.whole(&noise(3, 9))],
    );
    let verdict = CondemnedRecord::Verdict(Verdict {
        packs: vec![again.id],
        ..Verdict::default()
    });
    forge
        .repository
        .put_record(Kind::Condemned, &verdict)
        .unwrap();
    let group = (1..=256).map(|number| ReadData::Group { number, of: 256 });
    let candidate = |id| crate::check::Candidate {
        id,
        bytes: 1,
        read: None,
    };
    let without_copy = group.filter(|group| group.choose(&[candidate(copy.id)]).is_empty());
    for group in without_copy {
        clean_at(&forge, 40, group);
    }
    assert_eq!(forge.proven(&other), None);
}

#[test]
fn a_proof_that_cannot_be_read_is_a_note() {
    let Nights { forge, first, .. } = nights();
    clean_at(&forge, 10, ReadData::All);
    let garbage = ObjectName::new(Kind::Proof, ObjectId([1; 32]));
    forge.storage.put(garbage, b"whatever").unwrap();
    let forged: Proof = Proof {
        packs: vec![Proven {
            id: ObjectId([5; 32]),
            time: "never".to_owned(),
        }],
        ..Proof::default()
    };
    forge.repository.put_record(Kind::Proof, &forged).unwrap();
    let report = check_at(&forge.repository, 20, ReadData::All);
    assert_eq!(report.problems, []);
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    assert!(
        report.notes[0].starts_with(&garbage.to_string()),
        "{:?}",
        report.notes
    );
    assert_eq!(forge.proven(&first), Some(time(20)));
}

#[test]
fn records_that_deleting_rests_on_must_open() {
    for (kind, is_problem) in [
        (Kind::Lease, false),
        (Kind::Condemned, true),
        (Kind::Tombstone, true),
        (Kind::Proof, false),
    ] {
        let forge = Forge::new();
        let name = ObjectName::new(kind, ObjectId([1; 32]));
        forge.storage.put(name, b"whatever").unwrap();
        let report = forge.check(false);
        let problems: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
        let (told, silent) = if is_problem {
            (problems, report.notes)
        } else {
            (report.notes, problems)
        };
        assert_eq!(
            (told.len(), silent.len()),
            (1, 0),
            "{kind:?}: {told:?} {silent:?}"
        );
        assert!(
            told[0].starts_with(&format!("{name}: is damaged")),
            "{told:?}"
        );
    }
}

fn condemn_damage(forge: &Forge, pack: ObjectName) {
    let verdict = CondemnedRecord::Verdict(Verdict {
        frames: vec![CondemnedFrames {
            pack: pack.id,
            ordinals: vec![0],
        }],
        damage: true,
        ..Verdict::default()
    });
    forge
        .repository
        .put_record(Kind::Condemned, &verdict)
        .unwrap();
}

#[test]
fn known_damage_is_a_problem_only_while_a_snapshot_needs_it() {
    let forge = Forge::new();
    let chunk = noise(1, 500);
    let pack = forge.pack(Data, &[forge.whole(&chunk)]);
    forge.flip(pack, 100);
    let report = check_at(&forge.repository, 1, ReadData::All);
    assert_eq!(report.problems.len(), 1, "not known yet");
    condemn_damage(&forge, pack);
    for read_data in [ReadData::None, ReadData::All] {
        let report = check_at(&forge.repository, 2, read_data);
        assert_eq!(report.problems, []);
        let notes = &report.notes;
        assert!(
            notes
                .iter()
                .any(|note| note.contains("1 frame known to be damaged")),
            "{notes:?}"
        );
    }
    forge.snapshot_of(&[("/lost", forge.content(&[&chunk]))]);
    for read_data in [ReadData::None, ReadData::All] {
        let problems = check_at(&forge.repository, 3, read_data).problems;
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(
            problems
                .iter()
                .all(|problem| problem.what.contains("/lost")),
            "{problems:?}"
        );
    }
    // A later backup met the data again.
    forge.pack(Data, &[forge.whole(&chunk)]);
    for read_data in [ReadData::None, ReadData::All] {
        assert_eq!(check_at(&forge.repository, 4, read_data).problems, []);
    }
    assert_eq!(forge.pack_proven(pack), None);
}

#[test]
fn a_condemned_pack_that_is_deleted_meanwhile_is_no_damage() {
    let forge = Forge::new();
    let (chunk, other) = (noise(1, 500), noise(2, 500));
    let old = forge.pack(Data, &[forge.whole(&chunk), forge.whole(&other)]);
    let verdict = CondemnedRecord::Verdict(Verdict {
        packs: vec![old.id],
        ..Verdict::default()
    });
    let deleted = |read_data| {
        // Still listed, as if it went right after that.
        let storage = Listing(forge.storage.fork(), old);
        storage.0.delete(old).unwrap();
        let client = Client::open(storage);
        check_at(&client.repository, 5, read_data).problems
    };
    assert_eq!(deleted(ReadData::All).len(), 1, "nobody condemned it");
    forge
        .repository
        .put_record(Kind::Condemned, &verdict)
        .unwrap();
    forge.pack(Data, &[forge.whole(&chunk)]);
    forge.snapshot_of(&[("/a", forge.content(&[&chunk]))]);
    assert_eq!(deleted(ReadData::All), []);
    forge.snapshot_of(&[("/b", forge.content(&[&other]))]);
    let problems = deleted(ReadData::None);
    assert!(
        problems.iter().any(|problem| problem.what.contains("/b")),
        "{problems:?}"
    );
}

#[test]
fn a_repository_that_cannot_be_written_is_checked_and_read() {
    let Nights { forge, first, .. } = nights();
    clean_at(&forge, 10, ReadData::Percent(0.1));
    let before = forge.storage.objects().clone();
    let client = Client::open(ReadOnly(forge.storage.clone()));
    let repository = &client.repository;
    assert_eq!(
        check_at(repository, 15, ReadData::None).notes,
        Vec::<String>::new()
    );
    let report = check_at(repository, 20, ReadData::All);
    assert_eq!(report.problems, []);
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    assert!(
        report.notes[0].contains("was not kept"),
        "{:?}",
        report.notes
    );
    assert_eq!(repository.snapshots().unwrap()[0].id, first.id);
    let chunk = noise(1, 500);
    assert_eq!(repository.read_chunk(forge.id(&chunk)).unwrap(), chunk);
    assert_eq!(repository.stats().unwrap().snapshots, 2);
    assert!(before == *forge.storage.objects(), "something was written");
}

/// A client that has not seen the repository before.
struct Client {
    repository: Repository,
    /// Holds the index while it is in use.
    _cache: tempfile::TempDir,
}

impl Client {
    fn open(storage: impl Storage + 'static) -> Self {
        let cache = tempfile::tempdir().unwrap();
        let password = Some(Password::new(b"nightfold".to_vec()));
        let options = OpenOptions::new(cache.path().to_owned(), password, Arc::new(|_| ()));
        Self {
            repository: Repository::open(Arc::new(storage), options).unwrap(),
            _cache: cache,
        }
    }
}
