//! The server's own backups in a repository: made as a source, and found again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use nightfold_repo::Repository;
use nightfold_repo::format::{ObjectId, escape_path};
use nightfold_repo::repository::StoredSnapshot;
use nightfold_repo::retention::RestsOn;
use serde::Deserialize as _;
use serde_json::json;

use super::super::facts::{DatabaseFacts, databases};
use super::super::sink::Sink;
use super::super::{Dump, ServerUrl};
use super::native::{self, BackupFacts, BackupJob, BackupKind, Made, Staging, Target, Watch};
use super::server::Client;
use super::{MssqlError, ServerFacts};
use crate::error::{Error, Result};

/// What of a snapshot's facts holds those of a backup.
const DETAIL: &str = "backup";

/// That SQL Server backs itself up, and where to.
#[derive(Clone, Debug)]
pub struct NativeBackup {
    /// The folder that the server writes and this program reads.
    pub staging: Staging,
    /// As part of a chain, or, with `None`, a full backup outside of every chain (COPY_ONLY).
    pub chain: Option<BackupKind>,
}

impl NativeBackup {
    pub(in super::super) fn extension(&self) -> &'static str {
        match self.chain {
            None | Some(BackupKind::Full) => "bak",
            Some(BackupKind::Differential) => "dif",
            Some(BackupKind::Log) => "trn",
        }
    }
}

/// A backup that the repository holds.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its snapshot.
    pub snapshot: StoredSnapshot,
    /// What is recorded of it as of any dump.
    pub facts: DatabaseFacts,
    /// What the server says of it.
    pub backup: BackupFacts,
}

impl Held {
    /// Of the same database on the same server, as far as URLs tell.
    pub(super) fn is_of(&self, facts: &DatabaseFacts) -> bool {
        family(&self.facts) == family(facts)
    }
}

/// What names the database of a dump: its server as the URL names it, and its name.
pub(in super::super) fn family(facts: &DatabaseFacts) -> (String, String) {
    let folder = facts.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let (folder, database) = (folder, &facts.database);
    (folder.to_ascii_lowercase(), database.to_ascii_lowercase())
}

/// What the server says of a backup, if the dump is one that it made.
pub fn backup_of(facts: &DatabaseFacts) -> Result<Option<BackupFacts>> {
    let Some(value) = facts.details.get(DETAIL) else {
        return Ok(None);
    };
    let read = BackupFacts::deserialize(value);
    read.map(Some)
        .map_err(|error| Error::Facts(error.to_string()))
}

/// All backups by SQL Server itself in these snapshots, and the snapshots of whose databases nothing
/// can be told.
fn all_held(snapshots: &[StoredSnapshot]) -> (Vec<Held>, BTreeSet<ObjectId>) {
    let (mut held, mut strange) = (Vec::new(), BTreeSet::new());
    for snapshot in snapshots {
        let Ok(dumps) = databases(&snapshot.snapshot) else {
            strange.insert(snapshot.id);
            continue;
        };
        for facts in dumps {
            match backup_of(&facts) {
                Ok(Some(backup)) => held.push(Held {
                    snapshot: snapshot.clone(),
                    facts,
                    backup,
                }),
                Ok(None) => {}
                Err(_) => drop(strange.insert(snapshot.id)),
            }
        }
    }
    (held, strange)
}

/// All backups by SQL Server itself that a repository holds.
pub(super) fn held_in(repository: &Repository) -> Result<Vec<Held>> {
    Ok(all_held(&repository.snapshots()?).0)
}

/// For snapshots that hold backups by SQL Server itself: those whose backups are restored right
/// before. Without them they are of no use. What an `unreadable` snapshot rests on nobody knows, so
/// it is all of them.
pub fn rests_on(snapshots: &[StoredSnapshot], unreadable: &[ObjectId]) -> RestsOn {
    let (held, strange) = all_held(snapshots);
    let everything: BTreeSet<ObjectId> = held.iter().map(|held| held.snapshot.id).collect();
    let mut rests = RestsOn::new();
    if !everything.is_empty() {
        for id in strange.iter().chain(unreadable) {
            rests.insert(*id, everything.clone());
        }
    }
    let mut families: BTreeMap<(String, String), Vec<Held>> = BTreeMap::new();
    for held in held {
        families.entry(family(&held.facts)).or_default().push(held);
    }
    for family in families.values() {
        // One that two runs have stored counts once: either is as good.
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut backups: Vec<BackupFacts> = Vec::new();
        let mut snapshots = Vec::new();
        for held in family {
            numbers.entry(&held.backup.id).or_insert_with(|| {
                backups.push(held.backup.clone());
                snapshots.push(held.snapshot.id);
                backups.len() - 1
            });
        }
        let predecessors = native::predecessors(&backups);
        for held in family {
            let number = numbers.get(&*held.backup.id).copied();
            let before = number.and_then(|number| predecessors.get(number).copied().flatten());
            if let Some(before) = before.and_then(|before| snapshots.get(before))
                && *before != held.snapshot.id
            {
                rests.entry(held.snapshot.id).or_default().insert(*before);
            }
        }
    }
    rests
}

/// A database that the server backs up.
pub(super) struct NativeDump {
    client: Arc<Client>,
    database: String,
    path: Vec<u8>,
    native: NativeBackup,
    held: Arc<Vec<Held>>,
    /// What this run has stored of it.
    stored: Arc<Mutex<Vec<BackupFacts>>>,
    /// What was wrong with what earlier runs left behind.
    troubles: Arc<Mutex<Vec<String>>>,
    /// A log backup that an earlier run left behind.
    left: Option<String>,
}

impl NativeDump {
    /// What is to be stored of a database: before a log backup, those that were left behind. Says
    /// no before anything is changed, if that is to be seen.
    pub(super) fn of(
        client: &Arc<Client>,
        url: &ServerUrl,
        database: &str,
        native: &NativeBackup,
        held: &[Held],
        cancel: &AtomicBool,
    ) -> Result<Vec<Self>> {
        let failed = |error: MssqlError| client.error(Some(database), &error);
        let path = url.dump_path(database, native.extension());
        let like = DatabaseFacts {
            path: escape_path(&path),
            database: database.to_owned(),
            ..DatabaseFacts::default()
        };
        let held: Vec<Held> = held
            .iter()
            .filter(|held| held.is_of(&like))
            .cloned()
            .collect();
        let held = Arc::new(held);
        let (stored, troubles) = (Arc::default(), Arc::default());
        let one = |path, left| Self {
            client: Arc::clone(client),
            database: database.to_owned(),
            path,
            native: native.clone(),
            held: Arc::clone(&held),
            stored: Arc::clone(&stored),
            troubles: Arc::clone(&troubles),
            left,
        };
        let mut dumps = vec![one(path, None)];
        if native.chain == Some(BackupKind::Log) {
            let left = native.staging.left_logs().map_err(failed)?;
            for (number, file) in left.iter().enumerate() {
                let name = file.name();
                // In the order of paths they come before the new one, which follows them in the log.
                let unique = name.trim_end_matches(".trn");
                let path = url.dump_path(&format!("{database}.left-{number:04}.{unique}"), "trn");
                dumps.push(one(path, Some(name)));
            }
        }
        if let (Some(kind), [only]) = (native.chain, &*dumps) {
            let mut connection = client.open(database, cancel).map_err(failed)?;
            native::check(&mut connection, kind, &only.held_facts()).map_err(failed)?;
        }
        Ok(dumps)
    }

    fn held_facts(&self) -> Vec<BackupFacts> {
        let held = self.held.iter().map(|held| held.backup.clone());
        let stored = self.stored.lock();
        let stored = stored.unwrap_or_else(PoisonError::into_inner);
        held.chain(stored.iter().cloned()).collect()
    }

    fn make_new(&self, sink: &Sink<'_, '_>) -> std::result::Result<Made, MssqlError> {
        let (cancel, progress) = (sink.cancel(), sink.progress());
        let connect = || self.client.open(&self.database, cancel);
        let tell = |percent: f32| progress.server_at(percent);
        let job = BackupJob {
            kind: self.native.chain.unwrap_or(BackupKind::Full),
            copy_only: self.native.chain.is_none(),
            staging: &self.native.staging,
            held: &self.held_facts(),
            watch: Some(Watch {
                connect: &connect,
                tell: &tell,
            }),
        };
        let made = native::backup(&mut connect()?, &job);
        progress.server_at(0.0);
        made
    }

    /// A log backup that was left behind. What is wrong with it is a warning: it must not keep
    /// others from being made.
    fn take_up(&self, name: &str, sink: &mut Sink<'_, '_>) -> Result<Option<Made>> {
        let left = self.native.staging.left_logs().and_then(|files| {
            let Some(file) = files.into_iter().find(|file| file.name() == name) else {
                return Ok(None);
            };
            let mut connection = self.client.open(&self.database, sink.cancel())?;
            native::left_log(&mut connection, file, &self.held_facts())
        });
        match left {
            Ok(left) => Ok(left),
            Err(MssqlError::Interrupted) => Err(Error::Interrupted),
            Err(error) => {
                let troubles = self.troubles.lock();
                troubles
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(error.to_string());
                sink.warn(&self.path, error)?;
                Ok(None)
            }
        }
    }

    /// Why there is no new backup. Warnings of a run that fails are not shown, and one of those may
    /// be the reason.
    fn failed(&self, error: &MssqlError) -> Error {
        let mut error = self.client.error(Some(&self.database), error);
        let troubles = self.troubles.lock();
        let troubles = troubles.unwrap_or_else(PoisonError::into_inner);
        if let Error::Database { reason, .. } = &mut error {
            for trouble in &*troubles {
                reason.push_str("; ");
                reason.push_str(trouble);
            }
        }
        error
    }

    fn store(&self, made: Made, sink: &mut Sink<'_, '_>) -> Result<()> {
        let failed = |error: MssqlError| self.client.error(Some(&self.database), &error);
        let Made {
            file,
            facts: backup,
            server,
            warnings,
        } = made;
        for warning in warnings {
            sink.warn(&self.path, warning)?;
        }
        let mut all = self.held_facts();
        all.push(backup.clone());
        if let Err(error) = native::plan(&all, Target::Backup(all.len() - 1)) {
            // Nothing is lost without it.
            if backup.kind == BackupKind::Differential {
                return Err(failed(error.into()));
            }
            let warning = format!("it cannot be restored with what is held: {error}");
            sink.warn(&self.path, warning)?;
        }
        // The newest of its kind is the likeliest to resemble it, whatever came between.
        let path = escape_path(&self.path);
        let before = self.held.iter().filter(|held| held.facts.path == path);
        let before = before.max_by_key(|held| held.backup.finished);
        let reader = file.open().map_err(failed)?;
        sink.store_after(&self.path, reader, before.map(|held| &held.snapshot))?;
        let facts = recorded(&backup, &server)?;
        let stored = self.stored.lock();
        stored.unwrap_or_else(PoisonError::into_inner).push(backup);
        sink.record(&self.path, facts, Vec::new());
        if file.stays() {
            sink.remove_once_published(file);
        } else {
            file.remove().map_err(failed)?;
        }
        Ok(())
    }
}

impl Dump for NativeDump {
    fn path(&self) -> &[u8] {
        &self.path
    }

    fn make(&self, sink: &mut Sink<'_, '_>) -> Result<()> {
        let made = if let Some(name) = &self.left {
            self.take_up(name, sink)?
        } else {
            let made = self.make_new(sink);
            Some(made.map_err(|error| self.failed(&error))?)
        };
        match made {
            Some(made) => self.store(made, sink),
            None => Ok(()),
        }
    }
}

fn recorded(backup: &BackupFacts, server: &ServerFacts) -> Result<DatabaseFacts> {
    let copy_only = if backup.copy_only { ", COPY_ONLY" } else { "" };
    let position = [("first_lsn", backup.first_lsn), ("lsn", backup.last_lsn)];
    let detail = serde_json::to_value(backup).map_err(|error| Error::Facts(error.to_string()))?;
    Ok(DatabaseFacts {
        engine: "mssql".to_owned(),
        version: server.product(),
        database: server.database.clone(),
        method: format!("native, {}{copy_only}", backup.kind),
        time: backup.finished.to_string(),
        position: position
            .map(|(name, lsn)| (name.to_owned(), lsn.to_string()))
            .into(),
        details: [
            ("collation".to_owned(), json!(server.collation)),
            (DETAIL.to_owned(), detail),
        ]
        .into(),
        ..DatabaseFacts::default()
    })
}
