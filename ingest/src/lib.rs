//! Sources into a Nightfold repository, and the way back out.

pub mod fs;
