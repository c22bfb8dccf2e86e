//! A run of the program, and what came of it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use serde_json::Value;

/// The program under test: Cargo puts it beside the folder of the test programs.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test program");
    let folder = test.parent().and_then(Path::parent).expect("its folder");
    let program = folder.join("nightfold");
    assert!(
        program.exists(),
        "{} is not there: run `cargo build -p nightfold` first",
        program.display()
    );
    program
}

/// A run that is being prepared.
pub struct Call {
    command: Command,
    input: Vec<u8>,
}

impl Call {
    /// A run of any command.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            input: Vec::new(),
        }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What it reads from standard input.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Ran {
        let input = self.input.clone();
        let what = format!("{:?}", self.command.get_args().collect::<Vec<_>>());
        let mut child = self.spawn();
        let mut stdin = child.stdin.take().expect("a pipe");
        // What it does not read is not missed.
        let feeder = thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("its output");
        feeder.join().expect("the feeder");
        Ran::new(what, output)
    }

    /// Starts it with pipes.
    pub fn spawn(mut self) -> Child {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.command))
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Ran {
    what: String,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
    status: std::process::ExitStatus,
}

#[expect(clippy::return_self_not_must_use, reason = "most claims end a chain")]
impl Ran {
    /// Whatever happens, the program does not panic.
    pub fn new(what: impl Into<String>, output: Output) -> Self {
        let ran = Self {
            what: what.into(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status,
        };
        assert!(!ran.stderr.contains("panicked"), "{}", ran.told());
        ran
    }

    /// It must have ended with this code, and by itself.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{}", self.told());
        self
    }

    /// Standard error must tell of this.
    #[track_caller]
    pub fn tells(self, text: &str) -> Self {
        let told = self.stderr.contains(text);
        assert!(told, "not told: {text}\n{}", self.told());
        self
    }

    /// Nothing that it printed may hold this.
    #[track_caller]
    pub fn hides(self, secret: &str) -> Self {
        let shown = self.stderr.contains(secret) || self.text().contains(secret);
        assert!(!shown, "{}", self.told());
        self
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}", self.told()))
    }

    /// The exit code.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    fn told(&self) -> String {
        let text = self.text();
        let shown: String = text.chars().take(4000).collect();
        format!(
            "{}: {}\n--- stdout\n{shown}\n--- stderr\n{}",
            self.what, self.status, self.stderr
        )
    }
}
