//! A seeded stream of rows like a dump's, quicker to make than any tool can store it.

use crate::corpus::vocabulary::{FIRST_NAMES, LAST_NAMES, WORDS};
use crate::files::BUFFER_BYTES;
use crate::random::Random;

const ROW_BYTES_MAX: usize = 512;
const PAIRS_OF_WORDS_PER_ROW: usize = 4;
const PHRASE_BYTES_MAX: usize = 32;

/// Every pair of two lists' entries, padded: copies of one fixed length are the quickest.
#[derive(Debug)]
struct Phrases(Vec<([u8; PHRASE_BYTES_MAX], usize)>);

impl Phrases {
    fn new(left: &[&str], right: &[&str]) -> Self {
        let pair = |left: &str, right: &str| {
            let text = format!("{left} {right} ");
            let mut padded = [b' '; PHRASE_BYTES_MAX];
            padded[..text.len()].copy_from_slice(text.as_bytes());
            (padded, text.len())
        };
        Self(
            left.iter()
                .flat_map(|left| right.iter().map(|right| pair(left, right)))
                .collect(),
        )
    }

    /// Appends the pair that 16 random bits stand for.
    fn push(&self, random: u64, to: &mut Vec<u8>) {
        let (padded, length) = &self.0[((random & 0xffff) as usize * self.0.len()) >> 16];
        to.extend_from_slice(padded);
        to.truncate(to.len() - PHRASE_BYTES_MAX + length);
    }
}

/// Rows of id, time, name, amount and a sentence, cut off after a given length.
#[derive(Debug)]
pub struct RowStream {
    random: Random,
    next_id: u64,
    remaining: u64,
    block: Vec<u8>,
    names: Phrases,
    words: Phrases,
}

impl RowStream {
    /// The stream of a seed, `bytes` long.
    pub fn new(seed: u64, bytes: u64) -> Self {
        Self {
            random: Random::new(seed, "stream", 1),
            next_id: 1,
            remaining: bytes,
            block: Vec::with_capacity(BUFFER_BYTES + ROW_BYTES_MAX),
            names: Phrases::new(&FIRST_NAMES, &LAST_NAMES),
            words: Phrases::new(&WORDS, &WORDS),
        }
    }

    /// The next bytes, or nothing at the end.
    pub fn next_block(&mut self) -> Option<&[u8]> {
        if self.remaining == 0 {
            return None;
        }
        self.block.clear();
        while self.block.len() < BUFFER_BYTES {
            self.push_row();
        }
        let length = self.remaining.min(self.block.len() as u64);
        self.block.truncate(length as usize);
        self.remaining -= length;
        Some(&self.block)
    }

    fn push_row(&mut self) {
        let (words, other) = (self.random.next(), self.random.next());
        self.push_number(self.next_id, 1);
        self.block.extend_from_slice(b"\t2026-01-05 ");
        let second = self.next_id / 16 % 86_400;
        for (number, separator) in [
            (second / 3600, b':'),
            (second / 60 % 60, b':'),
            (second % 60, b'\t'),
        ] {
            self.push_number(number, 2);
            self.block.push(separator);
        }
        self.names.push(other, &mut self.block);
        self.push_number(other >> 16 & 0xffff, 1);
        self.block.push(b'\t');
        for pair in 0..PAIRS_OF_WORDS_PER_ROW {
            self.words.push(words >> (16 * pair), &mut self.block);
        }
        self.block.push(b'\n');
        self.next_id += 1;
    }

    /// In decimal, with leading zeros up to `width`. Formatting with `write!` is too slow here.
    fn push_number(&mut self, mut number: u64, width: usize) {
        let mut digits = [b'0'; 20];
        let mut start = digits.len();
        while number > 0 || start > digits.len() - width {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.block.extend_from_slice(&digits[start..]);
    }
}

#[cfg(test)]
mod tests {
    use super::RowStream;

    #[test]
    fn a_stream_repeats_and_has_the_length_asked_for() {
        let collect = |seed| {
            let (mut stream, mut all) = (RowStream::new(seed, 1_000_003), Vec::new());
            while let Some(block) = stream.next_block() {
                all.extend_from_slice(block);
            }
            all
        };
        let first = collect(7);
        assert_eq!(first.len(), 1_000_003);
        assert!(first == collect(7) && first != collect(8));
        assert!(first.starts_with(b"1\t2026-01-05 00:00:00\t"));
    }
}
