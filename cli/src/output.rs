//! Standard output: lines, tables and JSON. A reader that goes away is an error to pass on, not a panic.

use std::fmt::Display;
use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;

use crate::exit::{Error, Result};

/// Buffered standard output; [`Output::finish`] must come last.
pub struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    /// Takes hold of standard output.
    pub fn open() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    /// Prints a line.
    pub fn line(&mut self, text: impl Display) -> Result<()> {
        writeln!(self.0, "{text}").map_err(Error::Output)
    }

    /// Prints a value as indented JSON.
    pub fn json(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer_pretty(&mut self.0, value)
            .map_err(|error| Error::Output(error.into()))?;
        self.line("")
    }

    /// Prints an array whose items come one by one, each on a line of its own.
    pub fn json_array<T: Serialize>(
        &mut self,
        items: impl Iterator<Item = Result<T>>,
    ) -> Result<()> {
        let write = |out: &mut BufWriter<_>, text: &str| {
            out.write_all(text.as_bytes()).map_err(Error::Output)
        };
        let mut before = "[\n";
        for item in items {
            write(&mut self.0, before)?;
            serde_json::to_writer(&mut self.0, &item?)
                .map_err(|error| Error::Output(error.into()))?;
            before = ",\n";
        }
        let (start, end) = if before == "[\n" {
            ("[", "]")
        } else {
            ("\n", "]")
        };
        write(&mut self.0, start)?;
        self.line(end)
    }

    /// Prints a table.
    pub fn table(&mut self, table: &Table) -> Result<()> {
        table.lines().try_for_each(|line| self.line(line))
    }

    /// Hands on what is buffered, so that it is seen before what takes long.
    pub fn flush(&mut self) -> Result<()> {
        self.0.flush().map_err(Error::Output)
    }

    /// Hands on what is buffered.
    pub fn finish(mut self) -> Result<()> {
        self.flush()
    }
}

/// On which side a column's cells are flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table with a heading; columns are as wide as their widest cell.
pub struct Table {
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these columns.
    pub fn new(columns: &[(&str, Align)]) -> Self {
        Self {
            aligns: columns.iter().map(|(_, align)| *align).collect(),
            rows: vec![columns.iter().map(|(name, _)| (*name).to_owned()).collect()],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..self.aligns.len()).map(width).collect();
        self.rows.iter().map(move |row| {
            let cells = row.iter().zip(&widths).zip(&self.aligns);
            let line: Vec<_> = cells
                .map(|((cell, width), align)| match align {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                })
                .collect();
            line.join("  ").trim_end().to_owned()
        })
    }
}

/// A size in binary units with one decimal: `430.1 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would round up to 1024.0 belongs to the next unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A number and what it counts: `1 file`, `2 files`.
pub fn count(number: u64, what: &str) -> String {
    if number == 1 {
        return format!("1 {what}");
    }
    match what.strip_suffix('y') {
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {what}s"),
    }
}

/// How many times as large the first is, with one decimal: `12.3 x`.
pub fn ratio(large: u64, small: u64) -> String {
    if small == 0 {
        "-".to_owned()
    } else {
        format!("{:.1} x", large as f64 / small as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_in_binary_units() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1_048_575, "1.0 MiB"),
            (451_000_000, "430.1 MiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn counts_have_their_plural() {
        assert_eq!(count(1, "entry"), "1 entry");
        assert_eq!(count(0, "entry"), "0 entries");
        assert_eq!(count(2, "file"), "2 files");
    }

    #[test]
    fn tables_line_up() {
        let mut table = Table::new(&[("NAME", Align::Left), ("SIZE", Align::Right)]);
        table.row(vec!["a".into(), "1.0 KiB".into()]);
        table.row(vec!["größer".into(), "2 B".into()]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(
            lines,
            ["NAME       SIZE", "a       1.0 KiB", "größer      2 B"]
        );
    }
}
