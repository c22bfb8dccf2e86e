//! A source on one thread, the pipeline on another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::bounded;
use nightfold_repo::repository::{RunWriter, StoredSnapshot};

use super::encode::{Encoder, Outcome};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::source::{Outlet, SharedRepository};

/// Batches between source and pipeline.
const BATCHES_WAITING_MAX: usize = 1;

/// Stores what `read` sends, read on a thread of its own and encoded on this one. Afterwards it is durable, and not
/// visible yet. Beside what was stored, what `read` returned is returned. `before` is the previous snapshot of the same source.
pub(crate) fn run<T: Send>(
    repository: &SharedRepository,
    mut writer: RunWriter,
    before: Option<&StoredSnapshot>,
    progress: &Progress,
    cancel: &AtomicBool,
    read: impl FnOnce(&mut Outlet<'_>) -> Result<T> + Send,
) -> Result<(RunWriter, Outcome, T)> {
    let (sender, receiver) = bounded(BATCHES_WAITING_MAX);
    let (read, encoded) = thread::scope(|scope| {
        let source = scope.spawn(move || {
            let mut outlet = Outlet::new(sender, cancel, progress);
            let read = read(&mut outlet)?;
            outlet.flush()?;
            Ok(read)
        });
        let mut encoder = Encoder::new(repository, &writer, before, progress);
        let encoded = receiver.iter().try_for_each(|batch| encoder.encode(batch));
        // A source that waits to send must see that nobody receives any more.
        drop(receiver);
        let read = source
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let finish = encoded.and_then(|()| {
            if read.is_ok() {
                encoder.finish().map(Some)
            } else {
                Ok(None)
            }
        });
        (read, finish)
    });
    match (read, encoded) {
        (Ok(read), Ok(Some(outcome))) => {
            writer.flush()?;
            progress.copy_totals(writer.totals());
            if cancel.load(Ordering::Relaxed) {
                Err(Error::Interrupted)
            } else {
                Ok((writer, outcome, read))
            }
        }
        (_, Err(error)) => Err(packer_error(&mut writer, error)),
        (Err(error), Ok(_)) => Err(error),
        (Ok(_), Ok(None)) => Err(Error::Interrupted),
    }
}

/// When frames could not be handed over, the packer knows why.
fn packer_error(writer: &mut RunWriter, error: Error) -> Error {
    match (&error, writer.flush()) {
        (
            Error::Repository(nightfold_repo::Error::Interrupted) | Error::Interrupted,
            Err(cause),
        ) => cause.into(),
        _ => error,
    }
}
