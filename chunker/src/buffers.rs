//! Buffers that are used again.

use std::sync::{Arc, Mutex, PoisonError};

/// As many as may be on their way at once; more are given back to the system.
const KEPT_MAX: usize = 8;

/// Buffers of one size that windows are read into, and that come back when windows are dropped.
///
/// Fresh memory of that size costs the system a page at a time, and once more for clearing it: on data that are
/// already there that was a tenth of the time of a backup.
#[derive(Clone, Debug)]
pub struct Buffers {
    bytes: usize,
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Buffers {
    /// Buffers of `bytes` each.
    pub fn new(bytes: usize) -> Self {
        Self {
            bytes,
            free: Arc::default(),
        }
    }

    /// `bytes` of whatever: a used buffer if it is of this size.
    pub(crate) fn take(&self, bytes: usize) -> Vec<u8> {
        let used = (bytes == self.bytes).then(|| self.free().pop()).flatten();
        let Some(mut buffer) = used else {
            return vec![0; bytes];
        };
        buffer.resize(bytes, 0);
        buffer
    }

    pub(crate) fn give(&self, buffer: Vec<u8>) {
        let mut free = self.free();
        if buffer.capacity() == self.bytes && free.len() < KEPT_MAX {
            free.push(buffer);
        }
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
