//! Fields of a column that are not of its kind.

use super::fields::{Fields, strip};

/// Fields of a column that are not of its kind.
#[derive(Default)]
pub(super) struct Exceptions {
    /// For each row up to the last exception 1 where the field is one.
    mask: Vec<u8>,
    pub(super) text: Vec<u8>,
    pub(super) count: usize,
}

impl Exceptions {
    pub(super) fn clear(&mut self) {
        self.mask.clear();
        self.text.clear();
        self.count = 0;
    }

    /// Takes the field of a row, which is behind those of all others.
    pub(super) fn push(&mut self, row: usize, field: &[u8], terminator: u8) {
        self.mask.resize(row, 0);
        self.mask.push(1);
        self.text.extend_from_slice(field);
        self.text.push(terminator);
        self.count += 1;
    }

    /// The mask of so many rows.
    pub(super) fn mask(&mut self, rows: usize) -> &[u8] {
        self.mask.resize(rows, 0);
        &self.mask
    }

    /// Hands each field to `take`, without prefix and suffix; those without them or not taken are exceptions.
    pub(super) fn split<'a>(
        &mut self,
        fields: Fields<'a>,
        (prefix, suffix): (&[u8], &[u8]),
        terminator: u8,
        mut take: impl FnMut(&'a [u8]) -> bool,
    ) {
        self.clear();
        for (row, field) in fields.iter().enumerate() {
            if !strip(field, prefix, suffix).is_some_and(&mut take) {
                self.push(row, field, terminator);
            }
        }
    }
}
