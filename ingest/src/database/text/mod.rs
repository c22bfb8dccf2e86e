//! Dumps as text, followed as they go by: which bytes are rows of which table.
//!
//! | file | duty |
//! |---|---|
//! | `postgres` | the text of `pg_dump`: rows stand between `COPY … FROM stdin;` and `\.` |
//! | `mysql` | the text of `mariadb-dump` and `mysqldump`: rows stand in `INSERT` statements |
//! | `extract` | one table out of a dump |
//! | `sums` | rows and checksums of all tables |

mod extract;
mod mysql;
mod postgres;
mod sums;

pub(crate) use extract::{Extract, Search, Text};
pub(crate) use mysql::MysqlText;
pub(crate) use postgres::PostgresText;
pub(crate) use sums::Summed;

/// Longer statements are passed on in parts: none of the ones looked at are.
const STATEMENT_BYTES_MAX: usize = 1 << 20;

/// A piece of a dump. All pieces one after the other are the dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A whole statement, and the white space and comments before it.
    Statement(&'a [u8]),
    /// A part of a statement that is too long to be held.
    Long(&'a [u8]),
    /// The statement after which rows of this table follow.
    Table {
        /// Its name as the dump writes it.
        name: &'a str,
        text: &'a [u8],
    },
    /// A row or a part of one.
    Row {
        bytes: &'a [u8],
        /// The row ends here.
        last: bool,
    },
    /// What stands between rows, and after the last one.
    Between(&'a [u8]),
}

impl Piece<'_> {
    #[cfg(test)]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Statement(bytes)
            | Self::Long(bytes)
            | Self::Between(bytes)
            | Self::Table { text: bytes, .. }
            | Self::Row { bytes, .. } => bytes,
        }
    }
}

/// Finds the pieces of a dump that comes in parts of any length.
pub(crate) trait Follow: Send {
    /// The next part.
    fn feed(&mut self, bytes: &[u8], to: &mut dyn FnMut(Piece<'_>));
    /// There is no more.
    fn finish(&mut self, to: &mut dyn FnMut(Piece<'_>));
}

/// A statement that is being gathered.
#[derive(Debug, Default)]
struct Held {
    text: Vec<u8>,
    /// Where the statement begins after white space and comments.
    start: Option<usize>,
    /// Its beginning was passed on already.
    long: bool,
}

impl Held {
    fn push(&mut self, byte: u8, to: &mut dyn FnMut(Piece<'_>)) {
        if self.text.len() == STATEMENT_BYTES_MAX {
            to(Piece::Long(&self.text));
            self.text.clear();
            self.long = true;
        }
        self.text.push(byte);
    }

    /// The byte pushed last is the first of the statement, if none was before.
    fn begins(&mut self) {
        if self.start.is_none() {
            self.start = Some(self.text.len() - 1);
        }
    }

    /// The statement without what stands before it; empty if it is too long.
    fn statement(&self) -> &[u8] {
        match self.start {
            Some(start) if !self.long => self.text.get(start..).unwrap_or_default(),
            _ => &[],
        }
    }

    fn clear(&mut self) {
        self.text.clear();
        self.start = None;
        self.long = false;
    }

    fn send(&mut self, to: &mut dyn FnMut(Piece<'_>)) {
        if self.long {
            to(Piece::Long(&self.text));
        } else if !self.text.is_empty() {
            to(Piece::Statement(&self.text));
        }
        self.clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pieces with their rows joined, from a text fed in parts of these lengths.
    fn followed(follow: &mut dyn Follow, text: &[u8], lengths: &[usize]) -> (Vec<u8>, Vec<String>) {
        let (mut all, mut told, mut row) = (Vec::new(), Vec::new(), Vec::new());
        let mut to = |piece: Piece<'_>| {
            all.extend_from_slice(piece.bytes());
            match piece {
                Piece::Table { name, .. } => told.push(format!("table {name}")),
                Piece::Row { bytes, last } => {
                    row.extend_from_slice(bytes);
                    if last {
                        told.push(format!("row {}", String::from_utf8_lossy(&row)));
                        row.clear();
                    }
                }
                _ => {}
            }
        };
        let (mut rest, mut lengths) = (text, lengths.iter().cycle());
        while !rest.is_empty() {
            let length = lengths.next().copied().unwrap_or(1).clamp(1, rest.len());
            let (part, after) = rest.split_at(length);
            follow.feed(part, &mut to);
            rest = after;
        }
        follow.finish(&mut to);
        (all, told)
    }

    const POSTGRES: &str =
        "--\n-- PostgreSQL; 'dump'\n--\n\\restrict x'y\nSET a = 'it''s; COPY x FROM stdin;\n';
/* a /* nested; */ ' */ CREATE FUNCTION f() AS $_$\nCOPY t (a) FROM stdin;\n1\n\\.\n$_$;
COPY public.\"or;d\ners\" (id, \"n\") FROM stdin;\n1\ta\\\\.b\n\\N\t'x\n\\.x\n\\.\n\n
SELECT E'\\';\nCOPY y (a) FROM stdin;\n', E'''\\';\nCOPY y (a) FROM stdin;\n', $$;$$;\nCOPY public.empty (id) FROM stdin;\n\\.\n
COPY public.one  FROM stdin;\n\n\\.\nSELECT 1;\n-- done; \n";
    const MYSQL: &str = "-- Dump; of 'x'\n/*M!999999\\- enable; the sandbox mode */ \n/*!40101 SET @a='it\\'s;' */;
CREATE TABLE `a``b` (x text COMMENT 'INSERT INTO `x` VALUES (1);\\n');\nINSERT INTO `a``b` VALUES
(1,'x),(\\'\\\\',NULL),\n(2,_binary 'y;(',ST_X('(')),(3,'','');\nDELIMITER ;;\nCREATE TRIGGER t BEGIN
INSERT INTO `c` VALUES (1);\nEND ;;\nDELIMITER ;\n# a 'comment\nINSERT INTO `d` (`x`, `y`) VALUES (1,2),(3,4);\nUNLOCK TABLES;\n-- end '";

    fn whole(postgres: bool, lengths: &[usize]) -> (Vec<u8>, Vec<String>) {
        if postgres {
            followed(&mut PostgresText::default(), POSTGRES.as_bytes(), lengths)
        } else {
            followed(&mut MysqlText::default(), MYSQL.as_bytes(), lengths)
        }
    }

    #[test]
    fn rows_of_pg_dump_are_found() {
        let (all, told) = whole(true, &[1 << 20]);
        assert_eq!(String::from_utf8(all).unwrap(), POSTGRES);
        assert_eq!(
            told,
            [
                "table public.\"or;d\ners\"",
                "row 1\ta\\\\.b",
                "row \\N\t'x",
                "row \\.x",
                "table public.empty",
                "table public.one",
                "row ",
            ]
        );
    }

    #[test]
    fn rows_of_mysqldump_are_found() {
        let (all, told) = whole(false, &[1 << 20]);
        assert_eq!(String::from_utf8(all).unwrap(), MYSQL);
        assert_eq!(
            told,
            [
                "table `a``b`",
                "row (1,'x),(\\'\\\\',NULL)",
                "row (2,_binary 'y;(',ST_X('('))",
                "row (3,'','')",
                "table `d`",
                "row (1,2)",
                "row (3,4)",
            ]
        );
    }

    proptest! {
        #[test]
        fn the_parts_in_which_a_dump_comes_do_not_matter(
            postgres: bool,
            lengths in proptest::collection::vec(1usize..40, 1..12),
        ) {
            prop_assert_eq!(whole(postgres, &lengths), whole(postgres, &[1 << 20]));
        }

        #[test]
        fn any_bytes_go_through_as_they_are(
            postgres: bool,
            bytes in "[-a;'\"`$/*\\\\\n(),E.]{0,200}",
            lengths in proptest::collection::vec(1usize..9, 1..5),
            insert: bool,
        ) {
            let header = match (postgres, insert) {
                (_, false) => "",
                (true, true) => "COPY t (a) FROM stdin;\n",
                (false, true) => "INSERT INTO `t` VALUES ",
            };
            let text = [header, &bytes].concat();
            let mut follow: Box<dyn Follow> =
                if postgres { Box::<PostgresText>::default() } else { Box::<MysqlText>::default() };
            let (all, _) = followed(&mut *follow, text.as_bytes(), &lengths);
            prop_assert_eq!(String::from_utf8(all).unwrap(), text);
        }
    }

    #[test]
    fn a_statement_of_any_length_goes_through() {
        let long = format!(
            "SELECT '{}';\nCOPY t (a) FROM stdin;\n1\n\\.\n",
            "x".repeat(3 << 20)
        );
        let (all, told) = followed(&mut PostgresText::default(), long.as_bytes(), &[100_000]);
        assert!(all == long.as_bytes());
        assert_eq!(told, ["table t", "row 1"]);
    }
}
