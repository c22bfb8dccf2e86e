//! A seeded generator: the same seed gives the same corpus on every machine.

/// `SplitMix64` (Steele, Lea and Flood 2014): tiny, quick, and good enough to draw rows from.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator for one purpose: the parts are mixed, so that tables and nights don't share draws.
    pub fn new(seed: u64, purpose: &str, night: u32) -> Self {
        let mut random = Self(seed ^ (u64::from(night) << 48));
        for byte in purpose.bytes() {
            random.0 = random.next() ^ u64::from(byte);
        }
        random
    }

    /// The next 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// A number from `first` to `last`, both included.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// Any element, all equally often.
    pub fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Any element, the first ones far more often: words and names are not used evenly.
    pub fn pick_common<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        let even = self.below(1 << 20);
        choices[((even * even * choices.len() as u64) >> 40) as usize]
    }

    /// True this many times in a thousand.
    pub fn permille(&mut self, times: u64) -> bool {
        self.below(1000) < times
    }
}
