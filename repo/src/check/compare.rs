//! Whether the local index agrees with the packs' directories.

use std::collections::{HashMap, HashSet};

use super::CheckReport;
use crate::catalog::{Catalog, CatalogFrame};
use crate::error::{Error, Result};
use crate::format::{Kind, ObjectId};
use crate::index::{FrameRow, Index};
use crate::repository::Repository;

/// Compares, and makes the index anew if it differs: it is derived, so this is no damage to the repository.
pub(super) fn check(repository: &Repository, catalog: &Catalog, report: &mut CheckReport) {
    let compared = repository
        .index_of_now()
        .and_then(|index| difference(repository, &index, catalog));
    let what = match compared {
        Ok(None) => return,
        Ok(Some(what)) => what,
        Err(Error::IndexCorrupt { reason }) => reason,
        Err(other) => {
            let note = format!("the local index was not compared with the packs: {other}");
            report.notes.push(note);
            return;
        }
    };
    let note = match repository.rebuild_index() {
        Ok(made) => format!(
            "the local index did not agree with the packs ({what}): made anew from {} packs",
            made.packs
        ),
        Err(error) => format!(
            "the local index does not agree with the packs ({what}) and could not be made anew: {error}"
        ),
    };
    report.notes.push(note);
}

/// `None`: the index says what the catalog says.
fn difference(repository: &Repository, index: &Index, catalog: &Catalog) -> Result<Option<String>> {
    let places: HashMap<ObjectId, u32> = catalog
        .packs
        .iter()
        .enumerate()
        .map(|(place, pack)| (pack.name.id, place as u32))
        .collect();
    let mut numbers = HashMap::new();
    let mut unknown = Vec::new();
    let known = index.packs()?;
    let newest = known.iter().map(|(number, _)| *number).max().unwrap_or(0);
    let entered: HashSet<i64> = known.iter().map(|(number, _)| *number).collect();
    for (number, pack) in known {
        match places.get(&pack.id) {
            Some(place) => {
                let known = &catalog.packs[*place as usize];
                if (known.bytes, known.epoch, known.stream) != (pack.bytes, pack.epoch, pack.stream)
                {
                    return Ok(Some(format!("it has another idea of {}", known.name)));
                }
                numbers.insert(number, *place);
            }
            None => unknown.push(pack.id),
        }
    }
    if numbers.len() < catalog.packs.len() {
        let missing = catalog.packs.len() - numbers.len();
        return Ok(Some(format!("it lacks {missing} packs")));
    }
    // Packs that a running backup has written since they were listed are no difference.
    let listed = repository.storage().list(Kind::Pack)?;
    if let Some(gone) = unknown
        .iter()
        .find(|id| !listed.iter().any(|listed| listed.id == **id))
    {
        return Ok(Some(format!("it knows a pack {gone} that is not there")));
    }
    // Frames that cannot be found are no use, however right.
    index.verify()?;
    let (mut same, mut other) = (0, 0);
    index.each_frame(|row| {
        if let Some(place) = numbers.get(&row.pack) {
            if agrees(catalog, &row, *place) {
                same += 1;
            } else {
                other += 1;
            }
        } else if row.pack <= newest && !entered.contains(&row.pack) {
            // Not of a pack that another process entered just now: those have higher numbers.
            other += 1;
        }
    })?;
    let sound = (0..catalog.frames.len()).filter(|at| catalog.is_sound(*at));
    let expected = sound.count();
    Ok((other > 0 || same != expected)
        .then(|| format!("{same} of {expected} frames are as they should be, {other} are not")))
}

fn agrees(catalog: &Catalog, row: &FrameRow, pack: u32) -> bool {
    let expected = CatalogFrame {
        id: row.id,
        base: row.base,
        codec: row.codec,
        rank: row.rank,
        pack,
        ordinal: row.ordinal,
        offset: row.offset as u32,
        sealed_bytes: row.sealed_bytes,
        raw_bytes: row.raw_bytes,
        version: row.version,
    };
    catalog
        .of_chunk(row.id)
        .any(|at| catalog.frames[at] == expected && catalog.is_sound(at))
}
