//! PostgreSQL, by its own `psql`, `pg_dump` and `pg_dumpall`.

mod dump;
mod server;

pub(super) use dump::dumps;

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::facts::Tool;
use super::secret::SecretFile;
use super::{Secret, ServerUrl};
use crate::error::{Error, NO_SNAPSHOT, Result};
use crate::process::{Pipes, Program, read_lines};

/// Where questions about the server itself are asked unless the URL names a database.
const MAINTENANCE: &str = "postgres";
/// Seconds that a connection may take, unless the URL or the environment says so.
const CONNECT_SECONDS: &str = "30";

/// Parameters of a URL, and the variables by which the tools take them.
const VARIABLES: [(&str, &str); 5] = [
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
];

/// A server, and who asks.
pub(super) struct Client {
    url: ServerUrl,
    password: Option<SecretFile>,
}

/// What the server says in the transaction whose snapshot the dump uses.
#[derive(Debug, Deserialize)]
struct Info {
    snapshot: String,
    version: String,
    number: u32,
    time: String,
    lsn: Option<String>,
    encoding: String,
    collate: String,
    ctype: String,
}

const INFO: &str = "SELECT json_build_object(
    'snapshot', pg_catalog.pg_export_snapshot(),
    'version', pg_catalog.current_setting('server_version'),
    'number', pg_catalog.current_setting('server_version_num')::int,
    'time', pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
    'lsn', (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_lsn() END)::text,
    'encoding', pg_catalog.pg_encoding_to_char(encoding), 'collate', datcollate, 'ctype', datctype)
    FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database();";

impl Client {
    pub(super) fn new(url: &ServerUrl, password: Option<&Secret>) -> Result<Self> {
        let password = password.map(password_file).transpose();
        Ok(Self {
            url: url.clone(),
            password: password.map_err(|error| failed(url, &error))?,
        })
    }

    fn program(
        &self,
        name: impl AsRef<OsStr>,
        consequence: &'static str,
        database: &str,
    ) -> Program {
        let url = &self.url;
        let mut program = Program::new(name, consequence)
            .args(["--no-password"])
            .env("PGDATABASE", database);
        if std::env::var_os("PGCONNECT_TIMEOUT").is_none() {
            program = program.env("PGCONNECT_TIMEOUT", CONNECT_SECONDS);
        }
        if let Some(host) = &url.host {
            program = program.env("PGHOST", host);
        }
        if let Some(port) = url.port {
            program = program.env("PGPORT", port.to_string());
        }
        if let Some(user) = &url.user {
            program = program.env("PGUSER", user);
        }
        for (parameter, variable) in VARIABLES {
            if let Some(value) = url.parameters.get(parameter) {
                program = program.env(variable, value);
            }
        }
        match &self.password {
            Some(file) => program
                .env("PGPASSFILE", file.path())
                .without_env("PGPASSWORD"),
            None => program,
        }
    }

    /// Without the user's own settings, and stopping at the first error.
    fn psql(&self, consequence: &'static str, database: &str) -> Program {
        self.program("psql", consequence, database).args([
            "--no-psqlrc",
            "--quiet",
            "--no-align",
            "--tuples-only",
            "--set=ON_ERROR_STOP=1",
        ])
    }

    /// The lines that a query answers with.
    pub(super) fn ask(
        &self,
        database: &str,
        query: &str,
        consequence: &'static str,
        cancel: &AtomicBool,
    ) -> Result<Vec<String>> {
        let psql = self.psql(consequence, database).args(["--command", query]);
        let (lines, _) = psql.run(cancel, |pipes| read_lines(pipes.stdout))?;
        Ok(lines)
    }

    fn databases(&self, cancel: &AtomicBool) -> Result<Vec<String>> {
        // As JSON: a name may hold anything, line ends too.
        let query = "SELECT json_build_array(datname) FROM pg_catalog.pg_database
            WHERE datallowconn AND NOT datistemplate ORDER BY datname";
        let database = self.url.database.as_deref().unwrap_or(MAINTENANCE);
        let lines = self.ask(database, query, NO_SNAPSHOT, cancel)?;
        let names = lines.iter().map(|line| self.parse::<[String; 1]>(line));
        names.map(|name| name.map(|[name]| name)).collect()
    }

    fn parse<'d, T: Deserialize<'d>>(&self, line: &'d str) -> Result<T> {
        serde_json::from_str(line).map_err(|error| {
            failed(
                &self.url,
                &format!("psql printed what was not asked for: {error}"),
            )
        })
    }

    /// Runs `pg_dump` on the state of one moment, and hands over its output and what the server says of that moment.
    fn dump<T>(
        &self,
        database: &str,
        arguments: &[String],
        cancel: &AtomicBool,
        read: impl FnOnce(&mut dyn Read) -> Result<T>,
    ) -> Result<Dumped<T>> {
        let version = version("pg_dump", cancel)?;
        let psql = self.psql(NO_SNAPSHOT, database).with_input();
        let (dumped, _) = psql.run(cancel, |pipes| {
            let (info, session) = self.begin(pipes)?;
            refuse_old_tool(&self.url, &info, &version)?;
            let pg_dump = self
                .program("pg_dump", NO_SNAPSHOT, database)
                .args(["--format=plain", "--snapshot", &info.snapshot])
                .args(arguments);
            let (read, said) = pg_dump.run(cancel, |mut pipes| read(&mut pipes.stdout))?;
            drop(session);
            Ok(Dumped {
                read,
                said,
                info,
                tool: Tool {
                    name: "pg_dump".to_owned(),
                    version,
                    exit: 0,
                },
            })
        })?;
        Ok(dumped)
    }

    /// Begins the transaction; its snapshot can be used as long as the pipes are open.
    fn begin(&self, pipes: Pipes) -> Result<(Info, impl Sized)> {
        let Pipes { stdin, stdout } = pipes;
        let mut input = stdin.ok_or_else(|| failed(&self.url, &"psql has no input"))?;
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n";
        let text = [begin, INFO, "\n"].concat();
        input.write_all(text.as_bytes()).map_err(Error::Output)?;
        let mut output = BufReader::new(stdout);
        let mut line = String::new();
        let read = output.read_line(&mut line).map_err(Error::Output)?;
        if read == 0 {
            return Err(Error::Output(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let info = self.parse(&line)?;
        Ok((info, (input, output)))
    }
}

/// What came of a run of `pg_dump`.
struct Dumped<T> {
    read: T,
    /// What it wrote to standard error.
    said: Vec<String>,
    info: Info,
    tool: Tool,
}

/// What a tool says of its version: the last word but what a distribution adds.
fn version(tool: &str, cancel: &AtomicBool) -> Result<String> {
    let program = Program::new(tool, NO_SNAPSHOT).args(["--version"]);
    let (lines, _) = program.run(cancel, |pipes| read_lines(pipes.stdout))?;
    let first = lines.first().map(String::as_str).unwrap_or_default();
    let version = first.split_once(')').map_or(first, |(_, version)| version);
    Ok(version.trim().to_owned())
}

/// It would refuse too, but with less to go by.
fn refuse_old_tool(url: &ServerUrl, info: &Info, tool: &str) -> Result<()> {
    let major = tool.split(|c: char| !c.is_ascii_digit()).next();
    let major: u32 = major
        .and_then(|major| major.parse().ok())
        .unwrap_or(u32::MAX);
    if info.number / 10_000 <= major {
        return Ok(());
    }
    let text = format!(
        "the server is PostgreSQL {}, and pg_dump is of version {tool}: install one at least as new as the server",
        info.version
    );
    Err(failed(url, &text))
}

/// A name in a statement.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in a statement.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A file as `PGPASSFILE` names one.
fn password_file(password: &Secret) -> std::io::Result<SecretFile> {
    let mut line = Zeroizing::new(b"*:*:*:*:".to_vec());
    line.reserve(2 * password.bytes().len() + 1);
    for byte in password.bytes() {
        if matches!(byte, b':' | b'\\') {
            line.push(b'\\');
        }
        line.push(*byte);
    }
    line.push(b'\n');
    SecretFile::new(&line)
}

fn failed(url: &ServerUrl, error: &dyn std::fmt::Display) -> Error {
    Error::Database {
        database: super::DatabaseUrl::Server(url.clone()).to_string(),
        reason: error.to_string(),
    }
}
