//! By which features which frames are found, and which of them are kept.

use std::collections::HashMap;

use nightfold_chunker::{ChunkId, Sketch};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::lookup::{frame_at, usable};

/// Frames kept for one feature: a thousand alike nights cost no more than ten.
const KEPT_MAX: usize = 8;
/// Of these, deltas: the versions of one lineage must not push the whole frames of others out.
const DELTAS_KEPT_MAX: usize = 4;
/// Candidates of a sketch that are looked up: the likeliest.
const CANDIDATES_MAX: usize = 3;
/// A frame in a feature's list: its number and, in the lowest bit, whether it is whole. Little endian.
const ENTRY_BYTES: usize = 5;

/// A frame to be found by a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FeatureEntry {
    pub(super) feature: i64,
    pub(super) number: i64,
    pub(super) whole: bool,
}

impl FeatureEntry {
    fn encode(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let entry = self.number << 1 | i64::from(self.whole);
        bytes.copy_from_slice(&entry.to_le_bytes()[..ENTRY_BYTES]);
        bytes
    }
}

/// The keys under which a sketch is found: position and value of each of its numbers.
pub(super) fn features(sketch: &Sketch) -> [i64; 6] {
    let mut position = 0;
    sketch.0.map(|value| {
        position += 1;
        (position << 32) | i64::from(value)
    })
}

/// Enters frames under their features; `entries` are sorted, and newer than all that are there.
pub(super) fn insert(connection: &Connection, entries: &[FeatureEntry]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO sketches VALUES (?1, ?2)")?;
    let mut read = connection.prepare_cached("SELECT frames FROM sketches WHERE feature = ?1")?;
    let mut update =
        connection.prepare_cached("UPDATE sketches SET frames = ?2 WHERE feature = ?1")?;
    for group in entries.chunk_by(|a, b| a.feature == b.feature) {
        let feature = group[0].feature;
        let added: Vec<u8> = group.iter().flat_map(|entry| entry.encode()).collect();
        // Most features are new.
        if insert.execute(params![feature, kept(&added)])? == 0 {
            let mut list: Vec<u8> = read.query_row([feature], |row| row.get(0))?;
            list.extend_from_slice(&added);
            update.execute(params![feature, kept(&list)])?;
        }
    }
    Ok(())
}

/// The newest deltas, and the newest whole frames in what room is left, in their order. Bytes that are no entry
/// are dropped.
fn kept(list: &[u8]) -> Vec<u8> {
    let entries = || list.chunks_exact(ENTRY_BYTES).rev();
    let is_whole = |entry: &&[u8]| entry[0] & 1 == 1;
    let deltas = entries().filter(|entry| !is_whole(entry)).count();
    let mut deltas_left = deltas.min(DELTAS_KEPT_MAX);
    let mut whole_left = KEPT_MAX - deltas_left;
    let mut newest: Vec<&[u8]> = entries()
        .filter(|entry| {
            let left = if is_whole(entry) {
                &mut whole_left
            } else {
                &mut deltas_left
            };
            let keep = *left > 0;
            *left = left.saturating_sub(1);
            keep
        })
        .collect();
    newest.reverse();
    newest.concat()
}

/// Chunks that share features with the sketch: most first, the most recent on a tie.
pub(super) fn similar(
    connection: &Connection,
    sketch: &Sketch,
) -> rusqlite::Result<Vec<(ChunkId, u32)>> {
    let mut matches: HashMap<i64, u32> = HashMap::new();
    let mut read = connection.prepare_cached("SELECT frames FROM sketches WHERE feature = ?1")?;
    for feature in features(sketch) {
        let list: Option<Vec<u8>> = read.query_row([feature], |row| row.get(0)).optional()?;
        for entry in list.unwrap_or_default().chunks_exact(ENTRY_BYTES) {
            let mut number = [0; 8];
            number[..ENTRY_BYTES].copy_from_slice(entry);
            *matches.entry(i64::from_le_bytes(number) >> 1).or_default() += 1;
        }
    }
    let mut likeliest: Vec<_> = matches.into_iter().collect();
    likeliest.sort_unstable_by_key(|(number, matches)| std::cmp::Reverse((*matches, *number)));
    let mut found: Vec<(ChunkId, u32)> = Vec::new();
    for (number, matches) in likeliest {
        if found.len() == CANDIDATES_MAX {
            break;
        }
        // A frame of a pack that went may still be listed.
        let Some(frame) = frame_at(connection, number)?.and_then(usable) else {
            continue;
        };
        if found.iter().all(|(id, _)| *id != frame.id) {
            found.push((frame.id, matches));
        }
    }
    Ok(found)
}
