//! Snapshots: what one backup run stored. JSON, compressed and sealed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::content::Content;
use super::key_slot::bytes_as_base64;
use super::varint::Cursor;
use crate::error::{Error, Result};

/// Who published a snapshot, and which of that writer's it is: a gap tells of a lost or rolled back store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// 16 random bytes as hex, one a client.
    pub id: String,
    /// 1 for its first snapshot.
    pub sequence: u64,
    /// Hex BLAKE3 of the sealed bytes of its previous snapshot; empty for the first.
    pub previous: String,
}

/// What a run read and stored, in bytes and numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotStats {
    /// Regular files.
    pub files: u64,
    /// Bytes of all files.
    pub size: u64,
    /// Files whose recipe was taken over without reading them.
    pub files_unchanged: u64,
    /// Bytes read from the source.
    pub read: u64,
    /// Chunks stored whole.
    pub chunks_whole: u64,
    /// Chunks stored against a base.
    pub chunks_delta: u64,
    /// Chunks that the repository held already.
    pub chunks_known: u64,
    /// Bytes of the chunks that it did not hold.
    pub new: u64,
    /// Bytes that the run's packs take.
    pub added: u64,
    /// Files and directories that could not be read.
    pub errors: u64,
}

/// The object `snapshots/<id>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When reading began, RFC 3339 with the offset of the writer's time zone; or what the user said instead.
    pub time: String,
    /// When reading began by the writer's clock, RFC 3339: what changed less than two seconds before it may have
    /// changed after it was read.
    pub started: String,
    /// When it was published, RFC 3339.
    pub finished: String,
    /// The host it was taken on.
    pub host: String,
    /// The user who took it.
    pub user: String,
    /// What groups the nights of one thing: a name from the configuration, else the paths.
    pub source: String,
    /// What was backed up, as [`escape_path`] writes it.
    pub paths: Vec<String>,
    /// The user's words.
    pub tags: Vec<String>,
    /// Some of the source could not be read.
    pub incomplete: bool,
    /// The program and its version.
    pub program: String,
    /// The file list, encoded [`Content`].
    #[serde(with = "bytes_as_base64")]
    pub files: Vec<u8>,
    /// What was read and stored.
    pub stats: SnapshotStats,
    /// Who published it.
    pub writer: Writer,
    /// What newer programs add; survives a copy.
    #[serde(flatten)]
    pub extensions: BTreeMap<String, serde_json::Value>,
}

impl Snapshot {
    /// The JSON.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads the JSON of the object called `object`.
    pub fn decode(object: &str, json: &[u8]) -> Result<Self> {
        let snapshot: Self = serde_json::from_slice(json)
            .map_err(|error| Error::corrupt(object, format!("it is no valid snapshot: {error}")))?;
        snapshot
            .time
            .parse::<jiff::Timestamp>()
            .map_err(|error| Error::corrupt(object, format!("its time: {error}")))?;
        Ok(snapshot)
    }

    /// The file list's content.
    pub fn file_list(&self, object: &str) -> Result<Content> {
        let mut cursor = Cursor::new(&self.files);
        Content::decode(&mut cursor)
            .map_err(|m| Error::corrupt(object, format!("its file list: {m}")))
    }

    /// When reading began.
    pub fn timestamp(&self) -> jiff::Timestamp {
        // Checked by `decode`; what this program writes is valid.
        self.time.parse().unwrap_or_default()
    }
}

/// A path as text that any terminal and JSON can carry: bytes that are no UTF-8, control characters and
/// backslashes become `\xNN`.
pub fn escape_path(path: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(path.len());
    for piece in path.utf8_chunks() {
        for character in piece.valid().chars() {
            if character.is_control() || character == '\\' {
                let mut buffer = [0; 4];
                for byte in character.encode_utf8(&mut buffer).bytes() {
                    let _ = write!(out, "\\x{byte:02x}");
                }
            } else {
                out.push(character);
            }
        }
        for byte in piece.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Inverse of [`escape_path`]; a backslash that starts no escape stands for itself.
pub fn unescape_path(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = bytes[at..]
            .strip_prefix(b"\\x")
            .and_then(|rest| rest.get(..2));
        let value = escaped
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = value {
            out.push(byte);
            at += 4;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}
