//! A database server of our own: in a scratch folder, without network, stopped when dropped.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

const START_SECONDS_MAX: u64 = 60;
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

    /// A command run as the server's user, which ends when this program dies.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig=INT");
        if let Some(user) = self.user {
            command
                .arg(format!("--reuid={user}"))
                .arg(format!("--regid={user}"));
            command.arg("--init-groups");
        }
        command.arg("--").arg(program).current_dir(self.path());
        command
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    stop_signal: Signal,
}

impl Server {
    /// Starts `command`, and waits until `probe` succeeds.
    pub fn start(
        mut command: Command,
        log: &Path,
        stop_signal: Signal,
        probe: impl Fn() -> Command,
    ) -> Result<Self> {
        let log_file = File::create(log)?;
        command
            .stdin(Stdio::null())
            .stdout(log_file.try_clone()?)
            .stderr(log_file);
        let child = command
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let mut server = Self { child, stop_signal };
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
        while !probe()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?
            .success()
        {
            if server.child.try_wait()?.is_some() || Instant::now() > deadline {
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
        // Nothing to do about a failure here: the server is gone already, or ends with us.
        let _ = kill_process(Pid::from_child(&self.child), self.stop_signal);
        let _ = self.child.wait();
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
