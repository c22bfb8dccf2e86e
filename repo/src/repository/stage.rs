//! A thread that takes what it is sent, in order.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::error::{Error, Result};

/// The sending end of a stage.
pub(super) struct Stage<T> {
    sender: Option<SyncSender<T>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl<T: Send + 'static> Stage<T> {
    /// Starts `run` on a thread of its own; `waiting_max` things may wait for it.
    pub(super) fn start(
        name: &'static str,
        waiting_max: usize,
        run: impl FnOnce(Receiver<T>) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let (sender, receiver) = sync_channel(waiting_max);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(receiver))
            .map_err(|error| Error::io("start", format!("the {name} thread"), error))?;
        Ok(Self {
            sender: Some(sender),
            thread: Some(thread),
        })
    }

    /// Waits while the stage is behind.
    pub(super) fn send(&self, thing: T) -> Result<()> {
        let sent = self
            .sender
            .as_ref()
            .is_some_and(|sender| sender.send(thing).is_ok());
        // A stage ends early only with an error, which `finish` returns.
        if sent {
            Ok(())
        } else {
            Err(Error::Interrupted)
        }
    }

    /// Waits until everything sent is done.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.sender = None;
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

/// The thread of a stage never outlives it: what it writes is covered by its owner's lease.
impl<T> Drop for Stage<T> {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
