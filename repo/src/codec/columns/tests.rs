//! Claims about the layout: inverse for whatever looks like rows, and bounded for whatever a payload says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{decode, encode};
use crate::codec::zstd_frame;
use crate::format::{Cursor, put_varint, zigzag};

/// How one column's fields come about.
fn column() -> BoxedStrategy<BoxedStrategy<String>> {
    let mixed = prop_oneof![
        Just(r"\N".to_string()),
        Just("NULL".to_string()),
        Just(String::new()),
        Just("-0".to_string()),
        Just("007".to_string()),
        Just("+5".to_string()),
        Just("-0.00".to_string()),
        Just("0000-00-00 00:00:00".to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        "[ -~]{0,30}",
        "\\PC{0,10}",
        "x{200,400}",
    ];
    let number =
        || (any::<i64>(), 0u32..64).prop_map(|(number, shift)| (number >> shift).to_string());
    let time = || {
        (
            0u32..9999,
            1u32..13,
            1u32..32,
            0u32..25,
            0u32..60,
            0u32..1_000_000,
        )
            .prop_map(|(y, m, d, h, s, f)| {
                (
                    format!("{y:04}-{m:02}-{d:02}"),
                    format!("{h:02}:59:{s:02}"),
                    f,
                )
            })
    };
    let base = select(vec![
        number().boxed(),
        (number(), 0u32..1000)
            .prop_map(|(whole, part)| format!("{whole}.{part:03}"))
            .boxed(),
        (0u32..100)
            .prop_map(|number| format!("{}.{}", number / 10, number % 10))
            .boxed(),
        time().prop_map(|(date, _, _)| date).boxed(),
        time()
            .prop_map(|(date, clock, _)| format!("{date} {clock}"))
            .boxed(),
        time()
            .prop_map(|(date, clock, part)| format!("{date}T{clock}.{part:06}Z"))
            .boxed(),
        time()
            .prop_map(|(date, clock, part)| {
                let text = format!("{date} {clock}.{part:06}");
                format!("{}+00", text.trim_end_matches('0').trim_end_matches('.'))
            })
            .boxed(),
        "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}".boxed(),
        "[0-9a-f]{32}".boxed(),
        select(vec!["new", "paid", "it's", "say \"so\"", "a\\tb"])
            .prop_map(str::to_string)
            .boxed(),
        "[a-z]{1,8}( [a-z]{1,8}){0,6}".boxed(),
        "(GET|PUT) /item/[0-9]{1,5}\\?page=[0-9]{1,2}".boxed(),
        Just("the same".to_string()).boxed(),
        mixed.clone().boxed(),
    ]);
    (base, select(vec![0u32, 0, 5, 40]))
        .prop_map(move |(base, odd)| {
            prop_oneof![100 - odd => base, odd + 1 => mixed.clone()].boxed()
        })
        .boxed()
}

/// Writes a row: fields quoted or not, and what stands before, between and behind them.
#[derive(Clone, Debug)]
struct Style {
    between: &'static str,
    end: &'static str,
    quote: Option<&'static str>,
}

fn style() -> impl Strategy<Value = Style> {
    let sql = |end| Style {
        between: ",",
        end,
        quote: Some("'"),
    };
    select(vec![
        Style {
            between: "\t",
            end: "\n",
            quote: None,
        },
        Style {
            between: "\t",
            end: "\r\n",
            quote: None,
        },
        Style {
            between: ",",
            end: "\n",
            quote: None,
        },
        Style {
            between: ",",
            end: "\r\n",
            quote: Some("\""),
        },
        Style {
            between: ";",
            end: "\n",
            quote: Some("\""),
        },
        Style {
            between: "|",
            end: "\n",
            quote: None,
        },
        sql("),\n("),
        sql("),("),
        sql(");\nINSERT INTO `t` VALUES ("),
        Style {
            between: ", ",
            end: ");\nINSERT INTO public.t (a, b) VALUES (",
            quote: Some("'"),
        },
    ])
}

fn is_number(field: &str) -> bool {
    field == "NULL" || field.parse::<f64>().is_ok()
}

/// A chunk of rows, cut anywhere, with some damage done to it.
fn rows() -> impl Strategy<Value = Vec<u8>> {
    let table = vec(column(), 1..7).prop_flat_map(|columns| vec(columns, 20..300));
    let edits = vec(
        (
            any::<prop::sample::Index>(),
            vec(any::<u8>(), 0..4),
            0usize..40,
        ),
        0..4,
    );
    (style(), table, edits, any::<u16>(), any::<u16>()).prop_map(
        |(style, table, edits, from, to)| {
            let mut text = Vec::new();
            for row in &table {
                for (at, field) in row.iter().enumerate() {
                    if at > 0 {
                        text.extend(style.between.bytes());
                    }
                    match style.quote {
                        Some(quote) if !is_number(field) => {
                            text.extend(quote.bytes());
                            text.extend(field.replace(quote, &quote.repeat(2)).bytes());
                            text.extend(quote.bytes());
                        }
                        _ => text.extend(field.bytes()),
                    }
                }
                text.extend(style.end.bytes());
            }
            for (at, bytes, removed) in edits {
                let at = at.index(text.len());
                let end = (at + removed).min(text.len());
                text.splice(at..end, bytes);
            }
            let from = usize::from(from) % (text.len() / 8 + 1);
            let to = text.len() - usize::from(to) % (text.len() / 8 + 1);
            text[from..to].to_vec()
        },
    )
}

/// The same payload with every stream stored instead of compressed.
fn unpacked(payload: &[u8], raw_bytes: usize) -> Vec<u8> {
    let mut c = Cursor::new(payload);
    let mut plain = Vec::new();
    put_varint(&mut plain, c.varint("").unwrap());
    while c.remaining() > 0 {
        let head = c.varint("").unwrap();
        let mut bytes = c.take((head >> 1) as usize, "").unwrap().to_vec();
        if head & 1 == 1 {
            bytes = zstd_frame::decompress(&bytes, raw_bytes).unwrap();
        }
        put_varint(&mut plain, (bytes.len() as u64) << 1);
        plain.extend(bytes);
    }
    plain
}

proptest! {
    #[test]
    fn rows_are_inverse(chunk in rows(), level in select(vec![1, 3, 9])) {
        if let Some(payload) = encode(&chunk, level).unwrap() {
            prop_assert!(decode(&payload, chunk.len()).unwrap() == chunk);
            for other in [0, 1, chunk.len() - 1, chunk.len() + 1] {
                prop_assert!(decode(&payload, other).is_err());
            }
        }
    }

    #[test]
    fn anything_is_inverse_or_left_alone(chunk in vec(select(b"\t\n,;|'\"\\()0123-.a\0\xff".to_vec()), 0..3000)) {
        if let Some(payload) = encode(&chunk, 3).unwrap() {
            prop_assert!(decode(&payload, chunk.len()).unwrap() == chunk);
        }
    }

    #[test]
    fn arbitrary_payloads_never_panic(payload in vec(any::<u8>(), 0..300), raw_bytes in 0usize..10_000) {
        if let Ok(chunk) = decode(&payload, raw_bytes) {
            prop_assert_eq!(chunk.len(), raw_bytes);
        }
    }

    /// Flips within what zstd packed rarely come through, so the streams are stored plainly here.
    #[test]
    fn damaged_payloads_decode_to_the_right_length_or_not_at_all(
        chunk in rows(), flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), packed: bool,
    ) {
        if let Some(mut payload) = encode(&chunk, 3).unwrap() {
            if !packed {
                payload = unpacked(&payload, chunk.len());
                prop_assert!(decode(&payload, chunk.len()).unwrap() == chunk);
            }
            for (at, byte) in flips {
                // Most of the structure is at the front.
                let at = at.index(payload.len());
                let at = if byte & 1 == 0 { at } else { at.min(at % 120) };
                payload[at] = byte;
            }
            if let Ok(decoded) = decode(&payload, chunk.len()) {
                prop_assert_eq!(decoded.len(), chunk.len());
            }
        }
    }
}

/// A little of what the real programs write, for tests that need rows of every kind.
fn dump(style: &Style, rows: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut seed = 1u64;
    for row in 0..rows {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let random = seed >> 33;
        let (day, second) = (random % 28 + 1, random % 60);
        let fields = [
            (row + 1000).to_string(),
            ["new", "paid", "shipped"][random as usize % 3].to_string(),
            format!("{}.{:02}", random % 900, random % 100),
            format!("2024-11-{day:02} 10:{second:02}:{second:02}"),
            format!("{:08x}-0000-4000-8000-{:012x}", random, random * 77),
            if random.is_multiple_of(9) {
                "NULL".to_string()
            } else {
                (random % 70_000).to_string()
            },
            [
                "the parcel was late",
                "call them again",
                "a colour that nobody wants",
            ][row % 3]
                .repeat(random as usize % 3 + 1),
        ];
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                text.extend(style.between.bytes());
            }
            let quote = style.quote.filter(|_| !is_number(field)).unwrap_or("");
            text.extend([quote, field, quote].concat().bytes());
        }
        text.extend(style.end.bytes());
    }
    text
}

fn copy_text() -> Style {
    Style {
        between: "\t",
        end: "\n",
        quote: None,
    }
}

#[test]
fn dumps_become_smaller_than_zstd_makes_them() {
    let tuples = Style {
        between: ",",
        end: "),\n(",
        quote: Some("'"),
    };
    let inserts = Style {
        end: ");\nINSERT INTO `t` VALUES (",
        ..tuples.clone()
    };
    let csv = Style {
        between: ";",
        end: "\r\n",
        quote: Some("\""),
    };
    for style in [copy_text(), tuples, inserts, csv] {
        let chunk = dump(&style, 3000);
        let payload = encode(&chunk, 3).unwrap().unwrap();
        let plain = zstd_frame::compress(&chunk, 3).unwrap();
        assert!(
            payload.len() * 4 < plain.len() * 3,
            "{style:?}: {} of {}",
            payload.len(),
            plain.len()
        );
        assert_eq!(decode(&payload, chunk.len()).unwrap(), chunk);
    }
}

#[test]
fn what_is_not_rows_is_left_alone() {
    let mut noise = vec![0; 100_000];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    let pages = [dump(&copy_text(), 40), vec![0; 4000]].concat().repeat(20);
    let prose = "Nothing here is a row.\nIt goes on, and on; and then it ends.\n\n".repeat(900);
    for chunk in [&noise[..], &pages, prose.as_bytes(), b"", b"\n", b"a\tb\n"] {
        assert!(encode(chunk, 3).unwrap().is_none());
    }
}

/// A payload with one column, and sixty-four bytes behind each field, so that the header is not longer than the
/// chunk.
fn one_column(column: &[u8], rows: u64, streams: &[&[u8]]) -> Vec<u8> {
    let mut header = vec![b'\n'];
    put_varint(&mut header, rows);
    header.push(1);
    header.extend_from_slice(column);
    header.push(64);
    header.extend([b'='; 64]);
    header.extend(b"\x01\x00");
    put_varint(&mut header, rows);
    let mut payload = Vec::new();
    put_varint(&mut payload, header.len() as u64);
    for stream in [&header[..]].iter().chain(streams) {
        put_varint(&mut payload, 2 * stream.len() as u64);
        payload.extend_from_slice(stream);
    }
    payload
}

#[test]
fn what_a_payload_says_of_itself_is_bounded() {
    let decodes = |column: &[u8], rows: usize, streams: &[&[u8]], value_bytes: usize| {
        let raw_bytes = value_bytes + 64 * rows;
        decode(&one_column(column, rows as u64, streams), raw_bytes).is_ok()
    };
    // Texts: a list that ends too early or is too long, bytes behind it, and more rows than bytes.
    assert!(decodes(b"\x01\x00\x00\x04", 2, &[b"a\nb\n"], 2));
    assert!(!decodes(b"\x01\x00\x00\x04", 3, &[b"a\nb\n"], 3));
    assert!(!decodes(b"\x01\x00\x00\x03", 2, &[b"a\nb"], 2));
    assert!(!decodes(b"\x01\x00\x00\x04", 2, &[b"a\nb\n", b""], 2));
    let many = one_column(b"\x01\x00\x00\x04", 1 << 24, &[b"a\nb\n"]);
    assert!(decode(&many, 1000).is_err());
    // Words: the number of no entry, more entries than there are, fewer.
    assert!(decodes(
        b"\x02\x00\x00\x02\x04",
        2,
        &[b"a\nb\n", b"\x01\x00"],
        2
    ));
    assert!(!decodes(
        b"\x02\x00\x00\x02\x04",
        2,
        &[b"a\nb\n", b"\x02\x00"],
        2
    ));
    assert!(!decodes(
        b"\x02\x00\x00\x03\x04",
        2,
        &[b"a\nb\n", b"\x01\x00"],
        2
    ));
    assert!(!decodes(
        b"\x02\x00\x00\x01\x04",
        2,
        &[b"a\nb\n", b"\x00\x00"],
        2
    ));
    // Numbers of nine bytes; a scale of ten.
    assert!(decodes(b"\x03\x00\x00\x00\x00\x00", 2, &[], 2));
    assert!(!decodes(b"\x03\x00\x00\x00\x09\x00", 2, &[], 2));
    assert!(decodes(b"\x03\x00\x00\x09\x00\x00", 2, &[], 22));
    assert!(!decodes(b"\x03\x00\x00\x0a\x00\x00", 2, &[], 24));
    // Days outside of the years 0 to 9999.
    let day = |days| {
        let mut column = b"\x04\x00\x00\x00\x00".to_vec();
        put_varint(&mut column, zigzag(days));
        decodes(&column, 2, &[], 20)
    };
    assert!(day(2_932_896) && !day(2_932_897) && day(-719_528) && !day(-719_529));
    // Groups of 256 and of 257 bytes, and an unknown kind.
    let groups = |last| {
        let planes = vec![&b"\0\0"[..]; 255 + usize::from(last)];
        decodes(
            &[5, 0, 0, 2, 255, last],
            2,
            &planes,
            2 * (2 * planes.len() + 1),
        )
    };
    assert!(groups(1) && !groups(2));
    assert!(!decodes(b"\x06\x00\x00", 2, &[], 0));
    // More of a prefix than there is; a stream longer than the chunk.
    assert!(decodes(b"\x00\x01a\x00", 2, &[], 2));
    assert!(!decodes(b"\x00\xff\xff\xff\x07a\x00", 2, &[], 2));
    assert!(!decodes(
        b"\x01\x00\x00\xff\xff\xff\x07",
        2,
        &[b"a\nb\n"],
        2
    ));
}

/// Frozen: a payload written by hand from docs/format.md, with a column of every kind.
#[test]
fn the_layout_is_frozen() {
    let number = |out: &mut Vec<u8>, value: i64| put_varint(out, zigzag(value));
    let mut header = b"\n\x03\x09".to_vec();
    // Differences, of one byte, from 8.
    header.extend(b"\x03\x00\x00\x00\x11");
    number(&mut header, 8);
    header.extend(b"\x01\t");
    // Words in quotes, of which one is an exception.
    header.extend(b"\x82\x01'\x01'\x05\x02\x04\x01,");
    // Texts of seven bytes.
    header.extend(b"\x01\x00\x00\x07\x01|");
    // Two digits behind the point.
    header.extend(b"\x03\x00\x00\x02\x01");
    number(&mut header, -150);
    header.extend(b"\x01;");
    // Microseconds, and what follows them.
    header.extend(b"\x04\x00\x03+00\x02 \x06\x01");
    number(&mut header, 1_709_208_000_000_000 - 1);
    header.extend(b"\x01;");
    // Days.
    header.extend(b"\x04\x00\x00\x00\x01");
    number(&mut header, 19_782);
    header.extend(b"\x01;");
    // Tenths of seconds in two planes.
    header.extend(b"\x04\x00\x00\x01T\x01\x02");
    number(&mut header, -10);
    header.extend(b"\x01;");
    // One byte, a dash, two bytes.
    header.extend(b"\x05\x00\x00\x02\x01\x02\x01;");
    // The same in every row.
    header.extend(b"\x00\x01k\x00\x01\n");
    header.extend(b"\x03\x05\x02\x03\x01\x04\x00part\n--\nend\n");

    let mut payload = Vec::new();
    put_varint(&mut payload, header.len() as u64);
    let streams: [&[u8]; 15] = [
        &header,
        b"\x00\x02\x03",
        b"\x00\x01\x00",
        b"NULL\n",
        b"a\nb\n",
        b"\x01\x00",
        b"x y\n\nz\n",
        b"\x00\x64\xa0",
        b"\x00\x01\x02",
        b"\x00\x01\x00",
        b"\x00\x0a\x00",
        b"\x00\x00\x01",
        b"\xab\x00\x12",
        b"\xcd\x00\x34",
        b"\xef\x00\x56",
    ];
    for stream in streams {
        put_varint(&mut payload, 2 * stream.len() as u64);
        payload.extend_from_slice(stream);
    }
    let chunk = "part\n\
        8\t'b',x y|-1.50;2024-02-29 11:59:59.999999+00;2024-02-29;1969-12-31T23:59:59.0;ab-cdef;k\n\
        9\tNULL,|-0.50;2024-02-29 12:00:00+00;2024-03-01;1970-01-01T00:00:00.0;00-0000;k\n\
        --\n\
        7\t'a',z|0.10;2024-02-29 12:00:00.000001+00;2024-02-29;1970-01-01T00:00:24.6;12-3456;k\n\
        end\n";
    let decoded = decode(&payload, chunk.len()).unwrap();
    assert_eq!(String::from_utf8(decoded).unwrap(), chunk);
}
