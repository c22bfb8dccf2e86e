//! The demo's course: five nights, one of them back, and the proof.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};
use nightfold_ingest::{BackupRequest, Progress, RestoreRequest, Source, backup, restore};
use nightfold_repo::Repository;
use nightfold_repo::check::{CheckOptions, ReadData};
use nightfold_repo::repository::{InitOptions, OpenOptions, Password, WriteOptions};
use nightfold_repo::storage::LocalStorage;

use super::database::{Live, examine};
use super::failed;
use crate::args::Choice;
use crate::exit::{Error, Result};
use crate::machine;
use crate::messages::Messages;
use crate::output::{Output, ratio, size};
use crate::select;
use crate::stop::Stop;

const NIGHTS: i64 = 5;
/// Counted from one.
const RESTORED: usize = 3;

/// What is known of a night without asking the repository.
struct Night {
    date: Date,
    bytes: u64,
    hash: blake3::Hash,
}

/// A demo on its way.
pub struct Demo<'d> {
    folder: &'d Path,
    messages: &'d Messages,
    stop: &'d Stop,
    repository: Arc<Repository>,
    live: Live,
    nights: Vec<Night>,
}

impl<'d> Demo<'d> {
    /// Makes the live database and a repository of its own.
    pub fn new(
        folder: &'d Path,
        password: Password,
        messages: &'d Messages,
        stop: &'d Stop,
    ) -> Result<Self> {
        let storage = LocalStorage::new(folder.join("repository"));
        let options = InitOptions::new(Some(password.clone()), machine::host());
        Repository::init(&storage, &options)?;
        std::fs::create_dir(folder.join("dumps"))
            .map_err(|error| failed("cannot make a folder", &error))?;
        let told = messages.clone();
        let options = OpenOptions::new(
            folder.join("cache"),
            Some(password),
            Arc::new(move |text| told.warning(text)),
        );
        let live = Live::create(&folder.join("live.sqlite"))
            .map_err(|error| failed("cannot make the live database", &error))?;
        Ok(Self {
            folder,
            messages,
            stop,
            repository: Arc::new(Repository::open(Arc::new(storage), options)?),
            live,
            nights: Vec::new(),
        })
    }

    /// Five nights, and what became of them.
    pub fn run(&mut self, out: &mut Output) -> Result<()> {
        out.line("A live SQLite database in WAL mode, a writer at work; every night a consistent copy is")?;
        out.line("backed up to an encrypted repository. Each day 1 % of the orders change, 0.5 % are added.")?;
        out.line("")?;
        out.line("NIGHT                   DUMP   FULL COPIES SO FAR   REPOSITORY SO FAR    GREW BY    RATIO")?;
        let today = Zoned::now().date();
        for back in (1..=NIGHTS).rev() {
            let date = today
                .checked_sub(back.days())
                .map_err(|error| failed("no such night", &error))?;
            self.night(out, date)?;
        }
        out.line("")?;
        self.bring_back(out)?;
        self.check(out)
    }

    fn night(&mut self, out: &mut Output, date: Date) -> Result<()> {
        let sqlite = |error| failed("SQLite", &error);
        if !self.nights.is_empty() {
            self.live.day().map_err(sqlite)?;
        }
        let dump = self.dump();
        match std::fs::remove_file(&dump) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed("cannot replace last night's copy", &error));
            }
            _ => {}
        }
        self.live.copy_to(&dump).map_err(sqlite)?;
        let (bytes, hash) = hash(&dump)?;
        let before = self.repository_bytes()?;
        let time = date
            .at(3, 0, 0, 0)
            .to_zoned(TimeZone::system())
            .map_err(|error| failed("no such night", &error))?;
        let report = backup(
            &self.repository,
            self.request(time),
            &Progress::default(),
            self.stop.flag(),
        )?;
        if let Some(failure) = report.failures.first() {
            return Err(Error::failed(format!("the backup missed {failure}"), ""));
        }
        self.nights.push(Night { date, bytes, hash });
        let full: u64 = self.nights.iter().map(|night| night.bytes).sum();
        let stored = self.repository_bytes()?;
        let first = self.nights.len() == 1;
        out.line(format_args!(
            "{} 03:00  {:>10}  {:>19}  {:>18}  {:>9}  {:>7}",
            date,
            size(bytes),
            size(full),
            size(stored),
            size(stored - if first { 0 } else { before }),
            ratio(full, stored),
        ))?;
        out.flush()
    }

    fn request(&self, time: Zoned) -> BackupRequest {
        BackupRequest {
            source: Source::Paths(vec![self.dump()]),
            source_name: Some("shop".to_owned()),
            excludes: Vec::new(),
            force: false,
            dry_run: false,
            level: WriteOptions::default().level,
            tags: vec!["nightly".to_owned()],
            host: machine::host(),
            user: machine::user(),
            time: Some(time),
        }
    }

    /// Restores a night by its time and compares.
    fn bring_back(&self, out: &mut Output) -> Result<()> {
        let night = &self.nights[RESTORED - 1];
        let at = format!("{} 12:00", night.date);
        out.line(format_args!(
            "$ nightfold restore --at '{at}' --target restored"
        ))?;
        let choice = Choice {
            at: Some(at),
            ..Choice::default()
        };
        out.flush()?;
        let snapshot = select::snapshot(&self.repository, self.messages, "latest", &choice)?;
        let target = self.folder.join("restored");
        let request = RestoreRequest {
            path: None,
            target: target.clone(),
            overwrite: false,
        };
        restore(
            &self.repository,
            &snapshot,
            &request,
            &Progress::default(),
            self.stop.flag(),
        )?;
        let dump = self.dump();
        let restored = target.join(dump.strip_prefix("/").unwrap_or(&dump));
        let (bytes, hash) = hash(&restored)?;
        if (bytes, hash) != (night.bytes, night.hash) {
            return Err(Error::failed("the restored copy is not that night's", ""));
        }
        out.line(format_args!(
            "  {} bytes, each as it was that night (BLAKE3 {}…)",
            bytes,
            &hash.to_hex()[..16]
        ))?;
        let (verdict, orders) =
            examine(&restored).map_err(|error| failed("the restored database", &error))?;
        if verdict != "ok" {
            let message = format!("the restored database is not sound: {verdict}");
            return Err(Error::failed(message, ""));
        }
        out.line(format_args!(
            "  SQLite finds it sound (integrity_check: {verdict}; {orders} orders)"
        ))
    }

    fn check(&self, out: &mut Output) -> Result<()> {
        out.line("$ nightfold check --read-data")?;
        let options = CheckOptions {
            read_data: ReadData::All,
        };
        let report = self.repository.check(&options, &|_, _| {})?;
        if let Some(problem) = report.problems.first() {
            return Err(Error::failed(format!("the check found {problem}"), ""));
        }
        out.line(format_args!(
            "  no damage: {} snapshots, {} chunks in {} packs, every byte read",
            report.snapshots, report.chunks, report.packs
        ))
    }

    fn dump(&self) -> PathBuf {
        self.folder.join("dumps").join("shop.sqlite")
    }

    /// Bytes of all files of the repository.
    fn repository_bytes(&self) -> Result<u64> {
        folder_bytes(&self.folder.join("repository"))
            .map_err(|error| failed("cannot measure the repository", &error))
    }
}

fn folder_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            folder_bytes(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(bytes)
}

fn hash(path: &Path) -> Result<(u64, blake3::Hash)> {
    let mut hasher = blake3::Hasher::new();
    File::open(path)
        .and_then(|file| hasher.update_reader(file).map(|_| ()))
        .map_err(|error| failed("cannot read the copy", &error))?;
    Ok((hasher.count(), hasher.finalize()))
}
