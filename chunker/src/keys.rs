//! Key material: what each part of the chunker derives from the secret it is given.

use zeroize::Zeroizing;

/// Random values, one for each value a byte can have, that a gear hash adds up.
pub(crate) type Gear = Zeroizing<[u64; 256]>;

/// An endless stream of key material for one purpose.
///
/// BLAKE3's extendable output under a key that `blake3::derive_key` made from the purpose's
/// context string and the secret, read as little-endian integers.
pub(crate) struct KeyStream(blake3::OutputReader);

impl KeyStream {
    /// `context` names the purpose and its version, and is never reused for another.
    pub(crate) fn new(context: &str, secret: &[u8; 32]) -> Self {
        let key = Zeroizing::new(blake3::derive_key(context, secret));
        Self(blake3::Hasher::new_keyed(&key).finalize_xof())
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        let mut bytes = Zeroizing::new([0; 8]);
        self.0.fill(&mut *bytes);
        u64::from_le_bytes(*bytes)
    }

    pub(crate) fn gear(&mut self) -> Gear {
        let mut gear = Zeroizing::new([0; 256]);
        for value in gear.iter_mut() {
            *value = self.next_u64();
        }
        gear
    }
}
