//! Made-up database dumps: rows of words and numbers, of which a few change from night to night.

use std::io::Write as _;

use crate::Random;

const WORDS: [&str; 16] = [
    "order", "invoice", "customer", "basket", "parcel", "refund", "coupon", "stock", "night",
    "shelf", "carrier", "address", "payment", "discount", "supplier", "return",
];

/// A table as rows of text.
#[derive(Clone, Debug)]
pub struct Dump {
    rows: Vec<u64>,
    night: u64,
}

impl Dump {
    /// A table of so many rows, some 100 bytes each.
    pub fn new(rows: usize, random: &mut Random) -> Self {
        let rows = (0..rows).map(|_| random.number()).collect();
        Self { rows, night: 1 }
    }

    /// Changes one row in a hundred.
    pub fn pass_day(&mut self, random: &mut Random) {
        self.night += 1;
        for _ in 0..self.rows.len() / 100 {
            let row = random.below(self.rows.len() as u64) as usize;
            self.rows[row] = random.number();
        }
    }

    /// What a dump program would write.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.rows.len() * 110);
        let _ = write!(text, "-- night {}\nCOPY things FROM stdin;\n", self.night);
        for (id, seed) in self.rows.iter().enumerate() {
            let mut random = Random::new(*seed);
            let _ = write!(text, "{id}\t");
            for _ in 0..8 {
                text.extend_from_slice(WORDS[random.below(16) as usize].as_bytes());
                text.push(b' ');
            }
            let (price, note) = (random.below(100_000), random.number());
            let _ = writeln!(text, "\t{price}\t{note:016x}");
        }
        text.extend_from_slice(b"\\.\n");
        text
    }
}
