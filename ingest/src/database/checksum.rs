//! Checksums of tables that do not depend on the order of rows.

use blake3::Hash;

/// Rows and their checksum: the sum of the first 128 bits of each row's BLAKE3, modulo 2¹²⁸. A server may give the same
/// rows in another order after they were loaded. Meant to find accidents: who wants to can make rows that collide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowSum {
    pub(crate) rows: u64,
    sum: u128,
}

impl RowSum {
    /// Adds a row by the hash of what it is in the dump.
    pub(crate) fn add(&mut self, row: &Hash) {
        let mut word = [0; 16];
        word.copy_from_slice(&row.as_bytes()[..16]);
        self.sum = self.sum.wrapping_add(u128::from_le_bytes(word));
        self.rows += 1;
    }

    /// 32 digits.
    pub(crate) fn to_hex(self) -> String {
        format!("{:032x}", self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(rows: &[&str]) -> RowSum {
        let mut sum = RowSum::default();
        for row in rows {
            sum.add(&blake3::hash(row.as_bytes()));
        }
        sum
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let one = sum(&["a", "b", "b"]);
        assert_eq!(one, sum(&["b", "a", "b"]));
        assert_ne!(one, sum(&["a", "b"]));
        assert_ne!(one, sum(&["a", "a", "b"]));
        assert_ne!(one, sum(&["a", "bb", ""]));
        assert_eq!(one.rows, 3);
    }
}
