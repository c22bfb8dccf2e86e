//! Rows out of columns.

use memchr::{memchr, memchr_iter};

use super::column::{Column, Kind, TimeForm};
use super::digits::{E8, last_digits, print_8};
use super::numbers::Numbers;
use super::out::{Literal, Out};
use super::streams::{Reader, damaged};
use super::time::{print_clock, print_date};
use super::value::DIGITS;
use crate::error::Result;

/// A column being read.
pub(super) struct Source {
    /// Written before each value that is not an exception; empty where the row's literals have it.
    prefix: Literal,
    suffix: Literal,
    exceptions: Option<Exceptions>,
    values: Values,
}

struct Exceptions {
    mask: Vec<u8>,
    texts: Texts,
}

enum Values {
    Constant,
    Text(Texts),
    Words(Words),
    Decimal {
        scale: u8,
        unit: u64,
        numbers: Numbers,
    },
    Time {
        form: TimeForm,
        numbers: Numbers,
    },
    Hex(Hex),
}

/// Texts one after another, each with a terminator.
struct Texts {
    bytes: Vec<u8>,
    terminator: u8,
    at: usize,
}

struct Words {
    bytes: Vec<u8>,
    /// Start and end of each.
    entries: Vec<[u32; 2]>,
    low: Vec<u8>,
    high: Vec<u8>,
    next: usize,
}

struct Hex {
    groups: Vec<u8>,
    planes: Vec<Vec<u8>>,
    next: usize,
}

impl Source {
    /// Reads the streams of a column of so many rows.
    pub(super) fn read(
        column: &Column,
        rows: usize,
        terminator: u8,
        streams: &mut Reader<'_>,
    ) -> Result<Self> {
        let exceptions = match column.exceptions {
            None => None,
            Some(bytes) => Some(Exceptions {
                mask: streams.next(rows)?,
                texts: Texts::read(bytes, terminator, streams)?,
            }),
        };
        let count = match &exceptions {
            None => rows,
            Some(exceptions) => memchr_iter(0, &exceptions.mask).count(),
        };
        let values = match &column.kind {
            Kind::Constant => Values::Constant,
            Kind::Text(bytes) => Values::Text(Texts::read(*bytes, terminator, streams)?),
            Kind::Words { entries, bytes } => {
                Values::Words(Words::read(*entries, *bytes, terminator, count, streams)?)
            }
            Kind::Decimal { scale, planes } => Values::Decimal {
                scale: *scale,
                unit: 10u64.pow(u32::from(*scale)),
                numbers: Numbers::read(*planes, count, streams)?,
            },
            Kind::Time { form, planes } => Values::Time {
                form: *form,
                numbers: Numbers::read(*planes, count, streams)?,
            },
            Kind::Hex(groups) => {
                let width = groups.iter().map(|bytes| usize::from(*bytes)).sum();
                Values::Hex(Hex {
                    groups: groups.clone(),
                    planes: (0usize..width)
                        .map(|_| streams.next(count))
                        .collect::<Result<_>>()?,
                    next: 0,
                })
            }
        };
        let affix = |bytes: &[u8]| Literal::new(if exceptions.is_some() { bytes } else { &[] });
        Ok(Self {
            prefix: affix(&column.prefix),
            suffix: affix(&column.suffix),
            exceptions,
            values,
        })
    }

    /// Whether every field is the same.
    pub(super) fn is_constant(&self) -> bool {
        self.exceptions.is_none() && matches!(self.values, Values::Constant)
    }

    pub(super) fn has_exceptions(&self) -> bool {
        self.exceptions.is_some()
    }

    /// Writes the field of the next row. `None`: the column ends too early, or the chunk does.
    pub(super) fn write(&mut self, row: usize, out: &mut Out) -> Option<()> {
        let Some(exceptions) = &mut self.exceptions else {
            return self.values.write(out);
        };
        if exceptions.mask[row] != 0 {
            return exceptions.texts.write(out);
        }
        out.literal(&self.prefix)?;
        self.values.write(out)?;
        out.literal(&self.suffix)
    }
}

impl Values {
    #[inline]
    fn write(&mut self, out: &mut Out) -> Option<()> {
        match self {
            Self::Constant => Some(()),
            Self::Text(texts) => texts.write(out),
            Self::Words(words) => words.write(out),
            Self::Decimal {
                scale,
                unit,
                numbers,
            } => {
                let number = numbers.next()?;
                decimal(number, *scale, *unit, out)
            }
            Self::Time { form, numbers } => {
                let number = numbers.next()?;
                time(number, *form, out)
            }
            Self::Hex(hex) => hex.write(out),
        }
    }
}

impl Texts {
    fn read(bytes: usize, terminator: u8, streams: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            bytes: streams.next(bytes)?,
            terminator,
            at: 0,
        })
    }

    fn write(&mut self, out: &mut Out) -> Option<()> {
        let rest = &self.bytes[self.at..];
        let length = memchr(self.terminator, rest)?;
        self.at += length + 1;
        out.bytes(&rest[..length])
    }
}

impl Words {
    fn read(
        entries: usize,
        bytes: usize,
        terminator: u8,
        count: usize,
        streams: &mut Reader<'_>,
    ) -> Result<Self> {
        let bytes = streams.next(bytes)?;
        let mut ranges = Vec::new();
        let mut start = 0;
        for end in memchr_iter(terminator, &bytes).take(entries + 1) {
            ranges.push([start, end as u32]);
            start = end as u32 + 1;
        }
        if ranges.len() != entries || start as usize != bytes.len() {
            return Err(damaged("a list of texts has another length"));
        }
        Ok(Self {
            bytes,
            entries: ranges,
            low: streams.next(count)?,
            high: if entries > 256 {
                streams.next(count)?
            } else {
                Vec::new()
            },
            next: 0,
        })
    }

    fn write(&mut self, out: &mut Out) -> Option<()> {
        let low = usize::from(*self.low.get(self.next)?);
        let high = self
            .high
            .get(self.next)
            .map_or(0, |high| usize::from(*high) << 8);
        self.next += 1;
        let [start, end] = *self.entries.get(high | low)?;
        out.bytes(&self.bytes[start as usize..end as usize])
    }
}

impl Hex {
    fn write(&mut self, out: &mut Out) -> Option<()> {
        let row = self.next;
        self.next += 1;
        let mut planes = self.planes.iter();
        for (at, bytes) in self.groups.iter().enumerate() {
            if at > 0 {
                out.bytes(b"-")?;
            }
            for plane in planes.by_ref().take(usize::from(*bytes)) {
                let byte = *plane.get(row)?;
                out.short(
                    [
                        DIGITS[usize::from(byte >> 4)],
                        DIGITS[usize::from(byte & 15)],
                    ],
                    2,
                )?;
            }
        }
        Some(())
    }
}

fn decimal(number: i64, scale: u8, unit: u64, out: &mut Out) -> Option<()> {
    if number < 0 {
        out.short(*b"-", 1)?;
    }
    let value = number.unsigned_abs();
    if scale == 0 {
        return whole(value, out);
    }
    whole(value / unit, out)?;
    fraction(value % unit, scale, out)
}

/// A number without sign.
#[inline]
fn whole(value: u64, out: &mut Out) -> Option<()> {
    if value >= E8 {
        return large(value, out);
    }
    let (text, length) = print_8(value);
    out.short(text, length)
}

#[inline(never)]
fn large(value: u64, out: &mut Out) -> Option<()> {
    whole(value / E8, out)?;
    out.short(last_digits(value % E8, 8), 8)
}

fn fraction(value: u64, scale: u8, out: &mut Out) -> Option<()> {
    out.short(*b".", 1)?;
    let mut rest = usize::from(scale);
    if rest > 8 {
        let first = value / 100_000_000;
        out.short(last_digits(first, rest - 8), rest - 8)?;
        rest = 8;
    }
    out.short(last_digits(value % 100_000_000, rest), rest)
}

fn time(number: i64, form: TimeForm, out: &mut Out) -> Option<()> {
    let (joint, scale, trimmed) = match form {
        TimeForm::Date => return out.short(print_date(number)?, 10),
        TimeForm::DateTime {
            joint,
            scale,
            trimmed,
        } => (joint, scale, trimmed),
    };
    let (seconds, mut part) = if scale == 0 {
        (number, 0)
    } else {
        let unit = 10i64.pow(u32::from(scale));
        (number.div_euclid(unit), number.rem_euclid(unit) as u64)
    };
    let days = seconds.div_euclid(86_400);
    out.short(print_date(days)?, 10)?;
    out.short([joint], 1)?;
    out.short(print_clock(seconds - days * 86_400), 8)?;
    let mut digits = scale;
    if trimmed {
        while digits > 0 && part % 10 == 0 {
            part /= 10;
            digits -= 1;
        }
    }
    if digits == 0 {
        return Some(());
    }
    fraction(part, digits, out)
}
