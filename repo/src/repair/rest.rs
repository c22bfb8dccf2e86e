//! Reading around bad sectors.

use super::Run;
use crate::error::{Error, Result};
use crate::format::ObjectName;

/// What a disk loses at a time.
const SECTOR_BYTES: usize = 4096;
/// Read in one go while all is well.
const STRIDE_BYTES: usize = 256 << 10;

impl Run<'_> {
    /// The bytes of an object of this size. Where the disk does not give them there are zeros, as long as it gives any.
    pub(super) fn read(&self, name: ObjectName, bytes: u64) -> Result<Vec<u8>> {
        let error = match self.repository.storage().get(name) {
            Err(error @ Error::Io { .. }) => error,
            // Longer than anything may be: its start is what counts.
            Err(Error::Corrupt { .. }) => {
                let count = name.kind.bytes_max() as usize;
                return self.repository.storage().get_range(name, 0, count);
            }
            other => return other,
        };
        let total = bytes.min(name.kind.bytes_max()) as usize;
        let mut rest = vec![0; total];
        let mut got_any = false;
        for start in (0..total).step_by(STRIDE_BYTES) {
            let end = (start + STRIDE_BYTES).min(total);
            if self.read_into(name, start, &mut rest[start..end]) {
                got_any = true;
                continue;
            }
            for start in (start..end).step_by(SECTOR_BYTES) {
                let end = (start + SECTOR_BYTES).min(end);
                got_any |= self.read_into(name, start, &mut rest[start..end]);
            }
        }
        if got_any { Ok(rest) } else { Err(error) }
    }

    fn read_into(&self, name: ObjectName, start: usize, part: &mut [u8]) -> bool {
        let read = self
            .repository
            .storage()
            .get_range(name, start as u64, part.len());
        match read {
            Ok(bytes) => {
                part[..bytes.len()].copy_from_slice(&bytes);
                true
            }
            Err(_) => false,
        }
    }
}
