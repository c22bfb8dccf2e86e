//! Reading a sidecar, finding damage, undoing it. Every part of the sidecar may be damaged itself.

use std::fmt;

use rayon::prelude::*;
use reed_solomon_simd::ReedSolomonDecoder;

use super::block::{self, BLOCK_BYTES, FRAMING_BYTES, Parameters, Shards, block_places};
use super::encode::{Strength, encode_in, padded, shards_of};
use super::{CHECKSUM_BYTES, HEAD_BYTES, checksum};
use crate::error::{Error, Result};
use crate::format::{HEADER_BYTES, Header, Kind, ObjectName};

const WRONG_LENGTH: &str = "it has another length than it should";
const BLOCK_DAMAGED: &str = "one of its blocks of parameters is damaged";

/// Redundancy of one object, as far as it could be read.
pub(crate) struct Sidecar {
    parameters: Parameters,
    /// What stands between the blocks; shorter than it should be if the sidecar was cut short.
    body: Vec<u8>,
    /// Why the sidecar is not as it was written, as far as can be told without its shards.
    flaw: Option<&'static str>,
}

/// Which shards are not what they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Shards of the object.
    pub(crate) data: Vec<u32>,
    /// Shards of the sidecar.
    pub(crate) parity: Vec<u32>,
}

/// More is damaged than the sidecar can restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unrepairable {
    /// Shards of the object that are damaged.
    pub(crate) damaged: u32,
    /// Shards of parity that are sound.
    pub(crate) parity: u32,
}

impl fmt::Display for Unrepairable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.damaged == 0 {
            return f.write_str("its copy is damaged too");
        }
        let Self { damaged, parity } = self;
        write!(
            f,
            "{damaged} of its shards are damaged, and {parity} shards of parity are sound"
        )
    }
}

impl Sidecar {
    /// Reads what is called `name`. One sound block of parameters is enough.
    pub(crate) fn decode(name: ObjectName, bytes: &[u8]) -> Result<Self> {
        let header = match Header::decode(name, bytes) {
            // A newer program's: not ours to judge.
            Err(error @ Error::Unsupported { .. }) => return Err(error),
            other => other,
        };
        let parameters = block::find(name, bytes).ok_or_else(|| {
            Error::corrupt(name, "none of its three blocks of parameters can be read")
        })?;
        let body_bytes = parameters.body_bytes() as usize;
        let [first, second, third] = block_places(body_bytes);
        let half = |from: usize, to: usize| {
            let end = to.min(bytes.len());
            bytes.get(from..end).unwrap_or_default()
        };
        // Joined only as far as the first half is whole: what follows would stand at other places.
        let mut body = half(first + BLOCK_BYTES, second).to_vec();
        if body.len() == body_bytes / 2 {
            body.extend_from_slice(half(second + BLOCK_BYTES, third));
        }
        let block = parameters.encode();
        let blocks_fit = [first, second, third]
            .into_iter()
            .all(|at| bytes.get(at..at + BLOCK_BYTES) == Some(&block[..]));
        let mut sidecar = Self {
            parameters,
            body,
            flaw: None,
        };
        sidecar.flaw = if header.is_err() {
            Some("its header is damaged")
        } else if bytes.len() != body_bytes + FRAMING_BYTES {
            Some(WRONG_LENGTH)
        } else if !blocks_fit {
            Some(BLOCK_DAMAGED)
        } else if !sidecar.table_fits() {
            Some("its table of checksums is damaged")
        } else {
            None
        };
        Ok(sidecar)
    }

    /// What it is of.
    pub(crate) fn object(&self) -> ObjectName {
        self.parameters.object
    }

    /// Why it is not as it was written; the shards are not looked at. `None`: nothing was found.
    #[cfg(test)]
    pub(crate) fn flaw(&self) -> Option<&'static str> {
        self.flaw
    }

    /// Why it is not as it was written, every shard of it looked at. `None`: it is.
    pub(crate) fn flaw_anywhere(&self) -> Option<&'static str> {
        let damaged = || match self.parameters.shards {
            None => !self.is_of(&self.body),
            Some(shards) => !self.damaged_parity(shards).is_empty(),
        };
        self.flaw
            .or_else(|| damaged().then_some("some of its shards are damaged"))
    }

    /// The sidecar made anew, of its object's sound bytes.
    pub(crate) fn remake(&self, object: &[u8]) -> Result<Vec<u8>> {
        match self.parameters.shards {
            Some(shards) if self.is_of(object) => encode_in(self.parameters.object, object, shards),
            _ => Ok(super::copy(self.parameters.object, object)),
        }
    }

    /// Whether it is the object itself once more.
    pub(crate) fn is_copy(&self) -> bool {
        self.parameters.shards.is_none()
    }

    /// Whether an object of this size, with so much redundancy, gets shards as these are.
    pub(crate) fn has_strength(&self, strength: Strength) -> bool {
        self.parameters.shards == Some(shards_of(self.parameters.object_bytes, strength))
    }

    /// Whether these are the bytes that it was made of.
    pub(crate) fn is_of(&self, object: &[u8]) -> bool {
        object.len() as u64 == self.parameters.object_bytes
            && blake3::hash(object).as_bytes() == &self.parameters.hash
    }

    /// Looks for damage, in the object and in the sidecar; no key is needed. Of a copy everything or nothing is damaged.
    pub(crate) fn locate(&self, object: &[u8]) -> Damage {
        let Some(shards) = self.parameters.shards else {
            let zero = |damaged: bool| if damaged { vec![0] } else { Vec::new() };
            return Damage {
                data: zero(!self.is_of(object)),
                parity: zero(!self.is_of(&self.body)),
            };
        };
        let data = (0..shards.data).into_par_iter().filter(|at| {
            let shard = self.data_shard(object, *at, shards);
            shard.is_none_or(|shard| self.entry(*at) != Some(&checksum(&shard)))
        });
        Damage {
            data: data.collect(),
            parity: self.damaged_parity(shards),
        }
    }

    fn damaged_parity(&self, shards: Shards) -> Vec<u32> {
        let all = (0..shards.parity).into_par_iter();
        let damaged = all.filter(|at| {
            let shard = self.parity_shard(*at, shards);
            shard.is_none_or(|shard| self.entry(shards.data + at) != Some(&checksum(shard)))
        });
        damaged.collect()
    }

    /// The object as it was, out of what is left of it and of the sidecar. It may have been cut short, or have grown.
    pub(crate) fn repair(&self, object: &[u8]) -> std::result::Result<Vec<u8>, Unrepairable> {
        if self.is_of(object) {
            return Ok(object.to_vec());
        }
        let Some(shards) = self.parameters.shards else {
            let copy = self.body.clone();
            return if self.is_of(&copy) {
                Ok(copy)
            } else {
                Err(Unrepairable {
                    damaged: 0,
                    parity: 0,
                })
            };
        };
        let damage = self.locate(object);
        let unrepairable = Unrepairable {
            damaged: damage.data.len() as u32,
            parity: shards.parity - damage.parity.len() as u32,
        };
        if unrepairable.damaged > unrepairable.parity {
            return Err(unrepairable);
        }
        let repaired = self
            .reconstruct(object, shards, &damage)
            .ok_or(unrepairable)?;
        // The checksums of shards are short, and anybody can make them: this is what counts.
        if self.is_of(&repaired) {
            Ok(repaired)
        } else {
            Err(unrepairable)
        }
    }

    fn reconstruct(&self, object: &[u8], shards: Shards, damage: &Damage) -> Option<Vec<u8>> {
        let shard_bytes = shards.bytes as usize;
        let object_bytes = self.parameters.object_bytes as usize;
        let mut repaired = object[..object.len().min(object_bytes)].to_vec();
        repaired.resize(object_bytes, 0);
        if damage.data.is_empty() {
            return Some(repaired);
        }
        let mut decoder =
            ReedSolomonDecoder::new(shards.data as usize, shards.parity as usize, shard_bytes)
                .ok()?;
        for at in 0..shards.data {
            if damage.data.binary_search(&at).is_err() {
                let shard = padded(&repaired, at as usize, shard_bytes);
                decoder.add_original_shard(at as usize, &*shard).ok()?;
            }
        }
        for at in 0..shards.parity {
            if damage.parity.binary_search(&at).is_err() {
                let shard = self.parity_shard(at, shards)?;
                decoder.add_recovery_shard(at as usize, shard).ok()?;
            }
        }
        let decoded = decoder.decode().ok()?;
        for (at, shard) in decoded.restored_original_iter() {
            let start = (at * shard_bytes).min(object_bytes);
            let end = (start + shard_bytes).min(object_bytes);
            repaired[start..end].copy_from_slice(&shard[..end - start]);
        }
        Some(repaired)
    }

    fn table_fits(&self) -> bool {
        let bytes = self.parameters.shards.map_or(0, Shards::table_bytes);
        let table = self.body.get(..bytes);
        table.is_some_and(|table| block::short_hash(table) == self.parameters.table_check)
    }

    fn entry(&self, at: u32) -> Option<&[u8; CHECKSUM_BYTES]> {
        self.body.get(at as usize * CHECKSUM_BYTES..)?.first_chunk()
    }

    /// `None`: the object ends before or within it, or has grown in it.
    fn data_shard<'o>(
        &self,
        object: &'o [u8],
        at: u32,
        shards: Shards,
    ) -> Option<std::borrow::Cow<'o, [u8]>> {
        let end = (u64::from(at) + 1) * u64::from(shards.bytes);
        let wanted = end.min(self.parameters.object_bytes);
        let object_bytes = self.parameters.object_bytes as usize;
        (object.len() as u64 >= wanted).then(|| {
            let object = &object[..object.len().min(object_bytes)];
            padded(object, at as usize, shards.bytes as usize)
        })
    }

    fn parity_shard(&self, at: u32, shards: Shards) -> Option<&[u8]> {
        let start = shards.table_bytes() + at as usize * shards.bytes as usize;
        self.body.get(start..start + shards.bytes as usize)
    }
}

/// A look at a sidecar that reads little of it: its ends, or all of a copy.
pub(crate) struct Ends;

impl Ends {
    /// What the sidecar of `bytes` bytes is of, and what is wrong with it, as far as its ends tell. `range` reads so many
    /// bytes at an offset.
    pub(crate) fn read(
        name: ObjectName,
        bytes: u64,
        mut range: impl FnMut(u64, usize) -> Result<Vec<u8>>,
    ) -> Result<(ObjectName, Option<&'static str>)> {
        let head = range(0, HEAD_BYTES)?;
        let whole = |range: &mut dyn FnMut(u64, usize) -> Result<Vec<u8>>| {
            let all = range(0, bytes.min(Kind::Parity.bytes_max()) as usize)?;
            let sidecar = Sidecar::decode(name, &all)?;
            Ok((sidecar.object(), sidecar.flaw_anywhere()))
        };
        let header = Header::decode(name, &head);
        if matches!(header, Err(Error::Unsupported { .. })) {
            return header.map(|_| (name, None));
        }
        let parameters = head
            .get(HEADER_BYTES..)
            .and_then(|block| Parameters::decode(name, block));
        let Some(parameters) = parameters.filter(|found| header.is_ok() && found.shards.is_some())
        else {
            return whole(&mut range);
        };
        if bytes != parameters.body_bytes() + FRAMING_BYTES as u64 {
            return Ok((parameters.object, Some(WRONG_LENGTH)));
        }
        let [_, second, third] = block_places(parameters.body_bytes() as usize);
        for place in [second, third] {
            if range(place as u64, BLOCK_BYTES)? != parameters.encode() {
                return Ok((parameters.object, Some(BLOCK_DAMAGED)));
            }
        }
        Ok((parameters.object, None))
    }
}
