//! Small servers that speak SQL Server's protocol, for tests. Written after MS-TDS.
//!
//! | module | duty |
//! |---|---|
//! | `packet` | messages out of packets, and into packets |
//! | `token` | what a server answers |
//! | `scripted` | a server whose answers a test makes up, statement by statement |
//! | `recorded` | a server that says again what a real one said; and what writes that down |

mod packet;
mod recorded;
mod scripted;
mod token;

pub use recorded::{Recorder, Replay};
pub use scripted::Scripted;
pub use token::{Answer, Value};
