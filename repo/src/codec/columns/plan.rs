//! How the fields of a column are read while a chunk is cut into rows: most numbers need no second look.

use super::column::TimeForm;
use super::digits::integer_at;
use super::fields::{Fields, quote, shape};
use super::time::{Months, parse_clock};
use super::value::Shape;

/// In the place of a field's number: it was not read as one.
pub(super) const NO_NUMBER: i64 = i64::MIN;

/// What the fields of a column are read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Only their ends are looked for.
    Field,
    /// Integers without quotes.
    Integer,
    /// Days or seconds, all of the same length.
    Time {
        prefix: Vec<u8>,
        suffix: Vec<u8>,
        joint: Option<u8>,
    },
}

impl Plan {
    /// A plan for fields like these.
    pub(super) fn of(fields: Fields<'_>) -> Self {
        let prefix = quote(fields);
        let Some((shape, end)) = shape(fields, prefix) else {
            return Self::Field;
        };
        let suffix = [end, prefix].concat();
        let joint = match shape {
            Shape::Decimal(0) if suffix.is_empty() => return Self::Integer,
            Shape::Time(TimeForm::Date) => None,
            Shape::Time(TimeForm::DateTime {
                joint, scale: 0, ..
            }) => Some(joint),
            _ => return Self::Field,
        };
        Self::Time {
            prefix: prefix.to_vec(),
            suffix,
            joint,
        }
    }

    pub(super) fn has_numbers(&self) -> bool {
        *self != Self::Field
    }

    /// Whether what it reads are the numbers of such a column.
    pub(super) fn reads(&self, shape: &Shape, before: &[u8], behind: &[u8]) -> bool {
        match (self, shape) {
            (Self::Integer, Shape::Decimal(0)) => before.is_empty() && behind.is_empty(),
            (
                Self::Time {
                    prefix,
                    suffix,
                    joint,
                },
                Shape::Time(form),
            ) => {
                let form = match form {
                    TimeForm::Date => None,
                    TimeForm::DateTime {
                        joint, scale: 0, ..
                    } => Some(*joint),
                    TimeForm::DateTime { .. } => return false,
                };
                prefix == before && suffix == behind && *joint == form
            }
            _ => false,
        }
    }

    /// The number of the field at `at`, and where the field ends if it is nothing but that.
    #[inline]
    pub(super) fn number_at(
        &self,
        chunk: &[u8],
        at: usize,
        months: &mut Months,
    ) -> Option<(i64, usize)> {
        match self {
            Self::Field => None,
            Self::Integer => integer_at(chunk, at),
            Self::Time {
                prefix,
                suffix,
                joint,
            } => {
                let text = strip_front(chunk.get(at..)?, prefix)?;
                let (date, text) = text.split_first_chunk()?;
                let days = months.parse_date(date)?;
                let (number, text) = match joint {
                    None => (days, text),
                    Some(joint) => {
                        let (clock, text) = strip_front(text, &[*joint])?.split_first_chunk()?;
                        (days * 86_400 + parse_clock(*clock)?, text)
                    }
                };
                let text = strip_front(text, suffix)?;
                Some((number, chunk.len() - text.len()))
            }
        }
    }
}

/// What stands behind a prefix, which most often is none or one byte.
#[inline]
fn strip_front<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    match prefix {
        [] => Some(text),
        [byte] => Some(text.split_first().filter(|(first, _)| *first == byte)?.1),
        _ => text.strip_prefix(prefix),
    }
}
