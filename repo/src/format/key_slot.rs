//! A key slot: how a password opens the repository's keys. JSON, readable without a key.

use serde::{Deserialize, Serialize};

use super::header::{ObjectName, seal_plain, unseal_plain};
use crate::error::{Error, Result};
use crate::limits::{KDF_MEMORY_KIB_MAX, KDF_PASSES_MAX};

/// How the wrapping key is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "algorithm", rename_all = "lowercase")]
pub enum Kdf {
    /// Argon2id, RFC 9106, of a password.
    Argon2id {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes.
        lanes: u32,
        /// 32 random bytes, drawn anew for every wrapping, so that the wrapping key seals once.
        #[serde(with = "bytes_as_base64")]
        salt: Vec<u8>,
    },
    /// No password: the keys lie open (`--encryption none`).
    None,
}

/// The object `keys/<id>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySlot {
    /// When it was made, RFC 3339.
    pub created: String,
    /// On which host.
    pub host: String,
    /// What its owner calls it.
    pub label: String,
    /// The newest epoch whose key is in it, for those who cannot open it.
    #[serde(default, skip_serializing_if = "is_first")]
    pub epoch: u32,
    /// How the password becomes the wrapping key.
    pub kdf: Kdf,
    /// The sealed keys.
    #[serde(with = "bytes_as_base64")]
    pub wrapped: Vec<u8>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_first(epoch: &u32) -> bool {
    *epoch == 0
}

impl KeySlot {
    /// The whole object.
    pub fn encode(&self, name: ObjectName) -> Vec<u8> {
        seal_plain(name, &serde_json::to_vec_pretty(self).unwrap_or_default())
    }

    /// Reads the object; refuses parameters that would exhaust the machine.
    pub fn decode(name: ObjectName, bytes: &[u8]) -> Result<Self> {
        let slot: Self = serde_json::from_slice(unseal_plain(name, bytes)?)
            // Its checksum fits, so these are the words of whoever wrote it: a newer program.
            .map_err(|error| Error::Unsupported {
                object: name.to_string(),
                needs: format!("what this program cannot read ({error})"),
            })?;
        if let Kdf::Argon2id {
            memory_kib,
            passes,
            lanes,
            ..
        } = slot.kdf
            && (memory_kib > KDF_MEMORY_KIB_MAX || passes > KDF_PASSES_MAX || lanes > 64)
        {
            return Err(Error::corrupt(
                name,
                "it asks for more memory or passes than any key slot may",
            ));
        }
        Ok(slot)
    }
}

/// Serde for bytes as base64 text.
pub mod bytes_as_base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    /// Writes the text.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    /// Reads the text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}
