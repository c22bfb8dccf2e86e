//! Cutting a chunk into rows and their fields.

use memchr::{memchr, memchr3, memmem};

use super::dialect::Dialect;
use super::digits::{integer_at, parse_integer};

/// A table with more columns than this is not laid out.
pub(super) const COLUMNS_MAX: usize = 1024;
/// So many rows of another shape are passed over before a chunk counts as something else than rows.
const STRANGE_ROWS_MAX: usize = 64;

/// A chunk whose rows are interrupted more often is not laid out.
pub(super) const RUNS_MAX: usize = 1 << 16;
/// Rows that tell which columns hold integers.
const PLANNING_ROWS: usize = 16;

/// Where a field lies in the chunk: start and end.
pub(super) type Cell = [u32; 2];

/// Bytes that are kept as they are, and the rows behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) verbatim: usize,
    pub(super) rows: usize,
}

/// In the place of a field's number: it was not read as one.
pub(super) const NO_NUMBER: i64 = i64::MIN;

/// The rows of a chunk, all with the same number of fields, and what lies between them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) columns: usize,
    /// Row by row.
    pub(super) cells: Vec<Cell>,
    /// Columns that seem to hold integers. They are read in the same pass that finds where fields end.
    pub(super) integers: Vec<bool>,
    /// Row by row, of those columns only.
    pub(super) numbers: Vec<i64>,
    pub(super) runs: Vec<Run>,
    /// The bytes outside of rows, one after another.
    pub(super) verbatim: Vec<u8>,
}

impl Rows {
    pub(super) fn count(&self) -> usize {
        self.cells.len() / self.columns
    }

    fn clear(&mut self, columns: usize) {
        self.columns = columns;
        self.cells.clear();
        self.integers.clear();
        self.integers.resize(columns, false);
        self.numbers.clear();
        self.runs.clear();
        self.verbatim.clear();
    }

    /// Scans a chunk, in the place of what was scanned before. `None`: too much of it is not rows of this shape.
    pub(super) fn scan(&mut self, chunk: &[u8], dialect: &Dialect, columns: usize) -> Option<()> {
        let finder = memmem::Finder::new(&dialect.end);
        let next_end = |at: usize| Some(at + finder.find(&chunk[at..])? + dialect.end.len());
        self.clear(columns);
        self.plan(chunk, dialect, next_end(chunk.len() / 2)?);
        // The chunk begins within a row, as a rule.
        let mut at = next_end(0)?;
        let (mut outside, mut in_run, mut strange) = (0, 0, 0);
        loop {
            let before = (self.cells.len(), self.numbers.len());
            if let Some(end) = self.row(chunk, dialect, at) {
                if in_run == 0 {
                    self.verbatim.extend_from_slice(&chunk[outside..at]);
                    self.runs.push(Run {
                        verbatim: at - outside,
                        rows: 0,
                    });
                }
                in_run += 1;
                at = end;
                outside = end;
                continue;
            }
            self.cells.truncate(before.0);
            self.numbers.truncate(before.1);
            if let Some(run) = self.runs.last_mut().filter(|_| in_run > 0) {
                run.rows = in_run;
                in_run = 0;
            }
            let Some(end) = next_end(at) else { break };
            at = end;
            strange += 1;
            if strange > STRANGE_ROWS_MAX + self.count() / 8 {
                return None;
            }
        }
        self.verbatim.extend_from_slice(&chunk[outside..]);
        self.runs.push(Run {
            verbatim: chunk.len() - outside,
            rows: 0,
        });
        Some(())
    }

    /// Finds out which columns seem to hold integers.
    fn plan(&mut self, chunk: &[u8], dialect: &Dialect, mut at: usize) {
        let mut votes = vec![0; self.columns];
        let mut rows = 0;
        while rows < PLANNING_ROWS {
            let Some(end) = self.row(chunk, dialect, at) else {
                break;
            };
            for (vote, [start, end]) in votes.iter_mut().zip(&self.cells) {
                let field = &chunk[*start as usize..*end as usize];
                *vote += usize::from(parse_integer(field).is_some());
            }
            self.cells.clear();
            at = end;
            rows += 1;
        }
        // What there is of a row that was not whole.
        self.cells.clear();
        for (integers, vote) in self.integers.iter_mut().zip(votes) {
            *integers = 2 * vote > rows;
        }
    }

    /// Appends the fields of the row at `at`; the end of the row. `None`: it has another number of fields, or is
    /// not whole.
    fn row(&mut self, chunk: &[u8], dialect: &Dialect, mut at: usize) -> Option<usize> {
        for (column, integer) in (1..).zip(&self.integers) {
            let separator = if column == self.columns {
                &dialect.end
            } else {
                &dialect.separator
            };
            let number = if *integer {
                integer_at(chunk, at).filter(|(_, end)| chunk.get(*end) == separator.first())
            } else {
                None
            };
            let stop = match number {
                Some((_, end)) => end,
                None => dialect.field_end(chunk, at)?,
            };
            if *integer {
                self.numbers
                    .push(number.map_or(NO_NUMBER, |number| number.0));
            }
            if !starts_with(&chunk[stop..], separator) {
                return None;
            }
            self.cells.push([at as u32, stop as u32]);
            at = stop + separator.len();
        }
        Some(at)
    }
}

impl Dialect {
    /// The first byte from `at` that can end a field and stands outside of quotes.
    pub(super) fn field_end(&self, chunk: &[u8], mut at: usize) -> Option<usize> {
        let (separator, end) = (self.separator[0], self.end[0]);
        let Some(quote) = self.quote else {
            return find(chunk, at, separator, end, end);
        };
        loop {
            at = find(chunk, at, separator, end, quote)?;
            if chunk[at] != quote {
                return Some(at);
            }
            // A doubled quote ends the string and begins it again.
            at = self.quoted_end(chunk, at + 1, quote)?;
        }
    }

    /// Behind the quote that ends the string whose first byte is at `at`.
    fn quoted_end(&self, chunk: &[u8], mut at: usize, quote: u8) -> Option<usize> {
        let escape = self.escape.unwrap_or(quote);
        loop {
            at = find(chunk, at, quote, escape, escape)?;
            if chunk[at] == quote {
                return Some(at + 1);
            }
            at += 2;
        }
    }
}

/// The next such byte from `at` on.
pub(super) fn find_one(bytes: &[u8], at: usize, wanted: u8) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let mut from = 0;
    if let Some(words) = rest.first_chunk::<16>() {
        for word in words.as_chunks::<8>().0 {
            let word = u64::from_le_bytes(*word) ^ (0x0101_0101_0101_0101 * u64::from(wanted));
            let hits = word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080;
            if hits != 0 {
                return Some(at + from + hits.trailing_zeros() as usize / 8);
            }
            from += 8;
        }
    }
    Some(at + from + memchr(wanted, &rest[from..])?)
}

/// The first of three bytes. Most fields end within two words; setting up `memchr` pays beyond them.
fn find(chunk: &[u8], at: usize, a: u8, b: u8, c: u8) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let rest = chunk.get(at..)?;
    let mut from = 0;
    if let Some(words) = rest.first_chunk::<16>() {
        for word in words.as_chunks::<8>().0 {
            let word = u64::from_le_bytes(*word);
            // A byte that is zero gets its highest bit set; so may bytes above one, never the first.
            let zero = |word: u64| word.wrapping_sub(ONES) & !word;
            let hits = (zero(word ^ (ONES * u64::from(a)))
                | zero(word ^ (ONES * u64::from(b)))
                | zero(word ^ (ONES * u64::from(c))))
                & HIGHS;
            if hits != 0 {
                return Some(at + from + hits.trailing_zeros() as usize / 8);
            }
            from += 8;
        }
    }
    Some(at + from + memchr3(a, b, c, &rest[from..])?)
}

fn starts_with(bytes: &[u8], prefix: &[u8]) -> bool {
    // One byte is by far the most common length, and then there is no call.
    match prefix {
        [byte] => bytes.first() == Some(byte),
        _ => bytes.starts_with(prefix),
    }
}
