//! Publishing what is lost: no backup counts it as held any more.

use std::collections::HashSet;

use super::Run;
use crate::error::Result;
use crate::format::{CondemnedFrames, CondemnedRecord, Kind, ObjectId, Verdict};

impl Run<'_> {
    /// Publishes the damaged frames and those that rest on them, unless that was done before.
    pub(super) fn publish(&self, frames: Vec<CondemnedFrames>) -> Result<Option<ObjectId>> {
        let (published, _) = self
            .repository
            .records::<CondemnedRecord>(Kind::Condemned)?;
        let known: HashSet<(ObjectId, u32)> = published
            .iter()
            .filter_map(|(_, record)| match record {
                CondemnedRecord::Verdict(verdict) => Some(&verdict.frames),
                CondemnedRecord::Witnessed { .. } => None,
            })
            .flatten()
            .flat_map(places)
            .collect();
        if frames
            .iter()
            .flat_map(places)
            .all(|place| known.contains(&place))
        {
            return Ok(None);
        }
        let verdict = CondemnedRecord::Verdict(Verdict {
            time: jiff::Timestamp::now().to_string(),
            packs: Vec::new(),
            frames,
            damage: true,
        });
        let id = self.repository.put_record(Kind::Condemned, &verdict)?;
        Ok(Some(id))
    }
}

fn places(frames: &CondemnedFrames) -> impl Iterator<Item = (ObjectId, u32)> {
    let pack = frames.pack;
    frames.ordinals.iter().map(move |ordinal| (pack, *ordinal))
}
