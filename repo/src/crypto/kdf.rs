//! Wrapping the repository's keys under a password: Argon2id (RFC 9106), then AES-256-GCM.

use argon2::{Algorithm, Argon2, Params, Version};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

use super::keys::{Keys, random};
use crate::error::{Error, Result};
use crate::format::{Kdf, KeySlot, ObjectName};

/// What Argon2id is asked to spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes, worked on in parallel.
    pub lanes: u32,
}

impl Default for KdfCost {
    fn default() -> Self {
        Self {
            memory_kib: 64 << 10,
            passes: 3,
            lanes: 4,
        }
    }
}

/// Makes the parts of a key slot that depend on the password; without one the keys lie open.
pub(crate) fn wrap_keys(
    keys: &Keys,
    repository: &[u8; 16],
    password: Option<&[u8]>,
    cost: KdfCost,
) -> Result<(Kdf, Vec<u8>)> {
    let mut plain = serde_json::to_vec(keys).map_err(|error| Error::Invalid(error.to_string()))?;
    let Some(password) = password else {
        return Ok((Kdf::None, plain));
    };
    let KdfCost {
        memory_kib,
        passes,
        lanes,
    } = cost;
    let kdf = Kdf::Argon2id {
        memory_kib,
        passes,
        lanes,
        salt: random::<32>()?.to_vec(),
    };
    let key = wrapping_key(&kdf, password)?;
    let result =
        key.seal_in_place_append_tag(nonce(), Aad::from(binding(repository, &kdf)), &mut plain);
    if result.is_err() {
        plain.zeroize();
        return Err(Error::Invalid("the keys could not be sealed".to_owned()));
    }
    Ok((kdf, plain))
}

/// Opens a slot. `Ok(None)`: this password is not the slot's.
pub(crate) fn open_slot(
    slot: &KeySlot,
    name: ObjectName,
    repository: &[u8; 16],
    password: &[u8],
) -> Result<Option<Keys>> {
    let mut wrapped = Zeroizing::new(slot.wrapped.clone());
    let plain = if slot.kdf == Kdf::None {
        &wrapped[..]
    } else {
        // Anyone can write a key slot: one that asks for the impossible must not hide the others.
        let key = wrapping_key(&slot.kdf, password)
            .map_err(|error| Error::corrupt(name, error.to_string()))?;
        match key.open_in_place(
            nonce(),
            Aad::from(binding(repository, &slot.kdf)),
            &mut wrapped,
        ) {
            Ok(plain) => &*plain,
            Err(_) => return Ok(None),
        }
    };
    let keys = serde_json::from_slice(plain)
        .map_err(|_| Error::corrupt(name, "what it wraps are no keys that this program knows"))?;
    Ok(Some(keys))
}

/// The salt is new for every wrapping, so each wrapping key seals one message and a constant nonce is safe.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn binding(repository: &[u8; 16], kdf: &Kdf) -> Vec<u8> {
    let mut aad = b"nightfold v1 key slot".to_vec();
    aad.extend_from_slice(repository);
    aad.extend(serde_json::to_vec(kdf).unwrap_or_default());
    aad
}

fn wrapping_key(kdf: &Kdf, password: &[u8]) -> Result<LessSafeKey> {
    let Kdf::Argon2id {
        memory_kib,
        passes,
        lanes,
        salt,
    } = kdf
    else {
        return Err(Error::Invalid(
            "a slot without password has no wrapping key".to_owned(),
        ));
    };
    let refused = |error: argon2::Error| {
        Error::Invalid(format!("key derivation refused its parameters: {error}"))
    };
    let params = Params::new(*memory_kib, *passes, *lanes, Some(32)).map_err(refused)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password, salt, &mut *key)
        .map_err(refused)?;
    let key = UnboundKey::new(&AES_256_GCM, &*key)
        .map_err(|_| Error::Invalid("wrapping key".to_owned()))?;
    Ok(LessSafeKey::new(key))
}
