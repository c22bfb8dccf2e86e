//! Which packs were looked at before and need no second look: kept in the repository, since whoever compacts next may be
//! another client. They are hints: without them work is tried again that does not pay.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::format::{Kind, ObjectId, ObjectName, Proof};
use crate::repository::Repository;

/// More records with nothing but marks than this are merged.
const RECORDS_MAX: usize = 8;

/// Packs by what is done with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Whole frames are as small as they get.
    pub(super) aged: BTreeSet<ObjectId>,
    /// Chains are as short as they get.
    pub(super) rebased: BTreeSet<ObjectId>,
}

impl Marks {
    /// All that is known, and the records that hold nothing else.
    pub(super) fn read(repository: &Repository) -> Result<(Self, Vec<ObjectId>)> {
        let (records, _) = repository.records::<Proof>(Kind::Proof)?;
        let mut marks = Self::default();
        let mut only_marks = Vec::new();
        for (id, proof) in records {
            let alone = Proof {
                aged: proof.aged.clone(),
                rebased: proof.rebased.clone(),
                ..Proof::default()
            };
            if alone == proof && !(proof.aged.is_empty() && proof.rebased.is_empty()) {
                only_marks.push(id);
            }
            marks.aged.extend(proof.aged);
            marks.rebased.extend(proof.rebased);
        }
        Ok((marks, only_marks))
    }

    /// Whether nothing is marked.
    pub(super) fn is_empty(&self) -> bool {
        self.aged.is_empty() && self.rebased.is_empty()
    }

    /// Stores new marks. Records become one when there are many; packs that are gone are left out then.
    pub(super) fn store(
        self,
        repository: &Repository,
        is_there: impl Fn(ObjectId) -> bool,
    ) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let (mut all, old) = Self::read(repository)?;
        let merged = old.len() >= RECORDS_MAX;
        let Self { aged, rebased } = if merged {
            all.aged.retain(|pack| is_there(*pack));
            all.rebased.retain(|pack| is_there(*pack));
            all.aged.extend(self.aged);
            all.rebased.extend(self.rebased);
            all
        } else {
            self
        };
        let proof = Proof {
            aged: aged.into_iter().collect(),
            rebased: rebased.into_iter().collect(),
            ..Proof::default()
        };
        repository.put_record(Kind::Proof, &proof)?;
        if merged {
            for id in old {
                repository.delete_if_there(ObjectName::new(Kind::Proof, id))?;
            }
        }
        Ok(())
    }
}
