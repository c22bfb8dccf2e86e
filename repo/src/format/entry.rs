//! Entries of a file list: one per file, directory or link, sorted by [`path_order`].
//!
//! A file list is a stream of entries, each preceded by its length, that is cut, deduplicated and
//! delta-encoded like any other data. Names are raw bytes.

use std::cmp::Ordering;

use super::content::Content;
use super::varint::{Cursor, Malformed, put_bytes, put_varint, unzigzag, zigzag};
use crate::limits::ENTRY_BYTES_MAX;

/// Seconds and nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds, negative before 1970.
    pub seconds: i64,
    /// 0 to 999 999 999.
    pub nanos: u32,
}

/// What the file system says of an entry beside its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits with set-id and sticky bits (07777); no file type.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Owner's name where known, else empty.
    pub user: Vec<u8>,
    /// Group's name where known, else empty.
    pub group: Vec<u8>,
    /// Last change of the content.
    pub mtime: Timestamp,
    /// Last change of the inode: never restored, tells an unchanged file.
    pub ctime: Timestamp,
    /// Inode number: never restored, tells an unchanged file.
    pub inode: u64,
}

/// What kind of thing an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A regular file.
    File(Content),
    /// A directory.
    Directory,
    /// A symbolic link and what it points to.
    Symlink(Vec<u8>),
    /// One more name of the file at this path, which stands earlier in the list.
    Hardlink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A character device and its number.
    CharDevice(u64),
    /// A block device and its number.
    BlockDevice(u64),
}

/// A typed addition to an entry; unknown ones survive a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extension {
    /// Holes of a sparse file as (offset, length) in bytes, ascending.
    Holes(Vec<(u64, u64)>),
    /// An extended attribute (POSIX ACLs are such).
    Xattr {
        /// Its full name.
        name: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Written by a newer program.
    Unknown {
        /// Its tag.
        tag: u64,
        /// Its bytes.
        value: Vec<u8>,
    },
}

const TAG_HOLES: u64 = 1;
const TAG_XATTR: u64 = 2;

/// One line of a file list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Absolute path as raw bytes, starting with `/`, without a trailing one.
    pub path: Vec<u8>,
    /// Mode, owner, times.
    pub metadata: Metadata,
    /// What it is.
    pub node: Node,
    /// Holes, extended attributes and what newer programs add.
    pub extensions: Vec<Extension>,
}

/// The order of a file list: by path components, so that a directory stands right before what it holds.
pub fn path_order(a: &[u8], b: &[u8]) -> Ordering {
    let key = |byte: &u8| {
        if *byte == b'/' {
            0u16
        } else {
            u16::from(*byte) + 1
        }
    };
    a.iter().map(key).cmp(b.iter().map(key))
}

impl Entry {
    /// Appends the entry, its length in front.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(128 + self.path.len());
        put_bytes(&mut body, &self.path);
        let m = &self.metadata;
        put_varint(&mut body, u64::from(m.mode));
        put_varint(&mut body, u64::from(m.uid));
        put_varint(&mut body, u64::from(m.gid));
        put_bytes(&mut body, &m.user);
        put_bytes(&mut body, &m.group);
        put_time(&mut body, m.mtime);
        put_time(&mut body, m.ctime);
        put_varint(&mut body, m.inode);
        put_node(&mut body, &self.node);
        put_varint(&mut body, self.extensions.len() as u64);
        for extension in &self.extensions {
            let (tag, value) = encode_extension(extension);
            put_varint(&mut body, tag);
            put_bytes(&mut body, &value);
        }
        put_bytes(out, &body);
    }

    /// Reads one entry from the front of `stream`. `Ok(None)`: more bytes are needed.
    pub fn decode(stream: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let mut outer = Cursor::new(stream);
        let length = match outer.bounded(ENTRY_BYTES_MAX, "entry length") {
            Ok(length) => length,
            // A varint takes at most 10 bytes: with fewer at hand it may only be cut short.
            Err(_) if stream.len() < 10 && stream.iter().all(|byte| byte & 0x80 != 0) => {
                return Ok(None);
            }
            Err(malformed) => return Err(malformed),
        };
        if outer.remaining() < length {
            return Ok(None);
        }
        let body = outer.take(length, "entry")?;
        Ok(Some((Self::decode_body(body)?, outer.offset())))
    }

    fn decode_body(body: &[u8]) -> Result<Self, Malformed> {
        let mut c = Cursor::new(body);
        let path = c.bytes(ENTRY_BYTES_MAX, "path")?.to_vec();
        let metadata = Metadata {
            mode: c.bounded(0o7777, "mode")? as u32,
            uid: c.bounded(u32::MAX as usize, "uid")? as u32,
            gid: c.bounded(u32::MAX as usize, "gid")? as u32,
            user: c.bytes(ENTRY_BYTES_MAX, "user")?.to_vec(),
            group: c.bytes(ENTRY_BYTES_MAX, "group")?.to_vec(),
            mtime: take_time(&mut c)?,
            ctime: take_time(&mut c)?,
            inode: c.varint("inode")?,
        };
        let node = take_node(&mut c)?;
        let count = c.bounded(ENTRY_BYTES_MAX, "number of extensions")?;
        let mut extensions = Vec::new();
        for _ in 0..count {
            let tag = c.varint("extension tag")?;
            let value = c.bytes(ENTRY_BYTES_MAX, "extension")?;
            extensions.push(decode_extension(tag, value)?);
        }
        if c.remaining() != 0 {
            return Err(c.malformed("end of entry"));
        }
        Ok(Self {
            path,
            metadata,
            node,
            extensions,
        })
    }

    /// Bytes of a regular file, 0 for anything else.
    pub fn size(&self) -> u64 {
        match &self.node {
            Node::File(content) => content.size(),
            _ => 0,
        }
    }
}

fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    put_varint(out, zigzag(time.seconds));
    put_varint(out, u64::from(time.nanos));
}

fn take_time(cursor: &mut Cursor<'_>) -> Result<Timestamp, Malformed> {
    let seconds = unzigzag(cursor.varint("seconds")?);
    let nanos = cursor.bounded(999_999_999, "nanoseconds")? as u32;
    Ok(Timestamp { seconds, nanos })
}

fn put_node(out: &mut Vec<u8>, node: &Node) {
    match node {
        Node::File(content) => {
            out.push(0);
            content.encode(out);
        }
        Node::Directory => out.push(1),
        Node::Symlink(target) => {
            out.push(2);
            put_bytes(out, target);
        }
        Node::Hardlink(path) => {
            out.push(3);
            put_bytes(out, path);
        }
        Node::Fifo => out.push(4),
        Node::CharDevice(number) => {
            out.push(5);
            put_varint(out, *number);
        }
        Node::BlockDevice(number) => {
            out.push(6);
            put_varint(out, *number);
        }
    }
}

fn take_node(c: &mut Cursor<'_>) -> Result<Node, Malformed> {
    let start = *c;
    Ok(match c.byte("node type")? {
        0 => Node::File(Content::decode(c)?),
        1 => Node::Directory,
        2 => Node::Symlink(c.bytes(ENTRY_BYTES_MAX, "link target")?.to_vec()),
        3 => Node::Hardlink(c.bytes(ENTRY_BYTES_MAX, "hard link")?.to_vec()),
        4 => Node::Fifo,
        5 => Node::CharDevice(c.varint("device number")?),
        6 => Node::BlockDevice(c.varint("device number")?),
        _ => return Err(start.malformed("node type")),
    })
}

fn encode_extension(extension: &Extension) -> (u64, Vec<u8>) {
    let mut value = Vec::new();
    match extension {
        Extension::Holes(holes) => {
            for (offset, length) in holes {
                put_varint(&mut value, *offset);
                put_varint(&mut value, *length);
            }
            (TAG_HOLES, value)
        }
        Extension::Xattr {
            name,
            value: attribute,
        } => {
            put_bytes(&mut value, name);
            put_bytes(&mut value, attribute);
            (TAG_XATTR, value)
        }
        Extension::Unknown { tag, value } => (*tag, value.clone()),
    }
}

fn decode_extension(tag: u64, value: &[u8]) -> Result<Extension, Malformed> {
    let mut c = Cursor::new(value);
    Ok(match tag {
        TAG_HOLES => {
            let mut holes = Vec::new();
            while c.remaining() > 0 {
                holes.push((c.varint("hole offset")?, c.varint("hole length")?));
            }
            Extension::Holes(holes)
        }
        TAG_XATTR => {
            let name = c.bytes(ENTRY_BYTES_MAX, "attribute name")?.to_vec();
            let attribute = c.bytes(ENTRY_BYTES_MAX, "attribute value")?.to_vec();
            if c.remaining() != 0 {
                return Err(c.malformed("end of attribute"));
            }
            Extension::Xattr {
                name,
                value: attribute,
            }
        }
        _ => Extension::Unknown {
            tag,
            value: value.to_vec(),
        },
    })
}
