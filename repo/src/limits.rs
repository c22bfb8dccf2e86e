//! Bounds on everything that is read from outside: nothing larger is allocated on the word of a length field.

/// Largest chunk that any repository may be set to, in bytes.
pub const CHUNK_BYTES_MAX: usize = 16 << 20;
/// Largest pack, in bytes.
pub const PACK_BYTES_MAX: u64 = 64 << 20;
/// Packs are closed when they reach this many bytes unless the config says otherwise.
pub const PACK_BYTES_TARGET: u64 = 16 << 20;
/// Largest config or key slot, in bytes.
pub const PLAIN_OBJECT_BYTES_MAX: u64 = 1 << 20;
/// A repository may be set to close its packs at this many bytes at most: with the frame that reaches it and the
/// directory, a pack stays below [`PACK_BYTES_MAX`].
pub const PACK_BYTES_TARGET_MAX: u64 = 32 << 20;
/// Largest snapshot once decompressed, in bytes.
pub const SNAPSHOT_BYTES_MAX: usize = 64 << 20;
/// Largest entry of a file list, in bytes (paths, link targets, extensions).
pub const ENTRY_BYTES_MAX: usize = 16 << 20;
/// A file up to this many bytes lies inside its entry.
pub const INLINE_BYTES_MAX: usize = 256;
/// A content lists at most this many chunk ids itself; longer lists become recipe chunks.
pub const CONTENT_IDS_MAX: usize = 16;
/// Recipes of recipes end at this depth.
pub const CONTENT_DEPTH_MAX: u8 = 8;
/// A delta's chain is at most this long.
pub const RANK_MAX: u8 = 32;
/// After this many versions a chunk is stored whole again.
pub const VERSIONS_PER_LINEAGE: u32 = 512;
/// Most memory that a key slot may ask Argon2id for, in KiB (4 GiB).
pub const KDF_MEMORY_KIB_MAX: u32 = 4 << 20;
/// Most passes that a key slot may ask Argon2id for.
pub const KDF_PASSES_MAX: u32 = 1 << 10;
/// Parity of packs unless told otherwise, in percent of their bytes.
pub const PARITY_PERCENT: u8 = 3;
/// Most parity of a pack, in percent of its bytes.
pub const PARITY_PERCENT_MAX: u8 = 50;
/// Largest sidecar: that of a largest pack with one and a half times the most parity, or a copy of a largest snapshot.
pub const PARITY_SIDECAR_BYTES_MAX: u64 = PACK_BYTES_MAX + (1 << 20);
