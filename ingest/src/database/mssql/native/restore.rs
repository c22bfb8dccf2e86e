//! Backups into a database that is not there yet.

use std::collections::BTreeSet;

use jiff::civil::DateTime;

use super::super::answer::Fields;
use super::super::connection::Connection;
use super::super::databases::database_exists;
use super::super::error::{MssqlError, Result};
use super::facts::{BackupFile, BackupKind};
use super::progress::{Watch, run_watched};
use super::staging::StagedFile;
use super::statements;

/// Errors that say that a database of this name is there, and somebody else's.
const EXISTS: [u32; 4] = [1801, 3101, 3154, 3159];

/// One backup of a chain, staged where the server reads it.
pub struct RestoreStep {
    /// What it holds.
    pub kind: BackupKind,
    /// Where it lies.
    pub file: StagedFile,
    /// Up to when its log is taken, in the server's local time. See [`super::Plan`].
    pub stop_at: Option<DateTime>,
}

/// What to restore.
pub struct RestoreJob<'a> {
    /// The new database.
    pub database: &'a str,
    /// How many steps there are.
    pub steps: usize,
    /// Stages the next step. Each file is removed before the next is asked for.
    pub next: &'a mut dyn FnMut(usize) -> Result<RestoreStep>,
    /// Who wants to know how far a step is.
    pub watch: Option<Watch<'a>>,
    /// Whether the database may be there, in whatever state.
    pub begun: bool,
}

/// Restores a chain into a new database. The connection is to another one, such as `master`. If
/// it fails and `begun` is set, there is a database to be dropped.
pub fn restore(connection: &mut Connection, job: &mut RestoreJob<'_>) -> Result<()> {
    let mut moved = BTreeSet::new();
    for number in 0..job.steps {
        let step = (job.next)(number)?;
        let path = step.file.server().to_owned();
        // A file that was added to the database later comes with a later backup.
        let mut moves = moves(connection, &path, job.database, number)?;
        moves.retain(|(logical, _)| moved.insert(logical.clone()));
        // To stage a large file takes long.
        if number == 0 && database_exists(connection, job.database)? {
            return Err(MssqlError::refused(
                format!("restoring {}", job.database),
                "a database of this name exists already",
            ));
        }
        let last = number + 1 == job.steps;
        let sql = statements::restore(job.database, &path, step.kind, &moves, step.stop_at, last);
        let what = format!("cannot restore the {} into {}", step.kind, job.database);
        let ran = run_watched(connection, &what, &sql, job.watch.as_ref());
        let is_others = |error: &MssqlError| error.number().is_some_and(|n| EXISTS.contains(&n));
        job.begun |= !ran.as_ref().is_err_and(is_others);
        ran?;
        step.file.remove()?;
    }
    let what = format!("cannot open {}", job.database);
    let sql = format!(
        "SELECT CAST(DATABASEPROPERTYEX({}, 'Status') AS nvarchar(128))",
        super::super::name::text(job.database)
    );
    let rows = connection.rows(&what, &sql)?;
    let state = rows
        .first()
        .map(|row| Fields::new(&what, row).text_or_null());
    match state.transpose()?.flatten().as_deref() {
        Some("ONLINE") => Ok(()),
        state => Err(MssqlError::answer(
            &what,
            format!(
                "its state is {}: the log ends before the time that was asked for",
                state.unwrap_or("unknown")
            ),
        )),
    }
}

/// Where the files of a backup go: into the server's own folders, under the new database's name.
fn moves(
    connection: &mut Connection,
    path: &str,
    database: &str,
    step: usize,
) -> Result<Vec<(String, String)>> {
    let what = "cannot ask where the server keeps its files";
    let rows = connection.rows(what, statements::FOLDERS)?;
    let Some(row) = rows.first() else {
        return Err(MssqlError::answer(what, "no folders"));
    };
    let mut fields = Fields::new(what, row);
    let (data, log) = (fields.text_or_null()?, fields.text_or_null()?);
    // Before 2012 only the files of master tell.
    let (master, master_log) = (fields.text()?, fields.text()?);
    let data = data.unwrap_or_else(|| folder_of(&master).to_owned());
    let log = log.unwrap_or_else(|| folder_of(&master_log).to_owned());
    let what = "cannot read which files the backup holds";
    let rows = connection.rows(what, &statements::file_list(path))?;
    let mut moves = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let file = BackupFile::read(what, row)?;
        let (folder, extension) = match file.kind.as_str() {
            "D" if (step, number) == (0, 0) => (&data, ".mdf"),
            "D" => (&data, ".ndf"),
            "L" => (&log, ".ldf"),
            // A folder of its own.
            _ => (&data, ""),
        };
        let step = if step == 0 {
            String::new()
        } else {
            format!("-{step}")
        };
        let name = format!("{}{step}-{number}{extension}", plain(database));
        let separator = if folder.contains('\\') { '\\' } else { '/' };
        let folder = folder.trim_end_matches(['\\', '/']);
        moves.push((file.logical, format!("{folder}{separator}{name}")));
    }
    Ok(moves)
}

/// A path up to its last separator.
fn folder_of(path: &str) -> &str {
    path.rfind(['\\', '/']).map_or("", |at| &path[..at])
}

/// A name without what file systems object to.
fn plain(name: &str) -> String {
    let allowed = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    name.chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect()
}

/// Whether an error of this number tells of damage that a check found, and not of why there could
/// be no check.
pub fn is_damage(number: u32) -> bool {
    // The first is a missing right.
    number != 7983 && matches!(number, 2500..=2599 | 5200..=5299 | 7900..=7999 | 8900..=8999)
}

/// Whether an error of this number tells that a backup cannot be restored, and not that something
/// is in the way: rights, room, names of files.
pub fn is_refusal(number: u32) -> bool {
    let in_the_way = [3101, 3110, 3154, 3156, 3159, 3201, 3202, 3257];
    (3100..=3299).contains(&number) && !in_the_way.contains(&number)
        || (4300..=4399).contains(&number)
}

/// Runs the server's own check of a database. What it finds is the error, whose number
/// [`is_damage`]; or that there can be no check.
pub fn check_database(connection: &mut Connection, database: &str) -> Result<()> {
    let what = format!("the server's check of {database}");
    connection.run(&what, &statements::check(database))
}
