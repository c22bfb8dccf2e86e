//! What is recorded of a backup: enough to know which others it needs, and to restore it.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::answer::Fields;
use super::super::error::{MssqlError, Result};

/// A place in the log of a database. In JSON it is a text: many readers know no integer of its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lsn(pub u128);

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> Self {
        lsn.0.to_string()
    }
}

impl TryFrom<String> for Lsn {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupKind {
    /// The whole database.
    Full,
    /// What has changed since a full backup.
    Differential,
    /// The log since the log backup before.
    Log,
}

impl BackupKind {
    /// The letter in `msdb.dbo.backupset`.
    fn of_letter(letter: &str) -> Option<Self> {
        match letter {
            "D" => Some(Self::Full),
            "I" => Some(Self::Differential),
            "L" => Some(Self::Log),
            _ => None,
        }
    }
}

impl fmt::Display for BackupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full backup",
            Self::Differential => "differential backup",
            Self::Log => "log backup",
        })
    }
}

/// One backup as `msdb` describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFacts {
    /// The database's name then.
    pub database: String,
    /// What it holds.
    pub kind: BackupKind,
    /// Outside of every chain: no differential rests on it, and no log is ended by it.
    pub copy_only: bool,
    /// Its name among backups (a GUID).
    pub id: String,
    /// Where its log begins.
    pub first_lsn: Lsn,
    /// Where its log ends.
    pub last_lsn: Lsn,
    /// Where rolling forward begins.
    pub checkpoint_lsn: Lsn,
    /// The line of history at its beginning (a GUID): restoring to an earlier point begins a new.
    pub first_fork: Option<String>,
    /// The line of history at its end.
    pub last_fork: Option<String>,
    /// Where the second of them began, if they differ.
    #[serde(default)]
    pub fork_point: Option<Lsn>,
    /// The full backup that a differential rests on.
    pub base_id: Option<String>,
    /// When it began, by the server's clock.
    pub started: Timestamp,
    /// When it ended, by the server's clock.
    pub finished: Timestamp,
    /// How far the server's local time was ahead of UTC when it began, in minutes: STOPAT is local.
    pub utc_offset_minutes: i32,
    /// `FULL`, `BULK-LOGGED` or `SIMPLE`.
    pub recovery_model: String,
    /// Bytes as the server counts them.
    pub bytes: u64,
    /// Its files.
    pub files: Vec<BackupFile>,
}

/// A file of the database that a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFile {
    /// The name within the database, which MOVE wants.
    pub logical: String,
    /// Where it was.
    pub physical: String,
    /// `D` data, `L` log, `F` full-text, `S` file stream.
    pub kind: String,
    /// Bytes that it takes once restored.
    pub bytes: u64,
}

impl BackupFacts {
    /// Reads what [`super::statements::facts`] asks for.
    pub(super) fn read(what: &str, row: &tiberius::Row) -> Result<Self> {
        let mut fields = Fields::new(what, row);
        let database = fields.text()?;
        let letter = fields.text()?;
        let kind = BackupKind::of_letter(letter.trim())
            .ok_or_else(|| MssqlError::answer(what, format!("a backup of type {letter}")))?;
        let copy_only = fields.flag()?;
        let id = fields.text()?.to_uppercase();
        let [first_lsn, last_lsn, checkpoint_lsn] = [
            lsn(what, &mut fields)?,
            lsn(what, &mut fields)?,
            lsn(what, &mut fields)?,
        ];
        let mut guid = || Ok::<_, MssqlError>(fields.text_or_null()?.map(|id| id.to_uppercase()));
        let (first_fork, last_fork, base_id) = (guid()?, guid()?, guid()?);
        let (started, finished) = (fields.text()?, fields.text()?);
        let utc_offset_minutes = fields.number()? as i32;
        let mut facts = Self {
            database,
            kind,
            copy_only,
            id,
            first_lsn,
            last_lsn,
            checkpoint_lsn,
            first_fork,
            last_fork,
            fork_point: None,
            base_id: base_id.filter(|_| kind == BackupKind::Differential),
            started: to_utc(what, &started, utc_offset_minutes)?,
            finished: to_utc(what, &finished, utc_offset_minutes)?,
            utc_offset_minutes,
            recovery_model: fields.text_or_null()?.unwrap_or_default(),
            bytes: u64::try_from(fields.number()?).unwrap_or_default(),
            files: Vec::new(),
        };
        facts.fork_point = lsn_or_null(what, &mut fields)?;
        Ok(facts)
    }

    /// A time as the server's clock showed it when this backup was made.
    pub(super) fn local(&self, at: Timestamp) -> Option<DateTime> {
        let ahead = SignedDuration::from_mins(i64::from(self.utc_offset_minutes));
        Some(Offset::UTC.to_datetime(at.checked_add(ahead).ok()?))
    }
}

impl BackupFile {
    /// Reads a row of `RESTORE FILELISTONLY`.
    pub(super) fn read(what: &str, row: &tiberius::Row) -> Result<Self> {
        let mut fields = Fields::new(what, row);
        let bytes = fields.named("Size")?.decimal_or_null()?;
        Ok(Self {
            logical: fields.named("LogicalName")?.text()?,
            physical: fields.named("PhysicalName")?.text()?,
            kind: fields.named("Type")?.text()?,
            bytes: bytes
                .and_then(|bytes| u64::try_from(bytes).ok())
                .unwrap_or_default(),
        })
    }
}

fn lsn(what: &str, fields: &mut Fields<'_>) -> Result<Lsn> {
    Ok(lsn_or_null(what, fields)?.unwrap_or(Lsn(0)))
}

pub(super) fn lsn_or_null(what: &str, fields: &mut Fields<'_>) -> Result<Option<Lsn>> {
    let number = fields.decimal_or_null()?.map(u128::try_from).transpose();
    number
        .map(|number| number.map(Lsn))
        .map_err(|_| MssqlError::answer(what, "a place in the log below zero"))
}

fn to_utc(what: &str, local: &str, offset_minutes: i32) -> Result<Timestamp> {
    let ahead = SignedDuration::from_mins(i64::from(offset_minutes));
    local
        .parse::<DateTime>()
        .and_then(|local| Offset::UTC.to_timestamp(local))
        .and_then(|at| at.checked_sub(ahead))
        .map_err(|_| MssqlError::answer(what, format!("{local:?} is no time")))
}
