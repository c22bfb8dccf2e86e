//! What a backup reads.

pub mod estimate;
pub mod source;
pub mod standard_input;
