//! Looking frames up, beside looking at all of them.
#![allow(clippy::unwrap_used)]

use nightfold_chunker::ChunkId;
use proptest::prelude::*;

use super::{Catalog, CatalogFrame};
use crate::format::{BaseRef, CodecKind};

/// Ids at both ends of a bucket and of all buckets, some of which a base reference cannot tell apart.
fn id() -> impl Strategy<Value = ChunkId> {
    let byte = || prop::sample::select(vec![0u8, 1, 255]);
    (byte(), byte(), byte(), byte()).prop_map(|(first, second, third, last)| {
        let mut id = [0; 20];
        id[..3].copy_from_slice(&[first, second, third]);
        id[19] = last;
        ChunkId(id)
    })
}

fn frames() -> impl Strategy<Value = Vec<CatalogFrame>> {
    let frame = (id(), id(), 0..4u8).prop_map(|(id, base, rank)| CatalogFrame {
        id,
        base: (rank > 0).then(|| BaseRef::from(base)),
        codec: CodecKind::Zstd,
        rank,
        pack: 0,
        ordinal: 0,
        offset: 0,
        sealed_bytes: 1,
        raw_bytes: 1,
        version: 0,
    });
    prop::collection::vec(frame, 0..40)
}

proptest! {
    #[test]
    fn frames_of_a_chunk_are_found_and_no_others(frames in frames(), id in id()) {
        let catalog = Catalog::of(Vec::new(), frames);
        let found: Vec<usize> = catalog.of_chunk(id).collect();
        let all = 0..catalog.frames.len();
        let expected: Vec<usize> = all.filter(|at| catalog.frames[*at].id == id).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn bases_are_all_frames_of_lower_rank_that_the_reference_fits(frames in frames()) {
        let catalog = Catalog::of(Vec::new(), frames);
        for (at, frame) in catalog.frames.iter().enumerate() {
            let found: Vec<usize> = catalog.bases(at).collect();
            let fits = |base: &usize| {
                let base = &catalog.frames[*base];
                frame.base == Some(BaseRef::from(base.id)) && base.rank < frame.rank
            };
            let expected: Vec<usize> = (0..catalog.frames.len()).filter(fits).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn by_rank_goes_through_every_frame_once_and_ranks_do_not_fall(frames in frames()) {
        let catalog = Catalog::of(Vec::new(), frames);
        let order: Vec<usize> = catalog.by_rank().collect();
        prop_assert!(order.is_sorted_by_key(|at| catalog.frames[*at].rank));
        let mut places = order.clone();
        places.sort_unstable();
        prop_assert!(places.into_iter().eq(0..catalog.frames.len()));
    }
}
