//! Columns of few different texts: each text once, and a number for each row.

/// Distinct texts that are kept, at most; a number has two bytes.
const WORDS_MAX: usize = 4096;
/// Slots of the table: at most half of them are taken.
const SLOTS: usize = 2 * WORDS_MAX;

/// Distinct texts in the order of their first appearance.
#[derive(Default)]
pub(super) struct Words<'a> {
    pub(super) texts: Vec<&'a [u8]>,
    /// Place in `texts` plus one; zero is free.
    slots: Vec<u16>,
}

impl<'a> Words<'a> {
    /// The number of a text; `None` if there are too many.
    #[inline]
    pub(super) fn number(&mut self, text: &'a [u8], most: usize) -> Option<u16> {
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, 0);
        }
        let mut slot = hash(text) % SLOTS;
        loop {
            match self.slots[slot] {
                0 if self.texts.len() >= most.min(WORDS_MAX) => return None,
                0 => {
                    self.texts.push(text);
                    self.slots[slot] = self.texts.len() as u16;
                    return Some(self.texts.len() as u16 - 1);
                }
                taken if self.texts[usize::from(taken) - 1] == text => return Some(taken - 1),
                _ => slot = (slot + 1) % SLOTS,
            }
        }
    }
}

/// Good enough for a table of texts that are compared anyway.
#[inline]
fn hash(text: &[u8]) -> usize {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let length = text.len() as u64;
    // First and last bytes, which overlap in short texts.
    let (first, last) = match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => match (text.first_chunk(), text.last_chunk()) {
            (Some(first), Some(last)) => (
                u64::from(u32::from_le_bytes(*first)),
                u64::from(u32::from_le_bytes(*last)),
            ),
            _ => text.iter().fold((0, 0), |(first, last), byte| {
                (first << 8 | last, u64::from(*byte))
            }),
        },
    };
    let mut mixed = (first ^ length).wrapping_mul(PRIME).rotate_left(29) ^ last;
    if text.len() > 16 {
        mixed = text.as_chunks::<8>().0.iter().fold(mixed, |mixed, word| {
            (mixed.rotate_left(29) ^ u64::from_le_bytes(*word)).wrapping_mul(PRIME)
        });
    }
    (mixed.wrapping_mul(PRIME) >> 40) as usize
}
