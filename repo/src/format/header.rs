//! The header that starts every object, and the names of objects.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::limits::{PACK_BYTES_MAX, PARITY_SIDECAR_BYTES_MAX, PLAIN_OBJECT_BYTES_MAX};

/// The repository format that this program writes and reads.
pub const FORMAT_VERSION: u8 = 1;
/// Bytes of a header.
pub const HEADER_BYTES: usize = 48;
const MAGIC: [u8; 4] = *b"NFLD";
const CHECKSUM_BYTES: usize = 32;

/// The kinds of objects, each a folder of its own (the config is one file).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// The repository's parameters.
    Config = 0,
    /// A key slot.
    Key = 1,
    /// Frames.
    Pack = 2,
    /// What one backup run stored.
    Snapshot = 3,
    /// Redundancy of another object, to repair it.
    Parity = 4,
    /// Somebody at work.
    Lease = 5,
    /// What nobody may build on any more.
    Condemned = 6,
    /// Snapshots that were forgotten.
    Tombstone = 7,
    /// What was read and found sound.
    Proof = 8,
    /// Reserved: log segments.
    Segment = 9,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Config,
        Self::Key,
        Self::Pack,
        Self::Snapshot,
        Self::Parity,
        Self::Lease,
        Self::Condemned,
        Self::Tombstone,
        Self::Proof,
        Self::Segment,
    ];

    /// Bytes that an object of this kind has at most.
    pub fn bytes_max(self) -> u64 {
        match self {
            Self::Config | Self::Key => PLAIN_OBJECT_BYTES_MAX,
            Self::Parity => PARITY_SIDECAR_BYTES_MAX,
            _ => PACK_BYTES_MAX,
        }
    }

    /// The folder that holds objects of this kind; for the config the file itself.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Key => "keys",
            Self::Pack => "packs",
            Self::Snapshot => "snapshots",
            Self::Parity => "parity",
            Self::Lease => "leases",
            Self::Condemned => "condemned",
            Self::Tombstone => "tombstones",
            Self::Proof => "proofs",
            Self::Segment => "segments",
        }
    }
}

/// 32 random bytes that name an object and its key.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub [u8; 32]);

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ObjectId {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        // Only the one lower-case spelling, so that a name has one object.
        if text.len() != 64
            || text
                .bytes()
                .any(|c| !matches!(c, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(());
        }
        let mut id = [0; 32];
        for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| ())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| ())?;
        }
        Ok(Self(id))
    }
}

impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let malformed = || serde::de::Error::custom(format!("no object id: {text}"));
        text.parse().map_err(|()| malformed())
    }
}

/// What an object is called in storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName {
    /// Its kind.
    pub kind: Kind,
    /// Its id; all zeros for the config.
    pub id: ObjectId,
}

impl ObjectName {
    /// The config's name.
    pub const CONFIG: Self = Self {
        kind: Kind::Config,
        id: ObjectId([0; 32]),
    };

    /// The name of an object.
    pub fn new(kind: Kind, id: ObjectId) -> Self {
        Self { kind, id }
    }

    /// The path below the repository's root, with `/` between parts; packs are spread over 256 folders.
    pub fn path(&self) -> String {
        match self.kind {
            Kind::Config => "config".to_owned(),
            Kind::Pack => format!("packs/{:02x}/{}", self.id.0[0], self.id),
            kind => format!("{}/{}", kind.folder(), self.id),
        }
    }
}

impl ObjectName {
    /// The object that is called so; the inverse of [`Self::path`].
    pub fn from_path(path: &str) -> Option<Self> {
        if path == Self::CONFIG.path() {
            return Some(Self::CONFIG);
        }
        let (folder, _) = path.split_once('/')?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.folder() == folder)?;
        let id = path.rsplit('/').next()?.parse().ok()?;
        let name = Self::new(kind, id);
        (name.path() == path).then_some(name)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// The first [`HEADER_BYTES`] of every object, in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the object is.
    pub kind: Kind,
    /// Which master key seals it.
    pub epoch: u32,
    /// Its id, as in its name.
    pub id: ObjectId,
}

impl Header {
    /// A header for a new object.
    pub fn new(name: ObjectName, epoch: u32) -> Self {
        Self {
            kind: name.kind,
            epoch,
            id: name.id,
        }
    }

    /// The encoded form: magic 4, version 1, kind 1, zero 2, epoch 4, id 32, checksum 4.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..4].copy_from_slice(&MAGIC);
        out[4] = FORMAT_VERSION;
        out[5] = self.kind as u8;
        out[8..12].copy_from_slice(&self.epoch.to_le_bytes());
        out[12..44].copy_from_slice(&self.id.0);
        let checksum = checksum(&out[..44]);
        out[44..].copy_from_slice(&checksum);
        out
    }

    /// Reads the header of the object `name` and checks that it is that object's.
    pub fn decode(name: ObjectName, bytes: &[u8]) -> Result<Self> {
        let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(Error::corrupt(
                name,
                format!(
                    "it has {} bytes, its header alone {HEADER_BYTES}",
                    bytes.len()
                ),
            ));
        };
        if head[..4] != MAGIC {
            return Err(Error::corrupt(
                name,
                "its first bytes are not those of a Nightfold object",
            ));
        }
        // Magic, version and checksum keep their places in every format, so a newer one is told from damage.
        if head[44..] != checksum(&head[..44]) {
            return Err(Error::corrupt(
                name,
                "its header's checksum does not fit (bytes 0 to 47)",
            ));
        }
        if head[4] != FORMAT_VERSION {
            return Err(Error::Unsupported {
                object: name.to_string(),
                needs: format!("format {}", head[4]),
            });
        }
        if head[5] != name.kind as u8 || head[12..44] != name.id.0 {
            return Err(Error::corrupt(
                name,
                "its header is another object's: was the file renamed?",
            ));
        }
        let mut epoch = [0; 4];
        epoch.copy_from_slice(&head[8..12]);
        Ok(Self {
            kind: name.kind,
            epoch: u32::from_le_bytes(epoch),
            id: name.id,
        })
    }
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut short = [0; 4];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..4]);
    short
}

/// An object that needs no key to read: header, body, BLAKE3 of both.
pub fn seal_plain(name: ObjectName, body: &[u8]) -> Vec<u8> {
    let mut out = Header::new(name, 0).encode().to_vec();
    out.extend_from_slice(body);
    let checksum = blake3::hash(&out);
    out.extend_from_slice(checksum.as_bytes());
    out
}

/// The body of such an object.
pub fn unseal_plain(name: ObjectName, bytes: &[u8]) -> Result<&[u8]> {
    Header::decode(name, bytes)?;
    let Some((covered, checksum)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(Error::corrupt(name, "it is cut short"));
    };
    if covered.len() < HEADER_BYTES || blake3::hash(covered).as_bytes() != checksum {
        return Err(Error::corrupt(
            name,
            "its checksum does not fit: bytes were changed or cut off",
        ));
    }
    Ok(&covered[HEADER_BYTES..])
}
