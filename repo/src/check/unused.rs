//! What no snapshot needs: told, since it takes room, but no damage.

use super::CheckReport;
use super::few::{Few, counted};
use super::reader::Reader;

/// `used` marks the frames of chunks that snapshots need; of a snapshot that cannot be read it is not known what
/// it needs.
pub(super) fn note(
    reader: &Reader<'_>,
    mut used: Vec<bool>,
    all_read: bool,
    report: &mut CheckReport,
) {
    spread_to_bases(reader, &mut used);
    note_unsound(reader, &used, report);
    if all_read {
        note_orphans(reader, &used, report);
    }
}

/// A base lives as long as any delta against it (I10): what needed frames rest on is needed too.
fn spread_to_bases(reader: &Reader<'_>, used: &mut [bool]) {
    let catalog = reader.catalog();
    for at in catalog.by_rank().rev() {
        if used[at] {
            catalog.bases(at).for_each(|base| used[base] = true);
        }
    }
}

fn note_orphans(reader: &Reader<'_>, used: &[bool], report: &mut CheckReport) {
    let catalog = reader.catalog();
    let mut pack_used = vec![false; catalog.packs.len()];
    for (frame, used) in catalog.frames.iter().zip(used) {
        pack_used[frame.pack as usize] |= used;
    }
    let (mut packs, mut bytes) = (Few::default(), 0);
    for (pack, _) in catalog
        .packs
        .iter()
        .zip(&pack_used)
        .filter(|(_, used)| !**used)
    {
        packs.add(|| pack.name.to_string());
        bytes += pack.bytes;
    }
    if packs.count() > 0 {
        report.notes.push(format!(
            "{} ({bytes} bytes) that no snapshot uses, left by an interrupted run or written by a running one: {packs}",
            counted(packs.count(), "pack")
        ));
    }
}

/// Deltas whose bases are gone. Where a snapshot needs one and no other copy is there, that is a problem already
/// told of.
fn note_unsound(reader: &Reader<'_>, used: &[bool], report: &mut CheckReport) {
    let catalog = reader.catalog();
    let unsound = |at: &usize| !catalog.is_sound(*at) && !reader.is_damaged(*at);
    let frames: Vec<usize> = (0..catalog.frames.len()).filter(unsound).collect();
    let unused = frames.iter().filter(|at| !used[**at]).count() as u64;
    let covered = frames
        .iter()
        .filter(|at| used[**at] && reader.holds(catalog.frames[**at].id))
        .count() as u64;
    for (count, why) in [
        (unused, "no snapshot needs them"),
        (covered, "other copies of their chunks are intact"),
    ] {
        if count > 0 {
            let deltas = counted(count, "delta");
            let note = format!("{deltas} without a usable base; {why}");
            report.notes.push(note);
        }
    }
}
