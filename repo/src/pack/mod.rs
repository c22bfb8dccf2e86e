//! Packs: assembling them in memory, and reading their directories and frames.

mod builder;
mod reader;

pub(crate) use builder::{FinishedPack, NewFrame, PackBuilder};
pub(crate) use reader::{open_frame, read_directory, verify};

#[cfg(test)]
mod tests;
