//! A backup: made by the server, verified by the server, described out of its own records.

use super::super::answer::Fields;
use super::super::catalog::ServerFacts;
use super::super::connection::Connection;
use super::super::error::{MssqlError, Result};
use super::chain::{NextLog, Target, check_base, check_log, plan};
use super::facts::{BackupFacts, BackupFile, BackupKind, lsn_or_null};
use super::progress::{Watch, run_watched};
use super::staging::{LOG_SUFFIX, PREFIX, StagedFile, Staging};
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
    /// Backups of this database that are held already: a differential must rest on one, a log
    /// backup must follow one.
    pub held: &'a [BackupFacts],
    /// Who wants to know how far it is.
    pub watch: Option<Watch<'a>>,
}

/// A backup that was made and verified.
#[derive(Debug)]
pub struct Made {
    /// Where it lies. It goes when this is dropped, but for log backups: their log is nowhere
    /// else, so they stay until they are removed.
    pub file: StagedFile,
    /// What is recorded of it.
    pub facts: BackupFacts,
    /// The server and the database.
    pub server: ServerFacts,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Whether a backup of this kind makes sense: before one is made, which changes what others rest on
/// or empties the log.
pub fn check(connection: &mut Connection, kind: BackupKind, held: &[BackupFacts]) -> Result<()> {
    let server = ServerFacts::read(connection)?;
    let database = &server.database;
    match kind {
        BackupKind::Log if server.recovery_model == SIMPLE => Err(MssqlError::refused(
            format!("a log backup of {database}"),
            "its recovery model is simple: there is no log to back up. Take full backups, or \
             set the recovery model to full and take a full backup first",
        )),
        BackupKind::Log => Ok(check_log(&next_log(connection, database)?, held)?),
        BackupKind::Differential => {
            let what = "cannot ask what a differential backup would rest on";
            let rows = connection.rows(what, &statements::base(database))?;
            let bases: Result<Vec<_>> = rows
                .iter()
                .map(|row| Fields::new(what, row).text())
                .collect();
            Ok(check_base(&bases?, held)?)
        }
        BackupKind::Full => Ok(()),
    }
}

/// Backs up the database that `connection` is in.
pub fn backup(connection: &mut Connection, job: &BackupJob<'_>) -> Result<Made> {
    let server = ServerFacts::read(connection)?;
    let database = &server.database;
    check(connection, job.kind, job.held)?;
    let copy_only = job.copy_only && job.kind != BackupKind::Differential;
    let warnings = if copy_only {
        Vec::new()
    } else {
        chain_warnings(connection, database, job)?
    };
    let empties_log = job.kind == BackupKind::Log && !copy_only;
    let before = if empties_log {
        next_log(connection, database)?.start
    } else {
        None
    };
    let mut file = job.staging.file(&new_name(connection, job.kind)?)?;
    let path = file.server().to_owned();
    let sql = statements::backup(database, &path, job.kind, copy_only, server.major);
    let what = format!("cannot back up {database} to {path}");
    if empties_log {
        file.stay();
    }
    if let Err(error) = run_watched(connection, &what, &sql, job.watch.as_ref()) {
        if !empties_log {
            return Err(error);
        }
        // Some errors come after a backup that was made: msdb had no room for its record.
        let now = next_log(connection, database).map(|next| next.start);
        if before.is_some() && now.is_ok_and(|now| now == before) {
            // The failure is what there is to tell.
            let _ = file.remove();
            return Err(error);
        }
        return Err(left(error, &file, true));
    }
    describe(connection, &file, job.kind, database)
        .and_then(|facts| check_file(&file, &what).map(|()| facts))
        .map_err(|error| left(error, &file, empties_log))
        .map(|facts| Made {
            file,
            facts,
            server,
            warnings,
        })
}

/// Where a log backup would begin.
fn next_log(connection: &mut Connection, database: &str) -> Result<NextLog> {
    let what = "cannot ask where a log backup would begin";
    let rows = connection.rows(what, &statements::next_log(database))?;
    let Some(row) = rows.first() else {
        return Ok(NextLog::default());
    };
    let mut fields = Fields::new(what, row);
    Ok(NextLog {
        start: lsn_or_null(what, &mut fields)?,
        forks: (fields.text_or_null()?, fields.text_or_null()?),
        fork_point: lsn_or_null(what, &mut fields)?,
    })
}

/// A log backup that an earlier run left in the staging folder, verified. `None` if it is one of
/// another database, or among `held`: then it is removed.
pub fn left_log(
    connection: &mut Connection,
    file: StagedFile,
    held: &[BackupFacts],
) -> Result<Option<Made>> {
    let server = ServerFacts::read(connection)?;
    let Some(facts) = recorded(connection, &file)? else {
        let what = format!("the log backup {}", file.local().display());
        return Err(MssqlError::refused(
            what,
            "this server has no record that it ended: it is still being made, or was cut short, or \
             is of another server, or the history was deleted",
        ));
    };
    if facts.database != server.database || facts.kind != BackupKind::Log {
        return Ok(None);
    }
    if held.iter().any(|other| other.id == facts.id) {
        file.remove()?;
        return Ok(None);
    }
    let facts = describe(connection, &file, BackupKind::Log, &server.database);
    let facts = facts.map_err(|error| left(error, &file, true))?;
    let mut all = held.to_vec();
    all.push(facts.clone());
    if let Err(error) = plan(&all, Target::Backup(held.len())) {
        let what = format!("the log backup {}", file.local().display());
        let reason = format!("it does not go on from what is held here: {error}");
        return Err(MssqlError::refused(what, reason));
    }
    Ok(Some(Made {
        file,
        facts,
        server,
        warnings: Vec::new(),
    }))
}

/// Better known now than after it is half stored.
fn check_file(file: &StagedFile, what: &str) -> Result<()> {
    let length = file.open()?.metadata();
    let length =
        length.map_err(|error| MssqlError::io("cannot look at the staging file", error))?;
    if length.len() == 0 {
        return Err(MssqlError::answer(what, "the file is empty"));
    }
    Ok(())
}

/// What went wrong with a log backup that was made.
fn left(error: MssqlError, file: &StagedFile, is_log: bool) -> MssqlError {
    if !is_log || matches!(error, MssqlError::Interrupted) {
        return error;
    }
    let reason = format!(
        "{error}; what it holds of the log may be nowhere else, so the file stays, and the next run \
         with --chain log takes it up"
    );
    MssqlError::refused(format!("{}", file.local().display()), reason)
}

/// What others have to do with the chain, and it with them.
fn chain_warnings(
    connection: &mut Connection,
    database: &str,
    job: &BackupJob<'_>,
) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    let ours = job.held.iter().filter(|backup| !backup.copy_only);
    let newest = ours.max_by_key(|backup| backup.finished);
    if newest.is_none() {
        warnings.push(format!(
            "this begins a chain: differential and log backups of {database} that other programs \
             take from now on cannot be restored without those that are stored here, nor the \
             other way round"
        ));
    }
    let what = "cannot ask who else backs the database up";
    let since = newest.and_then(|backup| backup.local(backup.finished));
    let rows = connection.rows(what, &statements::others(database, since))?;
    if let Some(row) = rows.first() {
        let mut fields = Fields::new(what, row);
        let (letter, time) = (fields.text()?, fields.text()?);
        let device = fields.text_or_null()?.unwrap_or_default();
        let kind = if letter.trim() == "L" { "log" } else { "full" };
        warnings.push(format!(
            "another program took a {kind} backup of {database} at {time}, to {device}: its chain \
             and this one tear each other apart. Let one of them back up alone, or take COPY_ONLY \
             backups here, without --chain"
        ));
    }
    Ok(warnings)
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
        BackupKind::Full => ".bak",
        BackupKind::Differential => ".dif",
        BackupKind::Log => LOG_SUFFIX,
    };
    Ok(format!("{PREFIX}{}{extension}", id.to_lowercase()))
}

/// Verifies the file, and asks what is in it.
fn describe(
    connection: &mut Connection,
    file: &StagedFile,
    kind: BackupKind,
    database: &str,
) -> Result<BackupFacts> {
    let path = file.server();
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
    let facts = recorded(connection, file)?;
    let mut facts = facts.ok_or_else(|| MssqlError::answer(what, "msdb has none"))?;
    if facts.kind != kind || facts.database != database {
        return Err(MssqlError::answer(what, "it is about another backup"));
    }
    let what = "cannot read which files the backup holds";
    let rows = connection.rows(what, &statements::file_list(path))?;
    let files: Result<Vec<_>> = rows.iter().map(|row| BackupFile::read(what, row)).collect();
    facts.files = files?;
    Ok(facts)
}

/// What `msdb` says about the backup in the file.
fn recorded(connection: &mut Connection, file: &StagedFile) -> Result<Option<BackupFacts>> {
    let what = "cannot read the server's record of the backup";
    let rows = connection.rows(what, &statements::facts(&file.name()))?;
    rows.first()
        .map(|row| BackupFacts::read(what, row))
        .transpose()
}
