//! Claims about what a run may build on before it is published.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use nightfold_chunker::{ChunkId, Sketch};

use super::{Ancestor, KEPT_BYTES_MAX, KEPT_CHUNK_BYTES_MAX, Unpublished};
use crate::format::{BaseRef, StreamKind};

fn id(number: u8) -> ChunkId {
    ChunkId([number; 20])
}

fn ancestor(number: u8) -> Ancestor {
    Ancestor {
        id: id(number),
        version: 0,
        rank: 0,
        base: None,
    }
}

/// A run that has met and encoded chunks 1 and 2 of the data stream, in this order.
fn run() -> (Unpublished, [u64; 2]) {
    let mut run = Unpublished::default();
    let sequences = [1, 2].map(|number| run.enter(id(number), StreamKind::Data));
    for number in [1, 2] {
        let sketch = Sketch([number.into(), 7, 7, 7, 7, 7]);
        run.encoded(ancestor(number), &[number; 100], Some(sketch));
    }
    (run, sequences)
}

#[test]
fn only_what_lies_before_a_frame_in_its_stream_is_a_base() {
    let (run, [first, second]) = run();
    let is_base = |number, stream, sequence| run.base(id(number), stream, sequence).is_some();
    assert!(is_base(1, StreamKind::Data, second));
    assert!(!is_base(2, StreamKind::Data, first));
    assert!(!is_base(1, StreamKind::Data, first), "itself");
    // The packs of another stream may be published later.
    assert!(!is_base(1, StreamKind::Meta, second + 1));
    assert!(!is_base(9, StreamKind::Data, second));
    let named =
        |number, sequence| run.ancestor(BaseRef::from(id(number)), StreamKind::Data, sequence);
    assert_eq!(named(1, second), Some(ancestor(1)));
    assert_eq!(named(2, first), None);
}

#[test]
fn a_chunk_is_met_once_and_no_base_before_it_is_encoded() {
    let mut run = Unpublished::default();
    assert!(!run.contains(id(1)));
    let first = run.enter(id(1), StreamKind::Data);
    let second = run.enter(id(2), StreamKind::Data);
    assert!(run.contains(id(1)));
    assert!(first < second);
    assert!(run.base(id(1), StreamKind::Data, second).is_none());
}

#[test]
fn published_chunks_are_left_to_the_index() {
    let (mut run, [_, second]) = run();
    run.published([id(1)].into_iter());
    assert!(!run.contains(id(1)) && run.contains(id(2)));
    assert!(run.base(id(1), StreamKind::Data, second).is_none());
    let base = BaseRef::from(id(1));
    assert_eq!(run.ancestor(base, StreamKind::Data, second), None);
}

#[test]
fn the_chunk_that_shares_most_features_is_found() {
    let (run, _) = run();
    // Both share five places, in which the later one stands; the first place tells them apart.
    let similar = run.similar(&Sketch([2, 7, 7, 7, 7, 7]));
    assert_eq!(similar, Some((id(2), 6)));
    assert_eq!(run.similar(&Sketch([1, 0, 0, 0, 0, 0])), Some((id(1), 1)));
    assert_eq!(run.similar(&Sketch([0; 6])), None);
}

#[test]
fn what_is_kept_for_deltas_is_bounded() {
    let mut run = Unpublished::default();
    let last = u64::MAX;
    let large = ChunkId([255; 20]);
    run.enter(large, StreamKind::Data);
    let of_large = Ancestor {
        id: large,
        ..ancestor(1)
    };
    run.encoded(of_large, &vec![0; KEPT_CHUNK_BYTES_MAX + 1], None);
    assert!(run.base(large, StreamKind::Data, last).is_none());
    assert!(run.contains(large));
    let count = (KEPT_BYTES_MAX / KEPT_CHUNK_BYTES_MAX) as u8;
    for number in 0..=count {
        run.enter(id(number), StreamKind::Data);
        run.encoded(ancestor(number), &vec![number; KEPT_CHUNK_BYTES_MAX], None);
    }
    // The oldest gave way; it is still known to the run.
    assert!(run.base(id(0), StreamKind::Data, last).is_none());
    assert!(run.contains(id(0)));
    assert!(run.base(id(1), StreamKind::Data, last).is_some());
    assert!(run.kept_bytes <= KEPT_BYTES_MAX);
}

#[test]
fn a_divided_chunk_is_met_and_names_what_is_stored_in_the_end() {
    let mut run = Unpublished::default();
    let data = StreamKind::Data;
    let sequence = run.enter(id(1), data);
    run.enter(id(3), data);
    assert!(run.enter_piece(id(2), data, sequence));
    assert!(!run.enter_piece(id(3), data, sequence), "met before");
    run.divided(id(1), vec![id(2), id(3)]);
    assert!(run.contains(id(1)));
    assert_eq!(run.names(id(1)), [id(2), id(3)]);
    // The second piece, met as a chunk by itself, turns out to be two.
    assert!(run.enter_piece(id(4), data, sequence + 1));
    assert!(run.enter_piece(id(5), data, sequence + 1));
    run.divided(id(3), vec![id(4), id(5)]);
    assert_eq!(run.names(id(1)), [id(2), id(4), id(5)]);
    // Also when its pieces are published and forgotten.
    run.published([2, 4, 5].map(id).into_iter());
    assert!(run.contains(id(1)) && !run.contains(id(2)));
    assert_eq!(run.names(id(1)), [id(2), id(4), id(5)]);
}

#[test]
fn a_piece_is_a_base_for_what_lies_behind_its_chunk() {
    let mut run = Unpublished::default();
    let data = StreamKind::Data;
    let [first, second] = [1, 2].map(|number| run.enter(id(number), data));
    assert!(run.enter_piece(id(9), data, first));
    run.encoded(ancestor(9), &[9; 100], None);
    assert!(run.base(id(9), data, second).is_some());
    assert!(
        run.base(id(9), data, first).is_none(),
        "frames of one chunk"
    );
}
