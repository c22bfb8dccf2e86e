//! Claims about every on-disk type: it decodes to what was encoded, has one spelling, and no bytes make it panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod entries;
mod integers;
mod objects;
mod packs;
mod snapshots;

use nightfold_chunker::ChunkId;
use proptest::collection::vec;
use proptest::prelude::*;

use super::content::Content;
use crate::limits::{CONTENT_DEPTH_MAX, CONTENT_IDS_MAX, INLINE_BYTES_MAX};

fn chunk_id() -> impl Strategy<Value = ChunkId> {
    any::<[u8; 20]>().prop_map(ChunkId)
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=most)
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        bytes(INLINE_BYTES_MAX).prop_map(Content::Inline),
        (
            any::<u64>(),
            0..=CONTENT_DEPTH_MAX,
            vec(chunk_id(), 0..=CONTENT_IDS_MAX)
        )
            .prop_map(|(size, depth, ids)| Content::Chunks { size, depth, ids }),
    ]
}

/// What damage makes of an encoding: some bytes flipped, some cut off.
fn damaged(encoded: &[u8], flips: &[(usize, u8)], kept: usize) -> Vec<u8> {
    let mut bytes = encoded.to_vec();
    let length = bytes.len().max(1);
    for (at, mask) in flips {
        if let Some(byte) = bytes.get_mut(at % length) {
            *byte ^= mask;
        }
    }
    bytes.truncate(kept % (length + 1));
    bytes
}

fn flips() -> impl Strategy<Value = Vec<(usize, u8)>> {
    vec((any::<usize>(), 1..=u8::MAX), 0..4)
}
