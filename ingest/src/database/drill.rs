//! Drills: a dump is loaded into a scratch database, compared with what was put down when it was made, and thrown away.

use std::io::Write;
use std::sync::atomic::AtomicBool;

use nightfold_repo::Repository;
use nightfold_repo::repository::StoredSnapshot;

use super::facts::{DatabaseFacts, TableFacts};
use super::load::{
    Server, connect, dump_entry, globals_entry, load_new, recorded_tables, scratch_name,
};
use super::mssql::native::Staging;
use super::mssql::{Held, Restorer, backup_of};
use super::{DatabaseUrl, Engine, Secret, sqlite};
use crate::error::{Error, Result};
use crate::listing::write_content;
use crate::progress::Progress;

/// Differences that are told of one by one.
const DIFFERENCES_TOLD_MAX: usize = 20;

/// What a drill found.
#[derive(Debug, Default)]
pub struct DrillReport {
    /// Tables that were compared.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
    /// What differs from what was put down. None: it passed.
    pub differences: Vec<String>,
    /// The engine's own check was made.
    pub checked: bool,
}

impl DrillReport {
    /// Whether all of it was as it should be.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Where a drill's scratch database is made.
pub enum DrillServer<'a> {
    /// On this server. Backups by SQL Server itself also need a folder that both sides see.
    At(&'a DatabaseUrl, Option<&'a Secret>, Option<&'a Staging>),
    /// On a private one, started for it from the programs on this machine.
    Private,
}

/// Loads a dump into a scratch database and compares. What is wrong with the data is in the report; an error means that
/// the drill could not be made.
pub fn drill(
    repository: &Repository,
    snapshot: &StoredSnapshot,
    facts: &DatabaseFacts,
    server: &DrillServer<'_>,
    cancel: &AtomicBool,
) -> Result<DrillReport> {
    if backup_of(facts)?.is_some() {
        return drill_backup(repository, facts, server, cancel);
    }
    let recorded = recorded_tables(repository, snapshot, facts)?;
    let entry = dump_entry(repository, snapshot, facts)?;
    let mut write = |out: &mut dyn Write| write_content(repository, &entry, out).map(drop);
    if facts.engine == "sqlite" {
        let (found, complaints) = sqlite::look_at(&mut write, cancel)?;
        return Ok(compare(&recorded, &found, Some(complaints)));
    }
    let private;
    let mut like = facts.clone();
    let server = match server {
        DrillServer::At(url, password, _) => match url {
            DatabaseUrl::Server(server) if url.engine().scheme() == facts.engine => {
                connect(server, *password, cancel)?
            }
            _ => {
                return Err(Error::OtherEngine {
                    dump: facts.engine.clone(),
                    target: url.to_string(),
                });
            }
        },
        DrillServer::Private => {
            // Which sorts of texts this machine knows is no matter of the dump: what is equal is equal in all of them.
            for detail in ["collate", "ctype"] {
                like.details.remove(detail);
            }
            private = super::private::PrivateServer::start(&facts.engine, cancel)?;
            let server = connect(private.url(), None, cancel)?;
            // What the dump names as owners must be there.
            if let Some(globals) = globals_entry(repository, snapshot, facts)? {
                let mut write =
                    |out: &mut dyn Write| write_content(repository, &globals, out).map(drop);
                server.load_globals(&mut write, cancel)?;
            }
            server
        }
    };
    let name = scratch_name("drill");
    load_new(&*server, &name, &like, &mut write, cancel)?;
    let looked = look_at(&*server, &name, cancel);
    let removed = server.remove(&name, &AtomicBool::new(false));
    let (found, complaints) = looked?;
    removed?;
    Ok(compare(&recorded, &found, complaints))
}

/// Has SQL Server restore a backup of its own, with those that it needs. What can be compared is
/// what the server's check says; the rows of all tables are read.
fn drill_backup(
    repository: &Repository,
    facts: &DatabaseFacts,
    server: &DrillServer<'_>,
    cancel: &AtomicBool,
) -> Result<DrillReport> {
    let (url, password, staging) = match server {
        DrillServer::At(DatabaseUrl::Server(url), password, staging)
            if url.engine == Engine::Mssql =>
        {
            (url, password, staging)
        }
        _ => {
            return Err(Error::Database {
                database: facts.path.clone(),
                reason: "only a SQL Server can read it: name one with --to".to_owned(),
            });
        }
    };
    let write = |held: &Held, out: &mut dyn Write| {
        let entry = dump_entry(repository, &held.snapshot, &held.facts)?;
        write_content(repository, &entry, out).map(drop)
    };
    let (at, progress) = ((url, *password), Progress::default());
    let name = scratch_name("drill");
    let server = Restorer::new(repository, facts, None, at, *staging, &write, &progress).and_then(
        |server| {
            load_new(&server, &name, facts, &mut |_| Ok(()), cancel)?;
            Ok(server)
        },
    );
    let server = match server {
        Err(error @ Error::Unrestorable { .. }) => {
            return Ok(compare(&[], &[], Some(vec![error.to_string()])));
        }
        other => other?,
    };
    let looked = look_at(&server, &name, cancel);
    let removed = server.remove(&name, &AtomicBool::new(false));
    let (found, complaints) = looked?;
    removed?;
    Ok(compare(&found, &found, complaints))
}

fn look_at(
    server: &dyn Server,
    name: &str,
    cancel: &AtomicBool,
) -> Result<(Vec<TableFacts>, Option<Vec<String>>)> {
    let mut tables = server.tables(name, cancel)?;
    tables.sort();
    Ok((tables, server.check(name, cancel)?))
}

fn compare(
    recorded: &[TableFacts],
    found: &[TableFacts],
    complaints: Option<Vec<String>>,
) -> DrillReport {
    let mut differences = Vec::new();
    for table in recorded {
        match found.iter().find(|other| other.name == table.name) {
            None => differences.push(format!("the table {} is missing", table.name)),
            Some(other) if other.rows != table.rows => differences.push(format!(
                "the table {} has {} rows instead of {}",
                table.name, other.rows, table.rows
            )),
            Some(other) if other.checksum != table.checksum => {
                differences.push(format!("rows of the table {} differ", table.name));
            }
            Some(_) => {}
        }
    }
    for table in found {
        if !recorded.iter().any(|other| other.name == table.name) {
            differences.push(format!("there is a table {} too many", table.name));
        }
    }
    let checked = complaints.is_some();
    differences.extend(complaints.into_iter().flatten());
    if differences.len() > DIFFERENCES_TOLD_MAX {
        let more = differences.len() - DIFFERENCES_TOLD_MAX;
        differences.truncate(DIFFERENCES_TOLD_MAX);
        differences.push(format!("and {more} more"));
    }
    DrillReport {
        tables: found.len() as u64,
        rows: found.iter().map(|table| table.rows).sum(),
        differences,
        checked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, rows: u64, checksum: &str) -> TableFacts {
        TableFacts {
            name: name.to_owned(),
            rows,
            checksum: checksum.to_owned(),
        }
    }

    #[test]
    fn every_difference_is_told() {
        let recorded = [table("a", 1, "x"), table("b", 2, "y"), table("c", 3, "z")];
        assert!(compare(&recorded, &recorded, Some(vec![])).passed());
        let found = [table("a", 1, "w"), table("b", 3, "y"), table("d", 0, "")];
        let report = compare(&recorded, &found, None);
        assert_eq!(
            report.differences,
            [
                "rows of the table a differ",
                "the table b has 3 rows instead of 2",
                "the table c is missing",
                "there is a table d too many",
            ]
        );
        assert!(!compare(&recorded, &recorded, Some(vec!["page 7".to_owned()])).passed());
    }
}
