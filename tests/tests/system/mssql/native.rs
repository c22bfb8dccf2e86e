//! The native path, statement by statement, against a server that acts the file part out.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nightfold_ingest::mssql::MssqlError;
use nightfold_ingest::mssql::native::{
    BackupFacts, BackupJob, BackupKind, Lsn, Made, RestoreJob, RestoreStep, Staging, Target, Watch,
    backup, check_database, plan, restore,
};
use nightfold_tests::tds::{Answer, Scripted, Value};
use tempfile::TempDir;

use super::{message, open, server_2008};

const GUID: &str = "0AC31D5E-7F5B-4D51-9B67-6F3B1B6B3D01";
const BASE: &str = "11111111-2222-3333-4444-555555555555";
const CONTENT: &[u8] = b"a backup, as far as this test is concerned";

/// A folder that server and client share, and a server that knows these statements.
struct Site {
    folder: TempDir,
    server: Scripted,
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    DiskFull,
    Corrupt,
    Elsewhere,
    Damaged,
    Cut,
}

impl Site {
    fn new(trouble: Trouble, recovery: i64) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().to_owned();
        let server = Scripted::start(move |sql| answer(&path, trouble, recovery, sql));
        Self { folder, server }
    }

    fn staging(&self) -> Staging {
        Staging {
            server: r"\\nas\stage".to_owned(),
            local: self.folder.path().to_owned(),
        }
    }

    fn back_up(
        &self,
        kind: BackupKind,
        copy_only: bool,
        held: &[BackupFacts],
    ) -> Result<Made, MssqlError> {
        let job = BackupJob {
            kind,
            copy_only,
            staging: &self.staging(),
            held,
            watch: None,
        };
        backup(&mut open(self.server.port()), &job)
    }

    fn staged(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// The path that follows `DISK = ` in a statement, on this side of the share.
fn on_disk(folder: &Path, sql: &str) -> PathBuf {
    let (_, rest) = sql.split_once("DISK = N'").unwrap();
    let (path, _) = rest.split_once('\'').unwrap();
    let name = path.strip_prefix(r"\\nas\stage\").unwrap();
    folder.join(name)
}

#[expect(clippy::too_many_lines, reason = "a case for each statement")]
fn answer(folder: &Path, trouble: Trouble, recovery: i64, sql: &str) -> Answer {
    let text = |text: &str| Value::from(text);
    let lsn = |lsn| Value::Decimal(Some(lsn));
    let error = |number, text: &str| Answer::Error(number, text.to_owned());
    if sql.contains("ProductVersion") {
        return server_2008(0, recovery);
    }
    if sql.contains("NEWID") {
        return Answer::row(vec![text(GUID)]);
    }
    if sql.contains("differential_base_guid AS nvarchar(36)) FROM sys.master_files") {
        return Answer::row(vec![text(BASE)]);
    }
    if sql.starts_with("BACKUP") {
        let file = on_disk(folder, sql);
        match trouble {
            Trouble::DiskFull => {
                fs::write(file, b"half").unwrap();
                return error(
                    3202,
                    "Write failed: 112(There is not enough space on the disk.)",
                );
            }
            Trouble::Elsewhere => {}
            Trouble::Cut => {
                fs::write(file, b"half").unwrap();
                return Answer::Cut(vec![""], vec![vec![text("x")]]);
            }
            _ => fs::write(file, CONTENT).unwrap(),
        }
        return Answer::Done;
    }
    if sql.starts_with("RESTORE VERIFYONLY") {
        return match trouble {
            Trouble::Corrupt => error(3189, "Damage to the backup set was detected."),
            _ => Answer::Done,
        };
    }
    if sql.starts_with("RESTORE HEADERONLY") {
        let damaged = trouble == Trouble::Damaged;
        let names = vec!["BackupName", "HasBackupChecksums", "IsDamaged"];
        let row = vec![Value::Text(None), Value::Bit(true), Value::Bit(damaged)];
        return Answer::Rows(names, vec![row]);
    }
    if sql.starts_with("RESTORE FILELISTONLY") {
        let names = vec![
            "LogicalName",
            "PhysicalName",
            "Type",
            "FileGroupName",
            "Size",
        ];
        let file = |logical, physical, kind, size| {
            let group = Value::Text(None);
            vec![text(logical), text(physical), text(kind), group, lsn(size)]
        };
        let rows = vec![
            file("rtc_data", r"C:\data\rtc.mdf", "D", 4096),
            file("rtc's log", r"C:\data\rtc.ldf", "L", 512),
        ];
        return Answer::Rows(names, rows);
    }
    if sql.starts_with("SELECT TOP 1 CAST(b.type") {
        return Answer::Done;
    }
    if sql.contains("msdb.dbo.backupset") {
        let kind = match () {
            () if sql.contains(".trn'") => "L",
            () if sql.contains(".dif'") => "I",
            () => "D",
        };
        return Answer::row(vec![
            text("rtc"),
            text(kind),
            Value::Bit(true),
            text("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"),
            lsn(31_000_000_003_100_037),
            lsn(31_000_000_005_600_001),
            lsn(31_000_000_003_100_037),
            text("F0000000-0000-0000-0000-000000000001"),
            text("F0000000-0000-0000-0000-000000000001"),
            Value::Text(None),
            text("2026-11-20T04:00:00"),
            text("2026-11-20T04:00:07"),
            Value::Int(Some(60)),
            text("SIMPLE"),
            Value::Int(Some(123_456)),
            Value::Decimal(None),
        ]);
    }
    if sql.contains("@@SPID") {
        return Answer::row(vec![Value::Int(Some(53))]);
    }
    if sql.contains("dm_exec_requests") {
        return Answer::row(vec![Value::Real(37.5)]);
    }
    if sql.contains("InstanceDefaultDataPath") {
        // A server before 2012.
        let folder = |path| text(path);
        return Answer::row(vec![
            Value::Text(None),
            Value::Text(None),
            folder(r"D:\SQL\DATA\master.mdf"),
            folder(r"L:\LOG\mastlog.ldf"),
        ]);
    }
    if sql.starts_with("SELECT COUNT(*) FROM sys.databases") {
        return Answer::row(vec![Value::Int(Some(0))]);
    }
    if sql.contains("DATABASEPROPERTYEX(N'rtc2', 'Status') AS") {
        return Answer::row(vec![text("ONLINE")]);
    }
    if sql.starts_with("RESTORE") {
        let found = fs::read(on_disk(folder, sql)).is_ok_and(|content| content == CONTENT);
        return if found {
            Answer::Done
        } else {
            error(3201, "Cannot open backup device.")
        };
    }
    if sql.starts_with("DBCC") {
        return error(8928, "Object ID 7: Page (1:153) could not be processed.");
    }
    Answer::Done
}

#[test]
fn a_full_backup_is_made_verified_described_and_removed() {
    let site = Site::new(Trouble::None, 3);
    let made = site.back_up(BackupKind::Full, true, &[]).unwrap();
    let name = format!("nightfold-{}.bak", GUID.to_lowercase());
    let path = format!(r"\\nas\stage\{name}");
    let asked = site.server.asked();
    let expected = [
        format!(
            "BACKUP DATABASE [rtc] TO DISK = N'{path}' WITH FORMAT, CHECKSUM, COPY_ONLY, NO_COMPRESSION"
        ),
        format!("RESTORE VERIFYONLY FROM DISK = N'{path}' WITH CHECKSUM"),
        format!("RESTORE HEADERONLY FROM DISK = N'{path}'"),
        format!("RESTORE FILELISTONLY FROM DISK = N'{path}'"),
    ];
    let statements = asked.iter().filter(|sql| !sql.starts_with("SELECT"));
    assert_eq!(
        statements.collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
    assert!(
        asked
            .iter()
            .any(|sql| sql.contains(&format!("physical_device_name LIKE N'%{name}'")))
    );

    let facts = &made.facts;
    assert_eq!(facts.kind, BackupKind::Full);
    assert!(facts.copy_only);
    assert_eq!(facts.last_lsn, Lsn(31_000_000_005_600_001));
    assert_eq!(facts.id, "AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE");
    assert_eq!(
        facts.finished,
        "2026-11-20T03:00:07Z".parse::<Timestamp>().unwrap()
    );
    assert_eq!(facts.files[1].logical, "rtc's log");
    assert_eq!(facts.files[0].bytes, 4096);
    assert_eq!(
        std::io::read_to_string(made.file.open().unwrap())
            .unwrap()
            .as_bytes(),
        CONTENT
    );
    assert_eq!(site.staged().len(), 1);
    made.file.remove().unwrap();
    assert!(site.staged().is_empty());
}

#[test]
fn log_backups_are_part_of_a_chain() {
    let site = Site::new(Trouble::None, 1);
    let full = site.back_up(BackupKind::Full, false, &[]).unwrap();
    let held = [full.facts.clone()];
    drop(full);
    let made = site.back_up(BackupKind::Log, false, &held).unwrap();
    assert_eq!(made.facts.kind, BackupKind::Log);
    let asked = site.server.asked();
    let sql = asked
        .iter()
        .find(|sql| sql.starts_with("BACKUP LOG"))
        .unwrap();
    assert!(sql.starts_with("BACKUP LOG [rtc] TO DISK = "), "{sql}");
    assert!(
        sql.ends_with(".trn' WITH FORMAT, CHECKSUM, NO_COMPRESSION"),
        "{sql}"
    );
    // The log is nowhere else now.
    let Made { file, .. } = made;
    let path = file.local().to_owned();
    drop(file);
    assert_eq!(site.staged(), [path]);
}

#[test]
fn simple_recovery_has_no_log_to_back_up() {
    let site = Site::new(Trouble::None, 3);
    let message = message(site.back_up(BackupKind::Log, false, &[]));
    assert!(message.contains("simple"), "{message}");
    assert!(
        !site
            .server
            .asked()
            .iter()
            .any(|sql| sql.starts_with("BACKUP"))
    );
}

#[test]
fn a_differential_must_rest_on_a_backup_that_is_held() {
    let site = Site::new(Trouble::None, 3);
    let full = site.back_up(BackupKind::Full, false, &[]).unwrap();
    let mut held = vec![full.facts.clone()];
    drop(full);
    let refused = message(site.back_up(BackupKind::Differential, false, &held));
    assert!(refused.contains(BASE), "{refused}");
    BASE.clone_into(&mut held[0].id);
    let refused = message(site.back_up(BackupKind::Differential, false, &held));
    assert!(refused.contains("not held"), "a copy is no base: {refused}");
    held[0].copy_only = false;
    site.back_up(BackupKind::Differential, false, &held)
        .unwrap();
    let asked = site.server.asked();
    let differentials = asked.iter().filter(|sql| sql.contains("DIFFERENTIAL"));
    assert_eq!(differentials.count(), 1);
}

#[test]
fn progress_is_told_from_a_second_connection() {
    let site = Site::new(Trouble::None, 3);
    let (told, seen) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let folder = site.folder.path().to_owned();
    let waiting = std::sync::Arc::new(AtomicBool::new(false));
    let released = std::sync::Arc::clone(&waiting);
    // A backup that takes until somebody was told of it.
    let server = Scripted::start(move |sql| {
        let begun = Instant::now();
        while sql.starts_with("BACKUP")
            && !released.load(Ordering::Relaxed)
            && begun.elapsed() < Duration::from_secs(20)
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        answer(&folder, Trouble::None, 3, sql)
    });
    let job = BackupJob {
        kind: BackupKind::Full,
        copy_only: true,
        staging: &site.staging(),
        held: &[],
        watch: Some(Watch {
            connect: &|| Ok(open(server.port())),
            tell: &|percent| {
                seen.lock().unwrap().push(percent);
                told.store(true, Ordering::Relaxed);
                waiting.store(true, Ordering::Relaxed);
            },
        }),
    };
    backup(&mut open(server.port()), &job).unwrap();
    assert!(told.load(Ordering::Relaxed));
    assert_eq!(seen.lock().unwrap()[0].to_bits(), 37.5_f32.to_bits());
    assert!(
        server
            .asked()
            .iter()
            .any(|sql| sql.ends_with("WHERE session_id = 53"))
    );
}

#[test]
fn what_goes_wrong_is_told_and_leaves_no_file() {
    for (trouble, said) in [
        (Trouble::DiskFull, "not enough space"),
        (Trouble::Corrupt, "does not verify"),
        (Trouble::Damaged, "damaged"),
        (Trouble::Elsewhere, "do both name the same folder"),
        (Trouble::Cut, "connection"),
    ] {
        let site = Site::new(trouble, 3);
        let message = message(site.back_up(BackupKind::Full, true, &[]));
        assert!(message.contains(said), "{message}");
        assert!(site.staged().is_empty(), "{message}");
    }
}

/// A full backup, a differential on it, and a log.
fn chain() -> Vec<BackupFacts> {
    let site = Site::new(Trouble::None, 1);
    let full = site.back_up(BackupKind::Full, false, &[]).unwrap().facts;
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let one = |kind, lsns: (u128, u128), begun, ended| BackupFacts {
        kind,
        copy_only: false,
        id: format!("{kind}-{}", lsns.1),
        first_lsn: Lsn(lsns.0),
        last_lsn: Lsn(lsns.1),
        started: at(begun),
        finished: at(ended),
        ..full.clone()
    };
    let (full, log) = (BackupKind::Full, BackupKind::Log);
    let mut chain = vec![
        one(
            full,
            (90, 100),
            "2026-11-20T03:00:00Z",
            "2026-11-20T03:00:07Z",
        ),
        one(
            BackupKind::Differential,
            (150, 160),
            "2026-11-20T12:00:00Z",
            "2026-11-20T12:00:03Z",
        ),
        one(
            log,
            (80, 170),
            "2026-11-20T13:00:00Z",
            "2026-11-20T13:00:01Z",
        ),
    ];
    chain[1].base_id = Some(chain[0].id.clone());
    chain
}

fn restored(site: &Site, content: &[u8]) -> Result<(), MssqlError> {
    let held = chain();
    let target = Target::Time("2026-11-20T12:34:56.789Z".parse().unwrap());
    let plan = plan(&held, target).unwrap();
    assert_eq!(plan.steps, [0, 1, 2]);
    let staging = site.staging();
    let mut next = |number: usize| {
        assert!(site.staged().is_empty(), "one step at a time");
        let file = staging.file(&format!("step{number}"))?;
        drop(file.create()?);
        fs::write(file.local(), content).unwrap();
        Ok(RestoreStep {
            kind: held[plan.steps[number]].kind,
            file,
            stop_at: plan.stop_at,
        })
    };
    let mut job = RestoreJob {
        database: "rtc2",
        steps: plan.steps.len(),
        next: &mut next,
        watch: None,
        begun: false,
    };
    restore(&mut open(site.server.port()), &mut job)
}

#[test]
fn a_chain_is_restored_to_a_point_in_time() {
    let site = Site::new(Trouble::None, 1);
    restored(&site, CONTENT).unwrap();
    let asked = site.server.asked();
    let statements: Vec<_> = asked
        .iter()
        .filter(|sql| !sql.starts_with("SELECT"))
        .collect();
    assert_eq!(
        statements,
        [
            r"RESTORE FILELISTONLY FROM DISK = N'\\nas\stage\step0'",
            r"RESTORE DATABASE [rtc2] FROM DISK = N'\\nas\stage\step0' WITH CHECKSUM, MOVE N'rtc_data' TO N'D:\SQL\DATA\rtc2-0.mdf', MOVE N'rtc''s log' TO N'L:\LOG\rtc2-1.ldf', NORECOVERY",
            r"RESTORE FILELISTONLY FROM DISK = N'\\nas\stage\step1'",
            r"RESTORE DATABASE [rtc2] FROM DISK = N'\\nas\stage\step1' WITH CHECKSUM, NORECOVERY",
            r"RESTORE FILELISTONLY FROM DISK = N'\\nas\stage\step2'",
            r"RESTORE LOG [rtc2] FROM DISK = N'\\nas\stage\step2' WITH CHECKSUM, STOPAT = '2026-11-20T13:34:56.789', RECOVERY",
        ]
    );
    assert!(site.staged().is_empty());
}

#[test]
fn a_failing_restore_leaves_no_file() {
    let site = Site::new(Trouble::None, 1);
    let message = message(restored(&site, b"something else"));
    assert!(
        message.contains("cannot restore the full backup into rtc2"),
        "{message}"
    );
    assert!(site.staged().is_empty());
}

#[test]
fn damage_that_the_server_finds_is_the_error() {
    let site = Site::new(Trouble::None, 1);
    let message = message(check_database(&mut open(site.server.port()), "rtc2"));
    assert!(message.contains("Page (1:153)"), "{message}");
}
