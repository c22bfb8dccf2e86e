//! Assembling a pack.

use nightfold_chunker::{ChunkId, Sketch};

use super::reader::parse;
use crate::crypto::{ObjectSeal, Role, Vault, random};
use crate::error::{Error, Result};
use crate::format::{
    BaseRef, CodecKind, DirEntry, Directory, FOOTER_BYTES, FrameHead, Header, Kind, ObjectId,
    ObjectName, SEAL_TAG_BYTES, StreamKind, encode_frame_length,
};

/// A chunk in the form it will be stored in.
#[derive(Debug)]
pub(crate) struct NewFrame {
    pub(crate) id: ChunkId,
    pub(crate) raw_bytes: u32,
    pub(crate) codec: CodecKind,
    pub(crate) base: Option<BaseRef>,
    pub(crate) version: u32,
    pub(crate) rank: u8,
    pub(crate) sketch: Option<Sketch>,
    pub(crate) payload: Vec<u8>,
}

/// About what a frame takes in the directory.
const DIRECTORY_ENTRY_BYTES: usize = 72;

/// A pack that is being filled.
pub(crate) struct PackBuilder {
    name: ObjectName,
    header: Header,
    seal: ObjectSeal,
    bytes: Vec<u8>,
    directory: Directory,
}

/// A pack ready to be published.
pub(crate) struct FinishedPack {
    pub(crate) name: ObjectName,
    pub(crate) epoch: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) directory: Directory,
}

impl PackBuilder {
    /// An empty pack: its id is drawn before anything is sealed. `buffer` is reused.
    pub(crate) fn new(vault: &Vault, stream: StreamKind, mut buffer: Vec<u8>) -> Result<Self> {
        let name = ObjectName::new(Kind::Pack, ObjectId(random()?));
        let header = vault.new_header(name)?;
        let seal = vault.seal_of(&header)?;
        buffer.clear();
        buffer.extend_from_slice(&header.encode());
        Ok(Self {
            name,
            header,
            seal,
            bytes: buffer,
            directory: Directory {
                stream,
                entries: Vec::new(),
            },
        })
    }

    /// Bytes so far, with what the directory will take.
    pub(crate) fn len(&self) -> u64 {
        (self.bytes.len() + self.directory.entries.len() * DIRECTORY_ENTRY_BYTES) as u64
    }

    /// Seals a frame and appends it.
    pub(crate) fn push(&mut self, frame: &NewFrame) -> Result<()> {
        let mut sealed = Vec::with_capacity(frame.payload.len() + 32 + SEAL_TAG_BYTES);
        FrameHead {
            codec: frame.codec,
            base: frame.base,
        }
        .encode(&mut sealed);
        sealed.extend_from_slice(&frame.payload);
        self.seal.seal(
            Role::Frame,
            self.directory.entries.len() as u64,
            &mut sealed,
        )?;
        let sealed_bytes = sealed.len() as u32;
        encode_frame_length(&mut self.bytes, sealed_bytes);
        self.bytes.extend_from_slice(&sealed);
        self.directory.entries.push(DirEntry {
            id: frame.id,
            sealed_bytes,
            raw_bytes: frame.raw_bytes,
            codec: frame.codec,
            base: frame.base,
            version: frame.version,
            rank: frame.rank,
            sketch: frame.sketch,
        });
        Ok(())
    }

    /// Appends directory and footer, and reads them back: what is published must be readable.
    pub(crate) fn finish(mut self, vault: &Vault) -> Result<FinishedPack> {
        let mut directory = self.directory.encode();
        self.seal.seal(Role::Directory, 0, &mut directory)?;
        self.bytes.extend_from_slice(&directory);
        let footer = crate::format::Footer {
            directory_bytes: directory.len() as u32,
        };
        let footer: [u8; FOOTER_BYTES] = footer.encode(&self.header.encode());
        self.bytes.extend_from_slice(&footer);
        let (header, read_back) = parse(vault, self.name, &self.bytes)?;
        if read_back != self.directory || header != self.header {
            return Err(Error::corrupt(
                self.name,
                "its directory does not read back: memory or processor fault?",
            ));
        }
        Ok(FinishedPack {
            name: self.name,
            epoch: self.header.epoch,
            bytes: self.bytes,
            directory: self.directory,
        })
    }
}
