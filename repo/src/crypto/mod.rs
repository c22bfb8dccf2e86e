//! Keys and seals: what turns plaintext into objects that storage may see.

mod kdf;
mod keys;
mod seal;

pub use kdf::KdfCost;
pub(crate) use kdf::{open_slot, wrap_keys};
pub(crate) use keys::{Keys, random};
pub(crate) use seal::{ObjectSeal, Role, Vault};

#[cfg(test)]
mod tests;
