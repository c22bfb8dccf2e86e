//! Words for the demo's rows, the same in every run.

/// SplitMix64 (Steele, Lea and Flood, 2014): good enough for made-up orders.
pub struct Random(u64);

impl Random {
    /// The same seed gives the same shop.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`, evenly enough.
    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % u64::from(bound)) as u32
    }
}

const WORDS: [&str; 64] = [
    "amber", "anchor", "apple", "autumn", "basket", "beacon", "birch", "blanket", "bottle",
    "breeze", "bridge", "butter", "candle", "canvas", "carpet", "cedar", "cellar", "cherry",
    "clover", "copper", "cotton", "cradle", "dinner", "ember", "fabric", "feather", "fiddle",
    "flannel", "garden", "ginger", "hammer", "harbor", "hazel", "honey", "ivory", "jacket",
    "kettle", "ladder", "lantern", "leather", "linen", "maple", "marble", "meadow", "mirror",
    "needle", "oak", "orchard", "paper", "pepper", "pillow", "quilt", "ribbon", "saddle", "satin",
    "silver", "spruce", "teapot", "timber", "velvet", "walnut", "willow", "window", "woolen",
];

fn word(random: &mut Random) -> &'static str {
    WORDS[random.below(WORDS.len() as u32) as usize]
}

/// This many words.
pub fn sentence(random: &mut Random, words: u32) -> String {
    let words: Vec<_> = (0..words).map(|_| word(random)).collect();
    words.join(" ")
}

/// This many words and a number that tells things apart.
pub fn title(random: &mut Random, words: u32) -> String {
    format!("{} {}", sentence(random, words), random.below(10_000))
}

/// An address.
pub fn street(random: &mut Random) -> String {
    format!("{} {} street", random.below(300) + 1, word(random))
}
