//! The fields of a column, and what a few of them tell about the others.

use super::column::TimeForm;
use super::rows::Cell;
use super::value::Shape;

/// Fields that the kind of a column is told by.
pub(super) const SAMPLE: usize = 32;
/// A column is of a kind if at least one of so many sampled fields is, as long as the others may be NULL.
pub(super) const SAMPLE_PART: usize = 4;

/// The fields of one column.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) chunk: &'a [u8],
    /// All cells from the column's first on.
    pub(super) cells: &'a [Cell],
    pub(super) columns: usize,
    /// Their numbers, from the column's first on, and how many there are in a row; empty if they were not read.
    pub(super) numbers: (&'a [i64], usize),
}

impl<'a> Fields<'a> {
    pub(super) fn count(self) -> usize {
        self.cells.len().div_ceil(self.columns)
    }

    pub(super) fn get(self, row: usize) -> &'a [u8] {
        let [start, end] = self.cells[row * self.columns];
        &self.chunk[start as usize..end as usize]
    }

    pub(super) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        self.cells
            .iter()
            .step_by(self.columns)
            .map(move |[start, end]| &self.chunk[*start as usize..*end as usize])
    }

    /// Where they lie in the chunk: start and end.
    pub(super) fn spans(self) -> impl Iterator<Item = [usize; 2]> {
        self.cells
            .iter()
            .step_by(self.columns)
            .map(|span| span.map(|at| at as usize))
    }

    pub(super) fn sample(self) -> impl Iterator<Item = &'a [u8]> {
        let step = self.count().div_ceil(SAMPLE);
        (0..self.count())
            .step_by(step)
            .map(move |row| self.get(row))
    }

    pub(super) fn constant(self) -> bool {
        let first = self.get(0);
        self.iter().all(|field| field == first)
    }
}

/// What stands between prefix and suffix.
pub(super) fn strip<'a>(field: &'a [u8], prefix: &[u8], suffix: &[u8]) -> Option<&'a [u8]> {
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
pub(super) fn quote(fields: Fields<'_>) -> &[u8] {
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
pub(super) fn shape<'a>(fields: Fields<'a>, quote: &[u8]) -> Option<(Shape, &'a [u8])> {
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
