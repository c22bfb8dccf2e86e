//! The server's own backups in a repository: made as a source, found again, restored.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use nightfold_repo::Repository;
use nightfold_repo::format::{ObjectId, escape_path};
use nightfold_repo::repository::StoredSnapshot;
use serde::Deserialize as _;
use serde_json::json;

use super::super::facts::{DatabaseFacts, TableFacts, databases};
use super::super::load::{Server, Writer};
use super::super::sink::Sink;
use super::super::{Dump, Secret, ServerUrl};
use super::native::{
    self, BackupFacts, BackupJob, BackupKind, Made, Plan, RestoreJob, RestoreStep, StagedFile,
    Staging, Target, Watch,
};
use super::server::{Client, MASTER};
use super::{MssqlError, ServerFacts};
use crate::error::{Error, Result};
use crate::progress::Progress;

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
    fn is_of(&self, folder: &str, database: &str) -> bool {
        self.facts.database.eq_ignore_ascii_case(database) && folder_of(&self.facts.path) == folder
    }
}

fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..at])
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

/// All backups by SQL Server itself in these snapshots.
fn all_held(snapshots: &[StoredSnapshot]) -> Result<Vec<Held>> {
    let mut held = Vec::new();
    for snapshot in snapshots {
        for facts in databases(&snapshot.snapshot)? {
            if let Some(backup) = backup_of(&facts)? {
                held.push(Held {
                    snapshot: snapshot.clone(),
                    facts,
                    backup,
                });
            }
        }
    }
    Ok(held)
}

fn held_of(repository: &Repository, folder: &str, database: &str) -> Result<Vec<Held>> {
    let mut held = all_held(&repository.snapshots()?)?;
    held.retain(|held| held.is_of(folder, database));
    Ok(held)
}

/// For snapshots that hold backups by SQL Server itself: those whose backups are restored right
/// before. Without them they are of no use.
pub fn rests_on(snapshots: &[StoredSnapshot]) -> Result<BTreeMap<ObjectId, BTreeSet<ObjectId>>> {
    let mut families: BTreeMap<(String, String), Vec<Held>> = BTreeMap::new();
    for held in all_held(snapshots)? {
        let folder = folder_of(&held.facts.path).to_owned();
        let family = families.entry((folder, held.facts.database.to_lowercase()));
        family.or_default().push(held);
    }
    let mut rests: BTreeMap<ObjectId, BTreeSet<ObjectId>> = BTreeMap::new();
    for family in families.values() {
        let backups: Vec<BackupFacts> = family.iter().map(|held| held.backup.clone()).collect();
        let predecessors = native::predecessors(&backups);
        for (held, before) in family.iter().zip(predecessors) {
            if let Some(before) = before.and_then(|before| family.get(before))
                && before.snapshot.id != held.snapshot.id
            {
                let known = rests.entry(held.snapshot.id).or_default();
                known.insert(before.snapshot.id);
            }
        }
    }
    Ok(rests)
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
    /// A log backup that an earlier run left behind.
    left: Option<String>,
}

impl NativeDump {
    /// What is to be stored of a database: before a log backup, those that were left behind.
    pub(super) fn of(
        client: &Arc<Client>,
        url: &ServerUrl,
        database: &str,
        native: &NativeBackup,
        repository: &Repository,
    ) -> Result<Vec<Self>> {
        let path = url.dump_path(database, native.extension());
        let escaped = escape_path(&path);
        let held = Arc::new(held_of(repository, folder_of(&escaped), database)?);
        let stored = Arc::new(Mutex::new(Vec::new()));
        let one = |path, left| Self {
            client: Arc::clone(client),
            database: database.to_owned(),
            path,
            native: native.clone(),
            held: Arc::clone(&held),
            stored: Arc::clone(&stored),
            left,
        };
        let mut dumps = vec![one(path, None)];
        if native.chain == Some(BackupKind::Log) {
            let left = native.staging.left_logs();
            for file in left.map_err(|error| client.error(Some(database), &error))? {
                let name = file.name();
                // In the order of paths it comes before the new one, which follows it in the log.
                let unique = name.trim_end_matches(".trn");
                let path = url.dump_path(&format!("{database}.{unique}"), "trn");
                dumps.push(one(path, Some(name)));
            }
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
                sink.warn(&self.path, error)?;
                Ok(None)
            }
        }
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
            Some(made.map_err(|error| self.client.error(Some(&self.database), &error))?)
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

/// A step of a restore that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Id of the snapshot.
    pub snapshot: String,
    /// What it holds.
    pub kind: BackupKind,
    /// When it ended.
    pub finished: Timestamp,
}

/// Backups on their way into databases. In place of a dump's text it has the server read them.
pub(in super::super) struct Restorer<'a> {
    client: Client,
    staging: &'a Staging,
    steps: Vec<Held>,
    plan: Plan,
    /// Writes the file of a step.
    write: &'a dyn Fn(&Held, &mut dyn Write) -> Result<()>,
    progress: &'a Progress,
}

impl<'a> Restorer<'a> {
    /// Finds the backups that lead to the one of `facts`, or, if there are log backups, to the
    /// moment `at`.
    pub(in super::super) fn new(
        repository: &Repository,
        facts: &DatabaseFacts,
        at: Option<Timestamp>,
        (server, password): (&ServerUrl, Option<&Secret>),
        staging: Option<&'a Staging>,
        write: &'a dyn Fn(&Held, &mut dyn Write) -> Result<()>,
        progress: &'a Progress,
    ) -> Result<Self> {
        let client = Client::new(server, password)?;
        let failed = |reason: String| Error::Database {
            database: facts.path.clone(),
            reason,
        };
        let staging = staging.ok_or_else(|| {
            failed(
                "it was made by the server itself, who has to read it: name a folder that both \
                 sides see with --staging-server and --staging-local"
                    .to_owned(),
            )
        })?;
        let held = held_of(repository, folder_of(&facts.path), &facts.database)?;
        let backups: Vec<BackupFacts> = held.iter().map(|held| held.backup.clone()).collect();
        let has_logs = backups.iter().any(|backup| backup.kind == BackupKind::Log);
        let target = match at {
            Some(at) if has_logs => Target::Time(at),
            _ => {
                let wanted = backup_of(facts)?;
                let number = backups.iter().position(|one| Some(one) == wanted.as_ref());
                Target::Backup(number.unwrap_or(usize::MAX))
            }
        };
        let plan = native::plan(&backups, target).map_err(|error| failed(error.to_string()))?;
        let steps = plan.steps.iter().filter_map(|step| held.get(*step));
        Ok(Self {
            client,
            staging,
            steps: steps.cloned().collect(),
            plan,
            write,
            progress,
        })
    }

    /// What is restored, in this order.
    pub(in super::super) fn steps(&self) -> Vec<Step> {
        let step = |held: &Held| Step {
            snapshot: held.snapshot.id.to_string(),
            kind: held.backup.kind,
            finished: held.backup.finished,
        };
        self.steps.iter().map(step).collect()
    }

    /// Puts a step's file where the server reads it.
    fn stage(&self, held: &Held) -> Result<StagedFile> {
        let name = format!(
            "{}restore-{}",
            native::PREFIX,
            super::super::load::scratch_name("")
        );
        let failed = |error: MssqlError| self.client.error(None, &error);
        let file = self.staging.file(&name).map_err(failed)?;
        let mut out = io::BufWriter::with_capacity(1 << 20, file.create().map_err(failed)?);
        (self.write)(held, &mut out)?;
        out.flush().map_err(|error| Error::Target {
            target: file.local().display().to_string(),
            source: error,
        })?;
        Ok(file)
    }
}

impl Server for Restorer<'_> {
    fn exists(&self, name: &str, cancel: &AtomicBool) -> Result<bool> {
        self.client.exists(name, cancel)
    }

    /// RESTORE makes it.
    fn create(&self, _name: &str, _facts: &DatabaseFacts, _cancel: &AtomicBool) -> Result<()> {
        Ok(())
    }

    fn remove(&self, name: &str, cancel: &AtomicBool) -> Result<()> {
        if self.client.exists(name, cancel)? {
            self.client.remove(name, cancel)?;
        }
        Ok(())
    }

    fn load(&self, name: &str, _write: Writer<'_>, cancel: &AtomicBool) -> Result<Vec<String>> {
        let mut failure = None;
        let mut next = |number: usize| {
            let Some(held) = self.steps.get(number) else {
                return Err(MssqlError::Chain(native::ChainError::NoSuchBackup(number)));
            };
            match self.stage(held) {
                Ok(file) => Ok(RestoreStep {
                    kind: held.backup.kind,
                    file,
                    stop_at: self.plan.stop_at,
                }),
                Err(error) => {
                    failure = Some(error);
                    Err(MssqlError::Interrupted)
                }
            }
        };
        let (client, progress) = (&self.client, self.progress);
        let connect = || client.open(MASTER, cancel);
        let tell = |percent: f32| progress.server_at(percent);
        let mut job = RestoreJob {
            database: name,
            steps: self.steps.len(),
            next: &mut next,
            watch: Some(Watch {
                connect: &connect,
                tell: &tell,
            }),
        };
        let restored = connect().and_then(|mut master| native::restore(&mut master, &mut job));
        self.progress.server_at(0.0);
        match (restored, failure) {
            (Ok(()), _) => Ok(Vec::new()),
            (Err(_), Some(failure)) => Err(failure),
            (Err(error), None) => Err(self.client.error(Some(name), &error)),
        }
    }

    fn load_globals(&self, _write: Writer<'_>, _cancel: &AtomicBool) -> Result<()> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str, cancel: &AtomicBool) -> Result<bool> {
        self.client.rename(from, to, cancel)
    }

    fn tables(&self, name: &str, cancel: &AtomicBool) -> Result<Vec<TableFacts>> {
        self.client.tables(name, cancel)
    }

    fn check(&self, name: &str, cancel: &AtomicBool) -> Result<Option<Vec<String>>> {
        self.client.check(name, cancel)
    }
}
