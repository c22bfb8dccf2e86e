//! A SQL Server as a source of logical dumps, and as the place they go back to.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use nightfold_repo::Repository;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::facts::{DatabaseFacts, TableFacts};
use super::super::load::{Server, Writer, scratch_name};
use super::super::sink::Sink;
use super::super::text::Summed;
use super::super::{DatabaseSource, DatabaseUrl, Dump, Secret, ServerUrl};
use super::answer::Fields;
use super::backups::{NativeDump, held_in};
use super::dump::{DumpOptions, DumpReport, Isolation};
use super::error::MssqlError;
use super::name::TableName;
use super::pipe::{PipeReader, pipe};
use super::script::{Pieces, Selection};
use super::{Address, Connection, Encryption, Password, Trust, databases, native};
use crate::error::{Error, Result};

/// Where `sqlcmd` looks for a password.
const PASSWORD_VARIABLE: &str = "SQLCMDPASSWORD";
/// The database that connections about others are to.
pub(super) const MASTER: &str = "master";

/// A server, and who asks.
pub(in super::super) struct Client {
    url: ServerUrl,
    address: Address,
    password: Password,
    options: DumpOptions,
}

impl Client {
    pub(in super::super) fn new(url: &ServerUrl, password: Option<&Secret>) -> Result<Self> {
        let failed = |reason: &str| Error::Database {
            database: DatabaseUrl::Server(url.clone()).to_string(),
            reason: reason.to_owned(),
        };
        let password = match password {
            Some(secret) => {
                let text = std::str::from_utf8(secret.bytes());
                Zeroizing::new(
                    text.map_err(|_| failed("the password is not UTF-8"))?
                        .to_owned(),
                )
            }
            None => Zeroizing::new(std::env::var(PASSWORD_VARIABLE).map_err(|_| {
                failed("no password: give one, or set SQLCMDPASSWORD in the environment")
            })?),
        };
        let user = url.user.clone();
        let address = Address {
            host: url.host.clone().unwrap_or_else(|| "localhost".to_owned()),
            port: url.port,
            instance: url.instance.clone(),
            database: MASTER.to_owned(),
            user: user.ok_or_else(|| failed("no user: write mssql://USER@HOST/DATABASE"))?,
            encryption: Encryption::Required,
            trust: Trust::System,
        };
        let mut client = Self {
            url: url.clone(),
            address,
            password: Password::new(password),
            options: DumpOptions::default(),
        };
        for (name, value) in &url.parameters {
            client
                .set(name, value)
                .ok_or_else(|| failed(&format!("{name}={value} is not known here")))?;
        }
        Ok(client)
    }

    /// Takes a parameter of the URL.
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let address = &mut self.address;
        match (name, value) {
            ("encrypt", "yes") | ("isolation", "snapshot") => {}
            ("encrypt", "trust") => address.trust = Trust::Anyone,
            ("encrypt", "login") => address.encryption = Encryption::LoginOnly,
            ("encrypt", "off") => address.encryption = Encryption::Off,
            ("ca", file) => address.trust = Trust::CaFile(file.into()),
            ("isolation", "serializable") => self.options.isolation = Isolation::Serializable,
            ("texts", "bytes") => self.options.utf16_as_bytes = true,
            _ => return None,
        }
        Some(())
    }

    pub(super) fn open<'c>(
        &self,
        database: &str,
        cancel: &'c AtomicBool,
    ) -> std::result::Result<Connection<'c>, MssqlError> {
        let address = self.address.with_database(database);
        Connection::open(&address, &self.password, Some(cancel))
    }

    /// Does something on a connection to `master`.
    fn on_master<T>(
        &self,
        cancel: &AtomicBool,
        act: impl FnOnce(&mut Connection<'_>) -> std::result::Result<T, MssqlError>,
    ) -> Result<T> {
        let done = self.open(MASTER, cancel);
        done.and_then(|mut connection| act(&mut connection))
            .map_err(|error| self.error(None, &error))
    }

    /// Puts an error of this module into that of the program.
    pub(super) fn error(&self, database: Option<&str>, error: &MssqlError) -> Error {
        if matches!(error, MssqlError::Interrupted) {
            return Error::Interrupted;
        }
        let mut url = self.url.clone();
        url.database = database.map(str::to_owned);
        Error::Database {
            database: DatabaseUrl::Server(url).to_string(),
            reason: error.to_string(),
        }
    }

    /// All of them, or those that have logs to back up.
    fn databases(&self, with_logs: bool, cancel: &AtomicBool) -> Result<Vec<String>> {
        self.on_master(cancel, |connection| {
            let what = "cannot read the list of databases";
            let logs = if with_logs {
                "AND recovery_model <> 3 "
            } else {
                ""
            };
            let sql = format!(
                "SELECT name FROM sys.databases \
                 WHERE name NOT IN ('master', 'model', 'msdb', 'tempdb') AND state = 0 \
                 AND source_database_id IS NULL {logs}ORDER BY name"
            );
            let rows = connection.rows(what, &sql)?;
            rows.iter()
                .map(|row| Fields::new(what, row).text())
                .collect()
        })
    }

    /// Makes a dump, and hands its bytes to `read` as they come.
    fn dump<T>(
        &self,
        database: &str,
        options: DumpOptions,
        cancel: &AtomicBool,
        read: impl FnOnce(PipeReader) -> Result<T>,
    ) -> Result<(T, DumpReport)> {
        let (mut writer, reader) = pipe();
        thread::scope(|scope| {
            let dumping = scope.spawn(move || {
                let mut connection = self.open(database, cancel)?;
                let report = super::dump(&mut connection, options, &mut writer)?;
                let ended = writer.finish();
                ended.map_err(|error| MssqlError::io("cannot hand over the dump", error))?;
                Ok(report)
            });
            let read = read(reader);
            let dumped = dumping
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match (read, dumped) {
                (Ok(read), Ok(report)) => Ok((read, report)),
                // Who wanted the bytes went first.
                (Err(error), Ok(_) | Err(MssqlError::Io { .. })) => Err(error),
                (_, Err(error)) => Err(self.error(Some(database), &error)),
            }
        })
    }
}

impl Server for Client {
    fn exists(&self, name: &str, cancel: &AtomicBool) -> Result<bool> {
        self.on_master(cancel, |master| databases::database_exists(master, name))
    }

    fn create(&self, name: &str, facts: &DatabaseFacts, cancel: &AtomicBool) -> Result<()> {
        let collation = facts.details.get("collation").and_then(Value::as_str);
        self.on_master(cancel, |master| {
            databases::create_database(master, name, collation)
        })
    }

    fn remove(&self, name: &str, cancel: &AtomicBool) -> Result<()> {
        self.on_master(cancel, |master| databases::drop_database(master, name))
    }

    fn load(&self, name: &str, write: Writer<'_>, cancel: &AtomicBool) -> Result<Vec<String>> {
        let (mut writer, mut reader) = pipe();
        thread::scope(|scope| {
            let loading = scope.spawn(move || {
                let mut connection = self.open(name, cancel)?;
                super::load(&mut connection, &mut reader)
            });
            let mut buffered = io::BufWriter::with_capacity(1 << 16, &mut writer);
            let mut written = write(&mut buffered);
            if written.is_ok() {
                written = buffered.flush().map_err(Error::Output);
            }
            drop(buffered);
            if written.is_ok() {
                written = writer.finish().map_err(Error::Output);
            } else {
                drop(writer);
            }
            let loaded = loading
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match (written, loaded) {
                (Ok(()), Ok(report)) => Ok(report.warnings),
                // What was to be loaded could not be had.
                (Err(error), Ok(_) | Err(MssqlError::Io { .. })) => Err(error),
                (_, Err(error)) => Err(self.error(Some(name), &error)),
            }
        })
    }

    /// Users are part of a database's dump, and logins of none.
    fn load_globals(&self, _write: Writer<'_>, _cancel: &AtomicBool) -> Result<()> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str, cancel: &AtomicBool) -> Result<bool> {
        let aside = scratch_name(to);
        self.on_master(cancel, |master| {
            databases::rename_database(master, to, &aside)?;
            databases::rename_database(master, from, to).inspect_err(|_| {
                // What was there is there again, and the failure is what there is to tell.
                drop(databases::rename_database(master, &aside, to));
            })?;
            databases::drop_database(master, &aside)
        })?;
        Ok(true)
    }

    fn tables(&self, name: &str, cancel: &AtomicBool) -> Result<Vec<TableFacts>> {
        // Nobody else writes to what was just loaded.
        let options = DumpOptions {
            isolation: Isolation::Either,
            ..self.options
        };
        let (tables, _) = self.dump(name, options, cancel, |reader| {
            let mut summed = Summed::new(reader, Pieces::default());
            io::copy(&mut summed, &mut io::sink()).map_err(Error::Output)?;
            Ok(summed.finish().0)
        })?;
        Ok(tables)
    }

    fn check(&self, name: &str, cancel: &AtomicBool) -> Result<Option<Vec<String>>> {
        self.on_master(cancel, |master| {
            if is_babelfish(master)? {
                return Ok(None);
            }
            match native::check_database(master, name) {
                Ok(()) => Ok(Some(Vec::new())),
                Err(error) if error.number().is_some_and(native::is_damage) => {
                    Ok(Some(vec![error.to_string()]))
                }
                Err(error) => Err(error),
            }
        })
    }
}

/// Writes the part of a dump that makes and fills one table.
pub(in super::super) fn extract(
    table: &str,
    replace: bool,
    write: Writer<'_>,
    out: &mut dyn Write,
) -> Result<()> {
    let failed = |error: MssqlError| Error::Database {
        database: table.to_owned(),
        reason: error.to_string(),
    };
    let name = TableName::parse(table)
        .ok_or_else(|| failed(MssqlError::answer("the dump", "a table has no proper name")))?;
    let mut selection = Selection::new(name, replace, out);
    write(&mut selection)?;
    selection.finish().map_err(failed)
}

/// Whether the server is PostgreSQL that speaks this protocol, which has no `DBCC CHECKDB`.
fn is_babelfish(master: &mut Connection<'_>) -> std::result::Result<bool, MssqlError> {
    let what = "cannot ask what kind of server it is";
    let sql = "SELECT CAST(SERVERPROPERTY('Babelfish') AS int)";
    let rows = master.rows(what, sql)?;
    let known = rows
        .first()
        .map(|row| Fields::new(what, row).number_or_null());
    Ok(known.transpose()?.flatten() == Some(1))
}

/// All dumps that a source asks for.
pub(in super::super) fn dumps(
    source: &DatabaseSource,
    url: &ServerUrl,
    repository: &Repository,
    cancel: &AtomicBool,
) -> Result<Vec<Box<dyn Dump>>> {
    let client = Arc::new(Client::new(url, source.password.as_ref())?);
    let native = source.native.as_ref();
    let logs_only = native.is_some_and(|native| native.chain == Some(native::BackupKind::Log));
    let names = match (&url.database, source.all) {
        (Some(database), false) => vec![database.clone()],
        _ => client.databases(logs_only, cancel)?,
    };
    if let Some(native) = &source.native {
        let held = held_in(repository)?;
        let mut dumps: Vec<Box<dyn Dump>> = Vec::new();
        for database in &names {
            let of = NativeDump::of(&client, url, database, native, &held, cancel)?;
            dumps.extend(of.into_iter().map(|dump| Box::new(dump) as Box<dyn Dump>));
        }
        return Ok(dumps);
    }
    let dump_of = |database: String| -> Box<dyn Dump> {
        Box::new(MssqlDump {
            path: url.dump_path(&database, "sql"),
            client: Arc::clone(&client),
            database,
        })
    };
    Ok(names.into_iter().map(dump_of).collect())
}

/// A database.
struct MssqlDump {
    client: Arc<Client>,
    database: String,
    path: Vec<u8>,
}

impl Dump for MssqlDump {
    fn path(&self) -> &[u8] {
        &self.path
    }

    fn make(&self, sink: &mut Sink<'_, '_>) -> Result<()> {
        let (client, cancel) = (&self.client, sink.cancel());
        let (tables, report) = client.dump(&self.database, client.options, cancel, |reader| {
            let mut summed = Summed::new(reader, Pieces::default());
            sink.store(&self.path, &mut summed as &mut dyn Read)?;
            Ok(summed.finish().0)
        })?;
        let found = tables.iter().map(|table| (table.name.clone(), table.rows));
        let written = report.tables.iter();
        if !found.eq(written.map(|(name, rows)| (name.to_string(), *rows))) {
            let error = MssqlError::answer("the dump", "its rows are not those that were written");
            return Err(client.error(Some(&self.database), &error));
        }
        let lacks = report.not_covered.iter();
        let lacks: Vec<_> = lacks
            .map(|one| format!("{} {}", one.kind, one.name))
            .collect();
        for one in &lacks {
            sink.warn(&self.path, format!("not in the dump: {one}"))?;
        }
        let server = report.server;
        let isolation = match client.options.isolation {
            Isolation::Snapshot => "snapshot",
            Isolation::Serializable | Isolation::Either => "serializable",
        };
        let mut details = vec![("collation", json!(server.collation))];
        if !lacks.is_empty() {
            details.push(("not_covered", json!(lacks)));
        }
        let facts = DatabaseFacts {
            engine: "mssql".to_owned(),
            version: server.product(),
            database: server.database,
            method: format!("logical, in one {isolation} transaction"),
            time: format!("{}Z", report.consistent_at),
            details: details
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            ..DatabaseFacts::default()
        };
        sink.record(&self.path, facts, tables);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn client(url: &str) -> Result<Client> {
        let DatabaseUrl::Server(url) = url.parse().unwrap() else {
            panic!("no server");
        };
        let secret = Secret::new(Zeroizing::new(b"hunter2".to_vec()));
        Client::new(&url, Some(&secret))
    }

    #[test]
    fn a_url_says_how_to_connect() {
        let one = client("mssql://sa@sql1/RTC/rtc").unwrap();
        assert_eq!(one.address.instance.as_deref(), Some("RTC"));
        assert_eq!(one.address.encryption, Encryption::Required);
        assert_eq!(one.address.trust, Trust::System);
        assert_eq!(one.options.isolation, Isolation::Snapshot);
        let two = client("mssql://sa@sql1:1444/rtc?encrypt=off&isolation=serializable").unwrap();
        assert_eq!(two.address.port, Some(1444));
        assert_eq!(two.address.encryption, Encryption::Off);
        assert_eq!(two.options.isolation, Isolation::Serializable);
        let three = client("mssql://sa@sql1/rtc?ca=/etc/ca.pem&texts=bytes").unwrap();
        assert_eq!(three.address.trust, Trust::CaFile("/etc/ca.pem".into()));
        assert!(three.options.utf16_as_bytes);
    }

    #[test]
    fn what_a_url_lacks_is_told_without_the_password() {
        for (url, said) in [
            ("mssql://sql1/rtc", "no user"),
            ("mssql://sa@sql1/rtc?encrypt=perhaps", "encrypt=perhaps"),
        ] {
            let Err(error) = client(url) else {
                panic!("{url}");
            };
            let message = error.to_string();
            assert!(message.contains(said), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
