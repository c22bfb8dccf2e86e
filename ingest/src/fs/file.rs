//! A regular file on its way back.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::sync::Arc;

use nightfold_repo::format::Metadata;

use super::restore::temporary_name;
use super::unix::Folder;
use super::{metadata, unix};

/// Zeros are looked for in pieces of this many bytes: one pass each, which the compiler vectorizes.
const ZERO_PIECE_BYTES: usize = 4096;

/// A regular file that is being written under a temporary name in its folder and takes its place
/// when finished. Dropped unfinished, it vanishes.
pub struct FileBeingRestored {
    folder: Arc<Folder>,
    temporary: OsString,
    name: OsString,
    file: File,
    size: u64,
    /// (start, end), ascending, apart, within the size.
    holes: Vec<(u64, u64)>,
    placed: bool,
}

impl FileBeingRestored {
    pub(super) fn create(
        folder: Arc<Folder>,
        name: OsString,
        size: u64,
        holes: &[(u64, u64)],
    ) -> io::Result<Self> {
        let temporary = temporary_name();
        let file = folder.make_file(&temporary)?;
        let restored = Self {
            folder,
            temporary,
            name,
            file,
            size,
            holes: tidy(holes, size),
            placed: false,
        };
        // The file is one hole to begin with; what is not written stays one.
        restored.file.set_len(size)?;
        Ok(restored)
    }

    /// Writes bytes at an offset, from any thread. What falls into a hole is skipped where it is
    /// zeros, and only there: a list of holes is a hint, which may be wrong.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset
            .checked_add(bytes.len() as u64)
            .filter(|end| *end <= self.size)
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "content goes beyond the size of the file",
                )
            })?;
        let slice = |from: u64, to: u64| &bytes[(from - offset) as usize..(to - offset) as usize];
        let mut at = offset;
        let first = self.holes.partition_point(|(_, hole_end)| *hole_end <= at);
        for (hole_start, hole_end) in &self.holes[first..] {
            if *hole_start >= end {
                break;
            }
            let (from, to) = (at.max(*hole_start), end.min(*hole_end));
            if is_zeros(slice(from, to)) {
                unix::write_all_at(&self.file, slice(at, from), at)?;
                at = to;
            }
        }
        unix::write_all_at(&self.file, slice(at, end), at)
    }

    /// Sets metadata and puts the file in its place, all at once. With `overwrite` it replaces
    /// what stands there unless that is a directory; without, that is an error (already exists)
    /// and nothing changes. Returns what could not be set as sentences.
    pub fn finish(
        mut self,
        metadata: &Metadata,
        xattrs: &[(Vec<u8>, Vec<u8>)],
        overwrite: bool,
    ) -> io::Result<Vec<String>> {
        let warnings = metadata::apply(&self.file, metadata, xattrs)?;
        self.folder.rename(&self.temporary, &self.name, overwrite)?;
        self.placed = true;
        Ok(warnings)
    }
}

impl Drop for FileBeingRestored {
    fn drop(&mut self) {
        if !self.placed {
            // Best effort: nobody is left to tell.
            let _ = self.folder.remove(&self.temporary);
        }
    }
}

/// Holes come from a snapshot, which may be hostile: any list will do.
pub(super) fn tidy(holes: &[(u64, u64)], size: u64) -> Vec<(u64, u64)> {
    let mut spans: Vec<(u64, u64)> = holes
        .iter()
        .map(|(offset, length)| (*offset, offset.saturating_add(*length).min(size)))
        .filter(|(start, end)| start < end)
        .collect();
    spans.sort_unstable();
    spans.dedup_by(|next, kept| {
        let touches = next.0 <= kept.1;
        if touches {
            kept.1 = kept.1.max(next.1);
        }
        touches
    });
    spans
}

fn is_zeros(bytes: &[u8]) -> bool {
    bytes
        .chunks(ZERO_PIECE_BYTES)
        .all(|piece| piece.iter().fold(0, |seen, byte| seen | byte) == 0)
}
