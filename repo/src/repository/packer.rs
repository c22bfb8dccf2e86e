//! Sealing frames into packs and publishing them, in order, on a thread of their own.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::Repository;
use super::unpublished::Unpublished;
use super::write::{Batch, RunTotals};
use crate::error::{Error, Result};
use crate::format::StreamKind;
use crate::index::IndexedPack;
use crate::pack::{FinishedPack, NewFrame, PackBuilder};

/// Batches that may wait for the packer.
const BATCHES_WAITING_MAX: usize = 2;

/// The sending end: what is sent is packed in the order it was sent.
pub(super) struct Packer {
    sender: Option<SyncSender<Batch>>,
    thread: Option<JoinHandle<Result<()>>>,
}

struct Worker {
    repository: Arc<Repository>,
    unpublished: Arc<Mutex<Unpublished>>,
    totals: Arc<RunTotals>,
    dry_run: bool,
    packs: [Option<PackBuilder>; 2],
    spare: Vec<u8>,
}

impl Packer {
    pub(super) fn start(
        repository: Arc<Repository>,
        unpublished: Arc<Mutex<Unpublished>>,
        totals: Arc<RunTotals>,
        dry_run: bool,
    ) -> Result<Self> {
        let (sender, receiver) = sync_channel(BATCHES_WAITING_MAX);
        let mut worker = Worker {
            repository,
            unpublished,
            totals,
            dry_run,
            packs: [None, None],
            spare: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("packer".to_owned())
            .spawn(move || worker.run(&receiver))
            .map_err(|error| Error::io("start", "the packer thread", error))?;
        Ok(Self {
            sender: Some(sender),
            thread: Some(thread),
        })
    }

    pub(super) fn send(&self, batch: Batch) -> Result<()> {
        let sent = self
            .sender
            .as_ref()
            .is_some_and(|sender| sender.send(batch).is_ok());
        // The worker ends early only with an error, which `finish` returns.
        if sent {
            Ok(())
        } else {
            Err(Error::Interrupted)
        }
    }

    /// Waits until everything sent is durable.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.sender = None;
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Worker {
    fn run(&mut self, batches: &Receiver<Batch>) -> Result<()> {
        for batch in batches {
            for frame in &batch.frames {
                self.push(batch.stream, frame)?;
            }
        }
        for slot in 0..self.packs.len() {
            self.publish(slot)?;
        }
        Ok(())
    }

    fn push(&mut self, stream: StreamKind, frame: &NewFrame) -> Result<()> {
        let slot = stream as usize;
        let pack = match &mut self.packs[slot] {
            Some(pack) => pack,
            empty => {
                let buffer = std::mem::take(&mut self.spare);
                empty.insert(PackBuilder::new(self.repository.vault(), stream, buffer)?)
            }
        };
        pack.push(frame)?;
        if pack.len() >= self.repository.config().pack_bytes {
            self.publish(slot)?;
        }
        Ok(())
    }

    /// Storage first, then the index, then the run's own memory: at every moment a chunk is found in one of them.
    fn publish(&mut self, slot: usize) -> Result<()> {
        let Some(pack) = self.packs[slot].take() else {
            return Ok(());
        };
        let FinishedPack {
            name,
            epoch,
            bytes,
            directory,
        } = pack.finish(self.repository.vault())?;
        self.totals
            .stored_bytes
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if !self.dry_run {
            self.repository.storage().put(name, &bytes)?;
            let indexed = IndexedPack {
                id: name.id,
                epoch,
                stream: directory.stream,
                bytes: bytes.len() as u64,
            };
            let ids: Vec<_> = directory.entries.iter().map(|entry| entry.id).collect();
            let packs = [(indexed, directory)];
            self.repository
                .with_index(|index| index.insert_sound(&packs))?;
            let mut unpublished = self
                .unpublished
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            unpublished.published(ids.into_iter());
        }
        self.spare = bytes;
        Ok(())
    }
}
