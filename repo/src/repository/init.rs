//! Making a repository.

use nightfold_chunker::ChunkSizes;

use super::Password;
use super::keys::new_slot;
use super::parity::put_with_copy;
use crate::crypto::{KdfCost, Keys, random};
use crate::error::{Error, Result};
use crate::format::{ChunkerConfig, Config, Encryption, Features, Kind, ObjectId, ObjectName};
use crate::limits::{PACK_BYTES_TARGET, PACK_BYTES_TARGET_MAX, PARITY_PERCENT, PARITY_PERCENT_MAX};
use crate::storage::Storage;

/// What a new repository shall be like.
pub struct InitOptions {
    /// `None`: not encrypted.
    pub password: Option<Password>,
    /// What a guess of the password shall cost.
    pub kdf: KdfCost,
    /// How data are cut.
    pub sizes: ChunkSizes,
    /// Bytes at which a pack is closed.
    pub pack_bytes: u64,
    /// Parity of packs, in percent of their bytes; 0: none.
    pub parity: u8,
    /// The host that makes it, for the key slot.
    pub host: String,
}

impl InitOptions {
    /// The defaults, with this password.
    pub fn new(password: Option<Password>, host: String) -> Self {
        Self {
            password,
            kdf: KdfCost::default(),
            sizes: ChunkSizes::default(),
            pack_bytes: PACK_BYTES_TARGET,
            parity: PARITY_PERCENT,
            host,
        }
    }
}

impl super::Repository {
    /// Makes a repository in a vacant place: the key slot first, the config last. Without a config there is
    /// no repository, so an interrupted `init` leaves none behind.
    pub fn init(storage: &dyn Storage, options: &InitOptions) -> Result<Config> {
        Self::init_with(storage, options, &Keys::draw()?)
    }

    /// Makes a repository with keys and an id of its own whose chunks have the ids that they have in `like`: cut
    /// points, sketches and sizes are the same. What is copied from one to the other is only sealed anew.
    pub fn init_like(
        storage: &dyn Storage,
        mut options: InitOptions,
        like: &Self,
    ) -> Result<Config> {
        options.sizes = like.cutter.sizes();
        options.pack_bytes = like.config.pack_bytes;
        Self::init_with(storage, &options, &like.vault.keys.draw_like()?)
    }

    fn init_with(storage: &dyn Storage, options: &InitOptions, keys: &Keys) -> Result<Config> {
        if !storage.is_vacant()? {
            return Err(Error::NotEmpty {
                location: storage.location(),
            });
        }
        let sizes = options
            .sizes
            .validate()
            .map_err(|error| Error::Invalid(error.to_string()))?;
        if options.pack_bytes == 0 || options.pack_bytes > PACK_BYTES_TARGET_MAX {
            let range = format!("a pack may be closed at 1 to {PACK_BYTES_TARGET_MAX} bytes");
            return Err(Error::Invalid(range));
        }
        if options.parity > PARITY_PERCENT_MAX {
            let range = format!("parity is 0 to {PARITY_PERCENT_MAX} percent");
            return Err(Error::Invalid(range));
        }
        let repository = random::<16>()?;
        let config = Config {
            id: format!("{:032x}", u128::from_be_bytes(repository)),
            created: jiff::Timestamp::now().to_string(),
            encryption: if options.password.is_some() {
                Encryption::Aes256Gcm
            } else {
                Encryption::None
            },
            chunker: ChunkerConfig {
                version: 1,
                min: sizes.min as u32,
                avg: sizes.avg as u32,
                max: sizes.max as u32,
            },
            pack_bytes: options.pack_bytes,
            parity: options.parity,
            features: Features::default(),
        };
        let name = ObjectName::new(Kind::Key, ObjectId(random()?));
        let password = options
            .password
            .as_ref()
            .map(|password| password.as_slice());
        let slot = new_slot(
            keys,
            &repository,
            password,
            options.kdf,
            &options.host,
            "first password",
        )?;
        let put = |name, bytes: &[u8]| {
            if options.parity > 0 {
                put_with_copy(storage, name, bytes)
            } else {
                storage.put(name, bytes)
            }
        };
        put(name, &slot.encode(name))?;
        let body = config.body();
        let encoded = Config::encode(&body, &keys.secret().config_mac(&body));
        put(ObjectName::CONFIG, &encoded)?;
        Ok(config)
    }
}
