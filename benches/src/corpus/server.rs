//! A database server of our own: in a scratch folder, without network, stopped when dropped.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::geteuid;
use tempfile::TempDir;

const START_SECONDS_MAX: u64 = 30;
const FEED_BUFFER_BYTES: usize = 1 << 20;

/// A folder that belongs to the server's user, removed when dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    /// Servers refuse to run as root; anybody else runs them as themselves.
    user: Option<&'static str>,
}

impl Scratch {
    /// Makes the folder; root gives it to `user`.
    pub fn new(user: &'static str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("nf-corpus-").tempdir()?;
        let user = geteuid().is_root().then_some(user);
        if let Some(user) = user {
            run(Command::new("chown").arg(user).arg(folder.path()))?;
        }
        Ok(Self { folder, user })
    }

    /// Where the server keeps its data and its socket.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command run as the server's user.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match self.user {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={user}"))
                    .arg(format!("--regid={user}"));
                command.args(["--init-groups", "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(self.path());
        command
    }

    /// A command for [`Server::start`].
    pub fn server(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.command("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(program);
        command
    }
}

/// Runs a server until its own standard input ends: that is when we stop it, or were killed.
/// `SIGQUIT` means "at once" to all of them, and the data is thrown away anyway.
const KEEPER: &str = r#"trap "" INT; "$@" </dev/null & read -r _; kill -QUIT $!; wait"#;

/// A running server.
#[derive(Debug)]
pub struct Server(Child);

impl Server {
    /// Starts `command`, and waits until `probe` succeeds.
    pub fn start(mut command: Command, log: &Path, probe: impl Fn() -> Command) -> Result<Self> {
        let log_file = File::create(log)?;
        command
            .stdin(Stdio::piped())
            .stdout(log_file.try_clone()?)
            .stderr(log_file);
        let child = command
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let server = Self(child);
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
        while !probe()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?
            .success()
        {
            if Instant::now() > deadline {
                bail!(
                    "the server did not start:\n{}",
                    std::fs::read_to_string(log)?
                );
            }
            sleep(Duration::from_millis(100));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // Nothing to do about a failure: the server is gone already.
        let _ = self.0.wait();
    }
}

/// Runs a command that must succeed; what it complains about goes to our standard error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("run {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

/// Runs a command that must succeed on what `write` writes to its standard input.
pub fn feed(
    command: &mut Command,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    command.stdin(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("run {command:?}"))?;
    let stdin = child.stdin.take().context("standard input is a pipe")?;
    let mut stdin = BufWriter::with_capacity(FEED_BUFFER_BYTES, stdin);
    let written = write(&mut stdin).and_then(|()| stdin.flush());
    drop(stdin);
    let status = child.wait()?;
    ensure!(status.success(), "{command:?}: {status}");
    written.with_context(|| format!("write to {command:?}"))
}
