//! Inputs that are the same on every machine and in every release.

use nightfold_chunker::{ChunkSizes, Cutter};
use proptest::prelude::*;

/// `SplitMix64`.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// Rows of a table as a dump spells them, 100 to 200 bytes each.
pub fn rows(random: &mut Random, bytes: usize) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    let mut total = 0;
    let mut id = random.below(1 << 30);
    while total < bytes {
        id += 1 + random.below(3);
        let row = row(random, id);
        total += row.len();
        rows.push(row);
    }
    rows
}

/// One row: a number, a few values from short lists, and free text.
pub fn row(random: &mut Random, id: u64) -> Vec<u8> {
    const STATES: [&str; 4] = ["open", "paid", "shipped", "returned"];
    let state = STATES[random.below(4) as usize];
    let day = 1 + random.below(28);
    let amount = random.below(1_000_000);
    let mut row = format!("{id}\t{state}\t2026-11-{day:02}\t{amount}\tEUR\t");
    for _ in 0..5 + random.below(6) {
        for _ in 0..4 + random.below(12) {
            row.push(char::from(b'a' + random.below(26) as u8));
        }
        row.push(' ');
    }
    row.push_str("\t\\N\n");
    row.into_bytes()
}

pub const SMALL: ChunkSizes = ChunkSizes {
    min: 64,
    avg: 256,
    max: 1024,
};

/// Chunks of which most are long enough to have a sketch.
pub const LARGER: ChunkSizes = ChunkSizes {
    min: 3000,
    avg: 4096,
    max: 16_384,
};

pub fn cutter(sizes: ChunkSizes) -> Cutter {
    Cutter::new(&[1; 32], sizes)
}

/// Small chunks, so that little data has many.
pub fn small_cutter(secret: u8) -> Cutter {
    Cutter::new(&[secret; 32], SMALL)
}

/// Data of every sort: random, text of few letters, constant, periodic, and mixtures.
pub fn any_data(bytes_max: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = (any::<u64>(), 0..bytes_max / 4, 0..5_u8, 1..3000_usize).prop_map(
        |(seed, count, kind, period)| {
            let mut random = Random(seed);
            match kind {
                0 => random.bytes(count),
                1 => (0..count).map(|_| b'a' + random.below(2) as u8).collect(),
                2 => vec![seed as u8; count],
                3 => {
                    let pattern = random.bytes(period);
                    pattern.into_iter().cycle().take(count).collect()
                }
                _ => rows(&mut random, count).concat(),
            }
        },
    );
    prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 0..200),
        8 => proptest::collection::vec(piece, 0..=4).prop_map(|pieces| pieces.concat()),
    ]
}
