//! Content-defined chunking for Nightfold: where a stream of bytes is cut, what a chunk is called,
//! and how chunks that resemble each other find one another.
//!
//! Everything here is keyed by the repository's secrets and is pure: no clock, no randomness, and
//! no I/O but the reader that [`ChunkStream`] is handed. The same secret and the same bytes make
//! the same cuts, [`ChunkId`]s and [`Sketch`]es in every release: golden vectors in `tests/`
//! freeze them as chunker version 1.
//!
//! | step | type | what it costs |
//! |---|---|---|
//! | scan and cut | [`Cutter`], [`ChunkStream`] | every byte of the input |
//! | name | [`IdKey`] | every byte of the input |
//! | sketch | [`Sketcher`] | one sample in 128 bytes of new chunks that have no other base |
//!
//! One rolling hash serves both ends: the scan lists the [`Sample`]s, cuts are chosen among them,
//! and so are the features of a sketch.

mod buffers;
mod cut;
mod id;
mod keys;
mod scan;
mod sizes;
mod sketch;
mod stream;
mod window;

pub use buffers::Buffers;
pub use cut::Cutter;
pub use id::{ChunkId, ChunkIdError, IdKey};
pub use scan::Sample;
pub use sizes::{ChunkSizes, SizesError};
pub use sketch::{SKETCH_BYTES_MIN, SKETCH_VERSION, Sketch, Sketcher};
pub use stream::ChunkStream;
pub use window::{Chunk, Window};
