//! Texts and bytes as T-SQL literals that fit on one line.
//!
//! A literal may hold line ends, but then a row is no longer a line, and some tools take a line
//! `GO` inside a text for the end of a batch. So what ends a line, or a text in some tools, is
//! written as a stand-in, which the server puts back:
//! `REPLACE(N'a¶b' COLLATE Latin1_General_BIN2,N'¶',NCHAR(10))`.

use std::fmt::Write as _;

/// Compares by code point alone, so that a stand-in is found and nothing like it.
const BINARY: &str = "COLLATE Latin1_General_BIN2";
/// NUL, line feed, carriage return, and what ends a text file on Windows.
const AWKWARD: [char; 4] = ['\0', '\n', '\r', '\u{1a}'];
/// Stand-ins, the first that the text does not hold. A private area follows.
const STAND_INS: [char; 6] = ['¶', '¤', '¬', '¦', '§', '·'];
const PRIVATE: u32 = 0xE000;

/// Appends a text.
pub(crate) fn push_text(out: &mut String, value: &str) {
    let awkward: Vec<char> = if value.bytes().any(|byte| byte < 0x20) {
        let is_in = |one: &char| value.contains(*one);
        AWKWARD.iter().copied().filter(is_in).collect()
    } else {
        Vec::new()
    };
    if awkward.is_empty() {
        push_quoted(out, value, &[]);
        return;
    }
    let mut free = stand_ins().filter(|one| !value.contains(*one));
    let pairs: Vec<(char, char)> = awkward
        .iter()
        .filter_map(|one| Some((*one, free.next()?)))
        .collect();
    for _ in &pairs {
        out.push_str("REPLACE(");
    }
    push_quoted(out, value, &pairs);
    out.push(' ');
    out.push_str(BINARY);
    for (awkward, stand_in) in pairs {
        let _ = write!(out, ",N'{stand_in}',NCHAR({}))", u32::from(awkward));
    }
}

/// Appends bytes.
pub(crate) fn push_bytes(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.reserve(2 + 2 * bytes.len());
    out.push_str("0x");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
}

/// Appends text that came as UTF-16 in bytes. What is not valid Unicode goes as bytes.
pub(crate) fn push_utf16(out: &mut String, bytes: &[u8]) {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    match String::from_utf16(&units) {
        Ok(text) if bytes.len().is_multiple_of(2) => push_text(out, &text),
        _ => {
            out.push_str("CAST(");
            push_bytes(out, bytes);
            out.push_str(" AS nvarchar(max))");
        }
    }
}

/// Every stand-in there is: more than a text has awkward characters and others together.
fn stand_ins() -> impl Iterator<Item = char> {
    let private = (PRIVATE..=u32::from(char::MAX)).filter_map(char::from_u32);
    STAND_INS.into_iter().chain(private)
}

fn push_quoted(out: &mut String, value: &str, pairs: &[(char, char)]) {
    out.reserve(3 + value.len());
    out.push_str("N'");
    let special = |c: char| c == '\'' || (u32::from(c) < 0x20 && !pairs.is_empty());
    let mut rest = value;
    while let Some(at) = rest.find(special) {
        let (plain, after) = rest.split_at(at);
        out.push_str(plain);
        let mut characters = after.chars();
        if let Some(one) = characters.next() {
            let stand_in = pairs.iter().find(|(awkward, _)| *awkward == one);
            match stand_in {
                Some((_, stand_in)) => out.push(*stand_in),
                None if one == '\'' => out.push_str("''"),
                None => out.push(one),
            }
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out.push('\'');
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    /// What the server makes of a literal that [`push_text`] wrote.
    pub(crate) fn evaluate(literal: &str) -> String {
        if let Some(inner) = literal.strip_prefix("REPLACE(") {
            let at = inner.rfind(",N'").unwrap();
            let (inner, tail) = inner.split_at(at);
            let mut tail = tail[3..].chars();
            let stand_in = tail.next().unwrap();
            let code = tail.as_str().strip_prefix("',NCHAR(").unwrap();
            let code: u32 = code.strip_suffix("))").unwrap().parse().unwrap();
            let inner = inner.strip_suffix(&format!(" {BINARY}")).unwrap_or(inner);
            return evaluate(inner).replace(stand_in, &char::from_u32(code).unwrap().to_string());
        }
        let quoted = literal.strip_prefix("N'").unwrap();
        let quoted = quoted.strip_suffix('\'').unwrap();
        assert!(!quoted.replace("''", "").contains('\''));
        quoted.replace("''", "'")
    }

    fn literal(value: &str) -> String {
        let mut out = String::new();
        push_text(&mut out, value);
        out
    }

    #[test]
    fn plain_texts_stay_readable() {
        assert_eq!(literal("it's"), "N'it''s'");
        assert_eq!(
            literal("a\r\nGO\n"),
            "REPLACE(REPLACE(N'a¤¶GO¶' COLLATE Latin1_General_BIN2,N'¶',NCHAR(10)),N'¤',NCHAR(13))"
        );
        assert_eq!(literal("tab\there"), "N'tab\there'");
    }

    #[test]
    fn half_a_pair_goes_as_bytes() {
        let mut out = String::new();
        push_utf16(&mut out, &[0x61, 0, 0x3D, 0xD8]);
        assert_eq!(out, "CAST(0x61003DD8 AS nvarchar(max))");
        out.clear();
        push_utf16(&mut out, &[0x3D, 0xD8, 0x00, 0xDE]);
        assert_eq!(out, "N'😀'");
    }

    proptest! {
        #[test]
        fn texts_come_back_on_one_line(value in "[\\PC\\x00-\\x1f¶¤¬¦§·\u{e000}']*") {
            let literal = literal(&value);
            prop_assert!(!literal.contains(AWKWARD));
            prop_assert_eq!(evaluate(&literal), value);
        }
    }
}
