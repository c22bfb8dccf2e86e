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
//! | cut | [`Cutter`], [`ChunkStream`] | every byte of the input |
//! | name | [`IdKey`] | every byte of the input |
//! | sketch | [`Sketcher`] | every byte of new chunks that have no other base |

mod cut;
mod id;
mod keys;
mod parallel;
mod sizes;
mod sketch;
mod stream;

pub use cut::Cutter;
pub use id::{ChunkId, ChunkIdError, IdKey};
pub use sizes::{ChunkSizes, SizesError};
pub use sketch::{SKETCH_BYTES_MIN, SKETCH_VERSION, Sketch, Sketcher};
pub use stream::{ChunkStream, Window};
