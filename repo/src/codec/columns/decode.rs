//! Columns being read: where their streams lie, and their next fields.

use memchr::memchr_iter;

use super::column::{Column, Kind, TimeForm};
use super::numbers::Numbers;
use super::pool::{Cell, Pool};
use super::render::{Dates, SLOT, decimals, hex, hex_length};
use super::rows::find_one;
use super::streams::{Reader, damaged};
use crate::error::Result;

/// Rows whose fields are made at a time, at most: few enough to stay in the nearest caches.
pub(super) const BATCH: usize = 128;

/// A column being read.
pub(super) struct Source {
    exceptions: Option<Exceptions>,
    /// Around each value that is not an exception; empty where the row's literals have them.
    affixes: [Cell; 2],
    values: Values,
    /// Where the slots of its values lie, once it is known.
    slots: usize,
}

struct Exceptions {
    /// Where the next bytes of the mask lie.
    mask: usize,
    texts: Texts,
}

enum Values {
    Constant,
    Text(Texts),
    Words(Words),
    Decimal { scale: u8, numbers: Numbers },
    Time { form: TimeForm, numbers: Numbers },
    Hex(Hex),
}

/// Texts one after another, each with a terminator: those from `at` on, up to `end`.
struct Texts {
    at: usize,
    end: usize,
    terminator: u8,
}

struct Words {
    entries: Vec<Cell>,
    /// Where the next halves of numbers lie.
    low: usize,
    high: Option<usize>,
}

struct Hex {
    groups: Vec<u8>,
    /// Where the next byte of each plane lies.
    planes: Vec<usize>,
}

/// What filling needs besides the column.
pub(super) struct Scratch<'s> {
    pub(super) pool: &'s mut Pool,
    pub(super) dates: &'s mut Dates,
}

impl Source {
    /// Reads the streams of a column of so many rows.
    pub(super) fn read(
        column: &Column,
        rows: usize,
        terminator: u8,
        streams: &mut Reader<'_>,
        pool: &mut Pool,
    ) -> Result<Self> {
        let mut exceptions = None;
        let mut affixes = [[0; 2]; 2];
        let mut count = rows;
        if let Some(bytes) = column.exceptions {
            let mask = streams.next(rows, pool)?;
            count = memchr_iter(0, &pool.bytes()[mask..mask + rows]).count();
            let texts = Texts::read(bytes, terminator, streams, pool)?;
            exceptions = Some(Exceptions { mask, texts });
            affixes = [pool.push(&column.prefix), pool.push(&column.suffix)];
        }
        let values = match &column.kind {
            Kind::Constant => Values::Constant,
            Kind::Text(bytes) => Values::Text(Texts::read(*bytes, terminator, streams, pool)?),
            Kind::Words { entries, bytes } => {
                let list = Texts::read(*bytes, terminator, streams, pool)?;
                Values::Words(Words::read(*entries, list, count, streams, pool)?)
            }
            Kind::Decimal { scale, planes } => Values::Decimal {
                scale: *scale,
                numbers: Numbers::read(*planes, count, streams, pool)?,
            },
            Kind::Time { form, planes } => Values::Time {
                form: *form,
                numbers: Numbers::read(*planes, count, streams, pool)?,
            },
            Kind::Hex(groups) => {
                let width = groups.iter().map(|bytes| usize::from(*bytes)).sum();
                let planes = (0usize..width).map(|_| streams.next(count, pool));
                Values::Hex(Hex {
                    planes: planes.collect::<Result<_>>()?,
                    groups: groups.clone(),
                })
            }
        };
        Ok(Self {
            exceptions,
            affixes,
            values,
            slots: 0,
        })
    }

    /// Whether every field is the same.
    pub(super) fn is_constant(&self) -> bool {
        self.exceptions.is_none() && matches!(self.values, Values::Constant)
    }

    pub(super) fn has_exceptions(&self) -> bool {
        self.exceptions.is_some()
    }

    /// Pieces that a field is put together from.
    pub(super) fn pieces(&self) -> usize {
        if self.affixes == [[0; 2]; 2] { 1 } else { 3 }
    }

    /// Bytes that a value takes in the pool besides its streams.
    pub(super) fn slot_bytes(&self) -> usize {
        match &self.values {
            Values::Constant | Values::Text(_) | Values::Words(_) => 0,
            Values::Decimal { .. } | Values::Time { .. } => SLOT,
            Values::Hex(hex) => hex_length(&hex.groups),
        }
    }

    pub(super) fn use_slots(&mut self, start: usize) {
        self.slots = start;
    }

    /// Makes the fields of the next `rows`. `cells` has as many cells for each piece as `stride` says.
    /// `None`: the column ends too early, or a number is none that it can have.
    pub(super) fn fill(
        &mut self,
        rows: usize,
        stride: usize,
        cells: &mut [Cell],
        scratch: &mut Scratch<'_>,
    ) -> Option<()> {
        let Some(exceptions) = &mut self.exceptions else {
            return self
                .values
                .fill(self.slots, cells.get_mut(..rows)?, scratch);
        };
        let mut mask = [0; BATCH];
        let mask = mask.get_mut(..rows)?;
        mask.copy_from_slice(scratch.pool.bytes().get(exceptions.mask..)?.get(..rows)?);
        exceptions.mask += rows;
        let odd = mask.iter().filter(|byte| **byte != 0).count();
        let mut made = [[0; 2]; BATCH];
        let (values, texts) = made.get_mut(..rows)?.split_at_mut(rows - odd);
        self.values.fill(self.slots, values, scratch)?;
        exceptions.texts.fill(scratch.pool.bytes(), texts)?;
        let (mut values, mut texts) = (values.iter(), texts.iter());
        let mut pieces = cells.chunks_mut(stride);
        if self.affixes == [[0; 2]; 2] {
            for (cell, odd) in pieces.next()?.iter_mut().zip(mask) {
                *cell = *if *odd == 0 { &mut values } else { &mut texts }.next()?;
            }
            return Some(());
        }
        let (before, middle, behind) = (pieces.next()?, pieces.next()?, pieces.next()?);
        for (row, odd) in mask.iter().enumerate() {
            [before[row], middle[row], behind[row]] = if *odd == 0 {
                [self.affixes[0], *values.next()?, self.affixes[1]]
            } else {
                [[0; 2], *texts.next()?, [0; 2]]
            };
        }
        Some(())
    }
}

impl Values {
    fn fill(&mut self, slots: usize, cells: &mut [Cell], scratch: &mut Scratch<'_>) -> Option<()> {
        let mut batch = [0; BATCH];
        let (before, behind) = scratch.pool.split(slots);
        match self {
            Self::Constant => cells.fill([0; 2]),
            Self::Text(texts) => texts.fill(scratch.pool.bytes(), cells)?,
            Self::Words(words) => words.fill(scratch.pool.bytes(), cells)?,
            Self::Decimal { scale, numbers } => {
                let batch = batch.get_mut(..cells.len())?;
                numbers.fill(before, batch)?;
                decimals(batch, *scale, behind, slots, cells);
            }
            Self::Time { form, numbers } => {
                let batch = batch.get_mut(..cells.len())?;
                numbers.fill(before, batch)?;
                scratch.dates.times(batch, *form, behind, slots, cells)?;
            }
            Self::Hex(columns) => {
                let planes = columns.planes.iter().map(|at| &before[*at..]);
                hex(&columns.groups, planes, behind, slots, cells);
                for plane in &mut columns.planes {
                    *plane += cells.len();
                }
            }
        }
        Some(())
    }
}

impl Texts {
    fn read(
        bytes: usize,
        terminator: u8,
        streams: &mut Reader<'_>,
        pool: &mut Pool,
    ) -> Result<Self> {
        let at = streams.next(bytes, pool)?;
        Ok(Self {
            at,
            end: at + bytes,
            terminator,
        })
    }

    fn fill(&mut self, pool: &[u8], cells: &mut [Cell]) -> Option<()> {
        let list = pool.get(..self.end)?;
        for cell in cells {
            let end = find_one(list, self.at, self.terminator)?;
            *cell = [self.at as u32, (end - self.at) as u32];
            self.at = end + 1;
        }
        Some(())
    }
}

impl Words {
    fn read(
        count: usize,
        mut list: Texts,
        rows: usize,
        streams: &mut Reader<'_>,
        pool: &mut Pool,
    ) -> Result<Self> {
        let another = || damaged("a list of texts has another length");
        // Each has a terminator.
        if count > list.end - list.at {
            return Err(another());
        }
        let mut entries = vec![[0; 2]; count];
        list.fill(pool.bytes(), &mut entries).ok_or_else(another)?;
        if list.at != list.end {
            return Err(another());
        }
        let low = streams.next(rows, pool)?;
        let high = (count > 256)
            .then(|| streams.next(rows, pool))
            .transpose()?;
        Ok(Self { entries, low, high })
    }

    fn fill(&mut self, pool: &[u8], cells: &mut [Cell]) -> Option<()> {
        let count = cells.len();
        let low = pool.get(self.low..)?.get(..count)?;
        self.low += count;
        let Some(at) = &mut self.high else {
            for (cell, low) in cells.iter_mut().zip(low) {
                *cell = *self.entries.get(usize::from(*low))?;
            }
            return Some(());
        };
        let high = pool.get(*at..)?.get(..count)?;
        *at += count;
        for ((cell, low), high) in cells.iter_mut().zip(low).zip(high) {
            let number = usize::from(*high) << 8 | usize::from(*low);
            *cell = *self.entries.get(number)?;
        }
        Some(())
    }
}
