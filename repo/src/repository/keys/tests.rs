//! Claims about key slots: who opens a repository, and who does not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};

use super::super::{InitOptions, OpenOptions, Password, Repository};
use super::new_slot;
use crate::crypto::{KdfCost, Keys};
use crate::error::{Error, Result};
use crate::format::{Config, Encryption, KeySlot, Kind, ObjectId, ObjectName};
use crate::storage::{MemoryStorage, Storage as _};

const CHEAP: KdfCost = KdfCost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

fn password(text: &str) -> Password {
    Password::new(text.as_bytes().to_vec())
}

fn init(password: Option<Password>) -> Result<MemoryStorage> {
    let storage = MemoryStorage::new();
    let mut options = InitOptions::new(password, "testhost".to_owned());
    options.kdf = CHEAP;
    options.parity = 0;
    Repository::init(&storage, &options)?;
    Ok(storage)
}

/// Opens, and returns what was told meanwhile.
fn open(
    storage: &MemoryStorage,
    password: Option<Password>,
) -> (Result<Repository>, Arc<Mutex<Vec<String>>>) {
    let notices: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&notices);
    let options = OpenOptions::new(
        std::env::temp_dir(),
        password,
        Arc::new(move |text| told.lock().unwrap().push(text.to_owned())),
    );
    let opened = Repository::open(Arc::new(storage.clone()), options);
    (opened, notices)
}

fn opens(storage: &MemoryStorage, text: &str) -> bool {
    match open(storage, Some(password(text))).0 {
        Ok(_) => true,
        Err(Error::WrongPassword { .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

fn slots(storage: &MemoryStorage) -> Vec<ObjectName> {
    let objects = storage.objects();
    let keys = objects.keys().filter(|name| name.kind == Kind::Key);
    keys.copied().collect()
}

#[test]
fn each_password_opens_and_no_other() {
    let storage = init(Some(password("first"))).unwrap();
    assert!(opens(&storage, "first"));
    assert!(!opens(&storage, "second"));
    assert!(!opens(&storage, ""));
    assert!(matches!(
        open(&storage, None).0,
        Err(Error::WrongPassword { slots: 1 })
    ));
    let repository = open(&storage, Some(password("first"))).0.unwrap();
    repository
        .key_add(&password("second"), CHEAP, "host", "label")
        .unwrap();
    assert!(opens(&storage, "first") && opens(&storage, "second"));
    assert!(matches!(
        open(&storage, Some(password("third"))).0,
        Err(Error::WrongPassword { slots: 2 })
    ));
    let keys = repository.keys().unwrap();
    assert_eq!(keys.iter().filter(|key| key.current).count(), 1);
    assert!(keys.iter().any(|key| key.label == "label" && !key.current));
}

#[test]
fn removed_and_replaced_passwords_open_no_more() {
    let storage = init(Some(password("first"))).unwrap();
    let repository = open(&storage, Some(password("first"))).0.unwrap();
    let own = slots(&storage)[0].id.to_string();
    assert!(repository.key_remove(&own).is_err(), "the last one stays");
    let second = repository
        .key_add(&password("second"), CHEAP, "host", "")
        .unwrap();
    assert!(repository.key_remove(&own).is_err(), "the one in use stays");
    assert!(repository.key_remove("").is_err());
    assert!(repository.key_remove("zz").is_err());
    repository.key_remove(&second.to_string()[..12]).unwrap();
    assert!(!opens(&storage, "second"));
    repository
        .key_passwd(&password("third"), CHEAP, "host")
        .unwrap();
    assert!(opens(&storage, "third"));
    assert!(!opens(&storage, "first"));
    assert_eq!(slots(&storage).len(), 1);
}

#[test]
fn an_empty_password_is_refused() {
    assert!(matches!(init(Some(password(""))), Err(Error::Invalid(_))));
    let storage = init(Some(password("first"))).unwrap();
    let repository = open(&storage, Some(password("first"))).0.unwrap();
    assert!(
        repository
            .key_add(&password(""), CHEAP, "host", "")
            .is_err()
    );
    assert_eq!(slots(&storage).len(), 1);
}

#[test]
fn a_damaged_slot_does_not_hide_the_others() {
    let storage = init(Some(password("first"))).unwrap();
    let repository = open(&storage, Some(password("first"))).0.unwrap();
    repository
        .key_add(&password("second"), CHEAP, "host", "")
        .unwrap();
    for slot in slots(&storage) {
        let storage = storage.fork();
        storage.objects().get_mut(&slot).unwrap()[60] ^= 1;
        let results = ["first", "second"].map(|text| open(&storage, Some(password(text))));
        assert_eq!(
            results.iter().filter(|(opened, _)| opened.is_ok()).count(),
            1
        );
        // Who gives the right password for the damaged slot is told why it does not open.
        let refused = results.iter().find(|(opened, _)| opened.is_err()).unwrap();
        let notices = refused.1.lock().unwrap().join("\n");
        assert!(notices.contains(&slot.to_string()), "{notices}");
    }
}

#[test]
fn a_repository_without_encryption_opens_without_a_password_alone() {
    let storage = init(None).unwrap();
    assert!(!Repository::needs_password(&storage).unwrap());
    let repository = open(&storage, None).0.unwrap();
    assert!(
        repository
            .key_add(&password("x"), CHEAP, "host", "")
            .is_err()
    );
    assert!(matches!(
        open(&storage, Some(password("x"))).0,
        Err(Error::Invalid(_))
    ));
}

/// A thief of the storage, without the password, puts a repository of his own in its place and reads what is
/// backed up into it.
#[test]
fn keys_that_no_password_wraps_are_refused_in_an_encrypted_repository() {
    let storage = init(Some(password("first"))).unwrap();
    let (config, ..) = Config::decode(&storage.get(ObjectName::CONFIG).unwrap()).unwrap();
    assert_eq!(config.encryption, Encryption::Aes256Gcm);
    let thief = Keys::draw().unwrap();
    let slot: KeySlot =
        new_slot(&thief, &config.id_bytes().unwrap(), None, CHEAP, "host", "").unwrap();
    let body = config.body();
    let forged = Config::encode(&body, &thief.secret().config_mac(&body));
    storage.objects().insert(ObjectName::CONFIG, forged);
    for name in slots(&storage) {
        storage.delete(name).unwrap();
    }
    let name = ObjectName::new(Kind::Key, ObjectId([7; 32]));
    storage.put(name, &slot.encode(name)).unwrap();
    for given in [Some(password("first")), None] {
        let error = open(&storage, given).0.err().unwrap();
        assert!(error.to_string().contains("open keys"), "{error}");
    }
}

#[test]
fn a_config_that_no_holder_of_the_keys_wrote_is_refused() {
    let storage = init(Some(password("first"))).unwrap();
    let (mut config, ..) = Config::decode(&storage.get(ObjectName::CONFIG).unwrap()).unwrap();
    config.chunker.max *= 2;
    let body = config.body();
    let stranger = Keys::draw().unwrap();
    let forged = Config::encode(&body, &stranger.secret().config_mac(&body));
    storage.objects().insert(ObjectName::CONFIG, forged);
    let error = open(&storage, Some(password("first"))).0.err().unwrap();
    assert!(error.to_string().contains("MAC"), "{error}");
}

#[test]
fn an_interrupted_init_leaves_no_repository_behind() {
    use crate::storage::{Fault, FaultStorage, Plan};
    // Each seed leaves the operation that is cut undone, done, or torn.
    for (operation, seed) in [(1, 0), (1, 1), (1, 2), (2, 0), (2, 2)] {
        let inner = MemoryStorage::new();
        let plan = Plan::new(seed, Fault::Cut(operation));
        let storage = FaultStorage::new(inner.clone(), plan);
        let mut options = InitOptions::new(Some(password("first")), "testhost".to_owned());
        options.kdf = CHEAP;
        assert!(Repository::init(&storage, &options).is_err());
        let opened = open(&inner, Some(password("first"))).0;
        assert!(
            matches!(opened, Err(Error::NoRepository { .. })),
            "operation {operation}, seed {seed}"
        );
    }
}
