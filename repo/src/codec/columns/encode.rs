//! Choosing how a column is stored, and storing it.

use super::column::{Column, Kind};
use super::dialect::Dialect;
use super::exceptions::Exceptions;
use super::fields::{Fields, SAMPLE, SAMPLE_PART, quote, shape, strip};
use super::list::List;
use super::numbers::Planes;
use super::plan::{NO_NUMBER, Plan};
use super::rows::Rows;
use super::streams::Writer;
use super::value::{Shape, parse_decimal, parse_hex, parse_time};
use super::words::Words;
use crate::error::Result;

/// Distinct texts in a sample of a column that may still have few in all.
const SAMPLE_WORDS: usize = 24;
/// Rows that share a text, on average, for numbers to pay.
const ROWS_PER_WORD: usize = 3;

/// What encoding columns needs again and again.
#[derive(Default)]
pub(super) struct Encoder {
    pub(super) streams: Writer,
    pub(super) terminator: u8,
    exceptions: Exceptions,
    numbers: Vec<i64>,
    bytes: Vec<u8>,
    list: List,
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
        let in_row = rows.numbers_in_row();
        let mut first_number = 0;
        (0..rows.columns())
            .map(|column| {
                let mut fields = Fields {
                    chunk,
                    cells: &rows.cells()[column..],
                    columns: rows.columns(),
                    numbers: (&[], 1),
                };
                let plan = rows.plans[column];
                if plan.has_numbers() {
                    fields.numbers = (&rows.numbers()[first_number..], in_row);
                    first_number += 1;
                }
                let behind = if column + 1 == rows.columns() {
                    &dialect.end
                } else {
                    &dialect.separator
                };
                Ok((self.column(fields, plan)?, behind.clone()))
            })
            .collect()
    }

    fn column(&mut self, fields: Fields<'_>, plan: Plan) -> Result<Column> {
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
            let mut fields = fields;
            if !plan.reads(&shape, quote, &suffix) {
                fields.numbers = (&[], 1);
            }
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
        let affixes = (prefix, suffix);
        let exceptions = &mut self.exceptions;
        let terminator = self.terminator;
        let parse = |text| match shape {
            Shape::Decimal(scale) => parse_decimal(text, *scale),
            Shape::Time(form) => parse_time(text, *form),
            Shape::Hex(_) => None,
        };
        match shape {
            Shape::Hex(groups) => exceptions.split(fields, affixes, terminator, |text| {
                parse_hex(text, groups, bytes)
            }),
            _ if fields.numbers.0.is_empty() => {
                exceptions.split(fields, affixes, terminator, |text| {
                    let number = parse(text);
                    numbers.extend(number);
                    number.is_some()
                });
            }
            _ => {
                exceptions.clear();
                let read = fields.numbers.0.iter().step_by(fields.numbers.1);
                numbers.extend(read.take(fields.count()));
                if numbers.contains(&NO_NUMBER) {
                    let mut row = 0;
                    numbers.retain_mut(|number| {
                        let field = fields.get(row);
                        if *number == NO_NUMBER {
                            *number = strip(field, prefix, suffix)
                                .and_then(parse)
                                .unwrap_or(NO_NUMBER);
                        }
                        let taken = *number != NO_NUMBER;
                        if !taken {
                            exceptions.push(row, field, terminator);
                        }
                        row += 1;
                        taken
                    });
                }
            }
        }
        if self.exceptions.count * SAMPLE_PART > fields.count() * (SAMPLE_PART - 1) {
            return Ok(None);
        }
        let exceptions = self.put_exceptions(fields.count())?;
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
        let exceptions = self.put_exceptions(fields.count())?;
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
        let (list, terminator) = (&mut self.list, self.terminator);
        list.clear();
        let exceptions = &mut self.exceptions;
        exceptions.clear();
        for (row, [start, end]) in fields.spans().enumerate() {
            let field = &fields.chunk[start..end];
            if strip(field, quote, quote).is_some() {
                list.push(
                    fields.chunk,
                    start + quote.len()..end - quote.len(),
                    terminator,
                );
            } else {
                exceptions.push(row, field, terminator);
            }
        }
        let exceptions = self.put_exceptions(fields.count())?;
        self.streams.text(self.list.bytes())?;
        Ok(Column {
            prefix: quote.to_vec(),
            suffix: quote.to_vec(),
            exceptions,
            kind: Kind::Text(self.list.bytes().len()),
        })
    }

    fn put_exceptions(&mut self, rows: usize) -> Result<Option<usize>> {
        if self.exceptions.count == 0 {
            return Ok(None);
        }
        let mask = self.exceptions.mask(rows).iter().copied();
        self.streams.plane(mask)?;
        self.streams.text(&self.exceptions.text)?;
        Ok(Some(self.exceptions.text.len()))
    }
}
