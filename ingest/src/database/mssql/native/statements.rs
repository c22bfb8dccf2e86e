//! T-SQL of backups. Only text; what it does is the server's business.

use jiff::civil::DateTime;

use super::super::name::{quoted, text};
use super::facts::BackupKind;
use super::staging::PREFIX;

/// The major version of SQL Server 2008, which brought compression: it would defeat
/// deduplication, and 2005 does not know the word that turns it off.
const V2008: u32 = 10;

/// `BACKUP`. `path` is the server's.
pub(super) fn backup(
    database: &str,
    path: &str,
    kind: BackupKind,
    copy_only: bool,
    major: u32,
) -> String {
    let verb = match kind {
        BackupKind::Log => "LOG",
        BackupKind::Full | BackupKind::Differential => "DATABASE",
    };
    let mut options = vec!["FORMAT", "CHECKSUM"];
    if copy_only {
        options.push("COPY_ONLY");
    }
    if kind == BackupKind::Differential {
        options.push("DIFFERENTIAL");
    }
    if major >= V2008 {
        options.push("NO_COMPRESSION");
    }
    format!(
        "BACKUP {verb} {} TO DISK = {} WITH {}",
        quoted(database),
        text(path),
        options.join(", ")
    )
}

/// Reads the whole file, and its checksums.
pub(super) fn verify(path: &str) -> String {
    format!(
        "RESTORE VERIFYONLY FROM DISK = {} WITH CHECKSUM",
        text(path)
    )
}

/// What backups are in the file.
pub(super) fn header(path: &str) -> String {
    format!("RESTORE HEADERONLY FROM DISK = {}", text(path))
}

/// What files of a database are in the backup.
pub(super) fn file_list(path: &str) -> String {
    format!("RESTORE FILELISTONLY FROM DISK = {}", text(path))
}

/// What `msdb` says about the backup in the file of this name, which nothing else has. Its folder
/// may have been named otherwise then.
pub(super) fn facts(name: &str) -> String {
    format!(
        "SELECT b.database_name, CAST(b.type AS nvarchar(1)), b.is_copy_only, \
         CAST(b.backup_set_uuid AS nvarchar(36)), b.first_lsn, b.last_lsn, b.checkpoint_lsn, \
         CAST(b.first_recovery_fork_guid AS nvarchar(36)), \
         CAST(b.last_recovery_fork_guid AS nvarchar(36)), \
         CAST(b.differential_base_guid AS nvarchar(36)), \
         CONVERT(nvarchar(30), b.backup_start_date, 126), \
         CONVERT(nvarchar(30), b.backup_finish_date, 126), \
         CASE WHEN b.time_zone BETWEEN -56 AND 56 THEN b.time_zone * 15 \
         ELSE DATEDIFF(minute, GETUTCDATE(), GETDATE()) END, b.recovery_model, \
         CAST(b.backup_size AS bigint), b.fork_point_lsn \
         FROM msdb.dbo.backupset b \
         JOIN msdb.dbo.backupmediafamily f ON f.media_set_id = b.media_set_id \
         WHERE f.physical_device_name LIKE {} ORDER BY b.backup_set_id DESC",
        text(&format!("%{name}"))
    )
}

/// On which full backup a differential would rest now.
pub(super) fn base(database: &str) -> String {
    format!(
        "SELECT DISTINCT CAST(differential_base_guid AS nvarchar(36)) FROM sys.master_files \
         WHERE database_id = DB_ID({}) AND type = 0 AND differential_base_guid IS NOT NULL",
        text(database)
    )
}

/// Where a log backup would begin now, in which line of history, and where that began. The first
/// is NULL if there is no chain of them, the second and last if it goes on as it was.
pub(super) fn next_log(database: &str) -> String {
    format!(
        "SELECT last_log_backup_lsn, CAST(first_recovery_fork_guid AS nvarchar(36)), \
         CAST(recovery_fork_guid AS nvarchar(36)), fork_point_lsn \
         FROM sys.database_recovery_status WHERE database_id = DB_ID({})",
        text(database)
    )
}

/// The newest backup that is part of a chain and was made by another program, after a time in
/// the server's local time, or in the last month.
pub(super) fn others(database: &str, since: Option<DateTime>) -> String {
    let since = match since {
        Some(at) => format!("'{}'", at.strftime("%Y-%m-%dT%H:%M:%S.%3f")),
        None => "DATEADD(month, -1, GETDATE())".to_owned(),
    };
    format!(
        "SELECT TOP 1 CAST(b.type AS nvarchar(1)), CONVERT(nvarchar(30), b.backup_finish_date, 126), \
         f.physical_device_name FROM msdb.dbo.backupset b \
         JOIN msdb.dbo.backupmediafamily f ON f.media_set_id = b.media_set_id \
         WHERE b.database_name = {} AND b.is_copy_only = 0 AND b.type IN ('D', 'L') \
         AND (f.physical_device_name IS NULL OR f.physical_device_name NOT LIKE N'%{PREFIX}%') \
         AND b.backup_finish_date > {since} ORDER BY b.backup_set_id DESC",
        text(database)
    )
}

/// How far the command of a session is, in percent.
pub(super) fn progress(session: i64) -> String {
    format!("SELECT percent_complete FROM sys.dm_exec_requests WHERE session_id = {session}")
}

/// Where the server puts new data and log files.
pub(super) const FOLDERS: &str = "SELECT \
    CAST(SERVERPROPERTY('InstanceDefaultDataPath') AS nvarchar(512)), \
    CAST(SERVERPROPERTY('InstanceDefaultLogPath') AS nvarchar(512)), \
    (SELECT TOP 1 physical_name FROM sys.master_files WHERE database_id = 1 AND type = 0), \
    (SELECT TOP 1 physical_name FROM sys.master_files WHERE database_id = 1 AND type = 1)";

/// `RESTORE`. `moves` are logical names of files that are new with this backup, and where they go.
/// The last one opens the database.
pub(super) fn restore(
    database: &str,
    path: &str,
    kind: BackupKind,
    moves: &[(String, String)],
    stop_at: Option<DateTime>,
    last: bool,
) -> String {
    let verb = match kind {
        BackupKind::Log => "LOG",
        BackupKind::Full | BackupKind::Differential => "DATABASE",
    };
    let mut options = vec!["CHECKSUM".to_owned()];
    for (logical, physical) in moves {
        options.push(format!("MOVE {} TO {}", text(logical), text(physical)));
    }
    if let Some(at) = stop_at.filter(|_| kind == BackupKind::Log) {
        options.push(format!(
            "STOPAT = '{}'",
            at.strftime("%Y-%m-%dT%H:%M:%S.%3f")
        ));
    }
    options.push(if last { "RECOVERY" } else { "NORECOVERY" }.to_owned());
    format!(
        "RESTORE {verb} {} FROM DISK = {} WITH {}",
        quoted(database),
        text(path),
        options.join(", ")
    )
}

/// The server's own check of a database.
pub(super) fn check(database: &str) -> String {
    format!(
        "DBCC CHECKDB ({}) WITH NO_INFOMSGS, ALL_ERRORMSGS",
        text(database)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_backup_alone_disturbs_no_chain() {
        assert_eq!(
            backup("a]b", r"\\srv\share\it's.bak", BackupKind::Full, true, 10),
            r"BACKUP DATABASE [a]]b] TO DISK = N'\\srv\share\it''s.bak' WITH FORMAT, CHECKSUM, COPY_ONLY, NO_COMPRESSION"
        );
        assert_eq!(
            backup("d", "f", BackupKind::Full, true, 9),
            "BACKUP DATABASE [d] TO DISK = N'f' WITH FORMAT, CHECKSUM, COPY_ONLY"
        );
    }

    #[test]
    fn the_parts_of_a_chain() {
        assert_eq!(
            backup("d", "f", BackupKind::Differential, false, 16),
            "BACKUP DATABASE [d] TO DISK = N'f' WITH FORMAT, CHECKSUM, DIFFERENTIAL, NO_COMPRESSION"
        );
        assert_eq!(
            backup("d", "f", BackupKind::Log, false, 16),
            "BACKUP LOG [d] TO DISK = N'f' WITH FORMAT, CHECKSUM, NO_COMPRESSION"
        );
        let at = jiff::civil::date(2026, 11, 20).at(3, 0, 0, 7_000_000);
        assert_eq!(
            restore("d", "f", BackupKind::Log, &[], Some(at), true),
            "RESTORE LOG [d] FROM DISK = N'f' WITH CHECKSUM, STOPAT = '2026-11-20T03:00:00.007', RECOVERY"
        );
        let moves = [("d_data".to_owned(), r"D:\new\d.mdf".to_owned())];
        assert_eq!(
            restore("d", "f", BackupKind::Full, &moves, Some(at), false),
            r"RESTORE DATABASE [d] FROM DISK = N'f' WITH CHECKSUM, MOVE N'd_data' TO N'D:\new\d.mdf', NORECOVERY"
        );
    }
}
