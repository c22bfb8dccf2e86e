//! Entries, as a stream that arrives piece by piece.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::entry::{Entry, Extension, Metadata, Node, Timestamp, path_order};
use super::{bytes, content, damaged, flips};

fn time() -> impl Strategy<Value = Timestamp> {
    (any::<i64>(), 0..1_000_000_000u32).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos })
}

fn node() -> impl Strategy<Value = Node> {
    prop_oneof![
        content().prop_map(Node::File),
        Just(Node::Directory),
        bytes(30).prop_map(Node::Symlink),
        bytes(30).prop_map(Node::Hardlink),
        Just(Node::Fifo),
        any::<u64>().prop_map(Node::CharDevice),
        any::<u64>().prop_map(Node::BlockDevice),
    ]
}

fn extension() -> impl Strategy<Value = Extension> {
    prop_oneof![
        vec(any::<(u64, u64)>(), 0..4).prop_map(Extension::Holes),
        (bytes(20), bytes(20)).prop_map(|(name, value)| Extension::Xattr { name, value }),
        (3..u64::MAX, bytes(20)).prop_map(|(tag, value)| Extension::Unknown { tag, value }),
    ]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    (
        (0..=0o7777u32, any::<u32>(), any::<u32>()),
        (bytes(9), bytes(9), time(), time(), any::<u64>()),
    )
        .prop_map(
            |((mode, uid, gid), (user, group, mtime, ctime, inode))| Metadata {
                mode,
                uid,
                gid,
                user,
                group,
                mtime,
                ctime,
                inode,
            },
        )
}

fn entry() -> impl Strategy<Value = Entry> {
    (bytes(40), metadata(), node(), vec(extension(), 0..4)).prop_map(
        |(path, metadata, node, extensions)| Entry {
            path,
            metadata,
            node,
            extensions,
        },
    )
}

proptest! {
    #[test]
    fn entries_come_out_of_a_stream_however_it_is_split(
        entries in vec(entry(), 1..5), piece in 1usize..200,
    ) {
        let mut stream = Vec::new();
        for entry in &entries {
            entry.encode(&mut stream);
        }
        let (mut held, mut decoded) = (Vec::new(), Vec::new());
        for piece in stream.chunks(piece) {
            held.extend_from_slice(piece);
            while let Some((entry, length)) = Entry::decode(&held).unwrap() {
                decoded.push(entry);
                held.drain(..length);
            }
        }
        prop_assert_eq!(held.len(), 0);
        prop_assert_eq!(decoded, entries);
    }

    /// A part of an entry is not an error: the rest is in the next chunk of the stream.
    #[test]
    fn every_part_of_an_entry_asks_for_more(entry in entry()) {
        let mut stream = Vec::new();
        entry.encode(&mut stream);
        for kept in 0..stream.len() {
            prop_assert_eq!(Entry::decode(&stream[..kept]), Ok(None));
        }
    }

    #[test]
    fn damaged_entries_are_refused_or_have_one_spelling(
        entry in entry(), flips in flips(), kept: usize,
    ) {
        let mut encoded = Vec::new();
        entry.encode(&mut encoded);
        let input = damaged(&encoded, &flips, kept);
        if let Ok(Some((entry, length))) = Entry::decode(&input) {
            let mut out = Vec::new();
            entry.encode(&mut out);
            prop_assert_eq!(&out[..], &input[..length]);
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_wait(input in bytes(200)) {
        let _ = Entry::decode(&input);
    }

    #[test]
    fn path_order_sorts_by_components(a in bytes(8), b in bytes(8)) {
        let key = |path: &[u8]| -> Vec<Vec<u8>> { path.split(|c| *c == b'/').map(<[u8]>::to_vec).collect() };
        prop_assert_eq!(path_order(&a, &b), key(&a).cmp(&key(&b)));
    }
}

#[test]
fn a_directory_stands_right_before_what_it_holds() {
    let mut paths = [
        "/a.b", "/a/z", "/a", "/a/b/c", "/a-b", "/", "/a/b", "/a\u{1}",
    ];
    paths.sort_by(|a, b| path_order(a.as_bytes(), b.as_bytes()));
    assert_eq!(
        paths,
        [
            "/", "/a", "/a/b", "/a/b/c", "/a/z", "/a\u{1}", "/a-b", "/a.b"
        ]
    );
}

#[test]
fn an_absurd_length_is_refused_at_once() {
    // 32 MiB, then 2⁶³ bytes: neither is waited for.
    assert!(Entry::decode(&[0x80, 0x80, 0x80, 0x10]).is_err());
    let longest = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01];
    assert!(Entry::decode(&longest).is_err());
    assert!(Entry::decode(&[0xff; 10]).is_err());
}

#[test]
fn a_second_that_has_too_many_nanoseconds_is_refused() {
    let mut stream = Vec::new();
    let mut entry = Entry {
        path: b"/a".to_vec(),
        metadata: Metadata::default(),
        node: Node::Directory,
        extensions: Vec::new(),
    };
    entry.metadata.mtime.nanos = 1_000_000_000;
    entry.encode(&mut stream);
    assert!(Entry::decode(&stream).is_err());
    stream.clear();
    entry.metadata.mtime.nanos = 0;
    entry.metadata.mode = 0o10_000;
    entry.encode(&mut stream);
    assert!(Entry::decode(&stream).is_err());
}
