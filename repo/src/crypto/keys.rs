//! The secrets of a repository and what is derived from them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::{Error, Result};
use crate::format::bytes_as_base64;

/// `N` bytes from the operating system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::io(
            "draw random bytes from",
            "the system",
            std::io::Error::other(error.to_string()),
        )
    })?;
    Ok(bytes)
}

/// Seals every object of one epoch.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct MasterKey(#[serde(with = "bytes_as_base64")] Vec<u8>);

impl MasterKey {
    fn draw() -> Result<Self> {
        Ok(Self(random::<32>()?.to_vec()))
    }

    fn bytes(&self) -> [u8; 32] {
        // A key of another length cannot come out of a slot whose seal fits, unless its writer was broken.
        let mut key = [0; 32];
        let length = self.0.len().min(32);
        key[..length].copy_from_slice(&self.0[..length]);
        key
    }

    /// The key of one object: BLAKE3 keyed with the master key over kind and id.
    pub(crate) fn object_key(&self, kind: u8, id: &[u8; 32]) -> [u8; 32] {
        let mut master = self.bytes();
        let mut hasher = blake3::Hasher::new_keyed(&master);
        master.zeroize();
        hasher
            .update(b"nightfold v1 object key")
            .update(&[kind])
            .update(id);
        *hasher.finalize().as_bytes()
    }
}

/// What ids, cut points and sketches depend on; it outlives a rotation of the master key.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct RepositorySecret(#[serde(with = "bytes_as_base64")] Vec<u8>);

impl RepositorySecret {
    /// The secret, for derivations of the chunker.
    pub(crate) fn bytes(&self) -> [u8; 32] {
        let mut secret = [0; 32];
        let length = self.0.len().min(32);
        secret[..length].copy_from_slice(&self.0[..length]);
        secret
    }

    /// Proves that the config was written by a holder of the secret.
    pub(crate) fn config_mac(&self, body: &[u8]) -> [u8; 32] {
        let mut secret = self.bytes();
        let mut key = blake3::derive_key("nightfold v1 config mac", &secret);
        let mac = blake3::keyed_hash(&key, body);
        secret.zeroize();
        key.zeroize();
        *mac.as_bytes()
    }
}

/// Everything that a key slot wraps.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Keys {
    epochs: BTreeMap<u32, MasterKey>,
    secret: RepositorySecret,
}

impl Keys {
    /// New keys for a new repository.
    pub(crate) fn draw() -> Result<Self> {
        let epochs = BTreeMap::from([(0, MasterKey::draw()?)]);
        Ok(Self {
            epochs,
            secret: RepositorySecret(random::<32>()?.to_vec()),
        })
    }

    /// The same keys, and a new one that seals new objects from now on.
    pub(crate) fn rotated(&self) -> Result<Self> {
        let mut rotated = self.clone();
        let epoch = self.current()?.0.checked_add(1);
        let epoch = epoch.ok_or(Error::corrupt("key slot", "no epoch is left"))?;
        rotated.epochs.insert(epoch, MasterKey::draw()?);
        Ok(rotated)
    }

    /// New keys for a repository whose chunks shall have the ids that they have here: only the secret stays.
    pub(crate) fn draw_like(&self) -> Result<Self> {
        Ok(Self {
            secret: self.secret.clone(),
            ..Self::draw()?
        })
    }

    /// Whether chunks have the same ids under these.
    pub(crate) fn has_secret_of(&self, other: &Self) -> bool {
        let (mut own, mut others) = (self.secret.bytes(), other.secret.bytes());
        let same = own == others;
        own.zeroize();
        others.zeroize();
        same
    }

    /// The epoch that seals new objects, and its key.
    pub(crate) fn current(&self) -> Result<(u32, &MasterKey)> {
        let newest = self.epochs.last_key_value();
        newest
            .map(|(epoch, key)| (*epoch, key))
            .ok_or(Error::corrupt("key slot", "it holds no master key"))
    }

    /// The key of an epoch.
    pub(crate) fn epoch(&self, epoch: u32, object: &str) -> Result<&MasterKey> {
        self.epochs.get(&epoch).ok_or_else(|| {
            if self.current().is_ok_and(|(current, _)| current < epoch) {
                let object = object.to_owned();
                return Error::KeysChanged { object, epoch };
            }
            let reason =
                format!("it is sealed under key epoch {epoch}, which this key slot does not hold");
            Error::corrupt(object, reason)
        })
    }

    /// The secret of ids, cut points and sketches.
    pub(crate) fn secret(&self) -> &RepositorySecret {
        &self.secret
    }
}
