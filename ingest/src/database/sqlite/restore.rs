//! Files of SQLite out of a repository: restored, and looked at.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use super::{copy, failed, integrity, open, open_still, tables};
use crate::database::facts::TableFacts;
use crate::database::load::Writer;
use crate::database::stage::{Stage, unusable};
use crate::error::{Error, Result};

/// Makes a file of what `write` writes. Another database is replaced by SQLite itself, so that whoever uses it sees the
/// old or the new one.
pub(in crate::database) fn restore(
    path: &Path,
    replace: bool,
    write: Writer<'_>,
    cancel: &AtomicBool,
) -> Result<()> {
    let is_there = std::fs::symlink_metadata(path).is_ok();
    if is_there && !replace {
        return Err(Error::DatabaseExists(path.display().to_string()));
    }
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    let in_folder = |error: &dyn std::fmt::Display| failed(path, error);
    let mut staged = tempfile::Builder::new()
        .prefix(".nightfold-restore-")
        .tempfile_in(folder)
        .map_err(|error| in_folder(&error))?;
    write(staged.as_file_mut()).map_err(|error| match error {
        Error::Output(source) => Error::Target {
            target: folder.display().to_string(),
            source,
        },
        other => other,
    })?;
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    staged
        .as_file()
        .sync_all()
        .map_err(|error| in_folder(&error))?;
    if !is_there {
        // A log that somebody left beside it would be taken for its own.
        for suffix in ["-wal", "-journal", "-shm"] {
            let mut beside = path.as_os_str().to_owned();
            beside.push(suffix);
            if std::fs::symlink_metadata(&beside).is_ok() {
                let beside = beside.display();
                let text = format!("{beside} of another database is there: remove it first");
                return Err(failed(path, &text));
            }
        }
        staged
            .persist_noclobber(path)
            .map_err(|error| in_folder(&error.error))?;
        return Ok(());
    }
    let from = open_still(staged.path()).map_err(|error| failed(path, &error))?;
    let mut to = open(path).map_err(|error| failed(path, &error))?;
    copy(&from, &mut to, cancel).map_err(|error| failed(path, &error))?;
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    Ok(())
}

/// The tables of what `write` writes, and what `integrity_check` has to say.
pub(in crate::database) fn look_at(
    write: Writer<'_>,
    cancel: &AtomicBool,
) -> Result<(Vec<TableFacts>, Vec<String>)> {
    let stage = write_stage(write)?;
    let looked = open_still(&stage.path("copy")).and_then(|connection| {
        let check = integrity(&connection)?;
        let mut tables = tables(&connection, cancel)?;
        tables.sort();
        Ok((tables, check))
    });
    let (tables, check) = match looked {
        Ok(looked) => looked,
        // What is no database is no error of ours.
        Err(error) => (Vec::new(), error.to_string()),
    };
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    let complaints = (check != "ok").then(|| format!("integrity_check says: {check}"));
    Ok((tables, complaints.into_iter().collect()))
}

/// What `write` writes, as a database that is only read.
pub(super) fn staged(write: Writer<'_>) -> Result<(Stage, Connection)> {
    let stage = write_stage(write)?;
    let path = stage.path("copy");
    let source = open_still(&path).map_err(|error| failed(&path, &error))?;
    Ok((stage, source))
}

fn write_stage(write: Writer<'_>) -> Result<Stage> {
    let made = Stage::new().and_then(|stage| {
        let file = File::create(stage.path("copy"))?;
        Ok((stage, file))
    });
    let (stage, mut file) = made.map_err(unusable)?;
    write(&mut file).map_err(|error| match error {
        Error::Output(source) => unusable(source),
        other => other,
    })?;
    Ok(stage)
}
