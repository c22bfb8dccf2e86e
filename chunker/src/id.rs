//! What a chunk is called.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use zeroize::Zeroizing;

const CONTEXT: &str = "nightfold v1 chunk id";

/// Length of an id in bytes.
const ID_BYTES: usize = 20;

/// A chunk's name: a keyed hash of its plaintext, 160 bits.
///
/// Equal chunks of one repository have equal ids, and no two others ever will: by the birthday
/// bound, a trillion chunks collide with a chance of 2⁻⁸¹. Shown and parsed as 40 lowercase hex
/// digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkId(pub [u8; ID_BYTES]);

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a chunk id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a chunk id is 40 lowercase hexadecimal digits")]
pub struct ChunkIdError;

impl FromStr for ChunkId {
    type Err = ChunkIdError;

    fn from_str(text: &str) -> Result<Self, ChunkIdError> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return Err(ChunkIdError);
        };
        let pairs: &[[u8; 2]; ID_BYTES] = pairs.try_into().map_err(|_| ChunkIdError)?;
        let mut id = [0; ID_BYTES];
        for (byte, [high, low]) in id.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(id))
    }
}

/// The one spelling that [`ChunkId`]'s `Display` writes: an id has a single text.
fn digit(character: u8) -> Result<u8, ChunkIdError> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        _ => Err(ChunkIdError),
    }
}

/// Names chunks, for one secret.
///
/// The hash is keyed so that nobody without the secret can confirm that a repository holds a
/// known chunk, nor make two chunks of one name.
#[derive(Clone)]
pub struct IdKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IdKey").finish_non_exhaustive()
    }
}

impl IdKey {
    /// `secret` is the repository's id secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(Zeroizing::new(blake3::derive_key(CONTEXT, secret)))
    }

    /// The id of a chunk: BLAKE3 keyed, the first 160 bits.
    pub fn id(&self, chunk: &[u8]) -> ChunkId {
        let hash = blake3::keyed_hash(&self.0, chunk);
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&hash.as_bytes()[..ID_BYTES]);
        ChunkId(id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn text_and_id_are_inverse() {
        let id = IdKey::new(&[3; 32]).id(b"chunk");
        let text = id.to_string();
        assert_eq!(text.len(), 40);
        assert_eq!(text, format!("{id:?}"));
        assert_eq!(text.parse::<ChunkId>().unwrap(), id);
    }

    #[test]
    fn other_texts_are_refused() {
        let text = ChunkId([0xab; 20]).to_string();
        for wrong in [
            "",
            &text[1..],
            &text[2..],
            &format!("{text}00"),
            &text.to_uppercase(),
            &text.replace('b', "g"),
            &text.replace("ab", "é"),
        ] {
            assert_eq!(wrong.parse::<ChunkId>(), Err(ChunkIdError), "{wrong:?}");
        }
    }

    #[test]
    fn ids_depend_on_the_secret_and_the_bytes() {
        let id = IdKey::new(&[0; 32]).id(b"chunk");
        assert_ne!(id, IdKey::new(&[1; 32]).id(b"chunk"));
        assert_ne!(id, IdKey::new(&[0; 32]).id(b"chunks"));
    }

    #[test]
    fn debug_keeps_the_key_to_itself() {
        assert_eq!(format!("{:?}", IdKey::new(&[0; 32])), "IdKey(..)");
    }
}
