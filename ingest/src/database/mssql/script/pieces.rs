//! A script in the form that the dumps of all engines are followed in.

use super::super::super::text::{Follow, Piece};
use super::lines::Lines;
use super::tables::{Finder, Found};

/// Finds the pieces of a script. What is not as it should be counts as statements.
pub(crate) struct Pieces {
    lines: Lines,
    finder: Finder,
    table: String,
}

impl Default for Pieces {
    fn default() -> Self {
        Self {
            lines: Lines::new(),
            finder: Finder::new(),
            table: String::new(),
        }
    }
}

impl Follow for Pieces {
    fn feed(&mut self, bytes: &[u8], to: &mut dyn FnMut(Piece<'_>)) {
        let (finder, table) = (&mut self.finder, &mut self.table);
        // Nothing of this fails.
        let _ = self.lines.push(bytes, &mut |number, line| {
            match finder.line(number, line) {
                Ok(Found::Table) => {
                    *table = finder.table().map(ToString::to_string).unwrap_or_default();
                    to(Piece::Table {
                        name: table,
                        text: line,
                    });
                }
                Ok(Found::Row(row)) => {
                    to(Piece::Row {
                        bytes: row,
                        last: true,
                    });
                    to(Piece::Between(line.get(row.len()..).unwrap_or_default()));
                }
                Ok(Found::Other) | Err(_) => to(Piece::Statement(line)),
            }
            to(Piece::Between(b"\n"));
            Ok(())
        });
    }

    fn finish(&mut self, to: &mut dyn FnMut(Piece<'_>)) {
        to(Piece::Long(self.lines.partial()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{FIRST_LINE, LAST_LINE};
    use super::*;

    fn joined(script: &[u8], cut: usize) -> (Vec<u8>, Vec<String>) {
        let (mut bytes, mut rows) = (Vec::new(), Vec::new());
        let mut pieces = Pieces::default();
        let mut table = String::new();
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Statement(part) | Piece::Long(part) | Piece::Between(part) => {
                bytes.extend_from_slice(part);
            }
            Piece::Table { name, text } => {
                name.clone_into(&mut table);
                bytes.extend_from_slice(text);
            }
            Piece::Row { bytes: row, last } => {
                assert!(last);
                bytes.extend_from_slice(row);
                rows.push(format!("{table} {}", String::from_utf8_lossy(row)));
            }
        };
        let (head, tail) = script.split_at(cut.min(script.len()));
        pieces.feed(head, &mut take);
        pieces.feed(tail, &mut take);
        pieces.finish(&mut take);
        (bytes, rows)
    }

    #[test]
    fn pieces_are_the_script_and_tell_its_rows() {
        let script = format!(
            "{FIRST_LINE}\nGO\n-- rows of [a].[b]\nGO\n-- rows of [a].[b]\n\
             INSERT INTO [a].[b] ([c]) VALUES\n(1),\r\n(N');\n');\nGO\n{LAST_LINE}\n"
        );
        for cut in 0..script.len() {
            let (bytes, rows) = joined(script.as_bytes(), cut);
            assert_eq!(bytes, script.as_bytes());
            assert_eq!(rows, ["[a].[b] (1)", "[a].[b] (N');\n')"]);
        }
    }

    proptest! {
        #[test]
        fn pieces_are_whatever_was_fed(bytes in prop::collection::vec(any::<u8>(), 0..80), cut in 0..80_usize) {
            prop_assert_eq!(joined(&bytes, cut).0, bytes);
        }
    }
}
