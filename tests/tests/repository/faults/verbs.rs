//! The verbs whose every operation goes wrong once. A new one is one more row of [`VERBS`].

use nightfold_repo::repository::{InitOptions, Password};
use nightfold_repo::storage::MemoryStorage;
use nightfold_repo::{Error, Repository, Result};

use super::client::{Before, Client};
use crate::support::{
    CHEAP, Files, SIZES, assert_restores, back_up, fresh, noise, open, password, table,
};

const PASSWORD: &str = "nightfold";
const OTHER: &str = "another";
const PACK_BYTES: u64 = 2048;
/// Nights that are there before.
const NIGHTS: u64 = 3;

/// Something that a client does with a repository.
pub struct Verb {
    pub name: &'static str,
    /// The repository before.
    pub prepare: fn() -> Before,
    /// Passwords in the order in which they are tried: one of them opens the repository at any time.
    pub passwords: &'static [&'static str],
    /// Does it; done again after it went wrong, it finishes what is left.
    pub run: fn(&Client) -> Result<()>,
    /// Panics unless it is done.
    pub assert_done: fn(&Client),
}

pub const VERBS: [Verb; 7] = [
    Verb {
        name: "init",
        prepare: nothing,
        passwords: &[PASSWORD],
        run: init,
        assert_done: |client| assert!(client.open().is_ok()),
    },
    Verb {
        name: "backup",
        prepare: nights,
        passwords: &[PASSWORD],
        run: back_up_tonight,
        assert_done: tonight_is_there,
    },
    Verb {
        name: "backup by a new client",
        prepare: || Before {
            cache: tempfile::tempdir().unwrap(),
            ..nights()
        },
        passwords: &[PASSWORD],
        run: back_up_tonight,
        assert_done: tonight_is_there,
    },
    Verb {
        name: "key add",
        prepare: nights,
        passwords: &[PASSWORD],
        run: |client| {
            let other = Password::new(OTHER.into());
            client.open()?.key_add(&other, CHEAP, "testhost", "other")?;
            Ok(())
        },
        assert_done: |client| assert!(client.open_by(OTHER).is_ok()),
    },
    Verb {
        name: "key passwd",
        prepare: nights,
        passwords: &[PASSWORD, OTHER],
        run: |client| {
            let other = Password::new(OTHER.into());
            client.open()?.key_passwd(&other, CHEAP, "testhost")?;
            Ok(())
        },
        assert_done: |client| {
            assert!(client.open_by(OTHER).is_ok());
            assert_is_refused(client, PASSWORD);
        },
    },
    Verb {
        name: "key remove",
        prepare: || {
            let before = nights();
            let repository = open(before.disk.clone(), before.cache.path()).unwrap();
            let other = Password::new(OTHER.into());
            repository
                .key_add(&other, CHEAP, "testhost", "other")
                .unwrap();
            before
        },
        passwords: &[PASSWORD],
        run: |client| {
            let repository = client.open()?;
            for key in repository.keys()?.iter().filter(|key| !key.current) {
                repository.key_remove(&key.id.to_string())?;
            }
            Ok(())
        },
        assert_done: |client| assert_is_refused(client, OTHER),
    },
    Verb {
        name: "index rebuild",
        prepare: nights,
        passwords: &[PASSWORD],
        run: |client| client.open()?.rebuild_index().map(drop),
        assert_done: |_| (),
    },
];

fn nothing() -> Before {
    Before {
        disk: MemoryStorage::new(),
        cache: tempfile::tempdir().unwrap(),
        kept: Vec::new(),
        going: Vec::new(),
        coming: Vec::new(),
    }
}

/// Few chunks, so that every operation can be tried.
fn source(night: u64) -> Files {
    Files::from([
        ("/db/blob".to_owned(), noise(1, 1500)),
        ("/db/new".to_owned(), noise(10 + night, 700)),
        ("/db/table.sql".to_owned(), table(night, 60)),
    ])
}

fn nights() -> Before {
    let (disk, cache) = fresh(PACK_BYTES);
    let back_up = |night| {
        let repository = open(disk.clone(), cache.path()).unwrap();
        let files = source(night);
        (back_up(&repository, &files).unwrap().id, files)
    };
    let kept = (1..=NIGHTS).map(back_up).collect();
    Before {
        disk,
        cache,
        kept,
        going: Vec::new(),
        coming: vec![source(NIGHTS + 1)],
    }
}

fn init(client: &Client) -> Result<()> {
    let mut options = InitOptions::new(Some(password()), "testhost".to_owned());
    options.kdf = CHEAP;
    options.sizes = SIZES;
    options.pack_bytes = PACK_BYTES;
    let made = Repository::init(&*client.storage, &options);
    let Err(Error::NotEmpty { .. }) = made else {
        return made.map(drop);
    };
    // It is there, though its maker was not told; or what was left of it must be removed by hand.
    if client.open().is_ok() {
        return Ok(());
    }
    client.disk.clear();
    Repository::init(&*client.storage, &options).map(drop)
}

fn back_up_tonight(client: &Client) -> Result<()> {
    back_up(&client.open()?, &source(NIGHTS + 1)).map(drop)
}

fn tonight_is_there(client: &Client) {
    let repository = client.open().unwrap();
    let newest = repository.snapshots().unwrap().pop().unwrap();
    assert_restores(&repository, &newest, &source(NIGHTS + 1));
}

fn assert_is_refused(client: &Client, password: &str) {
    let opened = client.open_by(password);
    assert!(
        matches!(opened, Err(Error::WrongPassword { .. })),
        "a password that was taken away opens the repository"
    );
}
