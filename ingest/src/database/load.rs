//! Dumps back into databases.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::AtomicBool;

use jiff::Timestamp;
use nightfold_repo::Repository;
use nightfold_repo::format::{Entry, unescape_path};
use nightfold_repo::repository::StoredSnapshot;

use super::facts::{DatabaseFacts, TableFacts, decode_tables};
use super::mssql::native::{Lsn, Staging};
use super::mssql::{Held, Restorer, Step, backup_of, family};
use super::text::{Extract, Search, Text};
use super::url::{GLOBALS_SUFFIX, GRANTS_SUFFIX};
use super::{DatabaseUrl, Engine, Secret, ServerUrl, databases, mssql, mysql, postgres, sqlite};
use crate::error::{Error, Result};
use crate::listing::{find_entry, write_content};
use crate::progress::Progress;

/// A dump that is to become a database.
pub struct LoadRequest<'a> {
    /// The dump.
    pub facts: &'a DatabaseFacts,
    /// Where to. Without a database's name it gets the one that it had.
    pub target: &'a DatabaseUrl,
    /// The password, if the tools of the database shall not look for it themselves.
    pub password: Option<&'a Secret>,
    /// Put it in the place of a database of this name; with `table` in the place of that table.
    pub replace: bool,
    /// Only this table, into a database that is there.
    pub table: Option<&'a str>,
    /// With backups by SQL Server itself: to this moment, if log backups lead there.
    pub at: Option<Timestamp>,
    /// For them: the folder that both this program and the server see.
    pub staging: Option<&'a Staging>,
    /// Where to tell how far it is.
    pub progress: &'a Progress,
}

/// What came of it.
#[derive(Debug)]
pub struct LoadReport {
    /// The database that is there now.
    pub database: String,
    /// What the tools had to say.
    pub warnings: Vec<String>,
    /// The backups by SQL Server itself that were restored, in this order.
    pub steps: Vec<Step>,
}

impl LoadReport {
    fn new(database: impl Into<String>, warnings: Vec<String>) -> Self {
        Self {
            database: database.into(),
            warnings,
            steps: Vec::new(),
        }
    }
}

/// A server that databases can be made on.
pub(crate) trait Server {
    /// Whether it has a database of this name.
    fn exists(&self, name: &str, cancel: &AtomicBool) -> Result<bool>;
    /// An empty database, as the dumped one was.
    fn create(&self, name: &str, facts: &DatabaseFacts, cancel: &AtomicBool) -> Result<()>;
    /// Removes a database, whoever uses it.
    fn remove(&self, name: &str, cancel: &AtomicBool) -> Result<()>;
    /// Loads what `write` writes into an empty database. Returns what the client had to say.
    fn load(&self, name: &str, write: Writer<'_>, cancel: &AtomicBool) -> Result<Vec<String>>;
    /// Makes the roles and accounts that dumps of other servers name, as far as that is possible.
    fn load_globals(&self, write: Writer<'_>, cancel: &AtomicBool) -> Result<()>;
    /// Gives a database the name of another, which is removed. False if the engine cannot.
    fn rename(&self, from: &str, to: &str, cancel: &AtomicBool) -> Result<bool>;
    /// The rows and checksums that a dump of it has now.
    fn tables(&self, name: &str, cancel: &AtomicBool) -> Result<Vec<TableFacts>>;
    /// What the engine's own check finds wrong; `None` if there is no such check here.
    fn check(&self, name: &str, cancel: &AtomicBool) -> Result<Option<Vec<String>>>;
}

/// Writes a dump.
pub(crate) type Writer<'w> = &'w mut dyn FnMut(&mut dyn Write) -> Result<()>;

/// Loads a dump into a new database, or in the place of another. If it fails, what was there is as it was.
pub fn load(
    repository: &Repository,
    snapshot: &StoredSnapshot,
    request: &LoadRequest<'_>,
    cancel: &AtomicBool,
) -> Result<LoadReport> {
    let LoadRequest { facts, target, .. } = request;
    if target.engine().scheme() != facts.engine {
        return Err(Error::OtherEngine {
            dump: facts.engine.clone(),
            target: target.to_string(),
        });
    }
    if backup_of(facts)?.is_some() {
        return load_backup(repository, request, cancel);
    }
    let entry = dump_entry(repository, snapshot, facts)?;
    let progress = request.progress;
    let mut write =
        |out: &mut dyn Write| write_content(repository, &entry, &mut progress.count(out)).map(drop);
    if let Some(table) = request.table {
        return load_table(table, request, &mut write, cancel);
    }
    let server = match target {
        DatabaseUrl::Sqlite(path) => {
            sqlite::restore(path, request.replace, &mut write, cancel)?;
            return Ok(LoadReport::new(path.display().to_string(), Vec::new()));
        }
        DatabaseUrl::Server(server) => server,
    };
    let name = server.database.as_deref().unwrap_or(&facts.database);
    let client = connect(server, request.password, cancel)?;
    let warnings = load_as(&*client, name, request, &mut write, cancel)?;
    Ok(LoadReport::new(name, warnings))
}

/// Has SQL Server restore its own backups.
fn load_backup(
    repository: &Repository,
    request: &LoadRequest<'_>,
    cancel: &AtomicBool,
) -> Result<LoadReport> {
    let LoadRequest { facts, target, .. } = request;
    let DatabaseUrl::Server(server) = target else {
        return Err(Error::NoDump(None));
    };
    if request.table.is_some() {
        return Err(no_tables(facts));
    }
    let progress = request.progress;
    let write = |held: &Held, out: &mut dyn Write| {
        let entry = dump_entry(repository, &held.snapshot, &held.facts)?;
        write_content(repository, &entry, &mut progress.count(out)).map(drop)
    };
    let at = (server, request.password);
    let restorer = Restorer::new(
        repository,
        facts,
        request.at,
        at,
        request.staging,
        &write,
        progress,
    )?;
    let name = server.database.as_deref().unwrap_or(&facts.database);
    let warnings = load_as(&restorer, name, request, &mut |_| Ok(()), cancel)?;
    Ok(LoadReport {
        steps: restorer.steps(),
        ..LoadReport::new(name, warnings)
    })
}

/// Single tables of what only a server can read.
fn no_tables(facts: &DatabaseFacts) -> Error {
    Error::Database {
        database: facts.path.clone(),
        reason: "it was made by the server itself: single tables cannot be taken out of it. \
                 Restore it under another name with --to, and copy the table there"
            .to_owned(),
    }
}

fn load_table(
    table: &str,
    request: &LoadRequest<'_>,
    write: Writer<'_>,
    cancel: &AtomicBool,
) -> Result<LoadReport> {
    let LoadRequest {
        facts,
        target,
        replace,
        ..
    } = *request;
    let server = match target {
        DatabaseUrl::Sqlite(path) => {
            sqlite::restore_table(path, table, replace, write, cancel)?;
            return Ok(LoadReport::new(path.display().to_string(), Vec::new()));
        }
        DatabaseUrl::Server(server) => server,
    };
    let name = server.database.as_deref().unwrap_or(&facts.database);
    let client = connect(server, request.password, cancel)?;
    let mut write = |out: &mut dyn Write| extract(facts, table, replace, write, out);
    let warnings = client.load(name, &mut write, cancel)?;
    Ok(LoadReport::new(name, warnings))
}

/// Writes the statements that make up one table of a dump.
pub fn write_table(
    repository: &Repository,
    snapshot: &StoredSnapshot,
    facts: &DatabaseFacts,
    table: &str,
    out: &mut dyn Write,
) -> Result<()> {
    if backup_of(facts)?.is_some() {
        return Err(no_tables(facts));
    }
    let entry = dump_entry(repository, snapshot, facts)?;
    let mut write = |out: &mut dyn Write| write_content(repository, &entry, out).map(drop);
    if facts.engine == "sqlite" {
        return sqlite::write_table(table, &mut write, out);
    }
    extract(facts, table, false, &mut write, out)
}

/// Goes through the dump twice: what belongs to a table is told after it.
fn extract(
    facts: &DatabaseFacts,
    table: &str,
    replace: bool,
    write: Writer<'_>,
    out: &mut dyn Write,
) -> Result<()> {
    let text = || Text::of(&facts.engine).ok_or_else(|| Error::NoDump(Some(facts.path.clone())));
    let mut search = Search::new(text()?, table);
    write(&mut search)?;
    let mut found = search.finish();
    match (found.pop(), found.is_empty()) {
        (Some(found), true) if facts.engine == Engine::Mssql.scheme() => {
            mssql::extract(found.table(), replace, write, out)
        }
        (Some(found), true) => {
            let mut extract = Extract::new(text()?, found, replace, out);
            write(&mut extract)?;
            extract.finish().map_err(Error::Output)
        }
        (None, _) => Err(Error::NoTable {
            table: table.to_owned(),
            dump: facts.path.clone(),
        }),
        (Some(last), false) => {
            let names = found
                .iter()
                .chain([&last])
                .map(|found| found.table().to_owned());
            Err(Error::ManyTables(names.collect()))
        }
    }
}

pub(crate) fn connect(
    url: &ServerUrl,
    password: Option<&Secret>,
    cancel: &AtomicBool,
) -> Result<Box<dyn Server>> {
    match url.engine {
        Engine::Postgres => Ok(Box::new(postgres::Client::new(url, password)?)),
        Engine::Mysql => Ok(Box::new(mysql::Client::new(url, password, cancel)?)),
        Engine::Mssql => Ok(Box::new(mssql::Client::new(url, password)?)),
        Engine::Sqlite => Err(Error::NotYet(Engine::Sqlite)),
    }
}

fn load_as(
    server: &dyn Server,
    name: &str,
    request: &LoadRequest<'_>,
    write: Writer<'_>,
    cancel: &AtomicBool,
) -> Result<Vec<String>> {
    let replaces = server.exists(name, cancel)?;
    if replaces && !request.replace {
        return Err(Error::DatabaseExists(name.to_owned()));
    }
    if !replaces {
        return load_new(server, name, request.facts, write, cancel);
    }
    // Beside the old one, so that there is one at every moment but that of the exchange.
    let scratch = scratch_name(name);
    let warnings = load_new(server, &scratch, request.facts, write, cancel)?;
    let whole = |error: Error| Error::Database {
        database: name.to_owned(),
        reason: format!("{error}; all of it is in the database {scratch}"),
    };
    if server.rename(&scratch, name, cancel).map_err(whole)? {
        return Ok(warnings);
    }
    // It was loaded once without an error, so it will be again.
    server.remove(name, cancel)?;
    load_new(server, name, request.facts, write, cancel).map_err(whole)?;
    server.remove(&scratch, cancel)?;
    Ok(warnings)
}

/// A database that is whole, or none.
pub(crate) fn load_new(
    server: &dyn Server,
    name: &str,
    facts: &DatabaseFacts,
    write: Writer<'_>,
    cancel: &AtomicBool,
) -> Result<Vec<String>> {
    server.create(name, facts, cancel)?;
    server.load(name, write, cancel).inspect_err(|_| {
        // Also after a signal. That it failed is what there is to tell.
        drop(server.remove(name, &AtomicBool::new(false)));
    })
}

/// A name that no database has, and that tells whose it is.
pub(crate) fn scratch_name(of: &str) -> String {
    let now = jiff::Timestamp::now().as_nanosecond();
    let random = blake3::hash(format!("{now} {}", std::process::id()).as_bytes()).to_hex();
    let short: String = of.chars().take(30).collect();
    format!("{short}_nightfold_{}", &random[..8])
}

pub(crate) fn dump_entry(
    repository: &Repository,
    snapshot: &StoredSnapshot,
    facts: &DatabaseFacts,
) -> Result<Entry> {
    entry_at(repository, snapshot, &facts.path)
}

/// Where roles and accounts of the server of a dump lie in its snapshot, if they do.
pub(crate) fn globals_entry(
    repository: &Repository,
    snapshot: &StoredSnapshot,
    facts: &DatabaseFacts,
) -> Result<Option<Entry>> {
    let path = unescape_path(&facts.path);
    let folder = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let suffix = if facts.engine == "mysql" {
        GRANTS_SUFFIX
    } else {
        GLOBALS_SUFFIX
    };
    find_entry(
        repository,
        snapshot,
        &[&path[..folder], suffix.as_bytes()].concat(),
    )
}

fn entry_at(repository: &Repository, snapshot: &StoredSnapshot, path: &str) -> Result<Entry> {
    let found = find_entry(repository, snapshot, &unescape_path(path))?;
    found.ok_or_else(|| Error::NoSuchPath {
        path: path.to_owned(),
    })
}

/// The tables that were put down with a dump.
pub fn recorded_tables(
    repository: &Repository,
    snapshot: &StoredSnapshot,
    facts: &DatabaseFacts,
) -> Result<Vec<TableFacts>> {
    if facts.tables == 0 {
        return Ok(Vec::new());
    }
    let entry = entry_at(repository, snapshot, &facts.tables_path)?;
    let mut bytes = Vec::new();
    write_content(repository, &entry, &mut bytes)?;
    decode_tables(&entry.path, &bytes)
}

/// The dump that is meant: of the only database, or of the one called so (by its name or path).
pub fn chosen_database(
    snapshot: &StoredSnapshot,
    wanted: Option<&str>,
    engine: Option<Engine>,
) -> Result<DatabaseFacts> {
    let mut all = databases(&snapshot.snapshot)?;
    all.retain(|facts| engine.is_none_or(|engine| engine.scheme() == facts.engine));
    if let Some(wanted) = wanted {
        all.retain(|facts| facts.database == wanted || facts.path == wanted);
    }
    only_newest_backups(&mut all)?;
    match all.len() {
        1 => Ok(all.remove(0)),
        0 => Err(Error::NoDump(wanted.map(str::to_owned))),
        _ => Err(Error::ManyDumps(
            all.into_iter().map(|facts| facts.path).collect(),
        )),
    }
}

/// Of several backups of one database by its server, the one that reaches furthest: log backups
/// that an earlier run left behind lie beside it.
fn only_newest_backups(all: &mut Vec<DatabaseFacts>) -> Result<()> {
    let mut newest: BTreeMap<(String, String), (Lsn, String)> = BTreeMap::new();
    for facts in &*all {
        if let Some(backup) = backup_of(facts)? {
            let this = (backup.last_lsn, facts.path.clone());
            let known = newest.entry(family(facts));
            let known = known.or_insert_with(|| this.clone());
            *known = this.max(known.clone());
        }
    }
    all.retain(|facts| {
        let newest = newest.get(&family(facts));
        newest.is_none_or(|(_, path)| *path == facts.path || !facts.method.starts_with("native"))
    });
    Ok(())
}
