//! Headers, config and key slots.

use proptest::prelude::*;

use super::super::config::{ChunkerConfig, Config, Encryption, Features};
use super::super::header::{
    HEADER_BYTES, Header, Kind, ObjectId, ObjectName, seal_plain, unseal_plain,
};
use super::super::key_slot::{Kdf, KeySlot};
use super::{bytes, damaged, flips};
use crate::error::Error;

fn name() -> impl Strategy<Value = ObjectName> {
    (proptest::sample::select(&Kind::ALL[1..]), any::<[u8; 32]>())
        .prop_map(|(kind, id)| ObjectName::new(kind, ObjectId(id)))
}

fn config() -> impl Strategy<Value = Config> {
    (
        any::<u128>(),
        0u32..1000,
        1u64..=32 << 20,
        any::<bool>(),
        ".{0,20}",
    )
        .prop_map(|(id, size, pack_bytes, encrypted, optional)| Config {
            id: format!("{id:032x}"),
            created: "2026-11-22T03:00:00Z".to_owned(),
            encryption: if encrypted {
                Encryption::Aes256Gcm
            } else {
                Encryption::None
            },
            chunker: ChunkerConfig {
                version: 1,
                min: size,
                avg: size * 2,
                max: size * 3,
            },
            pack_bytes,
            parity: 3,
            features: Features {
                optional: vec![optional],
                ..Features::default()
            },
        })
}

fn slot() -> KeySlot {
    KeySlot {
        created: "2026-11-22T03:00:00Z".to_owned(),
        host: "db\u{1f511}".to_owned(),
        label: "first".to_owned(),
        epoch: 0,
        kdf: Kdf::Argon2id {
            memory_kib: 64,
            passes: 3,
            lanes: 4,
            salt: vec![7; 32],
        },
        wrapped: vec![1, 2, 3, 255],
    }
}

proptest! {
    #[test]
    fn headers_are_inverse(name in name(), epoch: u32, rest in bytes(9)) {
        let header = Header { kind: name.kind, epoch, id: name.id };
        let mut encoded = header.encode().to_vec();
        encoded.extend(rest);
        prop_assert_eq!(Header::decode(name, &encoded).unwrap(), header);
    }

    #[test]
    fn a_header_changed_anywhere_is_refused(name in name(), at in 0..HEADER_BYTES, mask in 1..=u8::MAX) {
        let mut encoded = Header::new(name, 3).encode();
        encoded[at] ^= mask;
        prop_assert!(Header::decode(name, &encoded).is_err());
        prop_assert!(Header::decode(name, &encoded[..at]).is_err());
    }

    #[test]
    fn a_header_is_that_of_one_name(name in name(), other in name()) {
        let encoded = Header::new(name, 0).encode();
        prop_assert_eq!(Header::decode(other, &encoded).is_ok(), name == other);
        let same_id = ObjectName::new(other.kind, name.id);
        prop_assert_eq!(Header::decode(same_id, &encoded).is_ok(), name.kind == other.kind);
    }

    #[test]
    fn object_ids_have_one_text(name in name(), text in "[0-9a-fA-F]{64}") {
        prop_assert_eq!(name.id.to_string().parse(), Ok(name.id));
        if let Ok(id) = text.parse::<ObjectId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn plain_objects_are_inverse_and_damage_is_told(
        name in name(), body in bytes(60), flips in flips(), kept: usize,
    ) {
        let sealed = seal_plain(name, &body);
        prop_assert_eq!(unseal_plain(name, &sealed).unwrap(), &body[..]);
        let damaged = damaged(&sealed, &flips, kept);
        prop_assert!(damaged == sealed || unseal_plain(name, &damaged).is_err());
    }

    #[test]
    fn configs_are_inverse_and_damage_is_told(config in config(), flips in flips(), kept: usize) {
        let body = config.body();
        let encoded = Config::encode(&body, &[9; 32]);
        prop_assert_eq!(Config::decode(&encoded).unwrap(), (config, body, [9; 32]));
        let damaged = damaged(&encoded, &flips, kept);
        prop_assert!(damaged == encoded || Config::decode(&damaged).is_err());
    }

    /// The checksum is no secret: a forged body must not do more than be refused.
    #[test]
    fn arbitrary_bodies_are_refused(body in bytes(80), flips in flips(), kept: usize) {
        let name = ObjectName::new(Kind::Key, ObjectId([1; 32]));
        prop_assert!(Config::decode(&seal_plain(ObjectName::CONFIG, &body)).is_err());
        prop_assert!(KeySlot::decode(name, &seal_plain(name, &body)).is_err());
        let json = serde_json::to_vec(&slot()).unwrap();
        let _ = KeySlot::decode(name, &seal_plain(name, &damaged(&json, &flips, kept)));
    }
}

#[test]
fn every_kind_has_its_folder() {
    let id = ObjectId([0xab; 32]);
    for kind in Kind::ALL {
        let path = ObjectName::new(kind, id).path();
        assert!(path.starts_with(kind.folder()), "{path}");
    }
    let pack = ObjectName::new(Kind::Pack, id);
    assert_eq!(pack.path(), format!("packs/ab/{id}"));
}

#[test]
fn a_newer_format_is_not_called_damage() {
    let name = ObjectName::new(Kind::Pack, ObjectId([1; 32]));
    let mut encoded = Header::new(name, 0).encode();
    encoded[4] = 2;
    let checksum = blake3::hash(&encoded[..44]);
    encoded[44..].copy_from_slice(&checksum.as_bytes()[..4]);
    assert!(matches!(
        Header::decode(name, &encoded),
        Err(Error::Unsupported { .. })
    ));
}

#[test]
fn parameters_out_of_range_are_refused() {
    let sound = Config {
        id: "0".repeat(32),
        created: String::new(),
        encryption: Encryption::None,
        chunker: ChunkerConfig {
            version: 1,
            min: 64,
            avg: 256,
            max: 1024,
        },
        pack_bytes: 1,
        parity: 0,
        features: Features::default(),
    };
    let decode = |change: &dyn Fn(&mut Config)| {
        let mut config = sound.clone();
        change(&mut config);
        Config::decode(&Config::encode(&config.body(), &[0; 32])).map(drop)
    };
    assert!(decode(&|_| ()).is_ok());
    assert!(decode(&|config| config.id = "+".to_owned() + &"0".repeat(31)).is_err());
    assert!(decode(&|config| config.chunker.max = (16 << 20) + 1).is_err());
    assert!(decode(&|config| config.chunker.min = 257).is_err());
    assert!(decode(&|config| config.chunker.avg = 1025).is_err());
    assert!(decode(&|config| config.pack_bytes = 0).is_err());
    assert!(decode(&|config| config.pack_bytes = (32 << 20) + 1).is_err());
    let unsupported = |result| matches!(result, Err(Error::Unsupported { .. }));
    assert!(unsupported(decode(&|config| config.chunker.version = 2)));
    let feature = || vec!["time-travel".to_owned()];
    assert!(unsupported(decode(
        &|config| config.features.read = feature()
    )));
    assert!(decode(&|config| config.features.write = feature()).is_ok());
    let mut config = sound.clone();
    config.features.write = feature();
    assert!(unsupported(config.check_writable()));
    assert!(sound.check_writable().is_ok());
}

#[test]
fn key_slots_are_inverse_and_absurd_costs_are_refused() {
    let name = ObjectName::new(Kind::Key, ObjectId([1; 32]));
    assert_eq!(KeySlot::decode(name, &slot().encode(name)).unwrap(), slot());
    for (memory_kib, passes, lanes) in [(u32::MAX, 3, 4), (64, u32::MAX, 4), (64, 3, u32::MAX)] {
        let mut absurd = slot();
        absurd.kdf = Kdf::Argon2id {
            memory_kib,
            passes,
            lanes,
            salt: vec![7; 32],
        };
        assert!(KeySlot::decode(name, &absurd.encode(name)).is_err());
    }
}
