//! Rows and checksums of all tables, from the very bytes that are stored.

use std::io::{self, Read};

use blake3::Hasher;

use super::{Follow, Piece};
use crate::database::checksum::RowSum;
use crate::database::facts::TableFacts;

/// A reader that passes a dump on as it is and sums up its tables.
pub(crate) struct Summed<R, F> {
    inner: R,
    follow: F,
    sums: Sums,
}

#[derive(Default)]
struct Sums {
    tables: Vec<(String, RowSum)>,
    /// Of a row of which a part has come.
    row: Option<Hasher>,
}

impl<R, F: Follow> Summed<R, F> {
    pub(crate) fn new(inner: R, follow: F) -> Self {
        Self {
            inner,
            follow,
            sums: Sums::default(),
        }
    }

    /// What was found, tables in the order of the dump, and who followed it.
    pub(crate) fn finish(mut self) -> (Vec<TableFacts>, F) {
        let sums = &mut self.sums;
        self.follow.finish(&mut |piece| sums.add(piece));
        let tables = self.sums.tables.into_iter();
        let tables = tables.map(|(name, sum)| TableFacts::new(name, sum));
        (tables.collect(), self.follow)
    }
}

impl<R: Read, F: Follow> Read for Summed<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let sums = &mut self.sums;
        self.follow
            .feed(&buffer[..count], &mut |piece| sums.add(piece));
        Ok(count)
    }
}

impl Sums {
    fn add(&mut self, piece: Piece<'_>) {
        match piece {
            // A dump writes the rows of a large table as many statements, one after the other.
            Piece::Table { name, .. }
                if self.tables.last().is_none_or(|(last, _)| last != name) =>
            {
                self.tables.push((name.to_owned(), RowSum::default()));
            }
            Piece::Row { bytes, last: false } => {
                self.row.get_or_insert_default().update(bytes);
            }
            Piece::Row { bytes, last: true } => {
                let Some((_, sum)) = self.tables.last_mut() else {
                    return;
                };
                match self.row.take() {
                    None => sum.add(&blake3::hash(bytes)),
                    Some(mut hasher) => sum.add(&hasher.update(bytes).finalize()),
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::database::text::{MysqlText, PostgresText};

    /// At most so many bytes at once.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(buffer.len());
            self.0.read(&mut buffer[..length])
        }
    }

    fn sums<F: Follow + Default>(text: &str, at_once: usize) -> Vec<TableFacts> {
        let mut summed = Summed::new(Slow(text.as_bytes(), at_once), F::default());
        let mut out = Vec::new();
        summed.read_to_end(&mut out).unwrap();
        assert_eq!(out, text.as_bytes());
        summed.finish().0
    }

    #[test]
    fn sums_do_not_depend_on_parts_or_order_of_rows() {
        let one = "COPY public.t (a) FROM stdin;\n1\ta\n2\tb\n\\.\nCOPY u (a) FROM stdin;\n\\.\n";
        let other = "COPY public.t (a) FROM stdin;\n2\tb\n1\ta\n\\.\nCOPY u (a) FROM stdin;\n\\.\n";
        let whole = sums::<PostgresText>(one, 1000);
        assert_eq!(whole[0].rows, 2);
        assert_eq!((whole[1].name.as_str(), whole[1].rows), ("u", 0));
        for at_once in 1..20 {
            assert_eq!(sums::<PostgresText>(one, at_once), whole);
            assert_eq!(sums::<PostgresText>(other, at_once), whole);
        }
        let altered = one.replace("2\tb", "2\tc");
        assert_ne!(sums::<PostgresText>(&altered, 1000), whole);
    }

    #[test]
    fn many_statements_make_one_table() {
        let text = "LOCK TABLES `e` WRITE;\nLOCK TABLES `t` WRITE;\nINSERT INTO `t` VALUES (1);\nINSERT INTO `t` VALUES (2),(3);\nINSERT INTO `u` VALUES (1);\n";
        let tables = sums::<MysqlText>(text, 7);
        let rows: Vec<_> = tables
            .iter()
            .map(|table| (&*table.name, table.rows))
            .collect();
        assert_eq!(rows, [("`e`", 0), ("`t`", 3), ("`u`", 1)]);
    }
}
