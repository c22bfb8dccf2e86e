//! Reading packs.

use crate::crypto::{Role, Vault};
use crate::error::{Error, Result};
use crate::format::{
    Directory, FOOTER_BYTES, Footer, FrameHead, HEADER_BYTES, Header, ObjectName, SEAL_TAG_BYTES,
    decode_frame_length,
};
use crate::limits::PACK_BYTES_MAX;
use crate::storage::{Listed, Storage};

/// Read from the end in the hope that it holds the whole directory.
const TAIL_BYTES: u64 = 64 << 10;

/// The directory of a pack in storage, with its header.
pub(crate) fn read_directory(
    vault: &Vault,
    storage: &dyn Storage,
    pack: Listed,
) -> Result<(Header, Directory)> {
    let name = ObjectName::new(crate::format::Kind::Pack, pack.id);
    check_size(name, pack.bytes)?;
    let head = storage.get_range(name, 0, HEADER_BYTES)?;
    let header = Header::decode(name, &head)?;
    let tail_bytes = TAIL_BYTES.min(pack.bytes - HEADER_BYTES as u64);
    let mut tail = storage.get_range(name, pack.bytes - tail_bytes, tail_bytes as usize)?;
    let directory_bytes = u64::from(footer(name, &header, &tail)?.directory_bytes);
    let wanted = directory_bytes + FOOTER_BYTES as u64;
    if wanted > pack.bytes - HEADER_BYTES as u64 {
        return Err(Error::corrupt(
            name,
            "its directory is said to be longer than the pack",
        ));
    }
    if wanted > tail_bytes {
        tail = storage.get_range(name, pack.bytes - wanted, wanted as usize)?;
    }
    let directory = open_directory(vault, name, &header, &tail, pack.bytes)?;
    Ok((header, directory))
}

/// Header and directory of a whole pack.
pub(super) fn parse(vault: &Vault, name: ObjectName, bytes: &[u8]) -> Result<(Header, Directory)> {
    check_size(name, bytes.len() as u64)?;
    let header = Header::decode(name, bytes)?;
    let directory = open_directory(
        vault,
        name,
        &header,
        &bytes[HEADER_BYTES..],
        bytes.len() as u64,
    )?;
    Ok((header, directory))
}

fn check_size(name: ObjectName, bytes: u64) -> Result<()> {
    let smallest = (HEADER_BYTES + SEAL_TAG_BYTES + FOOTER_BYTES) as u64;
    if bytes < smallest || bytes > PACK_BYTES_MAX {
        return Err(Error::corrupt(
            name,
            format!("it has {bytes} bytes, which no pack can have"),
        ));
    }
    Ok(())
}

fn footer(name: ObjectName, header: &Header, tail: &[u8]) -> Result<Footer> {
    let Some(footer) = tail.last_chunk::<FOOTER_BYTES>() else {
        return Err(Error::corrupt(name, "it is cut short"));
    };
    Footer::decode(footer, &header.encode()).map_err(|_| {
        Error::corrupt(
            name,
            "its footer does not fit: it is cut short or its last bytes were changed",
        )
    })
}

fn open_directory(
    vault: &Vault,
    name: ObjectName,
    header: &Header,
    tail: &[u8],
    pack_bytes: u64,
) -> Result<Directory> {
    let length = footer(name, header, tail)?.directory_bytes as usize;
    let end = tail.len() - FOOTER_BYTES;
    let Some(start) = end.checked_sub(length) else {
        return Err(Error::corrupt(
            name,
            "its directory is said to be longer than the pack",
        ));
    };
    let mut sealed = tail[start..end].to_vec();
    let seal = vault.seal_of(header)?;
    let plain = seal
        .open(Role::Directory, 0, &mut sealed)
        .ok_or_else(|| Error::corrupt(name, "the seal of its directory does not fit"))?;
    let directory = Directory::decode(plain)
        .map_err(|malformed| Error::corrupt(name, format!("its directory: {malformed}")))?;
    if directory.frames_end() + (length + FOOTER_BYTES) as u64 == pack_bytes {
        Ok(directory)
    } else {
        Err(Error::corrupt(
            name,
            "its frames and its directory do not add up to its size",
        ))
    }
}

/// Opens the sealed bytes of one frame, in place.
pub(crate) fn open_frame<'a>(
    vault: &Vault,
    name: ObjectName,
    epoch: u32,
    ordinal: u32,
    sealed: &'a mut [u8],
) -> Result<(FrameHead, &'a [u8])> {
    let seal = vault.seal_of(&Header::new(name, epoch))?;
    let plain = seal
        .open(Role::Frame, u64::from(ordinal), sealed)
        .ok_or_else(|| {
            Error::corrupt(
                name,
                format!("the seal of its frame {ordinal} does not fit"),
            )
        })?;
    FrameHead::decode(plain)
        .map_err(|malformed| Error::corrupt(name, format!("its frame {ordinal}: {malformed}")))
}

/// Opens every part of a whole pack: whether it is as it was written. Returns its directory.
pub(crate) fn verify(vault: &Vault, name: ObjectName, bytes: &[u8]) -> Result<Directory> {
    let (header, directory) = parse(vault, name, bytes)?;
    let seal = vault.seal_of(&header)?;
    for (ordinal, (offset, entry)) in directory.offsets().enumerate() {
        let damaged = |what: &str| Error::corrupt(name, format!("its frame {ordinal}: {what}"));
        let (start, length_bytes) = (offset as usize, entry.length_bytes() as usize);
        let front = bytes.get(start - length_bytes..).unwrap_or_default();
        if decode_frame_length(front) != Ok((entry.sealed_bytes as usize, length_bytes)) {
            return Err(damaged("the length in front of it is wrong"));
        }
        let sealed = bytes.get(start..start + entry.sealed_bytes as usize);
        let mut sealed = sealed.unwrap_or_default().to_vec();
        let plain = seal
            .open(Role::Frame, ordinal as u64, &mut sealed)
            .ok_or_else(|| damaged("its seal does not fit"))?;
        let (head, _) = FrameHead::decode(plain).map_err(|what| damaged(&what.to_string()))?;
        if head.codec != entry.codec || head.base != entry.base {
            return Err(damaged("it is not what the directory says"));
        }
    }
    Ok(directory)
}
