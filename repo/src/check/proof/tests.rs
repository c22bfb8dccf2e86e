//! Claims about merging proofs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

fn id(byte: u8) -> ObjectId {
    ObjectId([byte; 32])
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn proven(objects: &[(u8, i64)]) -> Vec<Proven> {
    let proven = objects.iter().map(|(byte, second)| Proven {
        id: id(*byte),
        time: time(*second).to_string(),
    });
    proven.collect()
}

fn proof(packs: &[(u8, i64)], damaged: &[(u8, i64)], snapshots: &[(u8, i64)]) -> Proof {
    Proof {
        packs: proven(packs),
        damaged: proven(damaged),
        snapshots: proven(snapshots),
        ..Proof::default()
    }
}

#[test]
fn of_each_object_the_latest_counts_whatever_the_order() {
    let records = [
        proof(&[(1, 10), (2, 20)], &[], &[(9, 10)]),
        proof(&[(1, 15)], &[], &[(9, 15), (8, 3)]),
        proof(&[(3, 5)], &[], &[]),
    ];
    let [a, b, c] = &records;
    let merged = Proofs::merge(&[a, b, c]);
    assert_eq!(merged.of_pack(id(1)), Some(time(15)));
    assert_eq!(merged.of_pack(id(2)), Some(time(20)));
    assert_eq!(merged.of_pack(id(3)), Some(time(5)));
    assert_eq!(merged.of_pack(id(4)), None);
    let snapshots = BTreeMap::from([(id(8), time(3)), (id(9), time(15))]);
    assert_eq!(merged.clone().into_snapshots(), snapshots);
    assert_eq!(Proofs::merge(&[c, b, a]), merged);
    // The merged record beside those that it was made of changes nothing.
    let written = merged.to_records();
    assert_eq!(written.len(), 1);
    assert_eq!(Proofs::merge(&[&written[0], a, b, c, a]), merged);
}

#[test]
fn damage_takes_a_proof_away_until_the_pack_is_found_sound_again() {
    let sound = proof(&[(1, 10), (2, 10)], &[], &[(9, 10)]);
    let damage = proof(&[(2, 10)], &[(1, 20)], &[(8, 10)]);
    let merged = Proofs::merge(&[&sound, &damage]);
    assert_eq!(merged.of_pack(id(1)), None);
    assert_eq!(merged.last_look(id(1)), Some(time(20)));
    assert_eq!(merged.of_pack(id(2)), Some(time(10)));
    // Whoever did not know of the damage may be wrong about snapshots.
    assert_eq!(merged.into_snapshots(), BTreeMap::from([(id(8), time(10))]));
    let again = proof(&[(1, 30)], &[], &[(9, 30)]);
    let merged = Proofs::merge(&[&sound, &damage, &again]);
    assert_eq!(merged.of_pack(id(1)), Some(time(30)));
    assert_eq!(merged.into_snapshots()[&id(9)], time(30));
    let same_time = proof(&[(1, 20)], &[], &[]);
    assert_eq!(Proofs::merge(&[&same_time, &damage]).of_pack(id(1)), None);
}

#[test]
fn what_a_check_found_counts_more_than_clocks() {
    let mut proofs = Proofs::merge(&[&proof(&[(1, 1000)], &[(2, 1000)], &[(9, 1000)])]);
    let findings = Findings {
        time: time(50),
        sound: vec![id(2)],
        damaged: vec![id(1)],
        ..Findings::default()
    };
    assert!(proofs.refuted_by(&findings));
    proofs.add(&findings);
    assert_eq!(proofs.of_pack(id(1)), None);
    assert_eq!(proofs.of_pack(id(2)), Some(time(50)));
    assert_eq!(proofs.clone().into_snapshots(), BTreeMap::new());
    // Nor does the older record, where it was not deleted, bring the first back.
    let written = proofs.to_records();
    let older = proof(&[(1, 1000)], &[], &[(9, 1000)]);
    let merged = Proofs::merge(&[&older, &written[0]]);
    assert_eq!(merged.of_pack(id(1)), None);
    assert_eq!(merged.into_snapshots(), BTreeMap::new());
    assert!(!proofs.refuted_by(&findings), "it is known");
}

#[test]
fn marks_of_compact_outlive_a_merge() {
    let aged = |byte| Proof {
        aged: vec![id(byte)],
        ..Proof::default()
    };
    let rebased = Proof {
        rebased: vec![id(2)],
        ..Proof::default()
    };
    let mut proofs = Proofs::merge(&[&aged(1), &rebased, &aged(3)]);
    proofs.keep_packs(|pack| pack != id(3));
    let written = &proofs.to_records()[0];
    assert_eq!(
        (&written.aged, &written.rebased),
        (&vec![id(1)], &vec![id(2)])
    );
}

#[test]
fn packs_that_are_gone_are_left_out() {
    let mut proofs = Proofs::merge(&[&proof(&[(1, 10), (2, 10)], &[(3, 10)], &[])]);
    proofs.keep_packs(|pack| pack == id(2));
    assert_eq!(proofs.to_records(), [proof(&[(2, 10)], &[], &[])]);
}

#[test]
fn times_that_are_none_are_passed_over() {
    let mut garbage = proof(&[(1, 10), (2, 20)], &[(2, 30)], &[(9, 10)]);
    garbage.packs[0].time = "yesterday".to_owned();
    garbage.damaged[0].time = String::new();
    garbage.snapshots[0].time = "2026-13-99T00:00:00Z".to_owned();
    let merged = Proofs::merge(&[&garbage]);
    assert_eq!(merged.of_pack(id(1)), None);
    assert_eq!(merged.of_pack(id(2)), Some(time(20)));
    assert_eq!(merged.into_snapshots(), BTreeMap::new());
}

#[test]
fn very_many_packs_make_several_records_that_merge_to_the_same() {
    let mut proofs = Proofs::merge(&[&proof(&[], &[(1, 10)], &[(9, 10)])]);
    for number in 0..=RECORD_PACKS_MAX as u32 {
        let mut id = ObjectId([7; 32]);
        id.0[..4].copy_from_slice(&number.to_be_bytes());
        let look = Look {
            time: time(5),
            damaged: false,
        };
        proofs.looks.insert(id, look);
    }
    let records = proofs.to_records();
    assert_eq!(records.len(), 2);
    let bytes = serde_json::to_vec(&records[0]).unwrap().len();
    assert!(bytes < crate::limits::SNAPSHOT_BYTES_MAX / 2, "{bytes}");
    assert_eq!(Proofs::merge(&[&records[1], &records[0]]), proofs);
}
