//! Live databases as sources of a backup, and the way back into them.
//!
//! | file | duty |
//! |---|---|
//! | `url` | how users name databases |
//! | `secret` | passwords on their way to the programs that need them |
//! | `facts` | what is put down with every dump |
//! | `checksum` | checksums of tables |
//! | `sink` | where dumps go |
//! | `load` | dumps back into databases |
//! | `drill` | dumps loaded, compared and thrown away |
//! | `private` | servers started for a drill |
//! | `stage` | folders for copies and servers |
//! | `text` | dumps as text, followed as they go by |
//! | `sqlite` | SQLite |
//! | `postgres` | PostgreSQL |
//! | `mysql` | MariaDB and MySQL |
//! | `mssql` | SQL Server |

mod checksum;
mod drill;
mod facts;
mod load;
pub mod mssql;
mod mysql;
mod postgres;
mod private;
mod secret;
mod sink;
mod sqlite;
mod stage;
mod text;
mod url;

pub use drill::{DrillReport, DrillServer, drill};
pub use facts::{DatabaseFacts, TableFacts, Tool, databases};
pub use load::{LoadReport, LoadRequest, chosen_database, load, recorded_tables, write_table};
pub use secret::Secret;
pub use url::{DatabaseUrl, Engine, ServerUrl, UrlError, is_database_url};

pub(crate) use facts::put as put_facts;

use std::sync::atomic::AtomicBool;

use nightfold_repo::Repository;
use nightfold_repo::format::path_order;

use crate::backup::Previous;
use crate::error::{Error, Result};
use crate::source::{Outlet, SharedRepository};
pub(crate) use sink::Dumped;
use sink::Sink;

/// A database to be backed up, or all of a server's.
#[derive(Clone, Debug)]
pub struct DatabaseSource {
    /// Which.
    pub url: DatabaseUrl,
    /// All databases of the server.
    pub all: bool,
    /// The password, if the tools of the database shall not look for it themselves.
    pub password: Option<Secret>,
    /// Have SQL Server make a backup of its own, instead of a script.
    pub native: Option<mssql::NativeBackup>,
}

impl DatabaseSource {
    /// Where its dump lies in a snapshot; of all databases of a server the folder.
    pub(crate) fn stored_path(&self) -> Result<Vec<u8>> {
        let extension = self.native.as_ref().map(mssql::NativeBackup::extension);
        self.url.stored_path(self.all, extension.unwrap_or("sql"))
    }
}

/// A dump that is to be made.
pub(crate) trait Dump {
    /// Where it lies in the snapshot.
    fn path(&self) -> &[u8];
    /// Makes it.
    fn make(&self, sink: &mut Sink<'_, '_>) -> Result<()>;
}

/// Dumps databases, all into one snapshot. If one cannot be dumped, there is no snapshot.
pub(crate) fn read_databases<'a>(
    repository: &'a SharedRepository,
    sources: &[DatabaseSource],
    previous: Previous<'a>,
    outlet: &'a mut Outlet<'_>,
) -> Result<Dumped> {
    let mut dumps = Vec::new();
    for source in sources {
        dumps.extend(dumps_of(source, repository, outlet.cancel())?);
    }
    dumps.sort_by(|a, b| path_order(a.path(), b.path()));
    // Two databases of one server share what belongs to none of them.
    dumps.dedup_by(|a, b| a.path() == b.path());
    let mut sink = Sink::new(repository, previous, outlet);
    for dump in dumps {
        dump.make(&mut sink)?;
    }
    sink.finish()
}

fn dumps_of(
    source: &DatabaseSource,
    repository: &Repository,
    cancel: &AtomicBool,
) -> Result<Vec<Box<dyn Dump>>> {
    if source.native.is_some() && source.url.engine() != Engine::Mssql {
        return Err(Error::Database {
            database: source.url.to_string(),
            reason: "only SQL Server writes backups of its own into a staging folder".to_owned(),
        });
    }
    let server = match &source.url {
        DatabaseUrl::Sqlite(path) => return Ok(vec![Box::new(sqlite::SqliteDump::of(path)?)]),
        DatabaseUrl::Server(server) => server,
    };
    if server.database.is_none() && !source.all {
        return Err(Error::NoDatabase(source.url.to_string()));
    }
    match server.engine {
        Engine::Postgres => postgres::dumps(source, server, repository, cancel),
        Engine::Mysql => mysql::dumps(source, server, cancel),
        Engine::Mssql => mssql::dumps(source, server, repository, cancel),
        Engine::Sqlite => Err(Error::NotYet(Engine::Sqlite)),
    }
}
