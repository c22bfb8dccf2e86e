//! Lines of T-SQL that end outside of texts, quoted names and block comments.

use memchr::{memchr, memchr2};

use super::super::error::{MssqlError, Result};

/// Where in T-SQL a byte stands. A doubled quote inside quotes closes and opens again, which
/// comes to the same; a doubled bracket does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Plain,
    /// After a `-` or `/`, which may begin a comment, or a `]`, which may be half of a doubled one.
    After(u8),
    LineComment,
    /// How deep (they nest), and the byte before, if it may be half of `*/` or `/*`.
    BlockComment(u32, u8),
    /// Up to this byte.
    Quoted(u8),
}

/// Takes a script in pieces, cut anywhere.
#[derive(Debug)]
pub(super) struct Lines {
    state: State,
    /// The beginning of a line that has not ended.
    partial: Vec<u8>,
    /// Ends of lines so far, for messages.
    number: u64,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self {
            state: State::Plain,
            partial: Vec::new(),
            number: 0,
        }
    }

    /// How many lines have ended.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Hands over each line that ends in `input`, without its line feed.
    pub(super) fn push(
        &mut self,
        mut input: &[u8],
        take: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        while let Some(end) = self.scan(input) {
            let (head, rest) = input.split_at(end);
            // Without the line feed.
            input = rest.get(1..).unwrap_or_default();
            self.number += 1;
            if self.partial.is_empty() {
                take(self.number, head)?;
            } else {
                self.partial.extend_from_slice(head);
                take(self.number, &self.partial)?;
                self.partial.clear();
            }
        }
        self.partial.extend_from_slice(input);
        Ok(())
    }

    /// The beginning of a line that has not ended.
    pub(super) fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// The input has ended.
    pub(super) fn finish(self) -> Result<()> {
        if self.partial.is_empty() {
            return Ok(());
        }
        Err(MssqlError::Script {
            line: self.number + 1,
            reason: "it ends in the middle of a line".to_owned(),
        })
    }

    /// Follows `input` up to a line feed that ends a line, and returns where that is. Without one
    /// all of it is followed.
    fn scan(&mut self, input: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match self.state {
                State::Quoted(end) => match memchr(end, &input[at..]) {
                    Some(found) => {
                        at += found;
                        self.state = State::After(end);
                    }
                    None => return None,
                },
                State::LineComment => match memchr(b'\n', &input[at..]) {
                    Some(found) => {
                        self.state = State::Plain;
                        return Some(at + found);
                    }
                    None => return None,
                },
                State::BlockComment(depth, before) => {
                    self.state = match (before, byte) {
                        (b'*', b'/') if depth == 1 => State::Plain,
                        (b'*', b'/') => State::BlockComment(depth - 1, 0),
                        (b'/', b'*') => State::BlockComment(depth.saturating_add(1), 0),
                        (_, b'*' | b'/') => State::BlockComment(depth, byte),
                        _ => {
                            self.state = State::BlockComment(depth, 0);
                            at += memchr2(b'*', b'/', &input[at..])?;
                            continue;
                        }
                    };
                }
                State::After(b']') if byte == b']' => self.state = State::Quoted(b']'),
                State::After(b'-') if byte == b'-' => self.state = State::LineComment,
                State::After(b'/') if byte == b'*' => self.state = State::BlockComment(1, 0),
                State::Plain | State::After(_) => {
                    self.state = match byte {
                        b'\'' | b'"' => State::Quoted(byte),
                        b'[' => State::Quoted(b']'),
                        b'-' | b'/' => State::After(byte),
                        _ => State::Plain,
                    };
                    if byte == b'\n' {
                        return Some(at);
                    }
                }
            }
            at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    /// Lines of `script`, cut at `cuts`.
    pub(crate) fn lines(script: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut lines = Lines::new();
        let mut take = |_: u64, line: &[u8]| {
            found.push(line.to_vec());
            Ok(())
        };
        let mut from = 0;
        for cut in cuts {
            lines.push(&script[from..*cut], &mut take).unwrap();
            from = *cut;
        }
        lines.push(&script[from..], &mut take).unwrap();
        found
    }

    #[test]
    fn line_ends_within_something_do_not_count() {
        for inner in [
            "'\n'",
            "'it''s\nGO\n'",
            "\"\n\"",
            "[a]]\n]",
            "/*\n*/",
            "/* /* \n */ \n */",
            "/***\n/**/*/",
            "/*'*/'\n'",
            "1-'\n'",
            "1/'\n'",
            "/'\n'",
            "--'",
            "-- /*",
            "--[",
            "'--'",
            "'/*'",
            "[--]",
            "/**/",
            "/*/\n*/",
        ] {
            let script = format!("a {inner} b\nGO\n");
            let expected = [format!("a {inner} b").into_bytes(), b"GO".to_vec()];
            assert_eq!(lines(script.as_bytes(), &[]), expected, "{inner}");
            for cut in 0..script.len() {
                assert_eq!(
                    lines(script.as_bytes(), &[cut]),
                    expected,
                    "{inner} cut at {cut}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            script in "['\"\\[\\]/*a\n-]{0,60}",
            cuts in prop::collection::btree_set(0..60_usize, 0..6),
        ) {
            let cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut <= script.len()).collect();
            prop_assert_eq!(lines(script.as_bytes(), &cuts), lines(script.as_bytes(), &[]));
        }
    }
}
