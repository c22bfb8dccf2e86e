//! One table out of a dump.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::super::mssql::MssqlText;
use super::{Follow, MysqlText, Piece, PostgresText};

/// What a dump says of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// As the dump writes it.
    table: String,
    /// Sequences that belong to it, as the dump writes them.
    sequences: BTreeSet<String>,
}

/// Looks a dump through for tables of this name.
pub(crate) struct Search<'w> {
    follow: Text,
    wanted: &'w str,
    found: Vec<Found>,
    /// Sequences and the columns that they belong to.
    owned: Vec<(String, String)>,
}

/// Passes on what makes up one table.
pub(crate) struct Extract<W> {
    follow: Text,
    found: Found,
    replace: bool,
    inside: bool,
    out: W,
}

/// The text of a dump program.
pub(crate) enum Text {
    Postgres(PostgresText),
    Mysql(MysqlText),
    Mssql(Box<MssqlText>),
}

impl Text {
    pub(crate) fn of(engine: &str) -> Option<Self> {
        match engine {
            "postgres" => Some(Self::Postgres(PostgresText::default())),
            "mysql" => Some(Self::Mysql(MysqlText::default())),
            "mssql" => Some(Self::Mssql(Box::default())),
            _ => None,
        }
    }

    fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

impl Follow for Text {
    fn feed(&mut self, bytes: &[u8], to: &mut dyn FnMut(Piece<'_>)) {
        match self {
            Self::Postgres(text) => text.feed(bytes, to),
            Self::Mysql(text) => text.feed(bytes, to),
            Self::Mssql(text) => text.feed(bytes, to),
        }
    }

    fn finish(&mut self, to: &mut dyn FnMut(Piece<'_>)) {
        match self {
            Self::Postgres(text) => text.finish(to),
            Self::Mysql(text) => text.finish(to),
            Self::Mssql(text) => text.finish(to),
        }
    }
}

impl<'w> Search<'w> {
    pub(crate) fn new(follow: Text, wanted: &'w str) -> Self {
        Self {
            follow,
            wanted,
            found: Vec::new(),
            owned: Vec::new(),
        }
    }

    /// All tables of the name; there may be one in each schema.
    pub(crate) fn finish(self) -> Vec<Found> {
        let mut found = self.found;
        for table in &mut found {
            let prefix = format!("{}.", table.table);
            let owned = self.owned.iter();
            let of_table = owned.filter(|(_, column)| column.starts_with(&prefix));
            table
                .sequences
                .extend(of_table.map(|(sequence, _)| sequence.clone()));
        }
        found
    }
}

impl Found {
    pub(crate) fn table(&self) -> &str {
        &self.table
    }
}

impl Write for Search<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self {
            follow,
            wanted,
            found,
            owned,
        } = self;
        follow.feed(bytes, &mut |piece| match piece {
            Piece::Table { name, .. }
                if is_called(name, wanted) && found.iter().all(|other| other.table != name) =>
            {
                found.push(Found {
                    table: name.to_owned(),
                    sequences: BTreeSet::new(),
                });
            }
            Piece::Statement(text) => {
                let text = String::from_utf8_lossy(bare(text));
                let owner = text
                    .strip_prefix("ALTER SEQUENCE ")
                    .and_then(|rest| rest.strip_suffix(';')?.split_once(" OWNED BY "));
                if let Some((sequence, column)) = owner {
                    owned.push((sequence.to_owned(), column.to_owned()));
                }
            }
            _ => {}
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// With or without its schema, with or without quotes.
fn is_called(name: &str, wanted: &str) -> bool {
    let plain = |text: &str| text.replace(['"', '`', '[', ']'], "");
    let (name, wanted) = (plain(name), plain(wanted));
    name == wanted
        || name
            .rsplit_once('.')
            .is_some_and(|(_, last)| last == wanted)
}

impl<W: Write> Extract<W> {
    pub(crate) fn new(follow: Text, found: Found, replace: bool, out: W) -> Self {
        Self {
            follow,
            found,
            replace,
            inside: false,
            out,
        }
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        let mut follow = std::mem::replace(&mut self.follow, Text::Mysql(MysqlText::default()));
        let postgres = follow.is_postgres();
        let mut result = Ok(());
        follow.finish(&mut |piece| {
            if result.is_ok() {
                result = self.pass(piece, postgres);
            }
        });
        result.and_then(|()| self.out.flush())
    }

    fn pass(&mut self, piece: Piece<'_>, postgres: bool) -> io::Result<()> {
        match piece {
            Piece::Statement(text) => {
                self.leave()?;
                self.statement(bare(text), postgres)
            }
            Piece::Table { name, text } => {
                self.leave()?;
                self.inside = name == self.found.table;
                if self.inside {
                    // The header of rows keeps its line end: they follow at once.
                    self.out.write_all(bare(text))?;
                }
                Ok(())
            }
            Piece::Row { bytes, .. } | Piece::Between(bytes) if self.inside => {
                self.out.write_all(bytes)
            }
            _ => Ok(()),
        }
    }

    /// What follows begins on a line of its own.
    fn leave(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.inside) {
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn statement(&mut self, text: &[u8], postgres: bool) -> io::Result<()> {
        let Ok(statement) = std::str::from_utf8(text) else {
            return Ok(());
        };
        let keeps = if postgres {
            self.keeps_of_postgres(statement)
        } else {
            self.keeps_of_mysql(statement)
        };
        if keeps {
            if statement.starts_with("CREATE TABLE") {
                self.before_table(postgres)?;
            }
            self.out.write_all(text)?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn before_table(&mut self, postgres: bool) -> io::Result<()> {
        let table = &self.found.table;
        if self.replace {
            writeln!(self.out, "DROP TABLE IF EXISTS {table};")?;
        }
        match table.rsplit_once('.') {
            Some((schema, _)) if postgres && schema != "public" => {
                writeln!(self.out, "CREATE SCHEMA IF NOT EXISTS {schema};")
            }
            _ => Ok(()),
        }
    }

    /// Its definition, defaults, keys and indexes; no owners, and nothing that needs other tables.
    fn keeps_of_postgres(&self, text: &str) -> bool {
        let table = &self.found.table;
        let about = |prefix: &str, suffixes: &[&str]| {
            let rest = text
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_prefix(table.as_str()));
            rest.is_some_and(|rest| suffixes.iter().any(|suffix| rest.starts_with(suffix)))
        };
        if text.starts_with("SET ") || text.starts_with("SELECT pg_catalog.set_config(") {
            return true;
        }
        if about("CREATE TABLE ", &[" "]) || about("CREATE UNLOGGED TABLE ", &[" "]) {
            return true;
        }
        let alters = ["ALTER TABLE ONLY ", "ALTER TABLE "]
            .iter()
            .any(|prefix| about(prefix, &[" ", "\n"]));
        if alters {
            return [
                "FOREIGN KEY",
                " OWNER TO ",
                " TRIGGER ",
                "ROW LEVEL SECURITY",
                " ATTACH PARTITION ",
            ]
            .iter()
            .all(|other| !text.contains(other));
        }
        if text.starts_with("CREATE INDEX ") || text.starts_with("CREATE UNIQUE INDEX ") {
            let on = [format!(" ON {table} "), format!(" ON ONLY {table} ")];
            return on.iter().any(|on| text.contains(on.as_str()));
        }
        self.found.sequences.iter().any(|sequence| {
            let its = |prefix: &str| {
                text.strip_prefix(prefix)
                    .is_some_and(|rest| rest.starts_with(sequence.as_str()))
            };
            its("CREATE SEQUENCE ")
                || (its("ALTER SEQUENCE ") && text.contains(" OWNED BY "))
                || its("SELECT pg_catalog.setval('")
        })
    }

    fn keeps_of_mysql(&self, text: &str) -> bool {
        let table = &self.found.table;
        text.starts_with("/*!4") && text.contains(" SET ")
            || text.starts_with(&format!("/*!40000 ALTER TABLE {table} "))
            || text.starts_with(&format!("CREATE TABLE {table} ("))
            // It does no harm where nothing is locked.
            || text == "UNLOCK TABLES;"
    }
}

impl<W: Write> Write for Extract<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut follow = std::mem::replace(&mut self.follow, Text::Mysql(MysqlText::default()));
        let postgres = follow.is_postgres();
        let mut result = Ok(());
        follow.feed(bytes, &mut |piece| {
            if result.is_ok() {
                result = self.pass(piece, postgres);
            }
        });
        self.follow = follow;
        result.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A statement without comments, commands to the client and empty lines before it.
fn bare(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        let is_beside = ["--", "\\", "/*M!999999\\-"]
            .iter()
            .any(|start| text.starts_with(start.as_bytes()));
        if !is_beside {
            return text;
        }
        let end = text.iter().position(|byte| *byte == b'\n');
        text = end.map_or(&[], |end| &text[end..]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn extracted(engine: &str, dump: &str, wanted: &str, replace: bool) -> String {
        let mut search = Search::new(Text::of(engine).unwrap(), wanted);
        search.write_all(dump.as_bytes()).unwrap();
        let found = search.finish();
        let [found] = found.as_slice() else {
            panic!("{found:?}")
        };
        let mut out = Vec::new();
        let mut extract = Extract::new(Text::of(engine).unwrap(), found.clone(), replace, &mut out);
        for part in dump.as_bytes().chunks(7) {
            extract.write_all(part).unwrap();
        }
        extract.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_of_postgresql_comes_with_what_it_needs() {
        let dump = "--\n-- dump\n--\n\n\\restrict x\n\nSET a = 0;\nSELECT pg_catalog.set_config('search_path', '', false);\n
--\n-- Name: o\n--\n\nCREATE TABLE s.orders (\n    id integer NOT NULL\n);\n\nALTER TABLE s.orders OWNER TO me;\n
CREATE SEQUENCE s.orders_id_seq\n    START WITH 1;\n\nALTER SEQUENCE s.orders_id_seq OWNED BY s.orders.id;\n
CREATE TABLE s.orders_old (\n    id integer\n);\n
ALTER TABLE ONLY s.orders ALTER COLUMN id SET DEFAULT nextval('s.orders_id_seq'::regclass);\n
COPY s.orders (id) FROM stdin;\n1\n2\n\\.\n\n
COPY s.orders_old (id) FROM stdin;\n3\n\\.\n\n
SELECT pg_catalog.setval('s.orders_id_seq', 2, true);\n
ALTER TABLE ONLY s.orders\n    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);\n
CREATE INDEX i ON s.orders USING btree (id);\nCREATE INDEX j ON s.orders_old USING btree (id);\n
ALTER TABLE ONLY s.orders\n    ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES s.orders_old(id);\n\n\\unrestrict x\n\n";
        let wanted = "SET a = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE SCHEMA IF NOT EXISTS s;
CREATE TABLE s.orders (
    id integer NOT NULL
);
CREATE SEQUENCE s.orders_id_seq
    START WITH 1;
ALTER SEQUENCE s.orders_id_seq OWNED BY s.orders.id;
ALTER TABLE ONLY s.orders ALTER COLUMN id SET DEFAULT nextval('s.orders_id_seq'::regclass);
COPY s.orders (id) FROM stdin;
1
2
\\.

SELECT pg_catalog.setval('s.orders_id_seq', 2, true);
ALTER TABLE ONLY s.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
CREATE INDEX i ON s.orders USING btree (id);
";
        assert_eq!(extracted("postgres", dump, "orders", false), wanted);
        assert_eq!(extracted("postgres", dump, "s.orders", false), wanted);
        let replacing = extracted("postgres", dump, "orders", true);
        assert!(
            replacing.contains("DROP TABLE IF EXISTS s.orders;\n"),
            "{replacing}"
        );
    }

    #[test]
    fn a_table_of_mysql_comes_with_its_settings() {
        let dump = "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump\n\n/*!40101 SET NAMES utf8mb4 */;\n\n-- Table\n\nDROP TABLE IF EXISTS `a`;
CREATE TABLE `a` (\n  `x` int\n);\n\nLOCK TABLES `a` WRITE;\n/*!40000 ALTER TABLE `a` DISABLE KEYS */;
INSERT INTO `a` VALUES\n(1),\n(2);\n/*!40000 ALTER TABLE `a` ENABLE KEYS */;\nUNLOCK TABLES;
DROP TABLE IF EXISTS `ab`;\nCREATE TABLE `ab` (\n  `x` int\n);\nLOCK TABLES `ab` WRITE;
INSERT INTO `ab` VALUES\n(1);\nUNLOCK TABLES;\nDELIMITER ;;\nCREATE TRIGGER t ;;\nDELIMITER ;\n";
        let text = extracted("mysql", dump, "a", false);
        for kept in [
            "SET NAMES",
            "CREATE TABLE `a`",
            "LOCK TABLES `a` WRITE;",
            "VALUES\n(1),\n(2);",
            "UNLOCK",
        ] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        for other in ["`ab`", "DROP", "TRIGGER", "DELIMITER"] {
            assert!(!text.contains(other), "{other}: {text}");
        }
    }
}
