//! The server's own backups on their way out of a repository and into databases.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use nightfold_repo::Repository;

use super::super::facts::{DatabaseFacts, TableFacts};
use super::super::load::{Server, Writer, scratch_name};
use super::super::{Secret, ServerUrl};
use super::MssqlError;
use super::backups::{Held, backup_of, held_in};
use super::native::{
    self, BackupFacts, BackupKind, Plan, RestoreJob, RestoreStep, StagedFile, Staging, Target,
    Watch,
};
use super::server::{Client, MASTER};
use crate::error::{Error, Result};
use crate::progress::Progress;

/// How often it is tried to drop what a failed restore has begun, while the server undoes it.
const DROP_TRIES: u32 = 10;
const DROP_WAIT: Duration = Duration::from_millis(500);

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
        let name = format!("{}restore-{}", native::PREFIX, scratch_name(""));
        let failed = |error: MssqlError| self.client.error(None, &error);
        let file = self.staging.file(&name).map_err(failed)?;
        let mut out = io::BufWriter::with_capacity(1 << 20, file.create().map_err(failed)?);
        let full = |source| Error::Target {
            target: file.local().display().to_string(),
            source,
        };
        match (self.write)(held, &mut out) {
            Err(Error::Output(error)) => return Err(full(error)),
            other => other?,
        }
        out.flush().map_err(full)?;
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
        if self.made.load(Ordering::Relaxed) {
            self.client.remove(name, cancel)
        } else {
            Ok(())
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
