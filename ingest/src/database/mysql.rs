//! MariaDB and MySQL, by their own clients and dump programs.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::facts::{DatabaseFacts, TableFacts, Tool};
use super::load::{Server, Writer};
use super::secret::SecretFile;
use super::sink::Sink;
use super::text::{Follow, MysqlText, Piece, Summed};
use super::{DatabaseSource, DatabaseUrl, Dump, Secret, ServerUrl};
use crate::error::{Error, NO_DRILL, NO_SNAPSHOT, NOT_LOADED, Result};
use crate::process::Program;

/// What a dump is asked for: rows in the order of keys, nothing that changes by itself, binary data that survive any
/// character set.
const DUMP_OPTIONS: [&str; 10] = [
    "--single-transaction",
    "--quick",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--order-by-primary",
    "--skip-dump-date",
    "--no-tablespaces",
    "--add-locks",
];

/// Schemas that belong to the server itself.
const SYSTEM: &str = "'information_schema', 'performance_schema', 'mysql', 'sys'";

/// A server, and who asks.
pub(super) struct Client {
    url: ServerUrl,
    password: Option<SecretFile>,
    family: Family,
}

/// Whose programs are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    MariaDb,
    MySql,
}

impl Family {
    fn client(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::MySql => "mysql",
        }
    }

    fn dump(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb-dump",
            Self::MySql => "mysqldump",
        }
    }
}

/// What the server says of itself and a database.
#[derive(Debug, Deserialize)]
struct Info {
    version: String,
    time: String,
    log: i32,
    charset: Option<String>,
    collation: Option<String>,
}

impl Client {
    /// With the programs that are there; MariaDB's first.
    pub(super) fn new(
        url: &ServerUrl,
        password: Option<&Secret>,
        cancel: &AtomicBool,
    ) -> Result<Self> {
        let password = password.map(option_file).transpose();
        let there = |family: Family| tool_version(family.client(), cancel);
        let family = match there(Family::MariaDb) {
            Ok(_) => Family::MariaDb,
            // The first failure is told of if there is neither.
            Err(error) => there(Family::MySql)
                .map(|_| Family::MySql)
                .map_err(|_| error)?,
        };
        Ok(Self {
            url: url.clone(),
            password: password.map_err(|error| failed(url, &error))?,
            family,
        })
    }

    fn program(&self, name: &str, consequence: &'static str) -> Program {
        let url = &self.url;
        let mut program = Program::new(name, consequence);
        // It must come first.
        if let Some(file) = &self.password {
            let option = format!("--defaults-extra-file={}", file.path().display());
            program = program.args([option]).without_env("MYSQL_PWD");
        }
        program = program.args(["--default-character-set=utf8mb4"]);
        let port = url.port.map(|port| port.to_string());
        let given = [
            ("host", url.host.as_ref()),
            ("port", port.as_ref()),
            ("user", url.user.as_ref()),
        ];
        let parameters = url
            .parameters
            .iter()
            .map(|(name, value)| (name.as_str(), Some(value)));
        for (name, value) in given.into_iter().chain(parameters) {
            if let Some(value) = value {
                program = program.args([format!("--{name}={value}")]);
            }
        }
        program
    }

    /// The lines that a query answers with.
    fn ask(
        &self,
        query: &str,
        consequence: &'static str,
        cancel: &AtomicBool,
    ) -> Result<Vec<String>> {
        let client = self.program(self.family.client(), consequence).args([
            "--batch",
            "--raw",
            "--skip-column-names",
            "--execute",
            query,
        ]);
        let (lines, _) = client.run(cancel, |pipes| read_lines(pipes.stdout))?;
        Ok(lines)
    }

    fn databases(&self, cancel: &AtomicBool) -> Result<Vec<String>> {
        let query = format!(
            "SELECT JSON_QUOTE(SCHEMA_NAME) FROM information_schema.SCHEMATA
             WHERE SCHEMA_NAME NOT IN ({SYSTEM}) ORDER BY SCHEMA_NAME"
        );
        let lines = self.ask(&query, NO_SNAPSHOT, cancel)?;
        lines.iter().map(|line| self.parse(line)).collect()
    }

    fn info(&self, database: &str, cancel: &AtomicBool) -> Result<Info> {
        let query = format!(
            "SELECT JSON_OBJECT('version', VERSION(), 'log', IF(@@log_bin, 1, 0),
             'time', DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ'),
             'charset', (SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {0}),
             'collation', (SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {0}))",
            literal(database)
        );
        let lines = self.ask(&query, NO_SNAPSHOT, cancel)?;
        self.parse(lines.first().map(String::as_str).unwrap_or_default())
    }

    /// Tables whose rows a transaction does not hold still, with their engines.
    fn unsteady(&self, database: &str, cancel: &AtomicBool) -> Result<Vec<(String, String)>> {
        let query = format!(
            "SELECT JSON_ARRAY(TABLE_NAME, t.ENGINE) FROM information_schema.TABLES t
             LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
             WHERE TABLE_SCHEMA = {} AND TABLE_TYPE = 'BASE TABLE' AND COALESCE(TRANSACTIONS, 'NO') <> 'YES'
             ORDER BY TABLE_NAME",
            literal(database)
        );
        let lines = self.ask(&query, NO_SNAPSHOT, cancel)?;
        lines.iter().map(|line| self.parse(line)).collect()
    }

    fn parse<'d, T: Deserialize<'d>>(&self, line: &'d str) -> Result<T> {
        serde_json::from_str(line).map_err(|error| {
            let client = self.family.client();
            failed(
                &self.url,
                &format!("{client} printed what was not asked for: {error}"),
            )
        })
    }

    /// Runs the dump program and hands over its output.
    fn dump<T>(
        &self,
        database: &str,
        cancel: &AtomicBool,
        read: impl FnOnce(&mut dyn Read) -> Result<T>,
    ) -> Result<Dumped<T>> {
        let name = self.family.dump();
        let version = tool_version(name, cancel)?;
        let info = self.info(database, cancel)?;
        refuse_old_tool(&self.url, &info.version, name, &version)?;
        let mut program = self.program(name, NO_SNAPSHOT).args(DUMP_OPTIONS);
        // MariaDB tells of the position without holding up anybody.
        if info.log == 1 && is_mariadb(&info.version) && self.family == Family::MariaDb {
            program = program.args(["--master-data=2"]);
        }
        if self.family == Family::MySql {
            // What a server stores of them is its own business, and older ones have none.
            program = program.args(["--column-statistics=0", "--set-gtid-purged=OFF"]);
        }
        let (read, said) = program
            .args(["--", database])
            .run(cancel, |mut pipes| read(&mut pipes.stdout))?;
        Ok(Dumped {
            read,
            said,
            info,
            tool: Tool {
                name: name.to_owned(),
                version,
                exit: 0,
            },
        })
    }
}

impl Server for Client {
    fn exists(&self, name: &str, cancel: &AtomicBool) -> Result<bool> {
        let query = format!(
            "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}",
            literal(name)
        );
        Ok(self.ask(&query, NOT_LOADED, cancel)? == ["1"])
    }

    fn create(&self, name: &str, facts: &DatabaseFacts, cancel: &AtomicBool) -> Result<()> {
        let mut query = format!("CREATE DATABASE {}", quoted(name));
        for (detail, option) in [("charset", "CHARACTER SET"), ("collation", "COLLATE")] {
            if let Some(value) = facts.details.get(detail).and_then(Value::as_str) {
                query.push_str(&format!(" {option} {}", literal(value)));
            }
        }
        self.ask(&query, NOT_LOADED, cancel).map(drop)
    }

    fn remove(&self, name: &str, cancel: &AtomicBool) -> Result<()> {
        let query = format!("DROP DATABASE IF EXISTS {}", quoted(name));
        self.ask(&query, NOT_LOADED, cancel).map(drop)
    }

    fn load(&self, name: &str, write: Writer<'_>, cancel: &AtomicBool) -> Result<Vec<String>> {
        let client = self
            .program(self.family.client(), NOT_LOADED)
            .args(["--batch", "--binary-mode", "--"])
            .args([name])
            .with_input();
        let ((), said) = client.run(cancel, |pipes| {
            let no_input = || failed(&self.url, &"the client has no input");
            let mut input = pipes.stdin.ok_or_else(no_input)?;
            write(&mut input)
        })?;
        Ok(said)
    }

    /// There is no such statement, and neither views nor triggers can be moved.
    fn rename(&self, _from: &str, _to: &str, _cancel: &AtomicBool) -> Result<bool> {
        Ok(false)
    }

    fn tables(&self, name: &str, cancel: &AtomicBool) -> Result<Vec<TableFacts>> {
        let dumped = self.dump(name, cancel, |output| {
            let mut summed = Summed::new(output, MysqlText::default());
            std::io::copy(&mut summed, &mut std::io::sink()).map_err(Error::Output)?;
            Ok(summed.finish().0)
        })?;
        Ok(dumped.read)
    }

    fn check(&self, name: &str, cancel: &AtomicBool) -> Result<Option<Vec<String>>> {
        let query = format!(
            "SELECT CONCAT('CHECK TABLE `', REPLACE(TABLE_SCHEMA, '`', '``'), '`.`', REPLACE(TABLE_NAME, '`', '``'), '`;')
             FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_TYPE = 'BASE TABLE'",
            literal(name)
        );
        let checks = self.ask(&query, NO_DRILL, cancel)?;
        let lines = match checks.as_slice() {
            [] => Vec::new(),
            checks => self.ask(&checks.join("\n"), NO_DRILL, cancel)?,
        };
        // Table, operation, kind of message, message.
        let complaints = lines.into_iter().filter(|line| {
            let mut fields = line.split('\t').skip(2);
            let (kind, text) = (fields.next(), fields.next());
            kind == Some("error") || (kind == Some("status") && text != Some("OK"))
        });
        Ok(Some(complaints.collect()))
    }
}

/// What came of a run of the dump program.
struct Dumped<T> {
    read: T,
    /// What it wrote to standard error.
    said: Vec<String>,
    info: Info,
    tool: Tool,
}

/// All dumps that a source asks for.
pub(super) fn dumps(
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
        path: [&url.folder()[..], b".grants.sql"].concat(),
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
        let text = statements
            .iter()
            .map(|line| format!("{line};\n"))
            .collect::<String>();
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

fn is_mariadb(version: &str) -> bool {
    version.contains("MariaDB")
}

/// What a program says of its version.
fn tool_version(name: &str, cancel: &AtomicBool) -> Result<String> {
    let program = Program::new(name, NO_SNAPSHOT).args(["--no-defaults", "--version"]);
    let (lines, _) = program.run(cancel, |pipes| read_lines(pipes.stdout))?;
    let line = lines.first().map(String::as_str).unwrap_or_default();
    // "… Ver 10.19 Distrib 10.11.6-MariaDB, for …", "… from 11.4.2-MariaDB, client …", "… Ver 8.0.36 for …"
    let after = ["Distrib ", "from ", "Ver "]
        .iter()
        .find_map(|word| Some(line.split_once(word)?.1));
    let version = after.unwrap_or(line).split([' ', ',']).next();
    Ok(version.unwrap_or_default().to_owned())
}

/// An older program may not know all that a server has.
fn refuse_old_tool(url: &ServerUrl, server: &str, name: &str, tool: &str) -> Result<()> {
    let number = |version: &str| {
        let mut parts = version
            .split(|c: char| !c.is_ascii_digit())
            .map(str::parse::<u32>);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    };
    let same_family = is_mariadb(server) == is_mariadb(tool);
    match (number(server), number(tool)) {
        (Some(of_server), Some(of_tool)) if same_family && of_server > of_tool => {
            let text = format!(
                "the server is of version {server}, and {name} of {tool}: install one at least as new as the server"
            );
            Err(failed(url, &text))
        }
        _ => Ok(()),
    }
}

/// A file of options that holds the password.
fn option_file(password: &Secret) -> std::io::Result<SecretFile> {
    let mut text = Zeroizing::new(Vec::with_capacity(2 * password.bytes().len() + 32));
    text.extend_from_slice(b"[client]\npassword=\"");
    for byte in password.bytes() {
        if *byte == b'\\' {
            text.push(b'\\');
        }
        text.push(*byte);
    }
    text.extend_from_slice(b"\"\n");
    SecretFile::new(&text)
}

/// A name in a statement.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text in a statement.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn read_lines(from: impl Read) -> Result<Vec<String>> {
    let lines = BufReader::new(from).lines();
    lines.collect::<std::io::Result<_>>().map_err(Error::Output)
}

fn failed(url: &ServerUrl, error: &dyn std::fmt::Display) -> Error {
    Error::Database {
        database: DatabaseUrl::Server(url.clone()).to_string(),
        reason: error.to_string(),
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

    #[test]
    fn an_older_program_is_refused() {
        let DatabaseUrl::Server(url) = "mysql://db/x".parse().unwrap() else {
            panic!()
        };
        let refused =
            |server: &str, tool: &str| refuse_old_tool(&url, server, "dump", tool).is_err();
        assert!(refused("11.4.2-MariaDB-log", "10.11.6-MariaDB"));
        assert!(refused("8.4.0", "8.0.36"));
        assert!(!refused("10.11.19-MariaDB", "10.11.6-MariaDB"));
        assert!(!refused("10.6.1-MariaDB", "10.11.6-MariaDB"));
        assert!(!refused("8.4.0", "10.11.6-MariaDB"));
    }
}
