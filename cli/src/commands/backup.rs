//! `nightfold backup`.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;
use nightfold_ingest::mssql::NativeBackup;
use nightfold_ingest::mssql::native::BackupKind;
use nightfold_ingest::{BackupRequest, DatabaseSource, Progress, Secret, Source, backup};
use nightfold_repo::repository::WriteOptions;

use crate::args::{JsonFlag, parity_percent};
use crate::config::SourceConfig;
use crate::context::Context;
use crate::exit::{Error, Outcome, Result};
use crate::input::estimate;
use crate::input::source::{self, Asked, Input};
use crate::input::standard_input::StandardInput;
use crate::password::DatabasePassword;
use crate::progress;
use crate::staging::StagingArgs;
use crate::stop::Stop;
use crate::{machine, report, select};

/// Options of `backup`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option by itself")]
pub struct BackupArgs {
    /// Files and folders; or '-' for standard input; or databases: sqlite:PATH, postgres://user@host/db,
    /// mysql://user@host/db, mssql://user@host/db; or the name of a source in nightfold.toml (it wins over a path of
    /// that name: write ./NAME to mean the path); or with --command a program and its arguments
    #[arg(required = true, value_name = "PATH|URL|NAME|-")]
    what: Vec<OsString>,
    /// Store what a command prints, if it succeeds: --command -- pg_dump app
    #[arg(long)]
    command: bool,
    /// The name of the file that standard input or a command's output becomes [default: stdin, or the program's
    /// name]
    #[arg(long, value_name = "NAME")]
    stdin_name: Option<OsString>,
    /// All databases of the servers that are named
    #[arg(long)]
    all_databases: bool,
    #[command(flatten)]
    database_password: DatabasePassword,
    #[command(flatten)]
    staging: StagingArgs,
    /// Have SQL Server back itself up as part of a chain, which other programs must then leave alone: full,
    /// differential, log [default with a staging folder: a full COPY_ONLY backup, which disturbs nobody]
    #[arg(long, value_name = "KIND", value_parser = kind)]
    chain: Option<BackupKind>,
    /// A word to find the snapshot by
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// The host to name instead of this one
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// The time to note instead of now: 'YYYY-MM-DD HH:MM[:SS]' or RFC 3339
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Leave out what matches this glob
    #[arg(long = "exclude", value_name = "GLOB")]
    excludes: Vec<String>,
    /// Read files again that look unchanged
    #[arg(long)]
    force: bool,
    /// Store nothing, only tell what would be stored
    #[arg(long)]
    dry_run: bool,
    /// zstd level
    #[arg(long, value_name = "N", default_value_t = WriteOptions::default().level,
          value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    /// Parity of the packs that this run writes, in percent of their bytes; 0: none [default: what `init` said]
    #[arg(long, value_name = "PERCENT", value_parser = parity_percent())]
    parity: Option<u8>,
    #[command(flatten)]
    json: JsonFlag,
}

/// Makes a snapshot.
pub fn run(context: &Context, args: BackupArgs) -> Result<Outcome> {
    let mut config = context.config()?;
    config.parity = args.parity.or(config.parity);
    let mut asked = source::ask(
        &args.what,
        args.command,
        args.stdin_name.as_deref(),
        &config,
    )?;
    let mut password = None;
    let mut native = None;
    if let Input::Databases(_, all) = &mut asked.input {
        *all |= args.all_databases;
        let configured = asked
            .name
            .as_ref()
            .and_then(|name| config.sources.get(name));
        password = args.database_password.find(configured)?;
        native = own_backup(&args, configured)?;
    } else if args.all_databases {
        return Err(Error::usage(
            "--all-databases needs the URL of a server",
            "as in: nightfold backup --all-databases postgres://postgres@host",
        ));
    } else if args.chain.is_some() || args.staging.find(None).is_some() {
        return Err(Error::usage(
            "--chain and --staging-… are for databases of SQL Server",
            "as in: nightfold backup mssql://sa@host/db --staging-server '\\\\nas\\stage' --staging-local /mnt/stage",
        ));
    }
    let time = select::moment(&context.messages, args.time.as_deref())?;
    let repository = context.open_with(&config)?;
    let stop = Stop::on_signals()?;
    let (json, dry_run) = (args.json.json, args.dry_run);
    let by_clock = time.is_none();
    let progress = Arc::new(Progress::default());
    if progress::is_wanted(context, json) {
        let total = estimate::bytes(&repository, &asked.input, &host(&args, &asked));
        progress.bytes_total.store(total, Ordering::Relaxed);
    }
    let of_databases = (password.as_ref(), native.as_ref());
    let request = request(args, asked, of_databases, time, &stop)?;
    let shown = progress::show_run(context, json, &progress);
    let made = backup(&repository, request, &progress, stop.flag());
    drop(shown);
    let report = made?;
    report::tell(context, &report, by_clock);
    match report::print(context, json, dry_run, &report) {
        Err(error) if !error.is_broken_pipe() => return Err(error),
        _ => {}
    }
    Ok(if report.failures.is_empty() {
        Outcome::Done
    } else {
        Outcome::Incomplete
    })
}

fn kind(text: &str) -> std::result::Result<BackupKind, String> {
    match text {
        "full" => Ok(BackupKind::Full),
        "differential" => Ok(BackupKind::Differential),
        "log" => Ok(BackupKind::Log),
        _ => Err("it is full, differential or log".to_owned()),
    }
}

/// How SQL Server is to back itself up, if it is.
fn own_backup(
    args: &BackupArgs,
    configured: Option<&SourceConfig>,
) -> Result<Option<NativeBackup>> {
    let (staging, chain) = (args.staging.find(configured), args.chain);
    if chain.is_some() && staging.is_none() {
        return Err(Error::usage(
            "--chain needs a folder that the server writes and this machine reads",
            "name it with --staging-server and --staging-local",
        ));
    }
    if chain.is_some() && args.dry_run {
        return Err(Error::usage(
            "a backup that is part of a chain changes the database, so there is no dry run of it",
            "",
        ));
    }
    Ok(staging.map(|staging| NativeBackup { staging, chain }))
}

fn host(args: &BackupArgs, asked: &Asked) -> String {
    let named = args.host.as_ref().or(asked.host.as_ref());
    named.cloned().unwrap_or_else(machine::host)
}

fn request(
    args: BackupArgs,
    asked: Asked,
    (password, native): (Option<&Secret>, Option<&NativeBackup>),
    time: Option<jiff::Zoned>,
    stop: &Stop,
) -> Result<BackupRequest> {
    let host = host(&args, &asked);
    let source = match asked.input {
        Input::Paths(paths) => Source::Paths(paths),
        Input::Command(name, argv) => Source::Command { name, argv },
        Input::Databases(urls, all) => {
            let source = |url| DatabaseSource {
                url,
                all,
                password: password.cloned(),
                native: native.cloned(),
            };
            Source::Databases(urls.into_iter().map(source).collect())
        }
        Input::Standard(name) => {
            let reader = StandardInput::open(stop.clone()).map_err(|error| {
                Error::failed(format!("cannot read standard input: {error}"), "")
            })?;
            let reader = Box::new(reader);
            Source::Stream { name, reader }
        }
    };
    let mut tags = asked.tags;
    for tag in args.tags {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(BackupRequest {
        source,
        source_name: asked.name,
        excludes: [asked.excludes, args.excludes].concat(),
        force: args.force,
        dry_run: args.dry_run,
        level: args.level,
        tags,
        host,
        user: machine::user(),
        time,
    })
}
