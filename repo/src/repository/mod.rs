//! A repository: made, opened, written and read.

mod base;
mod condemned;
mod encode;
mod forget;
mod history;
mod index_handle;
mod init;
mod keys;
mod lease;
mod needs;
mod packer;
mod parity;
mod read;
mod records;
mod reseal;
mod rewrite;
mod rotate;
mod seen;
mod snapshots;
mod stage;
mod tombstones;
mod track;
mod unpublished;
mod write;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use nightfold_chunker::{ChunkSizes, Cutter, IdKey, Sketcher};
use zeroize::{Zeroize, Zeroizing};

pub(crate) use condemned::{Condemned, Verdicts};
pub use forget::Unreadable;
pub(crate) use history::History;
pub use index_handle::IndexReport;
pub use init::InitOptions;
pub use keys::KeyInfo;
pub(crate) use lease::Leases;
pub use lease::{HeldLease, LeaseInfo, LeaseState, LeaseTimes};
pub(crate) use needs::Needs;
pub(crate) use parity::strength_of;
pub use read::ContentReader;
pub(crate) use read::chain;
pub use reseal::OldKeys;
pub(crate) use rewrite::{Rewriter, Written, encode_against, encode_whole};
pub use rotate::{RotateOptions, Rotated};
pub(crate) use snapshots::{LEASE_FIELD, ORIGINAL_FIELD, REPLACES_FIELD, is_void};
pub use snapshots::{StoredSnapshot, WriterState};
pub(crate) use tombstones::Tombstones;
pub use track::Track;
pub use write::{ChunkInput, RunTotals, RunWriter, WriteOptions};

use crate::crypto::Vault;
use crate::error::{Error, Result};
use crate::format::{Config, Encryption, ObjectId, ObjectName};
use crate::limits::PARITY_PERCENT_MAX;
use crate::storage::Storage;
use index_handle::IndexHandle;

/// A password, wiped when dropped.
pub type Password = Zeroizing<Vec<u8>>;

/// Told of things that a user should know and that are no errors.
pub type Notice = Arc<dyn Fn(&str) + Send + Sync>;

/// What opening a repository needs beside its storage.
pub struct OpenOptions {
    /// Folder for what is derived from repositories (the index): each gets a folder of its own in it.
    pub cache: PathBuf,
    /// The password; `None` for repositories that have none.
    pub password: Option<Password>,
    /// Parity of new packs in percent, instead of what the config says.
    pub parity: Option<u8>,
    /// Who is told of notable events.
    pub notice: Notice,
    /// How often leases are renewed, and how long they must stand still to count as dead.
    pub leases: LeaseTimes,
}

impl OpenOptions {
    /// The usual options.
    pub fn new(cache: PathBuf, password: Option<Password>, notice: Notice) -> Self {
        Self {
            cache,
            password,
            parity: None,
            notice,
            leases: LeaseTimes::default(),
        }
    }
}

/// An open repository.
pub struct Repository {
    storage: Arc<dyn Storage>,
    config: Config,
    vault: Vault,
    /// The slot that the password opened.
    slot: ObjectId,
    cutter: Cutter,
    ids: IdKey,
    sketcher: Sketcher,
    index: IndexHandle,
    cache: PathBuf,
    /// Of new packs, in percent.
    parity: u8,
    notice: Notice,
    /// Writer and sequence number of the snapshots read so far.
    writers: Mutex<HashMap<ObjectId, (String, u64)>>,
    lease_times: LeaseTimes,
    /// What was condemned when a writer last looked.
    condemned: Mutex<Arc<Condemned>>,
}

impl Repository {
    /// Whether the repository in `storage` wants a password.
    pub fn needs_password(storage: &dyn Storage) -> Result<bool> {
        Ok(read_config(storage)?.0.0.encryption != Encryption::None)
    }

    /// Opens a repository. The index is opened when it is first needed.
    pub fn open(storage: Arc<dyn Storage>, options: OpenOptions) -> Result<Self> {
        let ((config, body, mac), damage) = read_config(&*storage)?;
        if let Some(error) = damage {
            (options.notice)(&parity::used_copy(&error));
        }
        if config.encryption == Encryption::None && options.password.is_some() {
            // Whoever can write to storage could have put this config in the place of an encrypted one's.
            let reason = "a password was given, but the repository says that it is not encrypted: was it replaced? \
                 If it is meant to be open, give no password";
            return Err(Error::Invalid(reason.to_owned()));
        }
        let repository = config.id_bytes()?;
        let (slot, keys) = keys::unlock(
            &*storage,
            &config,
            options.password.as_ref(),
            &options.notice,
        )?;
        if keys.secret().config_mac(&body) != mac {
            let reason =
                "its MAC does not fit: it was not written by a holder of this repository's keys";
            return Err(Error::corrupt(ObjectName::CONFIG, reason));
        }
        let sizes = ChunkSizes {
            min: config.chunker.min as usize,
            avg: config.chunker.avg as usize,
            max: config.chunker.max as usize,
        };
        let sizes = sizes
            .validate()
            .map_err(|error| Error::corrupt(ObjectName::CONFIG, error.to_string()))?;
        let mut secret = keys.secret().bytes();
        let (cutter, ids, sketcher) = (
            Cutter::new(&secret, sizes),
            IdKey::new(&secret),
            Sketcher::new(&secret),
        );
        secret.zeroize();
        let parity = options.parity.unwrap_or(config.parity);
        if parity > PARITY_PERCENT_MAX {
            let range = format!("parity is 0 to {PARITY_PERCENT_MAX} percent");
            return Err(Error::Invalid(range));
        }
        let cache = options.cache.join(&config.id);
        let vault = Vault {
            keys,
            repository,
            encryption: config.encryption,
        };
        let index = IndexHandle::new(cache.join("index.sqlite"), config.id.clone());
        Ok(Self {
            storage,
            config,
            vault,
            slot,
            cutter,
            ids,
            sketcher,
            index,
            cache,
            parity,
            notice: options.notice,
            writers: Mutex::default(),
            lease_times: options.leases,
            condemned: Mutex::default(),
        })
    }

    /// The repository's parameters.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where the repository is, as its user names it.
    pub fn location(&self) -> String {
        self.storage.location()
    }

    /// Whether the other is this repository, or a copy of its folder.
    pub fn is_same(&self, other: &Self) -> bool {
        self.config.id == other.config.id
    }

    /// Whether chunks have the same ids and sizes in the other, so that its frames are as good here.
    pub fn is_like(&self, other: &Self) -> bool {
        self.config.chunker == other.config.chunker
            && self.vault.keys.has_secret_of(&other.vault.keys)
    }

    /// How leases are renewed and watched.
    pub(crate) fn lease_times(&self) -> LeaseTimes {
        self.lease_times
    }

    /// Cuts streams into this repository's chunks.
    pub fn cutter(&self) -> &Cutter {
        &self.cutter
    }

    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) fn ids(&self) -> &IdKey {
        &self.ids
    }

    pub(crate) fn notice(&self, text: &str) {
        (self.notice)(text);
    }
}

/// The config, the bytes that its MAC covers, and the MAC.
type ReadConfig = (Config, Vec<u8>, [u8; 32]);

/// Reads the config, or its copy; with the copy comes what is wrong with the config itself.
fn read_config(storage: &dyn Storage) -> Result<(ReadConfig, Option<Error>)> {
    let read = parity::read_or_copy(storage, ObjectName::CONFIG, true, |bytes| {
        Config::decode(&bytes)
    });
    match read {
        Err(Error::Missing { .. }) => Err(Error::NoRepository {
            location: storage.location(),
            reason: "there is no config file (make a repository with `nightfold init`)".to_owned(),
        }),
        other => other,
    }
}
