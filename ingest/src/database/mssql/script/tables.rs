//! Tables and rows of a script while it streams by.

use super::super::error::{MssqlError, Result};
use super::super::name::TableName;
use super::lines::Lines;
use super::{FIRST_LINE, INSERT, LAST_LINE, ROWS_OF, VALUES, is_go};

/// What is found in a script.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A table whose rows follow, if it has any. Told once for each table.
    Table(&'a TableName),
    /// A row: the tuple in its parentheses, without what separates it from the next.
    Row(&'a TableName, &'a [u8]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the first line of a batch.
    BatchStart,
    /// After the line that names the table.
    Named,
    /// Between `VALUES` and the semicolon.
    Rows,
    /// In something else.
    Other,
}

/// Finds tables and rows in a script that comes in pieces, cut anywhere.
///
/// A row is held in memory whole; nothing else is.
#[derive(Debug)]
pub struct Tables {
    lines: Lines,
    finder: Finder,
}

/// What a line is.
#[derive(Debug)]
pub(super) enum Found<'l> {
    /// Names the table whose rows follow.
    Table,
    /// A row: its tuple.
    Row(&'l [u8]),
    /// Anything else.
    Other,
}

/// Tells what each line is from those before it.
#[derive(Debug)]
pub(super) struct Finder {
    place: Place,
    table: Option<TableName>,
    begun: bool,
    ended: bool,
}

impl Default for Tables {
    fn default() -> Self {
        Self::new()
    }
}

impl Tables {
    /// Begins a script.
    pub fn new() -> Self {
        Self {
            lines: Lines::new(),
            finder: Finder::new(),
        }
    }

    /// Takes the next piece, and tells what it completes.
    pub fn push(&mut self, piece: &[u8], tell: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let finder = &mut self.finder;
        self.lines.push(piece, &mut |number, line| {
            let found = finder.line(number, line)?;
            match (finder.table(), found) {
                (Some(table), Found::Table) => tell(Event::Table(table)),
                (Some(table), Found::Row(row)) => tell(Event::Row(table, row)),
                _ => {}
            }
            Ok(())
        })
    }

    /// The script has ended. An error if it was cut off.
    pub fn finish(self) -> Result<()> {
        let line = self.lines.number();
        self.lines.finish()?;
        if self.finder.ended {
            return Ok(());
        }
        let reason = "it ends before its last line: parts are missing".to_owned();
        Err(MssqlError::Script { line, reason })
    }
}

impl Finder {
    pub(super) fn new() -> Self {
        Self {
            place: Place::BatchStart,
            table: None,
            begun: false,
            ended: false,
        }
    }

    /// The table whose rows are at hand.
    pub(super) fn table(&self) -> Option<&TableName> {
        self.table.as_ref()
    }

    pub(super) fn line<'l>(&mut self, number: u64, line: &'l [u8]) -> Result<Found<'l>> {
        let damaged = |reason: &str| MssqlError::Script {
            line: number,
            reason: reason.to_owned(),
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !self.begun {
            if line != FIRST_LINE.as_bytes() {
                return Err(damaged(
                    "it does not begin as a dump of this program and form does",
                ));
            }
            self.begun = true;
        }
        if self.ended {
            return Err(damaged("something follows its last line"));
        }
        if self.place == Place::Rows {
            let Some((row, more)) = tuple(line) else {
                return Err(damaged("a row of a table was expected"));
            };
            if !more {
                self.place = Place::Other;
            }
            return Ok(Found::Row(row));
        }
        if is_go(line) {
            self.place = Place::BatchStart;
            return Ok(Found::Other);
        }
        let at_start = self.place == Place::BatchStart;
        let named = self.place == Place::Named;
        self.place = Place::Other;
        if at_start && line == LAST_LINE.as_bytes() {
            self.ended = true;
        } else if let Some(name) = after(line, ROWS_OF).filter(|_| at_start) {
            let name = TableName::parse(name).ok_or_else(|| damaged("no table is named here"))?;
            self.place = Place::Named;
            if self.table.as_ref() != Some(&name) {
                self.table = Some(name);
                return Ok(Found::Table);
            }
        } else if let Some(rest) = after(line, INSERT).filter(|_| named) {
            let table = self.table.as_ref().map(TableName::to_string);
            if table.is_some_and(|table| rest.starts_with(&table)) && rest.ends_with(VALUES) {
                self.place = Place::Rows;
            } else {
                return Err(damaged("rows of another table were expected"));
            }
        }
        Ok(Found::Other)
    }
}

/// The tuple of a line, and whether another follows in this statement.
fn tuple(line: &[u8]) -> Option<(&[u8], bool)> {
    let (row, more) = match line.split_last()? {
        (b',', row) => (row, true),
        (b';', row) => (row, false),
        _ => return None,
    };
    (row.first() == Some(&b'(') && row.last() == Some(&b')')).then_some((row, more))
}

/// What follows `start` at the beginning of a line.
pub(super) fn after<'a>(line: &'a [u8], start: &str) -> Option<&'a str> {
    std::str::from_utf8(line.strip_prefix(start.as_bytes())?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::format_push_string)]

    use proptest::prelude::*;

    use super::super::super::literal::text::push_text;
    use std::io::Write as _;

    use super::super::{Selection, TABLE};
    use super::*;

    type Found = Vec<(String, Vec<Vec<u8>>)>;

    fn tables(script: &[u8], cuts: &[usize]) -> Result<Found> {
        let mut found: Found = Vec::new();
        let mut tables = Tables::new();
        let mut tell = |event: Event<'_>| match event {
            Event::Table(name) => found.push((name.to_string(), Vec::new())),
            Event::Row(name, row) => {
                let (last, rows) = found.last_mut().unwrap();
                assert_eq!(*last, name.to_string());
                rows.push(row.to_vec());
            }
        };
        let mut from = 0;
        for cut in cuts {
            tables.push(&script[from..*cut], &mut tell)?;
            from = *cut;
        }
        tables.push(&script[from..], &mut tell)?;
        tables.finish()?;
        Ok(found)
    }

    /// A script of tables with these texts as rows, `size` rows a statement.
    fn script(content: &[(String, Vec<String>)], size: usize) -> (String, Found) {
        let mut script = format!("{FIRST_LINE}\nSET ANSI_NULLS ON\nGO\n");
        let mut found = Found::new();
        for (number, (name, texts)) in content.iter().enumerate() {
            let name = TableName {
                schema: format!("s{number}"),
                table: name.clone(),
            };
            script += &format!("{TABLE}{name}\nCREATE TABLE {name} ([a] int)\nGO\n");
            let rows: Vec<_> = texts
                .iter()
                .map(|text| {
                    let mut row = String::from("(1,");
                    push_text(&mut row, text);
                    row + ")"
                })
                .collect();
            script += &format!("{ROWS_OF}{name}\n");
            for part in rows.chunks(size) {
                if !script.ends_with(&format!("{ROWS_OF}{name}\n")) {
                    script += &format!("{ROWS_OF}{name}\n");
                }
                script += &format!(
                    "{INSERT}{name} ([a],[b]) VALUES\n{};\nGO\n",
                    part.join(",\n")
                );
            }
            if rows.is_empty() {
                script += "GO\n";
            }
            let rows = rows.into_iter().map(String::into_bytes).collect();
            found.push((name.to_string(), rows));
        }
        script += "CREATE PROCEDURE p AS\n-- rows of [s0].[x]\nINSERT INTO [s0].[x] ([a]) VALUES\n(1);\nGO\n";
        (script + LAST_LINE + "\n", found)
    }

    fn nasty() -> impl Strategy<Value = String> {
        let parts = prop::sample::select(vec![
            "'",
            "''",
            "\n",
            "\r\n",
            "GO",
            "\nGO\n",
            "),(",
            "),\n(",
            ");",
            "--",
            "/*",
            "*/",
            "[",
            "]",
            "\"",
            "¶",
            "¤",
            "x",
            "-- end of dump",
            "INSERT INTO [a].[b] ([c]) VALUES\n",
            "\0",
            "😀",
        ]);
        prop::collection::vec(parts, 0..6).prop_map(|parts| parts.concat())
    }

    #[test]
    fn a_script_that_is_cut_off_is_an_error() {
        let content = [("t]".to_owned(), vec!["a".to_owned(), "b'".to_owned()])];
        let (script, found) = script(&content, 1);
        assert_eq!(tables(script.as_bytes(), &[]).unwrap(), found);
        for length in 0..script.len() {
            assert!(
                tables(&script.as_bytes()[..length], &[]).is_err(),
                "cut at {length}"
            );
        }
    }

    #[test]
    fn one_table_is_a_script_of_its_own() {
        let content = [
            ("x".to_owned(), vec!["a".to_owned(); 3]),
            ("y".to_owned(), vec!["b\nGO\n".to_owned(); 3]),
        ];
        let (script, found) = script(&content, 2);
        let name = TableName {
            schema: "s1".to_owned(),
            table: "y".to_owned(),
        };
        let mut out = Vec::new();
        let mut selection = Selection::new(name.clone(), false, &mut out);
        for part in script.as_bytes().chunks(7) {
            selection.write_all(part).unwrap();
        }
        selection.finish().unwrap();
        assert_eq!(tables(&out, &[]).unwrap(), found[1..]);
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("SET ANSI_NULLS") && out.contains("CREATE TABLE [s1].[y]"));
        assert!(out.contains("IF SCHEMA_ID(N's1') IS NULL EXEC (N'CREATE SCHEMA [s1]')\nGO\n"));
        assert!(!out.contains("[s0]") && !out.contains("DROP"));

        let mut out = Vec::new();
        let mut selection = Selection::new(name, true, &mut out);
        selection.write_all(script.as_bytes()).unwrap();
        selection.finish().unwrap();
        let out = String::from_utf8(out).unwrap();
        let drop = "IF OBJECT_ID(N'[s1].[y]') IS NOT NULL DROP TABLE [s1].[y]\nGO\n-- table ";
        assert!(out.contains(drop), "{out}");

        let cut = &script.as_bytes()[..script.len() - 1];
        let mut selection = Selection::new(TableName::parse("[s1].[y]").unwrap(), true, Vec::new());
        selection.write_all(cut).unwrap();
        assert!(selection.finish().is_err());
    }

    proptest! {
        #[test]
        fn rows_are_found_however_the_script_is_cut(
            content in prop::collection::vec((nasty(), prop::collection::vec(nasty(), 0..5)), 0..4),
            size in 1..4_usize,
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let content: Vec<_> = content
                .into_iter()
                .map(|(name, rows)| (name.replace(['\n', '\r', '\0'], "n"), rows))
                .collect();
            let (script, found) = script(&content, size);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(script.len())).collect();
            cuts.sort_unstable();
            prop_assert_eq!(tables(script.as_bytes(), &cuts).unwrap(), found);
        }

        #[test]
        fn no_input_panics(script in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = tables(&script, &[]);
        }
    }
}
