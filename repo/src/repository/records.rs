//! Small sealed objects with one JSON document each: snapshots, leases, what is condemned, tombstones, proofs.

use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Repository;
use crate::codec;
use crate::crypto::random;
use crate::error::{Error, Result};
use crate::format::{CodecKind, Cursor, Kind, ObjectId, ObjectName, put_varint};
use crate::limits::SNAPSHOT_BYTES_MAX;

/// The readable records of a kind, and what is wrong with the others.
pub(crate) type Records<T> = (Vec<(ObjectId, T)>, Vec<Error>);

impl Repository {
    /// JSON as an object that is not there yet.
    pub(super) fn seal_json(&self, kind: Kind, json: &[u8]) -> Result<(ObjectName, Vec<u8>)> {
        let name = ObjectName::new(kind, ObjectId(random()?));
        let mut body = Vec::new();
        put_varint(&mut body, json.len() as u64);
        body.extend(codec::encode_snapshot(json)?);
        Ok((name, self.vault.seal_object(name, body)?))
    }

    /// The JSON in the sealed bytes of an object.
    pub(super) fn open_json(&self, name: ObjectName, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
        let body = self.vault.open_object(name, &mut bytes)?;
        let mut cursor = Cursor::new(&body);
        cursor
            .bounded(SNAPSHOT_BYTES_MAX, "length of the document")
            .map_err(|malformed| Error::corrupt(name, malformed.to_string()))
            .and_then(|raw_bytes| {
                codec::decode(CodecKind::Zstd, &body[cursor.offset()..], None, raw_bytes)
            })
            .map_err(|error| Error::corrupt(name, error.to_string()))
    }

    /// Stores a record; it is durable afterwards.
    pub(crate) fn put_record<T: Serialize>(&self, kind: Kind, record: &T) -> Result<ObjectId> {
        let json = serde_json::to_vec(record)
            .map_err(|error| Error::Invalid(format!("a record cannot be written: {error}")))?;
        let (name, sealed) = self.seal_json(kind, &json)?;
        self.storage.put(name, &sealed)?;
        Ok(name.id)
    }

    /// Reads one record.
    pub(crate) fn read_record<T: DeserializeOwned>(&self, name: ObjectName) -> Result<T> {
        let json = self.open_json(name, self.storage.get(name)?)?;
        serde_json::from_slice(&json)
            .map_err(|error| Error::corrupt(name, format!("it is no valid record: {error}")))
    }

    /// All records of a kind. One that goes while it is read is left out.
    pub(crate) fn records<T: DeserializeOwned + Send>(&self, kind: Kind) -> Result<Records<T>> {
        let listed = self.storage.list(kind)?;
        let read: Vec<_> = listed
            .par_iter()
            .map(|listed| {
                let record = self.read_record(ObjectName::new(kind, listed.id))?;
                Ok((listed.id, record))
            })
            .collect();
        let (mut records, mut errors) = (Vec::new(), Vec::new());
        for result in read {
            match result {
                Ok(record) => records.push(record),
                Err(Error::Missing { .. }) => {}
                Err(error @ (Error::Corrupt { .. } | Error::Unsupported { .. })) => {
                    errors.push(error);
                }
                Err(other) => return Err(other),
            }
        }
        Ok((records, errors))
    }

    /// Whether an object is there, asked for by its name. One that cannot be read is.
    pub(crate) fn is_there(&self, name: ObjectName) -> Result<bool> {
        match self.storage.get_range(name, 0, 1) {
            Ok(_) | Err(Error::Corrupt { .. } | Error::Io { .. }) => Ok(true),
            Err(Error::Missing { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Deletes an object; one that is gone already is no error.
    pub(crate) fn delete_if_there(&self, name: ObjectName) -> Result<()> {
        match self.storage.delete(name) {
            Err(Error::Missing { .. }) => Ok(()),
            other => other,
        }
    }
}
