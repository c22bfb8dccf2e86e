//! Varints, contents and escaped paths.

use proptest::prelude::*;

use super::super::content::{Content, decode_ids};
use super::super::varint::{Cursor, put_bytes, put_varint, unzigzag, zigzag};
use super::super::{escape_path, unescape_path};
use super::{bytes, chunk_id, content, damaged, flips};
use crate::limits::CONTENT_IDS_MAX;

proptest! {
    #[test]
    fn varints_and_numbers_are_inverse(value: u64, signed: i64) {
        let mut out = Vec::new();
        put_varint(&mut out, value);
        let mut cursor = Cursor::new(&out);
        prop_assert_eq!(cursor.varint("value"), Ok(value));
        prop_assert_eq!(cursor.remaining(), 0);
        for kept in 0..out.len() {
            prop_assert!(Cursor::new(&out[..kept]).varint("value").is_err());
        }
        prop_assert_eq!(unzigzag(zigzag(signed)), signed);
    }

    /// One number has one spelling: else one object would have several.
    #[test]
    fn a_varint_that_decodes_is_the_one_that_is_encoded(
        input in proptest::collection::vec(prop_oneof![Just(0), Just(0x80), any::<u8>()], 0..12),
    ) {
        let mut cursor = Cursor::new(&input);
        if let Ok(value) = cursor.varint("value") {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(&out[..], &input[..cursor.offset()]);
        }
    }

    #[test]
    fn lengths_are_bounded_before_anything_is_taken(payload in bytes(40), most in 0usize..40) {
        let mut out = Vec::new();
        put_bytes(&mut out, &payload);
        let taken = Cursor::new(&out).bytes(most, "payload").map(<[u8]>::to_vec);
        prop_assert_eq!(taken.is_ok(), payload.len() <= most);
        if let Ok(taken) = taken {
            prop_assert_eq!(taken, payload);
        }
    }

    #[test]
    fn contents_are_inverse(content in content(), rest in bytes(3)) {
        let mut out = Vec::new();
        content.encode(&mut out);
        let length = out.len();
        out.extend(&rest);
        let mut cursor = Cursor::new(&out);
        prop_assert_eq!(Content::decode(&mut cursor), Ok(content));
        prop_assert_eq!(cursor.offset(), length);
        for kept in 0..length {
            prop_assert!(Content::decode(&mut Cursor::new(&out[..kept])).is_err());
        }
    }

    #[test]
    fn damaged_contents_are_refused_or_have_one_spelling(
        content in content(), flips in flips(), kept: usize,
    ) {
        let mut encoded = Vec::new();
        content.encode(&mut encoded);
        let input = damaged(&encoded, &flips, kept);
        let mut cursor = Cursor::new(&input);
        if let Ok(content) = Content::decode(&mut cursor) {
            let mut out = Vec::new();
            content.encode(&mut out);
            prop_assert_eq!(&out[..], &input[..cursor.offset()]);
        }
    }

    #[test]
    fn ids_are_split_and_a_rest_is_left(ids in proptest::collection::vec(chunk_id(), 0..9), rest in bytes(19)) {
        let mut joined: Vec<u8> = ids.iter().flat_map(|id| id.0).collect();
        joined.extend(rest);
        prop_assert_eq!(decode_ids(&joined), ids);
    }

    #[test]
    fn escaped_paths_are_inverse_and_printable(path in bytes(60), text in ".*") {
        let escaped = escape_path(&path);
        prop_assert!(!escaped.chars().any(char::is_control));
        prop_assert_eq!(unescape_path(&escaped), path);
        prop_assert_eq!(unescape_path(&escape_path(text.as_bytes())), text.into_bytes());
    }

    #[test]
    fn any_text_unescapes(text in r"(\\|x|[0-9a-g]|é|.)*") {
        unescape_path(&text);
    }
}

#[test]
fn longer_spellings_and_larger_numbers_are_refused() {
    let decode = |input: &[u8]| Cursor::new(input).varint("value");
    assert_eq!(decode(&[0]), Ok(0));
    assert_eq!(decode(&[0x80, 1]), Ok(128));
    for longer in [&[0x80, 0][..], &[0x81, 0], &[0xff, 0x80, 0]] {
        assert!(decode(longer).is_err(), "{longer:?}");
    }
    let mut largest = [0xff; 10];
    largest[9] = 1;
    assert_eq!(decode(&largest), Ok(u64::MAX));
    largest[9] = 2;
    assert!(decode(&largest).is_err());
    assert!(decode(&[0x80; 11]).is_err());
}

#[test]
fn text_that_is_no_escape_stands_for_itself() {
    for text in ["plain", "\\", "\\x", "\\xg0", "\\x0", "C:\\dir", "é\\x4"] {
        assert_eq!(unescape_path(text), text.as_bytes(), "{text}");
    }
    assert_eq!(unescape_path("a\\x0Ab\\xff"), b"a\nb\xff");
    assert_eq!(escape_path(b"a\nb\\c\xff"), "a\\x0ab\\x5cc\\xff");
}

#[test]
fn absurd_contents_are_refused() {
    // Depth 9.
    assert!(Content::decode(&mut Cursor::new(&[10, 0, 0])).is_err());
    let mut too_many = vec![1, 0, CONTENT_IDS_MAX as u8 + 1];
    too_many.extend([0; 20 * (CONTENT_IDS_MAX + 1)]);
    assert!(Content::decode(&mut Cursor::new(&too_many)).is_err());
    // 257 bytes in place.
    let mut too_long = vec![0, 0x81, 2];
    too_long.extend([0; 257]);
    assert!(Content::decode(&mut Cursor::new(&too_long)).is_err());
}
