//! The on-disk types: bytes to structs and back, pure. `docs/format.md` is the normative text.

mod config;
mod content;
mod entry;
mod header;
mod key_slot;
mod pack;
mod record;
mod snapshot;
mod varint;

pub use config::{ChunkerConfig, Config, Encryption, Features};
pub use content::{CHUNK_ID_BYTES, Content, decode_ids};
pub use entry::{Entry, Extension, Metadata, Node, Timestamp, path_order};
pub use header::{
    FORMAT_VERSION, HEADER_BYTES, Header, Kind, ObjectId, ObjectName, seal_plain, unseal_plain,
};
pub use key_slot::{Kdf, KeySlot, bytes_as_base64};
pub use pack::{
    BaseRef, CodecKind, DirEntry, Directory, FOOTER_BYTES, Footer, FrameHead, SEAL_TAG_BYTES,
    StreamKind, decode_frame_length, encode_frame_length,
};
pub use record::{
    CondemnedFrames, CondemnedRecord, Drill, Forgotten, Lease, LeaseRecord, ProcessIdentity, Proof,
    Proven, Tombstone, Verdict, Work,
};
pub use snapshot::{Snapshot, SnapshotStats, Writer as SnapshotWriter, escape_path, unescape_path};
pub use varint::{Cursor, Malformed, put_varint};
pub(crate) use varint::{put_bytes, unzigzag, zigzag};

#[cfg(test)]
mod tests;
