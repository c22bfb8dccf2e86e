//! A database server of our own: in a scratch folder, without network, stopped when dropped.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use tempfile::TempDir;

const START_SECONDS_MAX: u64 = 120;

/// Runs a server until its own standard input ends: that is when we stop it, or were killed.
const KEEPER: &str = r#"trap "" INT; "$@" </dev/null & read -r _; kill -QUIT $!; wait"#;

/// A folder that belongs to the server's user.
pub struct Scratch {
    folder: TempDir,
    /// Servers refuse to run as root; anybody else runs them as themselves.
    user: Option<&'static str>,
}

impl Scratch {
    /// Root gives the folder to `user`.
    pub fn new(user: &'static str) -> Self {
        let folder = tempfile::Builder::new().prefix("nf-").tempdir().unwrap();
        let user = geteuid().is_root().then_some(user);
        if let Some(user) = user {
            succeed(Command::new("chown").arg(user).arg(folder.path()));
        }
        Self { folder, user }
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
                command.args([format!("--reuid={user}"), format!("--regid={user}")]);
                command.args(["--init-groups", "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(self.path());
        // Servers remove what they take for their own leftovers in it.
        command.env("TMPDIR", self.path());
        command
    }

    /// A command for [`Server::start`].
    pub fn server(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.command("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(program);
        command
    }
}

/// A running server.
pub struct Server(Child);

impl Server {
    /// Starts it, and waits until `probe` succeeds.
    pub fn start(mut command: Command, log: &Path, probe: impl Fn() -> Command) -> Self {
        let log_file = File::create(log).unwrap();
        command
            .stdin(Stdio::piped())
            .stdout(log_file.try_clone().unwrap())
            .stderr(log_file);
        let server = Self(command.spawn().unwrap());
        let begun = Instant::now();
        while !probe().output().unwrap().status.success() {
            let told = std::fs::read_to_string(log).unwrap();
            let late = begun.elapsed() > Duration::from_secs(START_SECONDS_MAX);
            assert!(!late, "the server did not start:\n{told}");
            sleep(Duration::from_millis(100));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Runs a command that must succeed; its output.
#[track_caller]
pub fn succeed(command: &mut Command) -> Vec<u8> {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error} (tests/run installs what is needed)"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{told}");
    output.stdout
}

/// Runs a command that must succeed on this input; its output.
#[track_caller]
pub fn feed(command: &mut Command, input: &[u8]) -> Vec<u8> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        let feeder = scope.spawn(move || stdin.write_all(input));
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{command:?}");
        feeder.join().unwrap().unwrap();
        output.stdout
    })
}
