//! Records of maintenance: whether they open, and what condemned packs and known damage mean.

use super::clients::{Client, check_at, clean_at, only, time};
use super::forge::{Forge, list, noise};
use super::stores::Listing;
use crate::check::ReadData;
use crate::format::StreamKind::{Data, Meta};
use crate::format::{CondemnedFrames, CondemnedRecord, Kind, ObjectId, ObjectName, Verdict};
use crate::storage::Storage as _;

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

fn condemn(forge: &Forge, pack: ObjectName) {
    let verdict = CondemnedRecord::Verdict(Verdict {
        packs: vec![pack.id],
        ..Verdict::default()
    });
    forge
        .repository
        .put_record(Kind::Condemned, &verdict)
        .unwrap();
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
    let deleted = |read_data| {
        // Still listed, as if it went right after that.
        let storage = Listing(forge.storage.fork(), old);
        storage.0.delete(old).unwrap();
        let client = Client::open(storage);
        check_at(&client.repository, 5, read_data).problems
    };
    assert_eq!(deleted(ReadData::All).len(), 1, "nobody condemned it");
    condemn(&forge, old);
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
fn where_a_chunk_goes_once_its_pack_is_deleted_must_be_read_first() {
    let forge = Forge::new();
    let chunk = noise(1, 500);
    let old = forge.pack(Data, &[forge.whole(&chunk)]);
    let files = list(&[("/a", forge.content(&[&chunk]))]);
    let list = forge.pack(Meta, &[forge.whole(&files)]);
    let stored = forge.snapshot(&forge.content(&[&files]), 0);
    clean_at(&forge, 10, ReadData::All);
    // Of two equal frames the one in the pack listed first counts.
    loop {
        let new = forge.pack(Data, &[forge.whole(&chunk)]);
        if new.id > old.id {
            break;
        }
        forge.storage.delete(new).unwrap();
    }
    clean_at(&forge, 20, only(list));
    assert_eq!(forge.proven(&stored), Some(time(10)), "the old pack stays");
    condemn(&forge, old);
    clean_at(&forge, 30, only(list));
    assert_eq!(forge.proven(&stored), None);
    clean_at(&forge, 40, ReadData::All);
    assert_eq!(forge.proven(&stored), Some(time(40)));
}
