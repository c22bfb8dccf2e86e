//! A backup: made by the server, verified by the server, described out of its own records.

use super::super::answer::Fields;
use super::super::catalog::ServerFacts;
use super::super::connection::Connection;
use super::super::error::{MssqlError, Result};
use super::chain::check_base;
use super::facts::{BackupFacts, BackupFile, BackupKind};
use super::progress::{Watch, run_watched};
use super::staging::{StagedFile, Staging};
use super::statements;

/// The number that stands for the simple recovery model.
const SIMPLE: u8 = 3;

/// What to back up.
pub struct BackupJob<'a> {
    /// What it is to hold.
    pub kind: BackupKind,
    /// Whether it is outside of every chain. Differentials never are.
    pub copy_only: bool,
    /// Where the server writes.
    pub staging: &'a Staging,
    /// Backups of this database that are held already: a differential must rest on one.
    pub held: &'a [BackupFacts],
    /// Who wants to know how far it is.
    pub watch: Option<Watch<'a>>,
}

/// A backup that was made and verified. The file goes when this is dropped.
#[derive(Debug)]
pub struct Made {
    /// Where it lies.
    pub file: StagedFile,
    /// What is recorded of it.
    pub facts: BackupFacts,
    /// The server and the database.
    pub server: ServerFacts,
}

/// Backs up the database that `connection` is in.
pub fn backup(connection: &mut Connection, job: &BackupJob<'_>) -> Result<Made> {
    let server = ServerFacts::read(connection)?;
    let database = &server.database;
    match job.kind {
        BackupKind::Log if server.recovery_model == SIMPLE => {
            return Err(MssqlError::refused(
                format!("a log backup of {database}"),
                "its recovery model is simple: there is no log to back up. Take full backups, or \
                 set the recovery model to full and take a full backup first",
            ));
        }
        BackupKind::Differential => {
            let what = "cannot ask what a differential backup would rest on";
            let rows = connection.rows(what, &statements::base(database))?;
            let bases: Result<Vec<_>> = rows
                .iter()
                .map(|row| Fields::new(what, row).text())
                .collect();
            check_base(&bases?, job.held)?;
        }
        _ => {}
    }
    let file = job.staging.file(&new_name(connection, job.kind)?)?;
    let copy_only = job.copy_only && job.kind != BackupKind::Differential;
    let path = file.server().to_owned();
    let sql = statements::backup(database, &path, job.kind, copy_only, server.major);
    let what = format!("cannot back up {database} to {path}");
    run_watched(connection, &what, &sql, job.watch.as_ref())?;
    let facts = describe(connection, &path, job.kind, database)?;
    // Better known now than after it is half stored.
    let length = file.open()?.metadata();
    let length =
        length.map_err(|error| MssqlError::io("cannot look at the staging file", error))?;
    if length.len() == 0 {
        return Err(MssqlError::answer(what, "the file is empty"));
    }
    Ok(Made {
        file,
        facts,
        server,
    })
}

/// A name that no other file has.
fn new_name(connection: &mut Connection, kind: BackupKind) -> Result<String> {
    let what = "cannot ask for a new name";
    let rows = connection.rows(what, "SELECT CAST(NEWID() AS nvarchar(36))")?;
    let Some(row) = rows.first() else {
        return Err(MssqlError::answer(what, "no name"));
    };
    let id = Fields::new(what, row).text()?;
    if id.is_empty()
        || !id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Err(MssqlError::answer(what, format!("{id:?} is no GUID")));
    }
    let extension = match kind {
        BackupKind::Full => "bak",
        BackupKind::Differential => "dif",
        BackupKind::Log => "trn",
    };
    Ok(format!("nightfold-{}.{extension}", id.to_lowercase()))
}

/// Verifies the file, and asks what is in it.
fn describe(
    connection: &mut Connection,
    path: &str,
    kind: BackupKind,
    database: &str,
) -> Result<BackupFacts> {
    let what = format!("the backup in {path} does not verify");
    connection.run(&what, &statements::verify(path))?;
    let headers = connection.rows(&what, &statements::header(path))?;
    let [header] = headers.as_slice() else {
        let reason = format!("it should hold one backup, and holds {}", headers.len());
        return Err(MssqlError::answer(what, reason));
    };
    let mut fields = Fields::new(&what, header);
    if fields.named("IsDamaged")?.flag()? {
        return Err(MssqlError::answer(what, "the server calls it damaged"));
    }
    if !fields.named("HasBackupChecksums")?.flag()? {
        return Err(MssqlError::answer(what, "it has no checksums"));
    }
    let what = "cannot read the server's record of the backup";
    let rows = connection.rows(what, &statements::facts(path))?;
    let Some(row) = rows.first() else {
        return Err(MssqlError::answer(what, "msdb has none"));
    };
    let mut facts = BackupFacts::read(what, row)?;
    if facts.kind != kind || facts.database != database {
        return Err(MssqlError::answer(what, "it is about another backup"));
    }
    let what = "cannot read which files the backup holds";
    let rows = connection.rows(what, &statements::file_list(path))?;
    let files: Result<Vec<_>> = rows.iter().map(|row| BackupFile::read(what, row)).collect();
    facts.files = files?;
    Ok(facts)
}
