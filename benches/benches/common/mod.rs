//! Data for the benches: rows of a dump, and what a night changes in them.
#![allow(dead_code, reason = "every bench takes what it needs")]

use std::io::Write as _;

/// A chunk of the default average size.
pub const CHUNK_BYTES: usize = 256 << 10;

/// SplitMix64's output function.
pub fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// `bytes` of rows as `pg_dump` writes them. Of each hundred, one was changed in each night up to `night`.
pub fn rows(bytes: usize, night: u64) -> Vec<u8> {
    let words = [
        "open", "paid", "shipped", "returned", "north", "south", "retail", "web", "invoice",
    ];
    let mut out = Vec::with_capacity(bytes + 200);
    let mut row = 0u64;
    while out.len() < bytes {
        // The last night that changed this row.
        let changed = (0..=night)
            .rev()
            .find(|night| mix(row * 1000 + night).is_multiple_of(100));
        let random = mix(row ^ changed.unwrap_or(0) << 40);
        let word = |at: u64| words[(random >> (at * 6)) as usize % words.len()];
        let (cents, day) = (random % 1_000_000, mix(row) % 28 + 1);
        let _ = writeln!(
            out,
            "{row}\t{}\t{}\t{}\t{}.{:02}\t2026-03-{day:02} {:02}:{:02}:07+00\t\\N",
            1_000_000 + mix(row) % 90_000,
            word(1),
            word(2),
            cents / 100,
            cents % 100,
            random >> 20 & 15,
            random >> 30 & 31,
        );
        row += 1;
    }
    out.truncate(bytes);
    out
}

/// `bytes` of records as a database keeps them: binary numbers and texts, without separators.
pub fn pages(bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + 200);
    for (row, text) in rows(bytes, 0).split(|byte| *byte == b'\n').enumerate() {
        out.extend_from_slice(&mix(row as u64).to_le_bytes()[..5]);
        out.extend_from_slice(&(row as u32).to_le_bytes());
        for field in text.split(|byte| *byte == b'\t').skip(1) {
            out.push(field.len() as u8);
            out.extend_from_slice(field);
        }
    }
    out.resize(bytes, 0);
    out
}
