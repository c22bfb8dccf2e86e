//! The verdict on what is damaged: no backup counts it as held any more.

use std::collections::HashSet;

use super::Run;
use crate::error::Result;
use crate::format::{CondemnedFrames, CondemnedRecord, Kind, ObjectId, ObjectName, Verdict};

impl Run<'_> {
    /// Sees to it that one verdict names exactly these frames, which are the damaged ones and those that rest on them
    /// now that every byte was looked at. It is durable before older ones go: what is whole again may count again.
    /// Returns it if it is new.
    pub(super) fn publish(&self, frames: Vec<CondemnedFrames>) -> Result<Option<ObjectId>> {
        let (records, _) = self
            .repository
            .records::<CondemnedRecord>(Kind::Condemned)?;
        let mut outdated: Vec<(ObjectId, HashSet<_>)> = records
            .into_iter()
            .filter_map(|(id, record)| match record {
                CondemnedRecord::Verdict(verdict) if verdict.damage => {
                    Some((id, places(&verdict.frames)))
                }
                _ => None,
            })
            .collect();
        let wanted = places(&frames);
        let same = outdated.iter().position(|(_, known)| *known == wanted);
        let new = match same {
            Some(at) => {
                outdated.remove(at);
                None
            }
            None if frames.is_empty() => None,
            None => {
                let verdict = CondemnedRecord::Verdict(Verdict {
                    time: jiff::Timestamp::now().to_string(),
                    packs: Vec::new(),
                    frames,
                    damage: true,
                });
                Some(self.repository.put_record(Kind::Condemned, &verdict)?)
            }
        };
        for (id, _) in outdated {
            let name = ObjectName::new(Kind::Condemned, id);
            self.repository.delete_if_there(name)?;
        }
        Ok(new)
    }
}

fn places(frames: &[CondemnedFrames]) -> HashSet<(ObjectId, u32)> {
    let of_pack = |frames: &CondemnedFrames| {
        let pack = frames.pack;
        let ordinals = frames.ordinals.clone().into_iter();
        ordinals.map(move |ordinal| (pack, ordinal))
    };
    frames.iter().flat_map(of_pack).collect()
}
