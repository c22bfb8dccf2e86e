//! The repository's parameters: JSON, followed by a MAC under the repository secret.

use serde::{Deserialize, Serialize};

use super::header::{ObjectName, seal_plain, unseal_plain};
use crate::error::{Error, Result};
use crate::limits;

/// Read-features that this program knows.
const READ_FEATURES: [&str; 0] = [];
/// Write-features that this program knows.
const WRITE_FEATURES: [&str; 0] = [];
const MAC_BYTES: usize = 32;

/// How objects are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encryption {
    /// AES-256-GCM under keys that only a password opens.
    #[serde(rename = "aes-256-gcm")]
    Aes256Gcm,
    /// Not encrypted: the keys lie open and a keyed hash takes the place of the tag.
    #[serde(rename = "none")]
    None,
}

/// Parameters of the cutter; fixed at `init`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkerConfig {
    /// Version of cut points and ids.
    pub version: u8,
    /// Smallest chunk, bytes.
    pub min: u32,
    /// Average chunk, bytes.
    pub avg: u32,
    /// Largest chunk, bytes.
    pub max: u32,
}

/// Named extensions of the format that a repository uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// A program that does not know one of these must not read.
    pub read: Vec<String>,
    /// A program that does not know one of these must not write.
    pub write: Vec<String>,
    /// May be ignored.
    pub optional: Vec<String>,
}

/// The object `config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// 16 random bytes as hex: which repository this is.
    pub id: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// How objects are sealed.
    pub encryption: Encryption,
    /// How data are cut.
    pub chunker: ChunkerConfig,
    /// A pack is closed when it reaches this many bytes.
    pub pack_bytes: u64,
    /// Parity of new packs, in percent of their bytes; 0: none.
    #[serde(default)]
    pub parity: u8,
    /// Which extensions of the format are used.
    pub features: Features,
}

impl Config {
    /// The whole object, `mac` computed over [`Self::body`].
    pub fn encode(body: &[u8], mac: &[u8; MAC_BYTES]) -> Vec<u8> {
        let mut covered = body.to_vec();
        covered.extend_from_slice(mac);
        seal_plain(ObjectName::CONFIG, &covered)
    }

    /// The JSON that the MAC covers.
    pub fn body(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// Reads the object; returns the config, the bytes that its MAC covers, and the MAC, which is the caller's to check.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Vec<u8>, [u8; MAC_BYTES])> {
        let name = ObjectName::CONFIG;
        let covered = unseal_plain(name, bytes)?;
        let Some((body, mac)) = covered.split_last_chunk::<MAC_BYTES>() else {
            return Err(Error::corrupt(name, "it is cut short"));
        };
        let config: Self = serde_json::from_slice(body)
            // Its checksum fits, so these are the words of whoever wrote it: a newer program.
            .map_err(|error| Error::Unsupported {
                object: name.to_string(),
                needs: format!("what this program cannot read ({error})"),
            })?;
        config.validate()?;
        Ok((config, body.to_vec(), *mac))
    }

    /// Whether this program may write to the repository.
    pub fn check_writable(&self) -> Result<()> {
        unknown(&self.features.write, &WRITE_FEATURES)
    }

    /// The repository id as bytes.
    pub fn id_bytes(&self) -> Result<[u8; 16]> {
        // Only the one spelling: the id also names the folder of the local index.
        let digits = self
            .id
            .bytes()
            .all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        match u128::from_str_radix(&self.id, 16) {
            Ok(value) if digits && self.id.len() == 32 => Ok(value.to_be_bytes()),
            _ => Err(Error::corrupt(
                ObjectName::CONFIG,
                "its repository id is not 32 hex digits",
            )),
        }
    }

    fn validate(&self) -> Result<()> {
        unknown(&self.features.read, &READ_FEATURES)?;
        self.id_bytes()?;
        if self.chunker.version != 1 {
            return Err(Error::Unsupported {
                object: "config".to_owned(),
                needs: format!("chunker version {}", self.chunker.version),
            });
        }
        let ChunkerConfig { min, avg, max, .. } = self.chunker;
        if min > avg || avg > max || max as usize > limits::CHUNK_BYTES_MAX {
            return Err(Error::corrupt(
                ObjectName::CONFIG,
                "its chunk sizes are out of range",
            ));
        }
        if self.pack_bytes == 0 || self.pack_bytes > limits::PACK_BYTES_TARGET_MAX {
            return Err(Error::corrupt(
                ObjectName::CONFIG,
                "its pack size is out of range",
            ));
        }
        if self.parity > limits::PARITY_PERCENT_MAX {
            return Err(Error::corrupt(
                ObjectName::CONFIG,
                "its parity is out of range",
            ));
        }
        Ok(())
    }
}

fn unknown(features: &[String], known: &[&str]) -> Result<()> {
    match features
        .iter()
        .find(|feature| !known.contains(&feature.as_str()))
    {
        Some(feature) => Err(Error::Unsupported {
            object: "config".to_owned(),
            needs: format!("the feature \u{201c}{feature}\u{201d}"),
        }),
        None => Ok(()),
    }
}
