//! Cutting a chunk into rows and their fields.

use memchr::{memchr, memchr2, memchr3, memmem};

use super::dialect::Dialect;
use super::fields::Fields;
use super::plan::{NO_NUMBER, Plan};
use super::time::Months;

/// A table with more columns than this is not laid out.
pub(super) const COLUMNS_MAX: usize = 1024;
/// So many rows of another shape are passed over before a chunk counts as something else than rows.
const STRANGE_ROWS_MAX: usize = 64;

/// A chunk whose rows are interrupted more often is not laid out.
pub(super) const RUNS_MAX: usize = 1 << 16;
/// Rows that tell how columns are read.
const PLANNING_ROWS: usize = 16;

/// Where a field lies in the chunk: start and end.
pub(super) type Cell = [u32; 2];

/// Bytes that are kept as they are, and the rows behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) verbatim: usize,
    pub(super) rows: usize,
}

/// The rows of a chunk, all with the same number of fields, and what lies between them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// How each column is read.
    pub(super) plans: Vec<Plan>,
    /// Row by row. Longer than what is used of it, as are the numbers.
    cells: Vec<Cell>,
    /// Row by row, of the columns that are read as numbers.
    numbers: Vec<i64>,
    in_row: usize,
    count: usize,
    pub(super) runs: Vec<Run>,
    /// The bytes outside of rows, one after another.
    pub(super) verbatim: Vec<u8>,
    months: Months,
}

impl Rows {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn columns(&self) -> usize {
        self.plans.len()
    }

    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells[..self.count * self.plans.len()]
    }

    pub(super) fn numbers(&self) -> &[i64] {
        &self.numbers[..self.count * self.in_row]
    }

    pub(super) fn numbers_in_row(&self) -> usize {
        self.in_row
    }

    fn clear(&mut self, columns: usize) {
        self.plans.clear();
        self.plans.resize(columns, Plan::Field);
        self.in_row = 0;
        self.count = 0;
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

    /// Finds out how columns are to be read.
    fn plan(&mut self, chunk: &[u8], dialect: &Dialect, mut at: usize) {
        while self.count < PLANNING_ROWS {
            let Some(end) = self.row(chunk, dialect, at) else {
                break;
            };
            at = end;
        }
        if self.count == 0 {
            return;
        }
        let columns = self.columns();
        let plans = (0..columns).map(|column| {
            Plan::of(Fields {
                chunk,
                cells: &self.cells()[column..],
                columns,
                numbers: (&[], 1),
            })
        });
        self.plans = plans.collect();
        self.in_row = self.plans.iter().filter(|plan| plan.has_numbers()).count();
        self.count = 0;
    }

    /// Appends the fields of the row at `at`; the end of the row. `None`: it has another number of fields, or is
    /// not whole.
    fn row(&mut self, chunk: &[u8], dialect: &Dialect, mut at: usize) -> Option<usize> {
        let cells = room(&mut self.cells, self.count, self.plans.len());
        let mut numbers = room(&mut self.numbers, self.count, self.in_row).iter_mut();
        let last = self.plans.len().checked_sub(1)?;
        for ((column, plan), cell) in self.plans.iter().enumerate().zip(cells) {
            let separator = if column == last {
                &dialect.end[..]
            } else {
                &dialect.separator[..]
            };
            let mut number = None;
            if plan.has_numbers() {
                number = plan.number_at(chunk, at, *separator.first()?, &mut self.months);
                *numbers.next()? = number.map_or(NO_NUMBER, |number| number.0);
            }
            let stop = match number {
                Some((_, end)) => end,
                None => dialect.field_end(chunk, at)?,
            };
            *cell = [at as u32, stop as u32];
            if !starts_with(chunk.get(stop..)?, separator) {
                return None;
            }
            at = stop + separator.len();
        }
        self.count += 1;
        Some(at)
    }
}

/// The places of a row in a list that grows by many rows at a time.
fn room<T: Clone + Default>(list: &mut Vec<T>, row: usize, in_row: usize) -> &mut [T] {
    let end = (row + 1) * in_row;
    if list.len() < end {
        list.resize((2 * list.len()).max(end), T::default());
    }
    &mut list[end - in_row..end]
}

impl Dialect {
    /// The first byte from `at` that can end a field and stands outside of quotes.
    #[inline]
    pub(super) fn field_end(&self, chunk: &[u8], mut at: usize) -> Option<usize> {
        let (separator, end) = (self.separator[0], self.end[0]);
        let Some(quote) = self.quote else {
            return find_two(chunk, at, [separator, end]);
        };
        loop {
            // Quotes stand at both ends of a field, as a rule.
            if chunk.get(at) != Some(&quote) {
                at = find_three(chunk, at, [separator, end, quote])?;
                if chunk[at] != quote {
                    return Some(at);
                }
            }
            // A doubled quote ends the string and begins it again.
            at = self.quoted_end(chunk, at + 1, quote)?;
            if chunk
                .get(at)
                .is_some_and(|byte| *byte == separator || *byte == end)
            {
                return Some(at);
            }
        }
    }

    /// Behind the quote that ends the string whose first byte is at `at`.
    #[inline]
    fn quoted_end(&self, chunk: &[u8], mut at: usize, quote: u8) -> Option<usize> {
        let escape = self.escape.unwrap_or(quote);
        loop {
            at = find_two(chunk, at, [quote, escape])?;
            if chunk[at] == quote {
                return Some(at + 1);
            }
            at += 2;
        }
    }
}

/// Most fields end within two words; setting up `memchr` pays beyond them.
#[inline]
fn find_near<const N: usize>(rest: &[u8], wanted: [u8; N]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let hits = |word: [u8; 8]| {
        let word = u64::from_le_bytes(word);
        // A byte that is zero gets its highest bit set; so may bytes above one, never the first.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let all = wanted.map(|byte| zero(word ^ (ONES * u64::from(byte))));
        all.into_iter().fold(0, |hits, more| hits | more) & HIGHS
    };
    let [first, second] = rest.first_chunk::<16>()?.as_chunks::<8>().0 else {
        return None;
    };
    let (first, second) = (hits(*first), hits(*second));
    // Without a branch that depends on which it is.
    let (word, from) = if first == 0 { (second, 8) } else { (first, 0) };
    (word != 0).then_some(from + word.trailing_zeros() as usize / 8)
}

/// The first of three bytes.
#[inline]
fn find_three(chunk: &[u8], at: usize, [a, b, c]: [u8; 3]) -> Option<usize> {
    let rest = chunk.get(at..)?;
    if let Some(near) = find_near(rest, [a, b, c]) {
        return Some(at + near);
    }
    Some(at + memchr3(a, b, c, rest)?)
}

/// The first of two bytes.
#[inline]
fn find_two(chunk: &[u8], at: usize, [a, b]: [u8; 2]) -> Option<usize> {
    let rest = chunk.get(at..)?;
    if let Some(near) = find_near(rest, [a, b]) {
        return Some(at + near);
    }
    Some(at + memchr2(a, b, rest)?)
}

/// The next such byte.
#[inline]
pub(super) fn find_one(bytes: &[u8], at: usize, wanted: u8) -> Option<usize> {
    let rest = bytes.get(at..)?;
    if let Some(near) = find_near(rest, [wanted]) {
        return Some(at + near);
    }
    Some(at + memchr(wanted, rest)?)
}

fn starts_with(bytes: &[u8], prefix: &[u8]) -> bool {
    // One byte is by far the most common length, and then there is no call.
    match prefix {
        [byte] => bytes.first() == Some(byte),
        _ => bytes.starts_with(prefix),
    }
}
