//! MariaDB and MySQL, by their own clients and dump programs.

mod dump;
mod server;

pub(super) use dump::dumps;

use std::io::Read;
use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::facts::Tool;
use super::secret::SecretFile;
use super::{DatabaseUrl, Secret, ServerUrl};
use crate::error::{Error, NO_SNAPSHOT, Result};
use crate::process::{Program, read_lines};

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

/// What came of a run of the dump program.
struct Dumped<T> {
    read: T,
    /// What it wrote to standard error.
    said: Vec<String>,
    info: Info,
    tool: Tool,
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

fn failed(url: &ServerUrl, error: &dyn std::fmt::Display) -> Error {
    Error::Database {
        database: DatabaseUrl::Server(url.clone()).to_string(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

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
