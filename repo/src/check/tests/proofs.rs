//! What is kept of checks that read data, and since when snapshots are proven.

use std::sync::Mutex;
use std::time::Duration;

use super::clients::{Client, check_at, clean_at, only, time};
use super::forge::{Forge, list, noise};
use super::stores::{Meanwhile, ReadOnly};
use crate::check::{CheckOptions, Clock, ReadData};
use crate::format::StreamKind::{Data, Meta};
use crate::format::{Content, Kind, ObjectId, ObjectName, Proof, Proven};
use crate::repository::StoredSnapshot;
use crate::storage::Storage as _;

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
    clean_at(&forge, 5, only(packs[1]));
    let problems = check_at(&forge.repository, 5, only(packs[0])).problems;
    let names_it = |problem: &crate::check::Problem| problem.object == packs[0].to_string();
    assert!(problems.iter().any(names_it), "{problems:?}");
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
fn a_damaged_delta_without_a_base_takes_the_proof_too() {
    let forge = Forge::new();
    let (chunk, base) = (noise(1, 500), noise(2, 500));
    let mut top = base.clone();
    top[7] ^= 1;
    let orphan = forge.delta(&top, &base, 1);
    let pack = forge.pack(Data, &[orphan, forge.whole(&chunk)]);
    let stored = forge.snapshot_of(&[("/a", forge.content(&[&chunk]))]);
    assert_eq!(check_at(&forge.repository, 10, ReadData::All).problems, []);
    assert_eq!(forge.pack_proven(pack), Some(time(10)));
    forge.flip(pack, 60);
    let problems = check_at(&forge.repository, 20, ReadData::All).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].what.starts_with("frame 0"), "{problems:?}");
    assert_eq!(forge.pack_proven(pack), None);
    assert_eq!(forge.proven(&stored), None);
}

#[test]
fn damage_that_following_the_snapshots_finds_counts_too() {
    let forge = Forge::new();
    let chunk = noise(1, 500);
    let data = forge.pack(Data, &[forge.whole(&chunk)]);
    let files = list(&[("/a", forge.content(&[&chunk]))]);
    let mut lists = [(); 2].map(|()| forge.pack(Meta, &[forge.whole(&files)]));
    // The one that is tried first.
    lists.sort();
    let stored = forge.snapshot(&forge.content(&[&files]), 0);
    clean_at(&forge, 10, ReadData::All);
    assert_eq!(forge.proven(&stored), Some(time(10)));
    forge.flip(lists[0], 100);
    let problems = check_at(&forge.repository, 20, only(data)).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(forge.pack_proven(lists[0]), None);
    assert_eq!(forge.pack_proven(lists[1]), Some(time(10)));
    assert_eq!(forge.proven(&stored), None);
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
