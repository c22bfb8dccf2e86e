//! Claims about the layout: inverse for whatever looks like rows, and bounded for whatever a payload says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{decode, encode};
use crate::codec::zstd_frame;
use crate::format::{Cursor, put_varint};

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
