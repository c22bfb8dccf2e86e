//! Sealing frames into packs and publishing them, in order: one thread fills packs, another makes them durable, so
//! that no core waits for the disk.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::Repository;
use super::stage::Stage;
use super::unpublished::Unpublished;
use super::write::{Batch, RunTotals};
use crate::error::Result;
use crate::format::StreamKind;
use crate::pack::{FinishedPack, NewFrame, PackBuilder};

/// Batches that may wait for the packer.
const BATCHES_WAITING_MAX: usize = 2;
/// Packs that may wait for the disk, beside the one that is being written. With this few, and those that are being
/// filled, memory is bounded.
const PACKS_WAITING_MAX: usize = 1;

/// The thread that fills packs. What is sent is packed in the order it was sent.
pub(super) type Packer = Stage<Batch>;

/// Starts both threads.
pub(super) fn start(
    repository: Arc<Repository>,
    unpublished: Arc<Mutex<Unpublished>>,
    totals: Arc<RunTotals>,
    dry_run: bool,
) -> Result<Packer> {
    let (used, spare) = channel();
    let publisher = Publisher {
        repository: Arc::clone(&repository),
        unpublished,
        totals,
        dry_run,
        used,
    };
    let publisher = Stage::start("publisher", PACKS_WAITING_MAX, move |packs| {
        packs
            .into_iter()
            .try_for_each(|pack| publisher.publish(pack))
    })?;
    let worker = Worker {
        repository,
        publisher,
        packs: [None, None, None],
        spare,
    };
    Stage::start("packer", BATCHES_WAITING_MAX, |batches| {
        worker.run(&batches)
    })
}

/// Packs that are filled at the same time.
const SLOTS: usize = 3;

/// The pack that a frame goes to. Whole frames of files have one of their own: they are needed as bases for as long as
/// anything rests on them, the deltas of the same night no longer than their night. Together, prune would have to copy
/// the ones to be rid of the others.
fn slot(stream: StreamKind, frame: &NewFrame) -> usize {
    match (stream, frame.base) {
        (StreamKind::Data, None) => 0,
        (StreamKind::Data, Some(_)) => 1,
        (StreamKind::Meta, _) => 2,
    }
}

struct Worker {
    repository: Arc<Repository>,
    publisher: Stage<FinishedPack>,
    packs: [Option<PackBuilder>; SLOTS],
    /// Buffers of packs that were published.
    spare: Receiver<Vec<u8>>,
}

impl Worker {
    fn run(mut self, batches: &Receiver<Batch>) -> Result<()> {
        let packed = self.pack(batches);
        // If the publisher has failed, that is what is wrong.
        self.publisher.finish().and(packed)
    }

    fn pack(&mut self, batches: &Receiver<Batch>) -> Result<()> {
        for batch in batches {
            for frame in &batch.frames {
                self.push(batch.stream, frame)?;
            }
        }
        (0..SLOTS).try_for_each(|slot| self.close(slot))
    }

    fn push(&mut self, stream: StreamKind, frame: &NewFrame) -> Result<()> {
        let slot = slot(stream, frame);
        let pack = match &mut self.packs[slot] {
            Some(pack) => pack,
            empty => {
                let buffer = self.spare.try_recv().unwrap_or_default();
                empty.insert(PackBuilder::new(self.repository.vault(), stream, buffer)?)
            }
        };
        pack.push(frame)?;
        if pack.len() >= self.repository.config().pack_bytes {
            // A delta may rest on a whole frame of this run, which then is there before it.
            let first = if slot == 1 { 0 } else { slot };
            (first..=slot).try_for_each(|slot| self.close(slot))?;
        }
        Ok(())
    }

    fn close(&mut self, slot: usize) -> Result<()> {
        match self.packs[slot].take() {
            Some(pack) => self.publisher.send(pack.finish(self.repository.vault())?),
            None => Ok(()),
        }
    }
}

struct Publisher {
    repository: Arc<Repository>,
    unpublished: Arc<Mutex<Unpublished>>,
    totals: Arc<RunTotals>,
    dry_run: bool,
    used: Sender<Vec<u8>>,
}

impl Publisher {
    /// Storage first, then the index, then the run's own memory: at every moment a chunk is found in one of them.
    fn publish(&self, pack: FinishedPack) -> Result<()> {
        self.totals
            .stored_bytes
            .fetch_add(pack.bytes.len() as u64, Ordering::Relaxed);
        let bytes = if self.dry_run {
            pack.bytes
        } else {
            let (bytes, ids) = self.repository.publish_pack(pack, true)?;
            let mut unpublished = self
                .unpublished
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            unpublished.published(ids.into_iter());
            bytes
        };
        // At the end of the run nobody wants it any more.
        let _ = self.used.send(bytes);
        Ok(())
    }
}
