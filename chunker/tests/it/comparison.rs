//! Our cuts beside those of the `fastcdc` crate.

use fastcdc::v2020::FastCDC;
use nightfold_chunker::{ChunkSizes, Cutter};

/// Rows of which most is padding, so that few windows differ.
fn padded_rows(bytes: usize) -> Vec<u8> {
    let rows = (1_u64..).map(|id| format!("{id}\t{}\t0\t{:84}\n", 1 + id / 100_000, ""));
    let mut data = Vec::with_capacity(bytes + 128);
    for row in rows {
        data.extend(row.into_bytes());
        if data.len() >= bytes {
            break;
        }
    }
    data
}

#[test]
fn padded_rows_are_cut_by_force_less_often_than_by_fastcdc() {
    let sizes = ChunkSizes::default();
    let data = padded_rows(64 << 20);
    let forced_by_fastcdc = FastCDC::new(&data, sizes.min, sizes.avg, sizes.max)
        .filter(|chunk| chunk.length == sizes.max)
        .count();
    let mut start = 0;
    let mut forced = 0;
    for end in Cutter::new(&[1; 32], sizes).cut_all(&data, true) {
        forced += usize::from(end - start == sizes.max);
        start = end;
    }
    assert_eq!(forced, 0, "of {forced_by_fastcdc} by fastcdc");
    assert!(forced_by_fastcdc > 0, "the input is a hard one");
}
