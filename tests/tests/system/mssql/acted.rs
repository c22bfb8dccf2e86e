//! A SQL Server that backs up and restores, acted out: its files name what they hold, and a restore
//! is refused where SQL Server would refuse it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nightfold_ingest::mssql::native::BackupKind;
use nightfold_tests::tds::{Answer, Scripted, Value};
use tempfile::TempDir;

use super::server_2008;

/// The staging folder as the server names it.
pub(super) const STAGE: &str = r"\\nas\stage";
/// The server's clock is this many minutes ahead of UTC.
const AHEAD: i64 = 60;

/// A backup that the server has made.
#[derive(Clone, Debug)]
pub(super) struct Backup {
    device: String,
    kind: BackupKind,
    copy_only: bool,
    id: String,
    lsns: (i128, i128),
    base: Option<String>,
    forks: (u32, u32),
    fork_point: Option<i128>,
    /// How many data files it holds.
    data_files: usize,
    /// Its beginning, in minutes after the server's midnight. It takes one.
    minute: i64,
}

/// A restore that has begun.
#[derive(Clone, Debug)]
struct Restoring {
    database: String,
    full: String,
    lsn: i128,
    fork: u32,
    /// Files that were moved.
    files: usize,
}

#[derive(Debug, Default)]
struct State {
    backups: Vec<Backup>,
    lsn: i128,
    minute: i64,
    /// Where a log backup would begin.
    log_start: Option<i128>,
    /// On which full backup a differential would rest.
    base: Option<String>,
    databases: BTreeSet<String>,
    restoring: Option<Restoring>,
    trouble: Option<Trouble>,
    simple: bool,
    /// The number of the line of history, and where it began, until a log backup tells.
    fork: u32,
    fork_point: Option<i128>,
    /// The database has got a second data file.
    grown: bool,
}

/// What goes wrong from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The disk of the staging folder is full.
    DiskFull,
    /// What was written does not verify.
    Unverified,
    /// It is written somewhere else.
    Elsewhere,
    /// A backup is made, and the server has no room for its record.
    NoRecord,
    /// The server's check finds a damaged page.
    Damaged,
    /// The folder cannot be read by who runs this.
    Unreadable,
}

pub(super) struct Acted {
    pub(super) folder: TempDir,
    server: Scripted,
    state: Arc<Mutex<State>>,
}

impl Acted {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let state = Arc::new(Mutex::new(State {
            lsn: 1000,
            databases: ["rtc".to_owned()].into(),
            ..State::default()
        }));
        let (acting, path) = (Arc::clone(&state), folder.path().to_owned());
        let server = Scripted::start(move |sql| acting.lock().unwrap().answer(&path, sql));
        Self {
            folder,
            server,
            state,
        }
    }

    pub(super) fn url(&self, database: &str) -> String {
        let port = self.server.port();
        format!("mssql://sa@127.0.0.1:{port}/{database}?encrypt=off")
    }

    /// The database gets another data file.
    pub(super) fn grows(&self) {
        self.state.lock().unwrap().grown = true;
    }

    /// The database is restored in place to an earlier point.
    pub(super) fn is_set_back_to(&self, lsn: i128) {
        let mut state = self.state.lock().unwrap();
        state.fork += 1;
        state.fork_point = Some(lsn);
        state.log_start = state.log_start.map(|start| start.min(lsn));
        state.lsn += 100;
    }

    /// Another user makes a database.
    pub(super) fn gets(&self, database: &str) {
        let mut state = self.state.lock().unwrap();
        state.databases.insert(database.to_owned());
    }

    /// Somebody works in the database until this minute of the day.
    pub(super) fn goes_on_until(&self, minute: i64) {
        let mut state = self.state.lock().unwrap();
        state.lsn += 100;
        state.minute = minute;
    }

    pub(super) fn has(&self, trouble: impl Into<Option<Trouble>>) {
        self.state.lock().unwrap().trouble = trouble.into();
    }

    pub(super) fn is_simple(&self) {
        self.state.lock().unwrap().simple = true;
    }

    /// Another program backs the database up.
    pub(super) fn others_back_up(&self, kind: BackupKind) {
        let mut state = self.state.lock().unwrap();
        state.back_up("E:\\other.bak".to_owned(), kind, false);
    }

    /// What is in the staging folder.
    pub(super) fn staged(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    pub(super) fn databases(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.databases.iter().cloned().collect()
    }

    /// The statements of a kind that came so far.
    pub(super) fn asked(&self, start: &str) -> Vec<String> {
        let mut asked = self.server.asked();
        asked.retain(|sql| sql.starts_with(start));
        asked
    }
}

impl State {
    fn back_up(&mut self, device: String, kind: BackupKind, copy_only: bool) -> Backup {
        let id = format!("00000000-0000-0000-0000-{:012}", self.backups.len() + 1);
        let first = match kind {
            BackupKind::Log => self.log_start.unwrap_or(self.lsn),
            _ => self.lsn,
        };
        self.lsn += 10;
        let mut backup = Backup {
            device,
            kind,
            copy_only,
            id: id.clone(),
            lsns: (first, self.lsn),
            base: self
                .base
                .clone()
                .filter(|_| kind == BackupKind::Differential),
            forks: (self.fork, self.fork),
            fork_point: None,
            data_files: 1 + usize::from(self.grown),
            minute: self.minute,
        };
        if let (BackupKind::Log, Some(point)) = (kind, self.fork_point) {
            backup.forks.0 -= 1;
            backup.fork_point = Some(point);
            self.fork_point = None;
        }
        self.minute += 1;
        match kind {
            BackupKind::Full if !copy_only => {
                self.base = Some(id);
                self.log_start = self.log_start.or(Some(first));
            }
            BackupKind::Log if !copy_only => self.log_start = Some(self.lsn),
            _ => {}
        }
        self.backups.push(backup.clone());
        backup
    }

    #[expect(clippy::too_many_lines, reason = "a case for each statement")]
    fn answer(&mut self, folder: &Path, sql: &str) -> Answer {
        let text = |text: &str| Value::from(text);
        if sql.contains("ProductVersion") {
            return server_2008(1, if self.simple { 3 } else { 1 });
        }
        if sql.contains("'Babelfish'") {
            return Answer::row(vec![Value::Int(None)]);
        }
        if sql.contains("NEWID") {
            let id = blake3::hash(&self.backups.len().to_le_bytes()).to_hex();
            return Answer::row(vec![text(&format!("0AC31D5E-{}", &id[..12]))]);
        }
        if sql.starts_with("SELECT DISTINCT CAST(differential_base_guid") {
            return match &self.base {
                Some(base) => Answer::row(vec![text(base)]),
                None => Answer::Done,
            };
        }
        if sql.starts_with("SELECT last_log_backup_lsn") {
            let turned = self.fork_point.is_some();
            let before = turned.then(|| fork(self.fork - 1));
            let point = Value::Decimal(self.fork_point);
            let start = Value::Decimal(self.log_start);
            return Answer::row(vec![
                start,
                Value::Text(before),
                Value::Text(Some(fork(self.fork))),
                point,
            ]);
        }
        if sql.starts_with("BACKUP") {
            return self.makes_backup(folder, sql);
        }
        if sql.starts_with("RESTORE VERIFYONLY") {
            return match self.trouble {
                Some(Trouble::Unverified) => {
                    Answer::Error(3189, "Damage to the backup set was detected.".to_owned())
                }
                _ => Answer::Done,
            };
        }
        if sql.starts_with("RESTORE HEADERONLY") {
            let names = vec!["HasBackupChecksums", "IsDamaged"];
            return Answer::Rows(names, vec![vec![Value::Bit(true), Value::Bit(false)]]);
        }
        if sql.starts_with("RESTORE FILELISTONLY") {
            let names = vec!["LogicalName", "PhysicalName", "Type", "Size"];
            let file = |logical, physical, kind| {
                let size = Value::Decimal(Some(4096));
                vec![text(logical), text(physical), text(kind), size]
            };
            let mut rows = vec![
                file("rtc_data", r"C:\data\rtc.mdf", "D"),
                file("rtc_log", r"C:\data\rtc.ldf", "L"),
            ];
            let of = fs::read(staged(folder, between(sql, "DISK = N'", "'"))).unwrap_or_default();
            let mut all = self.backups.iter();
            let backup = all.find(|backup| content(backup) == of);
            if backup.is_some_and(|backup| backup.data_files == 2) {
                rows.push(file("rtc_more", r"C:\data\rtc.ndf", "D"));
            }
            return Answer::Rows(names, rows);
        }
        if sql.starts_with("SELECT TOP 1 CAST(b.type") {
            return self.others(sql);
        }
        if sql.contains("msdb.dbo.backupset") {
            let name = between(sql, "physical_device_name LIKE N'%", "'");
            let mut all = self.backups.iter();
            let found = all.find(|backup| backup.device.ends_with(name));
            return found.map_or(Answer::Done, described);
        }
        if sql.contains("@@SPID") {
            return Answer::row(vec![Value::Int(Some(53))]);
        }
        if sql.contains("dm_exec_requests") {
            return Answer::row(vec![Value::Real(37.5)]);
        }
        if sql.contains("InstanceDefaultDataPath") {
            let folder = [r"D:\SQL\DATA\", r"L:\LOG\"].map(Value::from);
            let master = [r"C:\master.mdf", r"C:\mastlog.ldf"].map(Value::from);
            return Answer::row([folder, master].concat());
        }
        if sql.starts_with("SELECT COUNT(*) FROM sys.databases") {
            let name = between(sql, "name = N'", "'");
            let found = self.databases.contains(name)
                || self
                    .restoring
                    .as_ref()
                    .is_some_and(|begun| begun.database == name);
            return Answer::row(vec![Value::Int(Some(i64::from(found)))]);
        }
        if sql.contains("'Status') AS nvarchar") {
            let name = between(sql, "DATABASEPROPERTYEX(N'", "'");
            let online = self.databases.contains(name);
            let state = if online { "ONLINE" } else { "RESTORING" };
            return Answer::row(vec![text(state)]);
        }
        if sql.starts_with("RESTORE") {
            return match self.restores(folder, sql) {
                Ok(()) => Answer::Done,
                Err(reason) => Answer::Error(3136, reason),
            };
        }
        if sql.starts_with("DROP DATABASE") {
            let name = between(sql, "[", "]");
            self.databases.remove(name);
            self.restoring = None;
            return Answer::Done;
        }
        if let Some((from, to)) = sql.split_once("] MODIFY NAME = [") {
            let from = from.trim_start_matches("ALTER DATABASE [");
            self.databases.remove(from);
            self.databases.insert(to.trim_end_matches(']').to_owned());
            return Answer::Done;
        }
        if sql.starts_with("DBCC") && self.trouble == Some(Trouble::Damaged) {
            let said = "Object ID 7: Page (1:153) could not be processed.";
            return Answer::Error(8928, said.to_owned());
        }
        super::scripted::two_rows_of(sql)
    }

    fn makes_backup(&mut self, folder: &Path, sql: &str) -> Answer {
        let device = between(sql, "DISK = N'", "'").to_owned();
        let file = staged(folder, &device);
        let kind = match () {
            () if sql.starts_with("BACKUP LOG") => BackupKind::Log,
            () if sql.contains("DIFFERENTIAL") => BackupKind::Differential,
            () => BackupKind::Full,
        };
        if self.trouble == Some(Trouble::DiskFull) {
            fs::write(file, b"half").unwrap();
            let said = "Write failed: 112(There is not enough space on the disk.)";
            return Answer::Error(3202, said.to_owned());
        }
        let backup = self.back_up(device, kind, sql.contains("COPY_ONLY"));
        if self.trouble == Some(Trouble::NoRecord) {
            fs::write(file, content(&backup)).unwrap();
            let said = "Could not insert a backup or restore history/detail record in msdb.";
            return Answer::Error(3009, said.to_owned());
        }
        match self.trouble {
            Some(Trouble::Elsewhere) => {}
            // To whoever may do everything it is a link to itself that cannot be opened.
            Some(Trouble::Unreadable) => std::os::unix::fs::symlink(&file, &file).unwrap(),
            _ => fs::write(file, content(&backup)).unwrap(),
        }
        Answer::Done
    }

    fn others(&self, sql: &str) -> Answer {
        let since = sql.split_once("backup_finish_date > '");
        let since = since.map_or(0, |(_, rest)| minute_of(&rest[..16]));
        let mut others = self.backups.iter().filter(|backup| {
            let kinds = [BackupKind::Full, BackupKind::Log];
            let in_chain = !backup.copy_only && kinds.contains(&backup.kind);
            in_chain && backup.minute + 1 > since && !backup.device.contains("nightfold-")
        });
        let found = others.next_back().map(|backup| {
            let letter = letter(backup.kind);
            let device = Value::from(&*backup.device);
            Answer::row(vec![letter.into(), local(backup.minute + 1), device])
        });
        found.unwrap_or(Answer::Done)
    }

    fn restores(&mut self, folder: &Path, sql: &str) -> Result<(), String> {
        let name = between(sql, "[", "]").to_owned();
        let file = staged(folder, between(sql, "DISK = N'", "'"));
        let bytes = fs::read(file).map_err(|_| "Cannot open backup device.".to_owned())?;
        let of_file = |backup: &&Backup| content(backup) == bytes;
        let backup = self.backups.iter().find(of_file).cloned();
        let backup = backup.ok_or("The media family is incorrectly formed.")?;
        if self.databases.contains(&name) {
            return Err("The database is in use.".to_owned());
        }
        let begun = self.restoring.take().filter(|begun| begun.database == name);
        let fits = match (backup.kind, &begun) {
            (BackupKind::Full, None) => true,
            (BackupKind::Differential, Some(begun)) => backup.base.as_ref() == Some(&begun.full),
            (BackupKind::Log, Some(begun)) => {
                let at = begun.lsn;
                let before = backup.fork_point.is_none_or(|point| at <= point);
                let goes_on = backup.lsns.0 <= at && at < backup.lsns.1;
                goes_on && begun.fork == backup.forks.0 && before
            }
            _ => false,
        };
        if !fits {
            return Err(
                "This backup cannot be restored: the database is not in its state.".to_owned(),
            );
        }
        let moved = sql.matches("MOVE N'").count();
        let full = begun.as_ref().map(|begun| begun.full.clone());
        let restoring = Restoring {
            full: full.unwrap_or(backup.id),
            database: name,
            lsn: backup.lsns.1,
            fork: backup.forks.1,
            files: begun.map_or(0, |begun| begun.files) + moved,
        };
        if restoring.files != backup.data_files + 1 {
            return Err("A file cannot be restored to where it was.".to_owned());
        }
        if sql.contains("NORECOVERY") {
            self.restoring = Some(restoring);
        } else {
            self.databases.insert(restoring.database);
        }
        Ok(())
    }
}

/// A file like a backup: it names itself, and has a few pages that others have too.
fn content(backup: &Backup) -> Vec<u8> {
    let mut bytes = format!("{:?}\n", (&backup.id, backup.kind, backup.lsns)).into_bytes();
    let mut page = blake3::Hasher::new().finalize_xof();
    let mut pages = vec![0; 300_000];
    page.fill(&mut pages);
    bytes.extend_from_slice(&pages);
    bytes
}

fn staged(folder: &Path, device: &str) -> PathBuf {
    folder.join(device.strip_prefix(&format!(r"{STAGE}\")).unwrap())
}

fn described(backup: &Backup) -> Answer {
    let lsn = |lsn| Value::Decimal(Some(lsn));
    let fork = |number| Value::Text(Some(fork(number)));
    Answer::row(vec![
        "rtc".into(),
        letter(backup.kind).into(),
        Value::Bit(backup.copy_only),
        Value::from(&*backup.id),
        lsn(backup.lsns.0),
        lsn(backup.lsns.1),
        lsn(backup.lsns.0),
        fork(backup.forks.0),
        fork(backup.forks.1),
        Value::Text(backup.base.clone()),
        local(backup.minute),
        local(backup.minute + 1),
        Value::Int(Some(AHEAD)),
        "FULL".into(),
        Value::Int(Some(300_000)),
        Value::Decimal(backup.fork_point),
    ])
}

/// The GUID of a line of history.
fn fork(number: u32) -> String {
    format!("F0000000-0000-0000-0000-{number:012}")
}

fn letter(kind: BackupKind) -> &'static str {
    match kind {
        BackupKind::Full => "D",
        BackupKind::Differential => "I",
        BackupKind::Log => "L",
    }
}

/// A minute of the server's day.
fn local(minute: i64) -> Value {
    Value::from(&*format!(
        "2026-11-20T{:02}:{:02}:00",
        minute / 60,
        minute % 60
    ))
}

fn minute_of(time: &str) -> i64 {
    let (hour, minute) = (&time[11..13], &time[14..16]);
    hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("{before} in {text}"));
    rest.split_once(after).unwrap().0
}
