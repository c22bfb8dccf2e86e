//! Which snapshots to keep. Pure: times, groups and tags go in, a fate with its reason comes out for each.
//!
//! A rule keeps the newest snapshot of each hour, day, ISO week, month, quarter or year, for the newest periods that
//! hold a snapshot. Periods are those of the clock on the wall where the snapshot was made: the offset that its time
//! carries. Within a period a complete snapshot is preferred to an incomplete one. The newest complete snapshot of a
//! group is kept whatever the rules say; if there is none, the newest.
//!
//! | file | duty |
//! |---|---|
//! | `policy` | the rules, and which of them make no sense |
//! | `age` | `30d`, `2y5m7d3h` |
//! | `period` | hours to years, and what they are called |
//! | `group` | which snapshots are judged together |
//! | `judge` | the fate of each |
//! | `needs` | what stays because others rest on it |

mod age;
mod group;
mod judge;
mod needs;
mod period;
mod policy;

pub use age::Age;
pub use group::{GroupBy, GroupKey};
pub use judge::{Candidate, Fate, Group, Kept, Removed, plan};
pub use needs::{RestsOn, all_needed, keep_needed, still_needed};
pub use period::Unit;
pub use policy::Policy;

#[cfg(test)]
mod tests;
