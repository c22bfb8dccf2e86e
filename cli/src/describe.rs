//! Entries and snapshots in words and JSON.

use jiff::Timestamp as Moment;
use nightfold_repo::check::DrillOutcome;
use nightfold_repo::format::{Entry, Node, Timestamp, escape_path};
use nightfold_repo::repository::StoredSnapshot;
use serde::Serialize;

use crate::time;

/// A snapshot for scripts.
#[derive(Serialize)]
pub struct SnapshotJson<'a> {
    id: String,
    short_id: String,
    time: &'a str,
    host: &'a str,
    source: &'a str,
    paths: &'a [String],
    tags: &'a [String],
    size: u64,
    added: u64,
    incomplete: bool,
    /// The id that it had at first, if it was copied or the keys were changed since.
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<String>,
    /// Since when all that it needs was read and found sound.
    proven: Option<String>,
    /// The last drill with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    drill: Option<DrillJson>,
    /// What is known of the dumps of databases in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    databases: Option<&'a serde_json::Value>,
}

#[derive(Serialize)]
struct DrillJson {
    time: String,
    passed: bool,
}

impl<'a> SnapshotJson<'a> {
    /// With what checks have found out about it.
    pub fn new(
        stored: &'a StoredSnapshot,
        proven: Option<Moment>,
        drill: Option<DrillOutcome>,
    ) -> Self {
        let snapshot = &stored.snapshot;
        Self {
            id: stored.id.to_string(),
            short_id: stored.short_id(),
            time: &snapshot.time,
            host: &snapshot.host,
            source: &snapshot.source,
            paths: &snapshot.paths,
            tags: &snapshot.tags,
            size: snapshot.stats.size,
            added: snapshot.stats.added,
            incomplete: snapshot.incomplete,
            original: stored.original().map(|id| id.to_string()),
            proven: proven.map(|time| time.to_string()),
            drill: drill.map(|drill| DrillJson {
                time: drill.time.to_string(),
                passed: drill.passed(),
            }),
            databases: snapshot.extensions.get("databases"),
        }
    }
}

/// An entry for scripts. Paths are escaped: JSON knows no raw bytes.
#[derive(Serialize)]
pub struct EntryJson {
    path: String,
    r#type: &'static str,
    mode: String,
    uid: u32,
    gid: u32,
    user: String,
    group: String,
    size: u64,
    mtime: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

impl From<&Entry> for EntryJson {
    fn from(entry: &Entry) -> Self {
        let metadata = &entry.metadata;
        let target = match &entry.node {
            Node::Symlink(target) | Node::Hardlink(target) => Some(escape_path(target)),
            _ => None,
        };
        Self {
            path: escape_path(&entry.path),
            r#type: type_name(&entry.node),
            mode: format!("{:04o}", metadata.mode),
            uid: metadata.uid,
            gid: metadata.gid,
            user: escape_path(&metadata.user),
            group: escape_path(&metadata.group),
            size: entry.size(),
            mtime: moment(metadata.mtime).to_string(),
            target,
        }
    }
}

/// What kind of thing it is, in one word.
pub fn type_name(node: &Node) -> &'static str {
    match node {
        Node::File(_) => "file",
        Node::Directory => "directory",
        Node::Symlink(_) => "symlink",
        Node::Hardlink(_) => "hardlink",
        Node::Fifo => "fifo",
        Node::CharDevice(_) => "chardev",
        Node::BlockDevice(_) => "blockdev",
    }
}

/// A line as `ls -l` prints it.
pub fn long_line(entry: &Entry) -> String {
    let metadata = &entry.metadata;
    let name = |name: &[u8], number: u32| {
        if name.is_empty() {
            number.to_string()
        } else {
            escape_path(name)
        }
    };
    let target = match &entry.node {
        Node::Symlink(target) => format!(" -> {}", escape_path(target)),
        Node::Hardlink(target) => format!(" (hard link to {})", escape_path(target)),
        _ => String::new(),
    };
    format!(
        "{} {:<8} {:<8} {:>13} {} {}{target}",
        mode_string(entry),
        name(&metadata.user, metadata.uid),
        name(&metadata.group, metadata.gid),
        entry.size(),
        time::local(moment(metadata.mtime)),
        escape_path(&entry.path),
    )
}

/// A file's time; what no calendar holds becomes the epoch.
pub fn moment(time: Timestamp) -> Moment {
    Moment::new(time.seconds, time.nanos.cast_signed()).unwrap_or_default()
}

fn mode_string(entry: &Entry) -> String {
    let mode = entry.metadata.mode;
    let kind = match entry.node {
        Node::File(_) | Node::Hardlink(_) => '-',
        Node::Directory => 'd',
        Node::Symlink(_) => 'l',
        Node::Fifo => 'p',
        Node::CharDevice(_) => 'c',
        Node::BlockDevice(_) => 'b',
    };
    let mut out = String::from(kind);
    for (shift, special, with, without) in [
        (6, 0o4000, 's', 'S'),
        (3, 0o2000, 's', 'S'),
        (0, 0o1000, 't', 'T'),
    ] {
        let bits = mode >> shift;
        out.push(if bits & 4 == 0 { '-' } else { 'r' });
        out.push(if bits & 2 == 0 { '-' } else { 'w' });
        out.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => with,
            (false, true) => without,
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use nightfold_repo::format::Metadata;

    use super::*;

    #[test]
    fn modes_read_as_in_ls() {
        let cases = [
            (0o644, Node::Fifo, "prw-r--r--"),
            (0o1777, Node::Directory, "drwxrwxrwt"),
            (0o4755, Node::CharDevice(0), "crwsr-xr-x"),
            (0o2600, Node::BlockDevice(0), "brw---S---"),
        ];
        for (mode, node, text) in cases {
            let entry = Entry {
                path: b"/x".to_vec(),
                metadata: Metadata {
                    mode,
                    ..Metadata::default()
                },
                node,
                extensions: Vec::new(),
            };
            assert_eq!(mode_string(&entry), text);
        }
    }
}
