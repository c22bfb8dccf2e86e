//! Claims about seals and key slots.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::{KdfCost, Keys, ObjectSeal, Role, Vault, open_slot, random, wrap_keys};
use crate::error::Error;
use crate::format::{Encryption, Header, Kdf, KeySlot, Kind, ObjectId, ObjectName};

const BOTH: [Encryption; 2] = [Encryption::Aes256Gcm, Encryption::None];
const REPOSITORY: [u8; 16] = [5; 16];
const CHEAP: KdfCost = KdfCost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

fn name(kind: Kind, id: u8) -> ObjectName {
    ObjectName::new(kind, ObjectId([id; 32]))
}

/// Keys with a second epoch, as after a rotation.
fn keys() -> Keys {
    let mut json = serde_json::to_value(Keys::draw().unwrap()).unwrap();
    let other = serde_json::to_value(Keys::draw().unwrap()).unwrap();
    json["epochs"]["1"] = other["epochs"]["0"].clone();
    serde_json::from_value(json).unwrap()
}

fn seal(keys: &Keys, repository: &[u8; 16], encryption: Encryption, header: Header) -> ObjectSeal {
    ObjectSeal::new(keys, repository, encryption, &header).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parts_are_inverse_and_a_flipped_bit_is_told(
        part in proptest::collection::vec(any::<u8>(), 0..200), ordinal: u64, at: usize, bit in 0..8u8,
    ) {
        for encryption in BOTH {
            let keys = keys();
            let seal = seal(&keys, &REPOSITORY, encryption, Header::new(name(Kind::Pack, 1), 0));
            let mut sealed = part.clone();
            seal.seal(Role::Frame, ordinal, &mut sealed).unwrap();
            prop_assert_eq!(sealed.len(), part.len() + crate::format::SEAL_TAG_BYTES);
            let mut copy = sealed.clone();
            prop_assert_eq!(seal.open(Role::Frame, ordinal, &mut copy), Some(&part[..]));
            let mut flipped = sealed.clone();
            flipped[at % sealed.len()] ^= 1u8 << bit;
            prop_assert_eq!(seal.open(Role::Frame, ordinal, &mut flipped), None);
            let cut = at % sealed.len();
            prop_assert_eq!(seal.open(Role::Frame, ordinal, &mut sealed[..cut]), None);
        }
    }
}

#[test]
fn a_seal_binds_all_that_says_where_a_part_belongs() {
    let keys = keys();
    for encryption in BOTH {
        let header = Header::new(name(Kind::Pack, 1), 0);
        let sealer = seal(&keys, &REPOSITORY, encryption, header);
        let mut sealed = b"a part".to_vec();
        sealer.seal(Role::Frame, 7, &mut sealed).unwrap();
        let opens = |seal: &ObjectSeal, role, ordinal| {
            seal.open(role, ordinal, &mut sealed.clone()).is_some()
        };
        assert!(opens(&sealer, Role::Frame, 7));
        for (role, ordinal) in [(Role::Body, 7), (Role::Directory, 7), (Role::Frame, 8)] {
            assert!(!opens(&sealer, role, ordinal), "{role:?} {ordinal}");
        }
        let others = [
            seal(&keys, &[6; 16], encryption, header),
            seal(
                &keys,
                &REPOSITORY,
                encryption,
                Header::new(name(Kind::Pack, 2), 0),
            ),
            seal(
                &keys,
                &REPOSITORY,
                encryption,
                Header::new(name(Kind::Snapshot, 1), 0),
            ),
            seal(
                &keys,
                &REPOSITORY,
                encryption,
                Header::new(name(Kind::Pack, 1), 1),
            ),
            seal(&Keys::draw().unwrap(), &REPOSITORY, encryption, header),
        ];
        for (at, other) in others.iter().enumerate() {
            assert!(!opens(other, Role::Frame, 7), "{encryption:?}, other {at}");
        }
    }
}

#[test]
fn ciphertexts_of_one_part_differ_from_object_to_object() {
    let keys = keys();
    let sealed = |id, role, ordinal| {
        let header = Header::new(name(Kind::Pack, id), 0);
        let mut part = vec![0; 64];
        seal(&keys, &REPOSITORY, Encryption::Aes256Gcm, header)
            .seal(role, ordinal, &mut part)
            .unwrap();
        part
    };
    let all = [
        sealed(1, Role::Frame, 0),
        sealed(1, Role::Frame, 1),
        sealed(1, Role::Directory, 0),
        sealed(2, Role::Frame, 0),
    ];
    for (at, one) in all.iter().enumerate() {
        assert_ne!(one[..16], [0; 16]);
        for other in &all[..at] {
            // With one key stream twice, the same plaintext would encrypt to the same bytes.
            assert_ne!(one[..64], other[..64]);
        }
    }
}

#[test]
fn an_epoch_that_the_slot_does_not_hold_is_named() {
    let header = Header::new(name(Kind::Pack, 1), 9);
    let error = ObjectSeal::new(&keys(), &REPOSITORY, Encryption::Aes256Gcm, &header)
        .err()
        .unwrap();
    assert!(error.to_string().contains("epoch 9"), "{error}");
    assert!(error.to_string().contains("packs/01/"), "{error}");
}

#[test]
fn new_objects_are_sealed_under_the_newest_epoch() {
    for encryption in BOTH {
        let vault = Vault {
            keys: keys(),
            repository: REPOSITORY,
            encryption,
        };
        let name = name(Kind::Snapshot, 4);
        assert_eq!(vault.new_header(name).unwrap().epoch, 1);
        let sealed = vault.seal_object(name, b"body".to_vec()).unwrap();
        assert_eq!(
            vault.open_object(name, &mut sealed.clone()).unwrap(),
            b"body"
        );
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 0x10;
            assert!(vault.open_object(name, &mut flipped).is_err(), "byte {at}");
            let mut cut = sealed[..at].to_vec();
            assert!(vault.open_object(name, &mut cut).is_err(), "{at} bytes");
        }
    }
}

fn slot(password: Option<&[u8]>, keys: &Keys) -> KeySlot {
    let (kdf, wrapped) = wrap_keys(keys, &REPOSITORY, password, CHEAP).unwrap();
    KeySlot {
        created: String::new(),
        host: String::new(),
        label: String::new(),
        epoch: 0,
        kdf,
        wrapped,
    }
}

fn secret_of(keys: &Keys) -> [u8; 32] {
    keys.secret().bytes()
}

#[test]
fn a_slot_opens_with_its_password_alone() {
    let keys = keys();
    let slot = slot(Some(b"nightfold"), &keys);
    let name = name(Kind::Key, 1);
    let open = |slot: &KeySlot, repository, password: &[u8]| {
        open_slot(slot, name, repository, password).unwrap()
    };
    let opened = open(&slot, &REPOSITORY, b"nightfold").unwrap();
    assert_eq!(secret_of(&opened), secret_of(&keys));
    for wrong in [&b""[..], b"nightfold ", b"Nightfold", b"nightfol"] {
        assert!(open(&slot, &REPOSITORY, wrong).is_none());
    }
    // A slot of another repository is of no use here, even under the same password.
    assert!(open(&slot, &[6; 16], b"nightfold").is_none());
    let mut other_cost = slot.clone();
    if let Kdf::Argon2id { passes, .. } = &mut other_cost.kdf {
        *passes += 1;
    }
    assert!(open(&other_cost, &REPOSITORY, b"nightfold").is_none());
    let mut flipped = slot.clone();
    flipped.wrapped[3] ^= 1;
    assert!(open(&flipped, &REPOSITORY, b"nightfold").is_none());
    let mut empty = slot;
    empty.wrapped.clear();
    assert!(open(&empty, &REPOSITORY, b"nightfold").is_none());
}

#[test]
fn the_same_password_wraps_differently_every_time() {
    let keys = keys();
    let (a, b) = (slot(Some(b"same"), &keys), slot(Some(b"same"), &keys));
    assert_ne!(a.wrapped, b.wrapped);
    assert_ne!(a.kdf, b.kdf);
}

#[test]
fn costs_that_argon2_does_not_know_are_damage_of_that_slot() {
    let mut slot = slot(Some(b"nightfold"), &keys());
    for (cost, bad_salt) in [(0, false), (8, true)] {
        if let Kdf::Argon2id {
            memory_kib, salt, ..
        } = &mut slot.kdf
        {
            *memory_kib = cost;
            salt.truncate(if bad_salt { 2 } else { 32 });
        }
        let name = name(Kind::Key, 1);
        let error = open_slot(&slot, name, &REPOSITORY, b"nightfold")
            .err()
            .unwrap();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    }
}

#[test]
fn random_bytes_differ() {
    assert_ne!(random::<32>().unwrap(), random::<32>().unwrap());
}
