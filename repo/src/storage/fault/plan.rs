//! What shall go wrong, and when.

use std::io::ErrorKind;

use crate::format::{Kind, ObjectName};

/// Something that goes wrong. Operations are counted from 0, reads and listings too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power goes at operation n. Of it, and of what other threads have begun and not ended, the seed says whether
    /// it was done, or not, or left a temporary file. All later ones fail.
    Cut(u64),
    /// As [`Fault::Cut`], on a disk that may leave the beginning of an object under its name.
    TearingCut(u64),
    /// Operation n fails, and the others don't. It may have been done nevertheless.
    Fail(u64),
    /// The disk is full from operation n on: puts fail.
    FullFrom(u64),
    /// From operation n on nothing can be deleted.
    KeptFrom(u64),
    /// This object cannot be read.
    Unreadable(ObjectName),
    /// Listings do not show objects that were put during the last so many operations of all clients.
    Lag(u64),
    /// Listings of this kind leave out one object of so many, by seed others each time.
    Short(Kind, u64),
}

/// Faults, and the seed that decides what they leave open.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The same seed decides the same.
    pub seed: u64,
    /// All of them happen.
    pub faults: Vec<Fault>,
}

/// What an operation does to the storage.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read(Option<ObjectName>),
    Put,
    Delete,
}

/// What a fault does to an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Strike {
    Cut {
        tears: bool,
    },
    /// It fails, and may have been done.
    Fail,
    /// It fails and is not done.
    Refuse(ErrorKind),
}

/// What became of a change that a cut fell into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Undone,
    Done,
    Torn,
}

impl Plan {
    /// A single fault.
    pub fn new(seed: u64, fault: Fault) -> Self {
        let faults = vec![fault];
        Self { seed, faults }
    }

    pub(super) fn strike(&self, number: u64, access: Access) -> Option<Strike> {
        self.faults.iter().find_map(|fault| match *fault {
            Fault::Cut(n) if n == number => Some(Strike::Cut { tears: false }),
            Fault::TearingCut(n) if n == number => Some(Strike::Cut { tears: true }),
            Fault::Fail(n) if n == number => Some(Strike::Fail),
            Fault::FullFrom(n) if number >= n && access == Access::Put => {
                Some(Strike::Refuse(ErrorKind::StorageFull))
            }
            Fault::KeptFrom(n) if number >= n && access == Access::Delete => {
                Some(Strike::Refuse(ErrorKind::PermissionDenied))
            }
            Fault::Unreadable(name) if access == Access::Read(Some(name)) => {
                Some(Strike::Refuse(ErrorKind::Other))
            }
            _ => None,
        })
    }

    /// The operation at which the power goes.
    pub(super) fn cut(&self) -> Option<u64> {
        self.faults.iter().find_map(|fault| match *fault {
            Fault::Cut(n) | Fault::TearingCut(n) => Some(n),
            _ => None,
        })
    }

    /// Three seeds in a row give the operation that is struck its three fates.
    pub(super) fn fate(&self, number: u64) -> Fate {
        let is_struck = self.strike(number, Access::Read(None)).is_some();
        let chance = if is_struck {
            self.seed
        } else {
            self.chance(number)
        };
        [Fate::Undone, Fate::Done, Fate::Torn][(chance % 3) as usize]
    }

    /// A number that depends on the seed and on what is decided.
    pub(super) fn chance(&self, what: u64) -> u64 {
        let mut mixed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ what;
        // The mixing of SplitMix64.
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Whether listing number `number` leaves this object out; `age` in operations.
    pub(super) fn hides(&self, number: u64, name: ObjectName, age: u64) -> bool {
        let of_object = name.id.0.iter().fold(number, |mixed, byte| {
            mixed.wrapping_mul(31).wrapping_add(u64::from(*byte))
        });
        self.faults.iter().any(|fault| match *fault {
            Fault::Lag(operations) => age < operations,
            Fault::Short(kind, one_in) => {
                kind == name.kind && self.chance(of_object).is_multiple_of(one_in)
            }
            _ => false,
        })
    }
}
