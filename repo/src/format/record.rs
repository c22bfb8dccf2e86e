//! Small sealed objects that say what goes on in a repository: leases, what is condemned, tombstones, proofs.
//!
//! Each is one JSON document, compressed and sealed like a snapshot. All are written once; a newer state is a new object.

use serde::{Deserialize, Serialize};

use super::header::ObjectId;

/// An object of the kind *lease*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum LeaseRecord {
    /// Somebody is at work. Renewed by a new object with a higher counter; then the old one is deleted.
    Held(Lease),
    /// The lease is taken back: its holder stood still for too long. What it publishes from now on must be looked at
    /// by itself.
    Revoked {
        /// [`Lease::name`].
        lease: String,
    },
    /// The holder has finished, after a verdict was published that named it as a witness.
    Ended {
        /// [`Lease::name`].
        lease: String,
        /// What it published.
        snapshots: Vec<ObjectId>,
    },
    /// After it was revoked these snapshots of the lease were there. Others that name it are void.
    Settled {
        /// [`Lease::name`].
        lease: String,
        /// Its snapshots.
        snapshots: Vec<ObjectId>,
    },
}

/// Who is at work, and how to tell whether he still is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// 16 random bytes as hex: one for each run.
    pub name: String,
    /// 1 at first, then one more with every renewal. It moving is the sign of life: no clocks are compared.
    pub counter: u64,
    /// What is done, as a user calls it: `backup`, `prune`, …
    pub command: String,
    /// What others must heed.
    pub work: Work,
    /// On which host.
    pub host: String,
    /// When it began by its holder's clock, RFC 3339. For people only.
    pub started: String,
    /// The process, for observers in the same one of the same machine.
    pub process: ProcessIdentity,
}

/// What others must heed of somebody at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// He reads packs.
    Reading,
    /// He also puts packs that no snapshot needs yet.
    Writing,
    /// Maintenance: nobody else may do such a thing meanwhile.
    Exclusive,
}

/// A process, named so that another on the same system can tell whether it still runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// What changes with every start of the system, and where process numbers are counted by themselves. Empty: unknown.
    pub system: String,
    /// Its number.
    pub pid: u32,
    /// What tells it from an earlier process of this number.
    pub start: u64,
}

/// An object of the kind *condemned*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum CondemnedRecord {
    /// Nothing new may rest on these.
    Verdict(Verdict),
    /// Leases that were there after the verdict was published. Its packs may go when all of them are gone.
    Witnessed {
        /// The verdict.
        verdict: ObjectId,
        /// Names of the leases.
        leases: Vec<String>,
    },
}

/// What nobody may deduplicate or encode against any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// When, RFC 3339. For people only.
    pub time: String,
    /// Packs that will be deleted.
    pub packs: Vec<ObjectId>,
    /// Frames of packs that stay: those that rest on what is condemned, or are damaged.
    pub frames: Vec<CondemnedFrames>,
    /// The frames are damaged; no pack of this verdict will be deleted because of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub damage: bool,
}

/// Some frames of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CondemnedFrames {
    /// The pack.
    pub pack: ObjectId,
    /// Places of the frames in it.
    pub ordinals: Vec<u32>,
}

/// An object of the kind *tombstone*: snapshots that were deleted on purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// In no particular order.
    pub snapshots: Vec<Forgotten>,
}

/// A snapshot that was deleted on purpose: what its writer's sequence needs to stay unbroken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Its id.
    pub snapshot: ObjectId,
    /// H of the whole object as hex, by which its writer's next one names it.
    pub hash: String,
    /// Its writer.
    pub writer: String,
    /// Its number.
    pub sequence: u64,
}

/// An object of the kind *proof*: what was read and found sound, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Packs, and when all their frames were last read, opened and named anew. RFC 3339.
    #[serde(default)]
    pub packs: Vec<Proven>,
    /// Packs, and when damage was found in them. It counts until the pack is read and found sound at a later time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Proven>,
    /// Snapshots, and since when all that they need is proven: the oldest of their packs' times.
    #[serde(default)]
    pub snapshots: Vec<Proven>,
    /// Snapshots of databases that were loaded into one and compared, and how the last try ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drills: Vec<Drill>,
    /// Packs whose whole frames were compressed as well as compact can: it does not try again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aged: Vec<ObjectId>,
    /// Packs in which compact found no chains worth shortening.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rebased: Vec<ObjectId>,
}

/// A snapshot that was loaded into a scratch database and compared with what was put down when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// The snapshot.
    pub snapshot: ObjectId,
    /// When that ended. RFC 3339, UTC.
    pub time: String,
    /// All of it was as it should be.
    pub passed: bool,
}

/// An object, and when it was proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// The object.
    pub id: ObjectId,
    /// RFC 3339, UTC.
    pub time: String,
}
