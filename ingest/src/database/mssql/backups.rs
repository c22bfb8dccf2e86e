//! The server's own backups in a repository: made as a source, found again, restored.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use nightfold_repo::Repository;
use nightfold_repo::format::{ObjectId, escape_path};
use nightfold_repo::repository::StoredSnapshot;
use nightfold_repo::retention::RestsOn;
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

/// How often it is tried to drop what a failed restore has begun, while the server undoes it.
const DROP_TRIES: u32 = 10;
const DROP_WAIT: Duration = Duration::from_millis(500);

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
    fn is_of(&self, facts: &DatabaseFacts) -> bool {
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
    /// Whether there is a database of ours.
    made: AtomicBool,
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
        let mut held = held_in(repository)?;
        held.retain(|held| held.is_of(facts));
        let backups: Vec<BackupFacts> = held.iter().map(|held| held.backup.clone()).collect();
        let chosen = backup_of(facts)?;
        // Log backups from before lead nowhere that it does not lead to itself.
        let has_logs = backups.iter().any(|backup| {
            let later = |chosen: &BackupFacts| backup.started > chosen.finished;
            backup.kind == BackupKind::Log
                && chosen
                    .as_ref()
                    .is_some_and(|chosen| backup == chosen || later(chosen))
        });
        let target = match at {
            Some(at) if has_logs => Target::Time(at),
            _ => {
                let number = backups.iter().position(|one| Some(one) == chosen.as_ref());
                Target::Backup(number.unwrap_or(usize::MAX))
            }
        };
        let plan = native::plan(&backups, target).map_err(|error| Error::Unrestorable {
            dump: facts.path.clone(),
            reason: error.to_string(),
        })?;
        let steps = plan.steps.iter().filter_map(|step| held.get(*step));
        Ok(Self {
            client,
            staging,
            steps: steps.cloned().collect(),
            plan,
            made: AtomicBool::new(false),
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

    /// What the user should know of the plan.
    fn warnings(&self) -> Vec<String> {
        let change = self.plan.stop_at.zip(self.plan.or_at);
        let change = change.map(|(stop_at, or_at)| {
            format!(
                "the server's clock was set to another offset from UTC in the part of the log that was \
                 restored last: it was stopped at {stop_at} by its clock, which is right after the \
                 change; if the moment is before it, that was {or_at}"
            )
        });
        change.into_iter().collect()
    }

    /// Drops what a failed restore has begun, as soon as the server lets go of it.
    fn drops(&self, name: &str) -> bool {
        let cancel = AtomicBool::new(false);
        for _ in 0..DROP_TRIES {
            match self.client.exists(name, &cancel) {
                Ok(false) => return true,
                Ok(true) if self.client.remove(name, &cancel).is_ok() => return true,
                _ => std::thread::sleep(DROP_WAIT),
            }
        }
        false
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

    /// Only what was made here: one of that name may be somebody else's.
    fn remove(&self, name: &str, cancel: &AtomicBool) -> Result<()> {
        match self.made.load(Ordering::Relaxed) {
            true => self.client.remove(name, cancel),
            false => Ok(()),
        }
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
            begun: false,
        };
        let restored = connect().and_then(|mut master| native::restore(&mut master, &mut job));
        let begun = job.begun;
        self.progress.server_at(0.0);
        let error = match (restored, failure) {
            (Ok(()), _) => {
                self.made.store(true, Ordering::Relaxed);
                return Ok(self.warnings());
            }
            (Err(_), Some(failure)) => failure,
            (Err(error), None) if error.number().is_some_and(native::is_refusal) => {
                Error::Unrestorable {
                    dump: self
                        .steps
                        .last()
                        .map_or_else(String::new, |held| held.facts.path.clone()),
                    reason: error.to_string(),
                }
            }
            (Err(error), None) => self.client.error(Some(name), &error),
        };
        if begun && !self.drops(name) {
            let reason = format!("{error}; what was begun of it could not be dropped: drop {name}");
            let database = name.to_owned();
            return Err(Error::Database { database, reason });
        }
        Err(error)
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
