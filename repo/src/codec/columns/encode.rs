//! Choosing how a column is stored, and storing it.

use super::column::{Column, Kind, TimeForm};
use super::dialect::Dialect;
use super::numbers::Planes;
use super::rows::{Cell, NO_NUMBER, Rows};
use super::streams::Writer;
use super::value::{Shape, parse_decimal, parse_hex, parse_time};
use super::words::Words;
use crate::error::Result;

/// Fields that the kind of a column is told by.
const SAMPLE: usize = 32;
/// A column is of a kind if at least one of so many sampled fields is, as long as the others may be NULL.
const SAMPLE_PART: usize = 4;
/// Distinct texts in a sample of a column that may still have few in all.
const SAMPLE_WORDS: usize = 24;
/// Rows that share a text, on average, for numbers to pay.
const ROWS_PER_WORD: usize = 3;

/// The fields of one column.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) chunk: &'a [u8],
    /// All cells from the column's first on.
    pub(super) cells: &'a [Cell],
    pub(super) columns: usize,
    /// Their integers, from the column's first on, and how many there are in a row; empty if they were not read.
    pub(super) integers: (&'a [i64], usize),
}

impl<'a> Fields<'a> {
    fn count(self) -> usize {
        self.cells.len().div_ceil(self.columns)
    }

    fn get(self, row: usize) -> &'a [u8] {
        let [start, end] = self.cells[row * self.columns];
        &self.chunk[start as usize..end as usize]
    }

    fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        self.cells
            .iter()
            .step_by(self.columns)
            .map(move |[start, end]| &self.chunk[*start as usize..*end as usize])
    }

    fn sample(self) -> impl Iterator<Item = &'a [u8]> {
        let step = self.count().div_ceil(SAMPLE);
        (0..self.count())
            .step_by(step)
            .map(move |row| self.get(row))
    }

    fn constant(self) -> bool {
        let first = self.get(0);
        self.iter().all(|field| field == first)
    }
}

/// What encoding columns needs again and again.
#[derive(Default)]
pub(super) struct Encoder {
    pub(super) streams: Writer,
    pub(super) terminator: u8,
    exceptions: Exceptions,
    numbers: Vec<i64>,
    bytes: Vec<u8>,
}

/// Fields of a column that are not of its kind.
#[derive(Default)]
struct Exceptions {
    /// For each row 1 where the field is an exception.
    mask: Vec<u8>,
    text: Vec<u8>,
    count: usize,
}

impl Exceptions {
    fn clear(&mut self) {
        self.mask.clear();
        self.text.clear();
        self.count = 0;
    }

    fn push(&mut self, field: &[u8], terminator: u8) {
        self.mask.push(1);
        self.text.extend_from_slice(field);
        self.text.push(terminator);
        self.count += 1;
    }
}

impl Encoder {
    pub(super) fn start(&mut self, level: i32, terminator: u8) {
        self.streams.start(level);
        self.terminator = terminator;
    }

    /// Stores all columns; each, and what stands behind it.
    pub(super) fn columns(
        &mut self,
        chunk: &[u8],
        rows: &Rows,
        dialect: &Dialect,
    ) -> Result<Vec<(Column, Vec<u8>)>> {
        let integers = rows.integers.iter().filter(|integer| **integer).count();
        let mut first_integer = 0;
        (0..rows.columns)
            .map(|column| {
                let mut fields = Fields {
                    chunk,
                    cells: &rows.cells[column..],
                    columns: rows.columns,
                    integers: (&[], 1),
                };
                if rows.integers[column] {
                    fields.integers = (&rows.numbers[first_integer..], integers);
                    first_integer += 1;
                }
                let behind = if column + 1 == rows.columns {
                    &dialect.end
                } else {
                    &dialect.separator
                };
                Ok((self.column(fields)?, behind.clone()))
            })
            .collect()
    }

    fn column(&mut self, fields: Fields<'_>) -> Result<Column> {
        if fields.constant() {
            return Ok(Column {
                prefix: fields.get(0).to_vec(),
                suffix: Vec::new(),
                exceptions: None,
                kind: Kind::Constant,
            });
        }
        let quote = quote(fields);
        if let Some((shape, end)) = shape(fields, quote) {
            let suffix = [end, quote].concat();
            if let Some(column) = self.shaped(fields, &shape, quote, &suffix)? {
                return Ok(column);
            }
        }
        if let Some(column) = self.words(fields, quote)? {
            return Ok(column);
        }
        self.text(fields, quote)
    }

    /// Stores numbers, times and hexadecimal digits; `None`: too few fields are of that shape.
    fn shaped(
        &mut self,
        fields: Fields<'_>,
        shape: &Shape,
        prefix: &[u8],
        suffix: &[u8],
    ) -> Result<Option<Column>> {
        self.numbers.clear();
        self.bytes.clear();
        let (numbers, bytes) = (&mut self.numbers, &mut self.bytes);
        let mut number = |value: Option<i64>| value.map(|value| numbers.push(value)).is_some();
        let affixes = (prefix, suffix);
        let exceptions = &mut self.exceptions;
        let terminator = self.terminator;
        match shape {
            Shape::Decimal(0) if !fields.integers.0.is_empty() && prefix.is_empty() => {
                exceptions.clear();
                let integers = fields.integers.0.iter().step_by(fields.integers.1);
                for (field, integer) in fields.iter().zip(integers) {
                    let read = Some(*integer).filter(|integer| *integer != NO_NUMBER);
                    if number(read.or_else(|| parse_decimal(field, 0))) {
                        exceptions.mask.push(0);
                    } else {
                        exceptions.push(field, terminator);
                    }
                }
            }
            Shape::Decimal(scale) => exceptions.split(fields, affixes, terminator, |text| {
                number(parse_decimal(text, *scale))
            }),
            Shape::Time(form) => exceptions.split(fields, affixes, terminator, |text| {
                number(parse_time(text, *form))
            }),
            Shape::Hex(groups) => exceptions.split(fields, affixes, terminator, |text| {
                parse_hex(text, groups, bytes)
            }),
        }
        if self.exceptions.count * SAMPLE_PART > fields.count() * (SAMPLE_PART - 1) {
            return Ok(None);
        }
        let exceptions = self.put_exceptions()?;
        let kind = match shape {
            Shape::Decimal(scale) => Kind::Decimal {
                scale: *scale,
                planes: Planes::write(&self.numbers, &mut self.streams)?,
            },
            Shape::Time(form) => Kind::Time {
                form: *form,
                planes: Planes::write(&self.numbers, &mut self.streams)?,
            },
            Shape::Hex(groups) => {
                let width = groups.iter().map(|bytes| usize::from(*bytes)).sum();
                for at in 0..width {
                    self.streams
                        .plane(self.bytes.iter().skip(at).step_by(width).copied())?;
                }
                Kind::Hex(groups.clone())
            }
        };
        Ok(Some(Column {
            prefix: prefix.to_vec(),
            suffix: suffix.to_vec(),
            exceptions,
            kind,
        }))
    }

    fn words(&mut self, fields: Fields<'_>, quote: &[u8]) -> Result<Option<Column>> {
        let mut seen = Words::default();
        for field in fields.sample() {
            seen.number(field, SAMPLE);
        }
        if fields.count() > SAMPLE && seen.texts.len() > SAMPLE_WORDS {
            return Ok(None);
        }
        let mut words = Words::default();
        let numbers = &mut self.numbers;
        numbers.clear();
        let mut full = false;
        self.exceptions
            .split(fields, (quote, quote), self.terminator, |text| {
                // Given up as soon as it shows.
                let most = SAMPLE + numbers.len() / ROWS_PER_WORD;
                let number = if full { None } else { words.number(text, most) };
                full |= number.is_none();
                numbers.extend(number.map(i64::from));
                !full
            });
        if full {
            return Ok(None);
        }
        let exceptions = self.put_exceptions()?;
        let list = &mut self.bytes;
        list.clear();
        for text in &words.texts {
            list.extend_from_slice(text);
            list.push(self.terminator);
        }
        self.streams.text(list)?;
        self.streams
            .plane(self.numbers.iter().map(|number| *number as u8))?;
        if words.texts.len() > 256 {
            self.streams
                .plane(self.numbers.iter().map(|number| (number >> 8) as u8))?;
        }
        Ok(Some(Column {
            prefix: quote.to_vec(),
            suffix: quote.to_vec(),
            exceptions,
            kind: Kind::Words {
                entries: words.texts.len(),
                bytes: self.bytes.len(),
            },
        }))
    }

    fn text(&mut self, fields: Fields<'_>, quote: &[u8]) -> Result<Column> {
        let (list, terminator) = (&mut self.bytes, self.terminator);
        list.clear();
        self.exceptions
            .split(fields, (quote, quote), terminator, |text| {
                list.extend_from_slice(text);
                list.push(terminator);
                true
            });
        let exceptions = self.put_exceptions()?;
        self.streams.text(&self.bytes)?;
        Ok(Column {
            prefix: quote.to_vec(),
            suffix: quote.to_vec(),
            exceptions,
            kind: Kind::Text(self.bytes.len()),
        })
    }

    fn put_exceptions(&mut self) -> Result<Option<usize>> {
        if self.exceptions.count == 0 {
            return Ok(None);
        }
        self.streams.plane(self.exceptions.mask.iter().copied())?;
        self.streams.text(&self.exceptions.text)?;
        Ok(Some(self.exceptions.text.len()))
    }
}

impl Exceptions {
    /// Hands each field to `take`, without prefix and suffix; those without them or not taken are exceptions.
    fn split<'a>(
        &mut self,
        fields: Fields<'a>,
        (prefix, suffix): (&[u8], &[u8]),
        terminator: u8,
        mut take: impl FnMut(&'a [u8]) -> bool,
    ) {
        self.clear();
        for field in fields.iter() {
            if strip(field, prefix, suffix).is_some_and(&mut take) {
                self.mask.push(0);
            } else {
                self.push(field, terminator);
            }
        }
    }
}

/// What stands between prefix and suffix.
fn strip<'a>(field: &'a [u8], prefix: &[u8], suffix: &[u8]) -> Option<&'a [u8]> {
    // No calls for what is most common: comparing with nothing can be very slow (masked loads that fault).
    let field = match prefix {
        [] => field,
        [byte] => field.split_first().filter(|(first, _)| *first == byte)?.1,
        _ => field.strip_prefix(prefix)?,
    };
    match suffix {
        [] => Some(field),
        [byte] => Some(field.split_last().filter(|(last, _)| *last == byte)?.1),
        _ => field.strip_suffix(suffix),
    }
}

/// The quote around the fields of a column.
fn quote(fields: Fields<'_>) -> &[u8] {
    let mut quotes = fields.sample().filter_map(|field| match field {
        [b'\'', .., b'\''] | [b'"', .., b'"'] => Some(&field[..1]),
        _ => None,
    });
    let first = quotes.next();
    // NULLs stand between quoted fields, and CSV quotes where it must: then most fields are not.
    let quoted = quotes.count() + 1;
    first
        .filter(|_| quoted * SAMPLE_PART >= fields.sample().count())
        .unwrap_or_default()
}

/// The shape that most of a sample have, and what follows it in the first of them.
fn shape<'a>(fields: Fields<'a>, quote: &[u8]) -> Option<(Shape, &'a [u8])> {
    let mut votes: Vec<(Shape, &[u8], usize)> = Vec::new();
    let mut sampled = 0;
    for field in fields.sample() {
        sampled += 1;
        let inner = strip(field, quote, quote);
        let Some((inner, (shape, rest))) = inner.and_then(|text| Some((text, Shape::of(text)?)))
        else {
            continue;
        };
        let end = &inner[inner.len() - rest..];
        match votes
            .iter_mut()
            .find(|vote| vote.0 == shape && vote.1 == end)
        {
            Some(vote) => vote.2 += 1,
            None => votes.push((shape, end, 1)),
        }
    }
    let untrimmed = votes.iter().position(|vote| {
        matches!(
            vote.0,
            Shape::Time(TimeForm::DateTime {
                scale: 1..,
                trimmed: false,
                ..
            })
        )
    });
    let best = match untrimmed {
        Some(at) => votes.swap_remove(at),
        None => votes.into_iter().max_by_key(|vote| vote.2)?,
    };
    (best.2 * SAMPLE_PART >= sampled).then_some((best.0, best.1))
}
