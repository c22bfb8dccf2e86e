//! The reading side of a restore: chunks of many files, fetched and decoded together.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use nightfold_chunker::ChunkId;
use nightfold_repo::format::{Content, Metadata};
use nightfold_repo::{Error as RepositoryError, Repository};

use crate::error::{Error, Result};
use crate::fs::Xattrs;

/// Bytes of chunks in one batch.
const BATCH_BYTES: u64 = 8 << 20;
/// Files that begin in one batch.
const BATCH_FILES: usize = 512;

/// A regular file to be restored.
pub(super) struct FilePlan {
    pub(super) path: Vec<u8>,
    pub(super) metadata: Metadata,
    pub(super) xattrs: Xattrs,
    pub(super) holes: Vec<(u64, u64)>,
    pub(super) size: u64,
}

/// A run of chunks of one file.
pub(super) struct Piece {
    pub(super) file: Arc<FilePlan>,
    pub(super) first: bool,
    pub(super) last: bool,
    pub(super) chunks: Vec<std::result::Result<Vec<u8>, RepositoryError>>,
}

struct PlannedPiece {
    file: Arc<FilePlan>,
    first: bool,
    last: bool,
    /// Bytes that need no chunk.
    inline: Option<Vec<u8>>,
    ids: Vec<ChunkId>,
}

/// Gathers chunks of files and sends them decoded.
pub(super) struct Reader<'a> {
    repository: &'a Repository,
    sender: SyncSender<Vec<Piece>>,
    planned: Vec<PlannedPiece>,
    planned_bytes: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(repository: &'a Repository, sender: SyncSender<Vec<Piece>>) -> Self {
        Self {
            repository,
            sender,
            planned: Vec::new(),
            planned_bytes: 0,
        }
    }

    /// Plans a file; sends what has come together.
    pub(super) fn file(
        &mut self,
        path: Vec<u8>,
        metadata: Metadata,
        xattrs: Xattrs,
        holes: Vec<(u64, u64)>,
        content: &Content,
    ) -> Result<()> {
        let file = Arc::new(FilePlan {
            path,
            metadata,
            xattrs,
            holes,
            size: content.size(),
        });
        let ids = match content {
            Content::Inline(bytes) => {
                self.plan(
                    PlannedPiece {
                        file,
                        first: true,
                        last: true,
                        inline: Some(bytes.clone()),
                        ids: Vec::new(),
                    },
                    0,
                )?;
                return Ok(());
            }
            Content::Chunks { .. } => match self.repository.content_ids(content) {
                Ok(ids) => ids,
                // The recipe is lost: the file fails, the rest goes on.
                Err(
                    error @ (RepositoryError::ChunkLost { .. } | RepositoryError::Corrupt { .. }),
                ) => {
                    return self.send(vec![Piece {
                        file,
                        first: true,
                        last: true,
                        chunks: vec![Err(error)],
                    }]);
                }
                Err(other) => return Err(other.into()),
            },
        };
        let average = content
            .size()
            .checked_div(ids.len() as u64)
            .unwrap_or(0)
            .max(1);
        let at_once = usize::try_from(BATCH_BYTES / average).unwrap_or(1).max(1);
        let mut rest = &ids[..];
        let mut first = true;
        while !rest.is_empty() || first {
            let room = usize::try_from(BATCH_BYTES.saturating_sub(self.planned_bytes) / average)
                .unwrap_or(1);
            let (now, later) = rest.split_at(rest.len().min(room.clamp(1, at_once)));
            rest = later;
            let piece = PlannedPiece {
                file: Arc::clone(&file),
                first,
                last: rest.is_empty(),
                inline: None,
                ids: now.to_vec(),
            };
            self.plan(piece, average * now.len() as u64)?;
            first = false;
            // A batch holds at most one piece of a file: the writer handles its pieces side by side.
            if !rest.is_empty() && !self.planned.is_empty() {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn plan(&mut self, piece: PlannedPiece, bytes: u64) -> Result<()> {
        self.planned.push(piece);
        self.planned_bytes += bytes;
        if self.planned_bytes >= BATCH_BYTES || self.planned.len() >= BATCH_FILES {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.planned_bytes = 0;
        let planned = std::mem::take(&mut self.planned);
        let ids: Vec<_> = planned
            .iter()
            .flat_map(|piece| piece.ids.iter().copied())
            .collect();
        let mut chunks = self.repository.read_each_chunk(&ids)?.into_iter();
        let pieces = planned.into_iter().map(|piece| {
            let count = piece.ids.len();
            let chunks = piece
                .inline
                .map(Ok)
                .into_iter()
                .chain(chunks.by_ref().take(count))
                .collect();
            Piece {
                file: piece.file,
                first: piece.first,
                last: piece.last,
                chunks,
            }
        });
        let pieces = pieces.collect();
        self.send(pieces)
    }

    fn send(&self, pieces: Vec<Piece>) -> Result<()> {
        // The receiver outlives this thread unless the process is ending.
        self.sender.send(pieces).map_err(|_| Error::Interrupted)
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.flush()
    }
}
