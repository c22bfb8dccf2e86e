//! Reading around bad sectors.

use super::Run;
use crate::error::{Error, Result};
use crate::format::ObjectName;
use crate::parity::{Sidecar, sidecar_name};

/// What a disk loses at a time.
const SECTOR_BYTES: usize = 4096;
/// Read in one go while all is well.
const STRIDE_BYTES: usize = 256 << 10;

impl Run<'_> {
    /// The bytes of an object, of this size if it is known. Where the disk does not give them there are zeros, as long
    /// as it gives any.
    pub(super) fn read(&self, name: ObjectName, bytes: Option<u64>) -> Result<Vec<u8>> {
        let error = match self.repository.storage().get(name) {
            Err(error @ Error::Io { .. }) => error,
            // Longer than anything may be: its start is what counts.
            Err(Error::Corrupt { .. }) => {
                let count = name.kind.bytes_max() as usize;
                return self.repository.storage().get_range(name, 0, count);
            }
            other => return other,
        };
        let most = name.kind.bytes_max();
        let total = bytes.unwrap_or(most).min(most) as usize;
        let mut rest = vec![0; total];
        let mut got_any = false;
        for start in (0..total).step_by(STRIDE_BYTES) {
            let end = (start + STRIDE_BYTES).min(total);
            let sectors = (start..end).step_by(SECTOR_BYTES);
            let sectors = sectors.map(|start| start..(start + SECTOR_BYTES).min(end));
            for part in std::iter::once(start..end).chain(sectors) {
                let Some(read) = self.read_into(name, part.start, &mut rest[part.clone()]) else {
                    continue;
                };
                got_any |= read > 0;
                if read < part.len() {
                    rest.truncate(part.start + read);
                    return if got_any { Ok(rest) } else { Err(error) };
                }
                if part == (start..end) {
                    break;
                }
            }
        }
        if got_any { Ok(rest) } else { Err(error) }
    }

    /// How many bytes there were; `None` if the disk does not give them.
    fn read_into(&self, name: ObjectName, start: usize, part: &mut [u8]) -> Option<usize> {
        let storage = self.repository.storage();
        let bytes = storage.get_range(name, start as u64, part.len()).ok()?;
        part[..bytes.len()].copy_from_slice(&bytes);
        Some(bytes.len())
    }

    /// The sidecar of an object, if there is one, as far as the disk gives it.
    pub(super) fn sidecar(&self, object: ObjectName) -> Result<Option<Sidecar>> {
        let name = sidecar_name(object);
        match self.read(name, self.sidecars.get(&name.id).copied()) {
            Ok(bytes) => Sidecar::decode(name, &bytes).map(Some),
            Err(Error::Missing { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }
}
