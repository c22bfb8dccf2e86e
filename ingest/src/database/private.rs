//! Servers of our own for a drill: in a private folder, on a socket, without network, gone when dropped or when this
//! process is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::stage::Stage;
use super::url::{Engine, ServerUrl};
use crate::error::{Error, NO_DRILL, Result};
use crate::process::Program;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);
/// Runs a server until its own standard input ends: that is when we stop it, or were killed. `QUIT` means "at once" to
/// all of them, and the data is thrown away anyway.
const KEEPER: &str = r#"trap "" INT; "$@" </dev/null & read -r _; kill -QUIT $!; wait"#;
/// Who we are on such a server: nobody that dumps of other servers define.
const USER: &str = "nightfold_drill";
const USERNAME: &str = "--username=nightfold_drill";
/// Where Debian keeps PostgreSQL's server, by version.
const POSTGRES_FOLDER: &str = "/usr/lib/postgresql";

/// A running server.
pub(super) struct PrivateServer {
    keeper: Child,
    url: ServerUrl,
    _stage: Stage,
}

impl PrivateServer {
    pub(super) fn start(engine: &str, cancel: &AtomicBool) -> Result<Self> {
        match engine {
            "postgres" => start_postgres(cancel),
            "mysql" => start_mariadb(cancel),
            other => Err(failed(other, "give the URL of a server: --to mssql://…")),
        }
    }

    pub(super) fn url(&self) -> &ServerUrl {
        &self.url
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
    }
}

fn start_postgres(cancel: &AtomicBool) -> Result<PrivateServer> {
    let (stage, owner) = prepare("postgres")?;
    let folder = stage.folder().to_owned();
    let data = stage.path("data");
    let initdb = owner.program(&postgres_program("initdb")?).args([
        OsString::from("--auth=trust"),
        USERNAME.into(),
        "--encoding=UTF8".into(),
        "--locale=C".into(),
        "--no-sync".into(),
        "-D".into(),
        data.clone().into(),
    ]);
    initdb.run(cancel, |pipes| drain(pipes.stdout))?;
    let mut postgres = owner.keeper(&postgres_program("postgres")?);
    postgres.arg("-D").arg(&data).arg("-k").arg(&folder);
    for setting in [
        "listen_addresses=",
        "fsync=off",
        "full_page_writes=off",
        "autovacuum=off",
        "wal_level=minimal",
        "max_wal_senders=0",
        "max_wal_size=4GB",
    ] {
        postgres.args(["-c", setting]);
    }
    let url = ServerUrl::on_socket(Engine::Postgres, USER, &folder);
    let socket = folder.join(".s.PGSQL.5432");
    start(postgres, "postgres", stage, url, &socket, cancel)
}

fn start_mariadb(cancel: &AtomicBool) -> Result<PrivateServer> {
    let (stage, owner) = prepare("mysql")?;
    let data = format!("--datadir={}", stage.path("data").display());
    let install = owner.program(&found("mariadb-install-db")?).args([
        "--no-defaults",
        &data,
        "--skip-test-db",
        "--auth-root-authentication-method=normal",
    ]);
    install.run(cancel, |pipes| drain(pipes.stdout))?;
    let socket = stage.path("socket");
    let init = stage.path("init.sql");
    let account = format!(
        "CREATE USER {USER}@localhost;\nGRANT ALL ON *.* TO {USER}@localhost WITH GRANT OPTION;\n"
    );
    std::fs::write(&init, account).map_err(|error| failed("mariadbd", &error.to_string()))?;
    let mut mariadbd = owner.keeper(&found("mariadbd")?);
    mariadbd.args(["--no-defaults", &data, "--skip-networking"]);
    mariadbd.arg(format!("--socket={}", socket.display()));
    mariadbd.arg(format!("--init-file={}", init.display()));
    mariadbd.args([
        "--innodb-flush-method=nosync",
        "--innodb-flush-log-at-trx-commit=0",
        "--skip-log-bin",
        "--skip-name-resolve",
        "--max-allowed-packet=1G",
    ]);
    let url = ServerUrl::on_socket(Engine::Mysql, USER, &socket);
    start(mariadbd, "mariadbd", stage, url, &socket, cancel)
}

/// Who runs the server: not root, which servers refuse.
struct Owner {
    /// User and group; `None`: whoever we are.
    user: Option<(u32, u32)>,
    /// Ours may be closed to them, and others' servers tidy up in it.
    temporary: PathBuf,
}

impl Owner {
    fn program(&self, program: &Path) -> Program {
        let command = Program::new(program, NO_DRILL).env("TMPDIR", &self.temporary);
        match self.user {
            Some((user, group)) => command.run_as(user, group),
            None => command,
        }
    }

    fn keeper(&self, program: &Path) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", KEEPER, "keeper"]).arg(program);
        command.env("TMPDIR", &self.temporary);
        if let Some((user, group)) = self.user {
            crate::fs::run_as(&mut command, user, group);
        }
        crate::fs::in_own_group(&mut command);
        command
    }
}

/// A folder for the server, and who runs it.
fn prepare(user: &str) -> Result<(Stage, Owner)> {
    let stage = Stage::new().map_err(|error| failed(user, &error.to_string()))?;
    let temporary = stage.folder().to_owned();
    if crate::fs::process_owner().0 != 0 {
        let user = None;
        return Ok((stage, Owner { user, temporary }));
    }
    let Some(found) = uzers::get_user_by_name(user) else {
        let text = format!("root cannot run such a server, and there is no user {user} to run it");
        return Err(failed(user, &text));
    };
    let (user_id, group_id) = (found.uid(), found.primary_group_id());
    crate::fs::give_away(stage.folder(), user_id, group_id)
        .map_err(|error| failed(user, &error.to_string()))?;
    let user = Some((user_id, group_id));
    Ok((stage, Owner { user, temporary }))
}

fn start(
    mut command: Command,
    name: &str,
    stage: Stage,
    url: ServerUrl,
    socket: &Path,
    cancel: &AtomicBool,
) -> Result<PrivateServer> {
    let log = stage.path("log");
    let log_file = || {
        std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
    };
    let spawned = log_file().and_then(|out| {
        let errors = log_file()?;
        command
            .current_dir(stage.folder())
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(errors)
            .spawn()
    });
    let keeper = spawned.map_err(|error| failed(name, &error.to_string()))?;
    let mut server = PrivateServer {
        keeper,
        url,
        _stage: stage,
    };
    let began = Instant::now();
    loop {
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        if crate::fs::answers(socket) {
            return Ok(server);
        }
        let ended = server
            .keeper
            .try_wait()
            .is_ok_and(|status| status.is_some());
        if ended || began.elapsed() > PATIENCE {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let last = text.lines().last().unwrap_or("it does not answer");
            return Err(failed(name, last));
        }
        sleep(POLL);
    }
}

/// A program of PostgreSQL's server, of the newest version that is here.
pub(super) fn postgres_program(name: &str) -> Result<PathBuf> {
    let version = |path: &PathBuf| -> u32 {
        let name = path.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.parse().ok()).unwrap_or(0)
    };
    let folders = Path::new(POSTGRES_FOLDER).read_dir().into_iter().flatten();
    let mut folders: Vec<PathBuf> = folders.flatten().map(|entry| entry.path()).collect();
    folders.sort_by_key(version);
    let debian = folders.pop().map(|folder| folder.join("bin").join(name));
    debian
        .filter(|path| path.exists())
        .map_or_else(|| found(name), Ok)
}

/// A program in the usual folders: plain users' paths lack those of servers.
fn found(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/libexec"].map(PathBuf::from);
    let mut candidates = std::env::split_paths(&path)
        .chain(usual)
        .map(|folder| folder.join(name));
    candidates.find(|path| path.is_file()).ok_or_else(|| {
        failed(
            name,
            "there is no such program here: install the server, or name one with --to URL",
        )
    })
}

fn drain(mut from: impl std::io::Read) -> Result<()> {
    std::io::copy(&mut from, &mut std::io::sink())
        .map(drop)
        .map_err(Error::Output)
}

fn failed(what: &str, reason: &str) -> Error {
    Error::Database {
        database: format!("a private server for the drill ({what})"),
        reason: reason.to_owned(),
    }
}
