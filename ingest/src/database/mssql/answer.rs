//! Fields of the rows that the server answers with, when their number and types are known.

use tiberius::{ColumnData, Row};

use super::error::{MssqlError, Result};
use super::literal::is_null;

/// The fields of a row, from left to right.
pub(super) struct Fields<'a> {
    what: &'a str,
    row: &'a Row,
    at: usize,
}

impl<'a> Fields<'a> {
    /// `what` begins the message if a field is not as expected.
    pub(super) fn new(what: &'a str, row: &'a Row) -> Self {
        Self { what, row, at: 0 }
    }

    /// Goes to the field of this name: wide answers differ by version.
    pub(super) fn named(&mut self, name: &str) -> Result<&mut Self> {
        let mut names = self.row.columns().iter().map(tiberius::Column::name);
        let Some(at) = names.position(|one| one.eq_ignore_ascii_case(name)) else {
            return Err(MssqlError::answer(
                self.what,
                format!("field {name} is missing"),
            ));
        };
        self.at = at;
        Ok(self)
    }

    /// A text that is there.
    pub(super) fn text(&mut self) -> Result<String> {
        self.text_or_null()?.ok_or_else(|| self.wrong("is NULL"))
    }

    /// A text, or nothing.
    pub(super) fn text_or_null(&mut self) -> Result<Option<String>> {
        match self.take()? {
            ColumnData::String(text) => Ok(text.as_ref().map(ToString::to_string)),
            value if is_null(value) => Ok(None),
            _ => Err(self.wrong("is no text")),
        }
    }

    /// A whole number that is there.
    pub(super) fn number(&mut self) -> Result<i64> {
        self.number_or_null()?.ok_or_else(|| self.wrong("is NULL"))
    }

    /// A whole number, or nothing.
    pub(super) fn number_or_null(&mut self) -> Result<Option<i64>> {
        Ok(match self.take()? {
            ColumnData::U8(value) => value.map(i64::from),
            ColumnData::I16(value) => value.map(i64::from),
            ColumnData::I32(value) => value.map(i64::from),
            ColumnData::I64(value) => *value,
            ColumnData::Bit(value) => value.map(i64::from),
            value if is_null(value) => None,
            _ => return Err(self.wrong("is no number")),
        })
    }

    /// A decimal number without a fraction, which may be too large for an integer, or nothing.
    pub(super) fn decimal_or_null(&mut self) -> Result<Option<i128>> {
        match self.take()? {
            ColumnData::Numeric(Some(value)) if value.scale() == 0 => Ok(Some(value.value())),
            value if is_null(value) => Ok(None),
            _ => Err(self.wrong("is no decimal")),
        }
    }

    /// A bit: NULL counts as no.
    pub(super) fn flag(&mut self) -> Result<bool> {
        Ok(self.number_or_null()?.unwrap_or_default() != 0)
    }

    fn take(&mut self) -> Result<&'a ColumnData<'static>> {
        let value = self.row.cells().nth(self.at).map(|(_, value)| value);
        self.at += 1;
        value.ok_or_else(|| self.wrong("is missing"))
    }

    fn wrong(&self, how: &str) -> MssqlError {
        MssqlError::answer(self.what, format!("field {} {how}", self.at))
    }
}
