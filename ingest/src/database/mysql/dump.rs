//! What a backup takes from a MariaDB or MySQL: its databases, and what belongs to none of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::json;

use super::{Client, Family, is_mariadb};
use crate::database::facts::DatabaseFacts;
use crate::database::sink::Sink;
use crate::database::text::{Follow, MysqlText, Piece, Summed};
use crate::database::url::GRANTS_SUFFIX;
use crate::database::{DatabaseSource, Dump, ServerUrl};
use crate::error::{Error, NO_SNAPSHOT, Result};

/// All dumps that a source asks for.
pub(in crate::database) fn dumps(
    source: &DatabaseSource,
    url: &ServerUrl,
    cancel: &AtomicBool,
) -> Result<Vec<Box<dyn Dump>>> {
    let client = Arc::new(Client::new(url, source.password.as_ref(), cancel)?);
    let names = match (&url.database, source.all) {
        (Some(database), false) => vec![database.clone()],
        _ => client.databases(cancel)?,
    };
    let grants: Box<dyn Dump> = Box::new(Grants {
        client: client.clone(),
        path: [&url.folder()[..], GRANTS_SUFFIX.as_bytes()].concat(),
    });
    let mut dumps = vec![grants];
    for database in names {
        dumps.push(Box::new(MysqlDump {
            client: client.clone(),
            path: url.dump_path(&database, "sql"),
            database,
        }));
    }
    Ok(dumps)
}

/// A database.
struct MysqlDump {
    client: Arc<Client>,
    database: String,
    path: Vec<u8>,
}

impl Dump for MysqlDump {
    fn path(&self) -> &[u8] {
        &self.path
    }

    fn make(&self, sink: &mut Sink<'_, '_>) -> Result<()> {
        let (client, cancel) = (&self.client, sink.cancel());
        for (table, engine) in client.unsteady(&self.database, cancel)? {
            let text = format!(
                "the table {table} is of the engine {engine}, which knows no transactions: \
                 what others wrote to it meanwhile may be in the dump in part"
            );
            sink.warn(&self.path, text)?;
        }
        let dumped = client.dump(&self.database, cancel, |output| {
            let mut summed = Summed::new(output, Positioned::default());
            sink.store(&self.path, &mut summed)?;
            Ok(summed.finish())
        })?;
        for line in &dumped.said {
            sink.warn(&self.path, format!("{} said: {line}", dumped.tool.name))?;
        }
        let ((tables, follow), info) = (dumped.read, dumped.info);
        let details = [("charset", info.charset), ("collation", info.collation)];
        let facts = DatabaseFacts {
            engine: "mysql".to_owned(),
            version: if is_mariadb(&info.version) {
                format!("MariaDB {}", info.version)
            } else {
                format!("MySQL {}", info.version)
            },
            database: self.database.clone(),
            method: format!("{} --single-transaction", dumped.tool.name),
            time: info.time,
            position: follow.position,
            tool: Some(dumped.tool),
            details: details
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
                .collect(),
            ..DatabaseFacts::default()
        };
        sink.record(&self.path, facts, tables);
        Ok(())
    }
}

/// Accounts and what they may do, which belong to no database.
struct Grants {
    client: Arc<Client>,
    path: Vec<u8>,
}

impl Dump for Grants {
    fn path(&self) -> &[u8] {
        &self.path
    }

    fn make(&self, sink: &mut Sink<'_, '_>) -> Result<()> {
        let (client, cancel) = (&self.client, sink.cancel());
        let may = "SELECT COUNT(*) FROM mysql.user";
        if let Err(Error::Command { .. }) = client.ask(may, NO_SNAPSHOT, cancel) {
            let text = "accounts and their rights are not stored: this user may not read them";
            return sink.warn(&self.path, text);
        }
        if client.family == Family::MariaDb {
            let program = client.program("mariadb-dump", NO_SNAPSHOT);
            let program = program.args(["--system=users", "--skip-dump-date", "--no-create-info"]);
            let ((), said) = program.run(cancel, |pipes| sink.store(&self.path, pipes.stdout))?;
            for line in said {
                sink.warn(&self.path, format!("mariadb-dump said: {line}"))?;
            }
            return Ok(());
        }
        let account = "CONCAT(QUOTE(User), '@', QUOTE(Host))";
        let query = format!(
            "SELECT CONCAT('SHOW CREATE USER ', {account}, '; SHOW GRANTS FOR ', {account}, ';')
             FROM mysql.user WHERE User NOT LIKE 'mysql.%' ORDER BY User, Host"
        );
        let questions = client.ask(&query, NO_SNAPSHOT, cancel)?.join("\n");
        let statements = client.ask(&questions, NO_SNAPSHOT, cancel)?;
        let mut text = String::new();
        for statement in statements {
            text.push_str(&statement);
            text.push_str(";\n");
        }
        sink.store(&self.path, text.as_bytes())
    }
}

/// Follows a dump and notes the position in the server's log that it tells of.
#[derive(Default)]
struct Positioned {
    text: MysqlText,
    position: BTreeMap<String, String>,
}

impl Follow for Positioned {
    fn feed(&mut self, bytes: &[u8], to: &mut dyn FnMut(Piece<'_>)) {
        let Self { text, position } = self;
        text.feed(bytes, &mut |piece| {
            note(piece, position);
            to(piece);
        });
    }

    fn finish(&mut self, to: &mut dyn FnMut(Piece<'_>)) {
        let Self { text, position } = self;
        text.finish(&mut |piece| {
            note(piece, position);
            to(piece);
        });
    }
}

fn note(piece: Piece<'_>, position: &mut BTreeMap<String, String>) {
    let (Piece::Statement(text) | Piece::Table { text, .. }) = piece else {
        return;
    };
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else {
            continue;
        };
        let quoted = |after: &str| Some(line.split_once(after)?.1.split('\'').next()?.to_owned());
        if let Some(file) = quoted("-- CHANGE MASTER TO MASTER_LOG_FILE='") {
            let at = line.split_once("MASTER_LOG_POS=").map_or("", |(_, at)| at);
            let at = at.trim_end_matches(';');
            position.insert("binlog".to_owned(), format!("{file}:{at}"));
        } else if let Some(gtid) = quoted("-- SET GLOBAL gtid_slave_pos='") {
            position.insert("gtid".to_owned(), gtid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_noted() {
        let text = b"-- CHANGE MASTER TO MASTER_LOG_FILE='bin.000001', MASTER_LOG_POS=1549;\n\nLOCK TABLES `a` WRITE;\n
            -- SET GLOBAL gtid_slave_pos='0-1-6';\n/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n";
        let mut follow = Positioned::default();
        follow.feed(text, &mut |_| {});
        follow.finish(&mut |_| {});
        let wanted = [("binlog", "bin.000001:1549"), ("gtid", "0-1-6")];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(follow.position, BTreeMap::from(wanted));
    }
}
