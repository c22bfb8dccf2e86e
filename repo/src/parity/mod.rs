//! Redundancy of one object, kept beside it: a sidecar from which the object can be restored. Pure, no I/O, no keys.
//!
//! A pack gets Reed–Solomon shards over its sealed bytes; a small object is kept a second time. Nothing in a sidecar
//! is keyed, so that damage can be found and undone without a password. It guards against damage, not against people:
//! what was restored is opened and checked like anything else.
//!
//! | file | duty |
//! |---|---|
//! | `block` | the parameters, which stand in a sidecar three times |
//! | `encode` | sidecars out of objects |
//! | `sidecar` | reading one, finding damage, undoing it |

mod block;
mod encode;
mod sidecar;

pub(crate) use block::object_of;
pub(crate) use encode::{Strength, copy, encode};
pub(crate) use sidecar::{Ends, Sidecar};

use crate::format::{HEADER_BYTES, Kind, ObjectId, ObjectName};

/// What a sidecar is called follows from what its object is called: it is found without an index.
pub(crate) fn sidecar_name(object: ObjectName) -> ObjectName {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"nightfold v1 parity of");
    hasher.update(&[object.kind as u8]);
    hasher.update(&object.id.0);
    ObjectName::new(Kind::Parity, ObjectId(*hasher.finalize().as_bytes()))
}

/// As many bytes of a sidecar, from its start, say what it is of.
pub(crate) const HEAD_BYTES: usize = HEADER_BYTES + block::BLOCK_BYTES;

/// Bytes of a shard's checksum.
const CHECKSUM_BYTES: usize = 8;

/// Tells a damaged shard. Not keyed: anybody may look for damage.
fn checksum(shard: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut short = [0; CHECKSUM_BYTES];
    short.copy_from_slice(&blake3::hash(shard).as_bytes()[..CHECKSUM_BYTES]);
    short
}

#[cfg(test)]
mod tests;
