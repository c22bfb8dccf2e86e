//! What a backup takes from a PostgreSQL: its databases, and what belongs to none of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nightfold_repo::Repository;
use serde_json::json;

use super::{Client, MAINTENANCE};
use crate::database::facts::DatabaseFacts;
use crate::database::sink::Sink;
use crate::database::text::{PostgresText, Summed};
use crate::database::url::GLOBALS_SUFFIX;
use crate::database::{DatabaseSource, Dump, ServerUrl};
use crate::error::{NO_SNAPSHOT, Result};
use crate::process::{Program, read_lines};

/// All dumps that a source asks for.
pub(in crate::database) fn dumps(
    source: &DatabaseSource,
    url: &ServerUrl,
    repository: &Repository,
    cancel: &AtomicBool,
) -> Result<Vec<Box<dyn Dump>>> {
    let client = Arc::new(Client::new(url, source.password.as_ref())?);
    let names = match (&url.database, source.all) {
        (Some(database), false) => vec![database.clone()],
        _ => client.databases(cancel)?,
    };
    let arguments = restrict(repository, cancel)?;
    let globals: Box<dyn Dump> = Box::new(Globals {
        client: client.clone(),
        arguments: arguments.clone(),
        path: [&url.folder()[..], GLOBALS_SUFFIX.as_bytes()].concat(),
    });
    let mut dumps = vec![globals];
    for database in names {
        dumps.push(Box::new(PostgresDump {
            client: client.clone(),
            arguments: arguments.clone(),
            path: url.dump_path(&database, "sql"),
            database,
        }));
    }
    Ok(dumps)
}

/// A database.
struct PostgresDump {
    client: Arc<Client>,
    arguments: Vec<String>,
    database: String,
    path: Vec<u8>,
}

impl Dump for PostgresDump {
    fn path(&self) -> &[u8] {
        &self.path
    }

    fn make(&self, sink: &mut Sink<'_, '_>) -> Result<()> {
        let cancel = sink.cancel();
        let dumped = self
            .client
            .dump(&self.database, &self.arguments, cancel, |output| {
                let mut summed = Summed::new(output, PostgresText::default());
                sink.store(&self.path, &mut summed)?;
                Ok(summed.finish().0)
            })?;
        for line in &dumped.said {
            sink.warn(&self.path, format!("pg_dump said: {line}"))?;
        }
        let info = dumped.info;
        let facts = DatabaseFacts {
            engine: "postgres".to_owned(),
            version: format!("PostgreSQL {}", info.version),
            database: self.database.clone(),
            method: "pg_dump --format=plain".to_owned(),
            time: info.time,
            position: info
                .lsn
                .map(|lsn| ("lsn".to_owned(), lsn))
                .into_iter()
                .collect(),
            tool: Some(dumped.tool),
            details: BTreeMap::from([
                ("encoding".to_owned(), json!(info.encoding)),
                ("collate".to_owned(), json!(info.collate)),
                ("ctype".to_owned(), json!(info.ctype)),
            ]),
            ..DatabaseFacts::default()
        };
        sink.record(&self.path, facts, dumped.read);
        Ok(())
    }
}

/// Roles and tablespaces, which belong to no database.
struct Globals {
    client: Arc<Client>,
    arguments: Vec<String>,
    path: Vec<u8>,
}

impl Dump for Globals {
    fn path(&self) -> &[u8] {
        &self.path
    }

    fn make(&self, sink: &mut Sink<'_, '_>) -> Result<()> {
        let (client, cancel) = (&self.client, sink.cancel());
        let database = client.url.database.as_deref().unwrap_or(MAINTENANCE);
        let query = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";
        let is_super = client.ask(database, query, NO_SNAPSHOT, cancel)? == ["t"];
        let mut program = client
            .program("pg_dumpall", NO_SNAPSHOT, database)
            .args(["--globals-only", "--database", database])
            .args(&self.arguments);
        if !is_super {
            program = program.args(["--no-role-passwords"]);
            let text = "passwords of roles are not in it: only a superuser may read them";
            sink.warn(&self.path, text)?;
        }
        let ((), said) = program.run(cancel, |pipes| sink.store(&self.path, pipes.stdout))?;
        for line in said {
            sink.warn(&self.path, format!("pg_dumpall said: {line}"))?;
        }
        Ok(())
    }
}

/// `pg_dump` writes a random word into every dump, by which `psql` tells its own commands from data of a hostile server.
/// Ours is the same every night, and the server cannot know it.
fn restrict(repository: &Repository, cancel: &AtomicBool) -> Result<Vec<String>> {
    let help = Program::new("pg_dump", NO_SNAPSHOT).args(["--help"]);
    let (lines, _) = help.run(cancel, |pipes| read_lines(pipes.stdout))?;
    if !lines.iter().any(|line| line.contains("--restrict-key")) {
        return Ok(Vec::new());
    }
    let key = blake3::derive_key(
        "nightfold 2026 pg_dump restrict key",
        repository.config().id.as_bytes(),
    );
    let word = blake3::Hash::from(key).to_hex();
    Ok(vec![format!("--restrict-key={}", &word[..32])])
}
