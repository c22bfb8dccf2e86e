//! The writing side of a restore.

use rayon::prelude::*;

use super::RestoreReport;
use super::batch::Piece;
use crate::error::Failure;
use crate::fs::{FileBeingRestored, Target};
use crate::progress::Progress;

/// A file of which a part is written; the rest is in later batches.
struct Partial {
    file: FileBeingRestored,
    written: u64,
}

/// What became of the file that a piece belongs to.
enum Written {
    Partly(Partial),
    Done {
        bytes: u64,
        warnings: Vec<String>,
    },
    Failed(Failure),
    /// A further piece of a file that failed already.
    Skipped,
}

/// Writes pieces in the order they come.
pub(super) struct FileWriter<'a> {
    target: &'a Target,
    overwrite: bool,
    progress: &'a Progress,
    /// Only the last file of a batch can be incomplete.
    open: Option<Partial>,
    report: RestoreReport,
}

impl<'a> FileWriter<'a> {
    pub(super) fn new(target: &'a Target, overwrite: bool, progress: &'a Progress) -> Self {
        Self {
            target,
            overwrite,
            progress,
            open: None,
            report: RestoreReport::default(),
        }
    }

    /// Writes the pieces of one batch, files side by side.
    pub(super) fn write(&mut self, batch: Vec<Piece>) {
        let mut open = self.open.take();
        let jobs: Vec<_> = batch
            .into_iter()
            .map(|piece| {
                if piece.first {
                    (piece, None)
                } else {
                    (piece, open.take())
                }
            })
            .collect();
        let this = &*self;
        let written: Vec<_> = jobs
            .into_par_iter()
            .with_max_len(1)
            .map(|(piece, open)| this.write_piece(&piece, open))
            .collect();
        for result in written {
            match result {
                Written::Partly(partial) => self.open = Some(partial),
                Written::Done { bytes, warnings } => {
                    self.report.files += 1;
                    self.report.bytes += bytes;
                    self.report.warnings.extend(warnings);
                    self.progress.add_file();
                }
                Written::Failed(failure) => self.report.failures.push(failure),
                Written::Skipped => {}
            }
        }
    }

    fn write_piece(&self, piece: &Piece, open: Option<Partial>) -> Written {
        let plan = &piece.file;
        let failed = |reason: String| Written::Failed(Failure::new(&plan.path, reason));
        let partial = match (open, piece.first) {
            (Some(partial), _) => partial,
            (None, false) => return Written::Skipped,
            (None, true) => match self.target.create_file(&plan.path, plan.size, &plan.holes) {
                Ok(file) => Partial { file, written: 0 },
                Err(error) => return failed(error.to_string()),
            },
        };
        let mut spans = Vec::with_capacity(piece.chunks.len());
        let mut end = partial.written;
        for chunk in &piece.chunks {
            match chunk {
                Ok(bytes) => {
                    spans.push((end, bytes));
                    end += bytes.len() as u64;
                }
                Err(error) => return failed(error.to_string()),
            }
        }
        if end > plan.size || (piece.last && end != plan.size) {
            return failed(format!(
                "its chunks have {end} bytes, the file had {}: the file list is damaged",
                plan.size
            ));
        }
        let wrote = spans.par_iter().try_for_each(|(offset, bytes)| {
            self.progress.add_bytes(bytes.len() as u64);
            partial.file.write_at(*offset, bytes)
        });
        if let Err(error) = wrote {
            return failed(error.to_string());
        }
        if !piece.last {
            return Written::Partly(Partial {
                written: end,
                ..partial
            });
        }
        match partial
            .file
            .finish(&plan.metadata, &plan.xattrs, self.overwrite)
        {
            Ok(warnings) => Written::Done {
                bytes: end,
                warnings,
            },
            Err(error) => failed(error.to_string()),
        }
    }

    pub(super) fn finish(self) -> RestoreReport {
        self.report
    }
}
