//! How the fields of a column are read while a chunk is cut into rows: most numbers need no second look.

use super::column::TimeForm;
use super::digits::{integer_at, integer_of};
use super::fields::{Fields, quote, shape};
use super::time::{Months, parse_clock};
use super::value::Shape;

/// In the place of a field's number: it was not read as one.
pub(super) const NO_NUMBER: i64 = i64::MIN;

/// What the fields of a column are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Only their ends are looked for.
    Field,
    /// Integers without quotes.
    Integer,
    /// Days or seconds, all of the same length.
    Time(TimePlan),
}

/// What stands in a point in time besides digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimePlan {
    prefix: Option<u8>,
    joint: Option<u8>,
    /// Up to four bytes, the first in the lowest one.
    suffix: u32,
    suffix_bytes: u8,
}

impl TimePlan {
    fn of(form: TimeForm, prefix: &[u8], suffix: &[u8]) -> Option<Self> {
        let joint = match form {
            TimeForm::Date => None,
            TimeForm::DateTime {
                joint, scale: 0, ..
            } => Some(joint),
            TimeForm::DateTime { .. } => return None,
        };
        let mut word = [0; 4];
        word.get_mut(..suffix.len())?.copy_from_slice(suffix);
        Some(Self {
            prefix: match prefix {
                [] => None,
                [byte] => Some(*byte),
                _ => return None,
            },
            joint,
            suffix: u32::from_le_bytes(word),
            suffix_bytes: suffix.len() as u8,
        })
    }

    #[inline]
    fn number_at(self, chunk: &[u8], at: usize, months: &mut Months) -> Option<(i64, usize)> {
        let text = strip_front(chunk.get(at..)?, self.prefix)?;
        let (date, text) = text.split_first_chunk()?;
        let days = months.parse_date(date)?;
        let (number, text) = match self.joint {
            None => (days, text),
            joint => {
                let (clock, text) = strip_front(text, joint)?.split_first_chunk()?;
                (days * 86_400 + parse_clock(*clock)?, text)
            }
        };
        let behind = u32::from_le_bytes(*text.first_chunk()?);
        let bytes = usize::from(self.suffix_bytes);
        let mask = ((1u64 << (8 * bytes)) - 1) as u32;
        ((behind ^ self.suffix) & mask == 0).then_some((number, chunk.len() - text.len() + bytes))
    }
}

impl Plan {
    /// A plan for fields like these.
    pub(super) fn of(fields: Fields<'_>) -> Self {
        let prefix = quote(fields);
        let Some((shape, end)) = shape(fields, prefix) else {
            return Self::Field;
        };
        let suffix = [end, prefix].concat();
        match shape {
            Shape::Decimal(0) if suffix.is_empty() => Self::Integer,
            Shape::Time(form) => {
                TimePlan::of(form, prefix, &suffix).map_or(Self::Field, Self::Time)
            }
            _ => Self::Field,
        }
    }

    #[inline]
    pub(super) fn has_numbers(self) -> bool {
        self != Self::Field
    }

    /// Whether what it reads are the numbers of such a column.
    pub(super) fn reads(self, shape: &Shape, prefix: &[u8], suffix: &[u8]) -> bool {
        match (self, shape) {
            (Self::Integer, Shape::Decimal(0)) => prefix.is_empty() && suffix.is_empty(),
            (Self::Time(plan), Shape::Time(form)) => {
                TimePlan::of(*form, prefix, suffix) == Some(plan)
            }
            _ => false,
        }
    }

    /// The number of the field at `at`, and where it ends, if `behind` stands there.
    #[inline]
    pub(super) fn number_at(
        self,
        chunk: &[u8],
        at: usize,
        behind: u8,
        months: &mut Months,
    ) -> Option<(i64, usize)> {
        let number = match self {
            Self::Field => None,
            Self::Integer => {
                let text = chunk.get(at..)?.first_chunk()?;
                match integer_of(*text) {
                    Some((number, bytes, next)) if next == behind => {
                        return Some((number, at + bytes));
                    }
                    _ => long_integer_at(chunk, at),
                }
            }
            Self::Time(plan) => plan.number_at(chunk, at, months),
        };
        number.filter(|(_, end)| chunk.get(*end) == Some(&behind))
    }
}

#[inline(never)]
fn long_integer_at(chunk: &[u8], at: usize) -> Option<(i64, usize)> {
    integer_at(chunk, at)
}

/// What stands behind a byte, or behind none.
#[inline]
fn strip_front(text: &[u8], prefix: Option<u8>) -> Option<&[u8]> {
    match prefix {
        None => Some(text),
        Some(byte) => Some(text.split_first().filter(|(first, _)| **first == byte)?.1),
    }
}
