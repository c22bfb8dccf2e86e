//! Sealing the parts of one object under that object's own key.
//!
//! Nonces are counters within an object: the role and the ordinal of the part. Associated data bind
//! format, repository, kind, epoch and object id (through the header), role and ordinal.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroize;

use super::keys::Keys;
use crate::error::{Error, Result};
use crate::format::{Encryption, HEADER_BYTES, Header, ObjectName, SEAL_TAG_BYTES};

/// What a sealed part is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Role {
    /// The only part of an object.
    Body = 0,
    /// A frame of a pack.
    Frame = 1,
    /// A pack's directory.
    Directory = 2,
}

enum Cipher {
    Aes(Box<LessSafeKey>),
    /// `--encryption none`: a keyed hash guards against damage, not against readers.
    Hash([u8; 32]),
}

/// Seals and opens the parts of one object.
pub(crate) struct ObjectSeal {
    cipher: Cipher,
    binding: [u8; 16 + HEADER_BYTES],
}

impl ObjectSeal {
    /// The seal of the object that starts with `header`.
    pub(crate) fn new(
        keys: &Keys,
        repository: &[u8; 16],
        encryption: Encryption,
        header: &Header,
    ) -> Result<Self> {
        let master = keys.epoch(
            header.epoch,
            &ObjectName::new(header.kind, header.id).path(),
        )?;
        let mut key = master.object_key(header.kind as u8, &header.id.0);
        let cipher = match encryption {
            Encryption::None => Cipher::Hash(key),
            Encryption::Aes256Gcm => {
                let unbound = UnboundKey::new(&AES_256_GCM, &key)
                    .map_err(|_| Error::Invalid("object key".to_owned()))?;
                key.zeroize();
                Cipher::Aes(Box::new(LessSafeKey::new(unbound)))
            }
        };
        let mut binding = [0; 16 + HEADER_BYTES];
        binding[..16].copy_from_slice(repository);
        binding[16..].copy_from_slice(&header.encode());
        Ok(Self { cipher, binding })
    }

    /// Encrypts `part` in place and appends the tag.
    pub(crate) fn seal(&self, role: Role, ordinal: u64, part: &mut Vec<u8>) -> Result<()> {
        let (nonce, aad) = self.nonce_and_aad(role, ordinal);
        match &self.cipher {
            Cipher::Aes(key) => key
                .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), part)
                .map_err(|_| Error::Invalid("a part of an object is too long to seal".to_owned())),
            Cipher::Hash(key) => {
                let tag = hash_tag(key, &nonce, &aad, part);
                part.extend_from_slice(&tag);
                Ok(())
            }
        }
    }

    /// Opens a part in place; `None` when bytes, order or place are not those sealed.
    pub(crate) fn open<'a>(
        &self,
        role: Role,
        ordinal: u64,
        part: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let (nonce, aad) = self.nonce_and_aad(role, ordinal);
        match &self.cipher {
            Cipher::Aes(key) => key
                .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), part)
                .ok()
                .map(|plain| &*plain),
            Cipher::Hash(key) => {
                let (plain, tag) = part.split_last_chunk::<SEAL_TAG_BYTES>()?;
                (hash_tag(key, &nonce, &aad, plain) == *tag).then_some(plain)
            }
        }
    }

    fn nonce_and_aad(&self, role: Role, ordinal: u64) -> ([u8; 12], [u8; 16 + HEADER_BYTES + 9]) {
        let mut nonce = [0; 12];
        nonce[0] = role as u8;
        nonce[4..].copy_from_slice(&ordinal.to_le_bytes());
        let mut aad = [0; 16 + HEADER_BYTES + 9];
        aad[..16 + HEADER_BYTES].copy_from_slice(&self.binding);
        aad[16 + HEADER_BYTES] = role as u8;
        aad[16 + HEADER_BYTES + 1..].copy_from_slice(&ordinal.to_le_bytes());
        (nonce, aad)
    }
}

fn hash_tag(key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], plain: &[u8]) -> [u8; SEAL_TAG_BYTES] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(nonce).update(aad).update(plain);
    let mut tag = [0; SEAL_TAG_BYTES];
    tag.copy_from_slice(&hasher.finalize().as_bytes()[..SEAL_TAG_BYTES]);
    tag
}

/// The keys at work: seals and opens objects of one repository.
pub(crate) struct Vault {
    pub(crate) keys: Keys,
    pub(crate) repository: [u8; 16],
    pub(crate) encryption: Encryption,
}

impl Vault {
    /// A header for a new object, under the newest key.
    pub(crate) fn new_header(&self, name: ObjectName) -> Result<Header> {
        Ok(Header::new(name, self.keys.current()?.0))
    }

    /// The seal of the object that starts with `header`.
    pub(crate) fn seal_of(&self, header: &Header) -> Result<ObjectSeal> {
        ObjectSeal::new(&self.keys, &self.repository, self.encryption, header)
    }

    /// A whole object with one sealed part.
    pub(crate) fn seal_object(&self, name: ObjectName, mut body: Vec<u8>) -> Result<Vec<u8>> {
        let header = self.new_header(name)?;
        self.seal_of(&header)?.seal(Role::Body, 0, &mut body)?;
        let mut out = header.encode().to_vec();
        out.extend_from_slice(&body);
        Ok(out)
    }

    /// The part of such an object.
    pub(crate) fn open_object(&self, name: ObjectName, bytes: &mut [u8]) -> Result<Vec<u8>> {
        let header = Header::decode(name, bytes)?;
        let opened = self
            .seal_of(&header)?
            .open(Role::Body, 0, &mut bytes[HEADER_BYTES..])
            .map(<[u8]>::to_vec);
        opened.ok_or_else(|| {
            Error::corrupt(
                name,
                "its seal does not fit: bytes after its header were changed or cut off",
            )
        })
    }
}
