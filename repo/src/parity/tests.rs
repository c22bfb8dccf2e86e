//! Claims about sidecars.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::block::{BLOCK_BYTES, FRAMING_BYTES, block_places};
use super::sidecar::{Damage, Unrepairable};
use super::*;

const WEAK: Strength = Strength {
    percent: 3,
    strong: false,
};

fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

fn pack() -> ObjectName {
    ObjectName::new(Kind::Pack, ObjectId([7; 32]))
}

/// An object of so many bytes, and its sidecar.
fn guarded(seed: u64, count: usize) -> (Vec<u8>, Vec<u8>) {
    let object = noise(seed, count);
    let sidecar = encode(pack(), &object, WEAK).unwrap();
    (object, sidecar)
}

fn decode(sidecar: &[u8]) -> Sidecar {
    Sidecar::decode(sidecar_name(pack()), sidecar).unwrap()
}

/// Shard bytes, data shards and parity shards of a sidecar as it is written.
fn shape(sidecar: &[u8]) -> (usize, usize, usize) {
    let number = |at: usize| {
        let at = HEADER_BYTES + at;
        u32::from_le_bytes(sidecar[at..at + 4].try_into().unwrap()) as usize
    };
    (number(12), number(24), number(28))
}

/// Where a byte of the body stands in the sidecar.
fn place_of_body(sidecar: &[u8], at: usize) -> usize {
    let body = sidecar.len() - FRAMING_BYTES;
    let behind_middle = if at < body / 2 { 0 } else { BLOCK_BYTES };
    HEADER_BYTES + BLOCK_BYTES + behind_middle + at
}

#[test]
fn shards_follow_the_size_of_the_object() {
    for (bytes, percent, strong, expected) in [
        (0, 3, false, (512, 4, 8)),
        (2000, 3, false, (512, 4, 8)),
        (65_536, 3, false, (512, 128, 8)),
        (131_072, 3, false, (1024, 128, 4)),
        (262_144, 3, true, (2048, 128, 6)),
        (524_288, 3, false, (4096, 128, 4)),
        (16 << 20, 3, false, (4096, 4096, 123)),
        (16 << 20, 3, true, (4096, 4096, 185)),
        (16 << 20, 50, true, (4096, 4096, 3072)),
    ] {
        let strength = Strength { percent, strong };
        let sidecar = encode(pack(), &vec![1; bytes], strength).unwrap();
        assert_eq!(
            shape(&sidecar),
            expected,
            "{bytes} bytes, {percent} percent"
        );
        assert!(decode(&sidecar).has_strength(strength));
        let other = Strength {
            percent: 49,
            strong,
        };
        // As many shards as there must be at least are right for a small object at any percent.
        if bytes > 2000 {
            assert!(!decode(&sidecar).has_strength(other));
        }
    }
    assert!(
        encode(
            pack(),
            &[],
            Strength {
                percent: 51,
                strong: false
            }
        )
        .is_err()
    );
}

#[test]
fn the_largest_pack_fits_its_sidecar() {
    let object = vec![0; crate::limits::PACK_BYTES_MAX as usize];
    let strength = Strength {
        percent: 50,
        strong: true,
    };
    let sidecar = encode(pack(), &object, strength).unwrap();
    assert!((sidecar.len() as u64) < Kind::Parity.bytes_max());
    assert_eq!(decode(&sidecar).flaw(), None);
    let copied = copy(pack(), &object);
    assert!((copied.len() as u64) < Kind::Parity.bytes_max());
}

#[test]
fn every_flipped_byte_of_the_sidecar_is_borne() {
    let (object, sidecar) = guarded(1, 5000);
    let mut damaged = object.clone();
    damaged[700] ^= 1;
    for at in 0..sidecar.len() {
        let mut flipped = sidecar.clone();
        flipped[at] ^= 0x40;
        let read = decode(&flipped);
        assert_eq!(
            read.repair(&damaged).as_deref(),
            Ok(&object[..]),
            "byte {at}"
        );
        let located = read.locate(&object);
        let found = read.flaw().is_some() || !located.parity.is_empty();
        assert!(found, "byte {at}");
    }
}

#[test]
fn any_two_blocks_and_the_header_may_be_damaged() {
    let (object, sidecar) = guarded(2, 40_000);
    let places = block_places(sidecar.len() - FRAMING_BYTES);
    for kept in 0..3 {
        let mut damaged = sidecar.clone();
        damaged[..HEADER_BYTES].fill(0);
        for (at, place) in places.iter().enumerate().filter(|(at, _)| *at != kept) {
            damaged[*place..place + BLOCK_BYTES].fill(at as u8);
        }
        let read = decode(&damaged);
        assert!(read.flaw().is_some());
        assert_eq!(read.repair(&object[..39_000]).as_deref(), Ok(&object[..]));
    }
    let mut damaged = sidecar;
    for place in places {
        damaged[place + 100] ^= 1;
    }
    assert!(Sidecar::decode(sidecar_name(pack()), &damaged).is_err());
}

#[test]
fn a_sidecar_cut_short_serves_with_what_is_left() {
    let (object, sidecar) = guarded(3, 100_000);
    let (shard_bytes, _, parity) = shape(&sidecar);
    let mut damaged = object.clone();
    damaged[50_000] ^= 1;
    for lost in [
        1,
        BLOCK_BYTES,
        BLOCK_BYTES + 1,
        BLOCK_BYTES + (parity - 1) * shard_bytes,
    ] {
        let read = decode(&sidecar[..sidecar.len() - lost]);
        assert!(read.flaw().is_some());
        assert_eq!(
            read.repair(&damaged).as_deref(),
            Ok(&object[..]),
            "{lost} bytes"
        );
    }
    // All parity shards are gone, or even the table: nothing is restored, and nothing wrong comes out.
    for left in [HEADER_BYTES + BLOCK_BYTES, HEADER_BYTES + BLOCK_BYTES + 100] {
        let read = decode(&sidecar[..left]);
        assert!(read.repair(&damaged).is_err());
        assert_eq!(read.repair(&object).as_deref(), Ok(&object[..]));
    }
    for left in 0..HEADER_BYTES + BLOCK_BYTES {
        assert!(Sidecar::decode(sidecar_name(pack()), &sidecar[..left]).is_err());
    }
}

#[test]
fn damaged_entries_of_the_table_count_as_damaged_shards() {
    let (object, mut sidecar) = guarded(4, 100_000);
    let (_, _, parity) = shape(&sidecar);
    let mut damaged = object.clone();
    damaged[0] ^= 1;
    for entry in 1..parity {
        let at = place_of_body(&sidecar, entry * CHECKSUM_BYTES);
        sidecar[at] ^= 1;
    }
    let read = decode(&sidecar);
    assert_eq!(read.locate(&object).data.len(), parity - 1);
    assert_eq!(read.repair(&damaged).as_deref(), Ok(&object[..]));
    let at = place_of_body(&sidecar, parity * CHECKSUM_BYTES);
    sidecar[at] ^= 1;
    let expected = Unrepairable {
        damaged: parity as u32 + 1,
        parity: parity as u32,
    };
    assert_eq!(decode(&sidecar).repair(&damaged), Err(expected));
}

#[test]
fn one_shard_too_many_is_refused() {
    let (object, sidecar) = guarded(5, 600_000);
    let (shard_bytes, _, parity) = shape(&sidecar);
    let mut damaged = object.clone();
    for at in 0..parity {
        damaged[at * 3 * shard_bytes] ^= 1;
    }
    let read = decode(&sidecar);
    assert_eq!(read.repair(&damaged).as_deref(), Ok(&object[..]));
    damaged[599_999] ^= 1;
    let expected = Unrepairable {
        damaged: parity as u32 + 1,
        parity: parity as u32,
    };
    assert_eq!(read.repair(&damaged), Err(expected));
    assert_eq!(read.locate(&damaged).data.len(), parity + 1);
}

#[test]
fn truncated_and_grown_objects_are_restored() {
    let (object, sidecar) = guarded(6, 70_001);
    let (shard_bytes, _, parity) = shape(&sidecar);
    let read = decode(&sidecar);
    for left in [70_000, 69_700, 70_001 - (parity - 1) * shard_bytes] {
        assert_eq!(
            read.repair(&object[..left]).as_deref(),
            Ok(&object[..]),
            "{left}"
        );
    }
    assert!(
        read.repair(&object[..70_001 - (parity + 1) * shard_bytes])
            .is_err()
    );
    assert!(read.repair(&[]).is_err());
    let grown = [&object[..], &[0; 5000]].concat();
    assert_eq!(read.repair(&grown).as_deref(), Ok(&object[..]));
}

#[test]
fn a_copy_is_the_object_or_nothing() {
    let name = ObjectName::new(Kind::Snapshot, ObjectId([3; 32]));
    let object = noise(7, 900);
    let sidecar = copy(name, &object);
    let read = |bytes: &[u8]| Sidecar::decode(sidecar_name(name), bytes).unwrap();
    assert!(read(&sidecar).is_copy() && read(&sidecar).flaw().is_none());
    assert_eq!(read(&sidecar).repair(&[]).as_deref(), Ok(&object[..]));
    assert_eq!(read(&sidecar).locate(&object), Damage::default());
    let mut damaged = sidecar.clone();
    let at = place_of_body(&sidecar, 899);
    damaged[at] ^= 1;
    assert_eq!(read(&damaged).locate(&object).parity, [0]);
    assert!(read(&damaged).repair(&object[1..]).is_err());
    assert_eq!(read(&damaged).repair(&object).as_deref(), Ok(&object[..]));
}

#[test]
fn a_sidecar_under_another_name_is_refused() {
    let (_, sidecar) = guarded(8, 3000);
    let other = sidecar_name(ObjectName::new(Kind::Pack, ObjectId([8; 32])));
    assert!(Sidecar::decode(other, &sidecar).is_err());
    assert_eq!(
        object_of(sidecar_name(pack()), &sidecar[..HEAD_BYTES]),
        Some(pack())
    );
    assert_eq!(object_of(other, &sidecar[..HEAD_BYTES]), None);
}

/// Sidecars that were written once must be readable for good: their bytes may not change.
#[test]
fn sidecars_are_what_they_were() {
    let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex()[..32].to_owned();
    let strong = Strength {
        percent: 7,
        strong: true,
    };
    let found = [
        sidecar_name(pack()).to_string(),
        hash(&encode(pack(), &noise(1, 3000), WEAK).unwrap()),
        hash(&encode(pack(), &noise(2, 600_000), strong).unwrap()),
        hash(&copy(ObjectName::CONFIG, &noise(3, 700))),
    ];
    assert_eq!(
        found,
        [
            "parity/f1118b402ddfe2f3e59e1ed84ee3978a3cfb14802fc8921e40599d9fd515bb2d",
            "516bd045727b1d69d82ad8da6a4f7de6",
            "e7b12cc9a1b787b970993b6dac7724f4",
            "33e444258f2dd013b8288f884d8967f4"
        ]
    );
}

/// A kind of damage.
#[derive(Clone, Debug)]
enum Harm {
    Flip(usize),
    Zeros(usize),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens to object and sidecar: the right bytes or a refusal; and always the right bytes while no more
    /// shards are damaged than there are parity shards.
    #[test]
    fn damage_is_undone_or_refused(
        seed in any::<u64>(),
        count in prop_oneof![0usize..3000, 3000usize..80_000, 400_000usize..700_000],
        harms in prop::collection::vec(
            prop_oneof![any::<usize>().prop_map(Harm::Flip), any::<usize>().prop_map(Harm::Zeros)], 0..12),
        cut in prop::option::of(any::<usize>()),
        sidecar_harms in prop::collection::vec(any::<usize>(), 0..4),
    ) {
        let (object, sidecar) = guarded(seed, count);
        let (mut damaged, mut harmed) = (object.clone(), sidecar.clone());
        for harm in harms.iter().filter(|_| count > 0) {
            match harm {
                Harm::Flip(at) => damaged[at % count] ^= 1 << (at % 7),
                Harm::Zeros(at) => {
                    let start = at % count / 4096 * 4096;
                    damaged[start..(start + 4096).min(count)].fill(0);
                }
            }
        }
        if let Some(cut) = cut {
            damaged.truncate(count - cut % (count / 50 + 1));
        }
        for at in &sidecar_harms {
            harmed[at % sidecar.len()] ^= 0x10;
        }
        let Ok(read) = Sidecar::decode(sidecar_name(pack()), &harmed) else {
            prop_assert!(sidecar_harms.len() >= 3);
            return Ok(());
        };
        let located = read.locate(&damaged);
        let (_, _, parity) = shape(&sidecar);
        let within_reach = located.data.len() + located.parity.len() <= parity;
        match read.repair(&damaged) {
            Ok(repaired) => prop_assert!(repaired == object),
            Err(_) => prop_assert!(!within_reach),
        }
    }

    #[test]
    fn bytes_of_any_kind_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
        let _ = Sidecar::decode(sidecar_name(pack()), &bytes);
        // A block that is sound in itself but promises what is not there.
        let (_, sidecar) = guarded(9, 2000);
        let forged = [&sidecar[..HEAD_BYTES], &bytes].concat();
        let read = decode(&forged);
        let _ = read.locate(&bytes);
        prop_assert!(read.repair(&bytes).is_err());
    }
}
