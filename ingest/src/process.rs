//! Programs run as children: what they print is read, what they need is written, and only one that ended well counts.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, ErrorKind, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};

/// Lines of standard error that are kept.
const TAIL_LINES: usize = 20;
/// Bytes of a line that are kept.
const LINE_BYTES: u64 = 4096;
/// How often a running program is looked at while its output pauses.
const POLL: Duration = Duration::from_millis(50);
/// How many looks at it a program gets to end after its output did: a minute.
const LOOKS_AFTER_THE_END: u32 = 1200;

/// A program to be run.
pub(crate) struct Program {
    command: Command,
    name: String,
    /// What its failure means, in words.
    consequence: &'static str,
}

/// The ends of its pipes.
pub(crate) struct Pipes {
    /// `None` unless it was asked for.
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: ChildStdout,
}

impl Program {
    /// Messages show its name only: arguments may hold secrets. Our own variables are not passed on, since the program
    /// has no use for our secrets, and a child's environment is easily shown.
    pub(crate) fn new(program: impl AsRef<OsStr>, consequence: &'static str) -> Self {
        let program = program.as_ref();
        let mut command = Command::new(program);
        crate::fs::in_own_group(&mut command);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("NIGHTFOLD_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null());
        Self {
            command,
            name: program.to_string_lossy().into_owned(),
            consequence,
        }
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Without a variable that this process may have.
    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// As another user; only root can.
    pub(crate) fn run_as(mut self, user: u32, group: u32) -> Self {
        crate::fs::run_as(&mut self.command, user, group);
        // Where it starts may be closed to that user.
        self.command.current_dir("/");
        self
    }

    /// With a pipe to its standard input, which is otherwise empty.
    pub(crate) fn with_input(mut self) -> Self {
        self.command.stdin(Stdio::piped());
        self
    }

    /// Runs it while `body` deals with its pipes; returns what `body` made of them, and the last lines that it wrote to
    /// standard error. An error unless both ended well.
    pub(crate) fn run<T>(
        mut self,
        cancel: &AtomicBool,
        body: impl FnOnce(Pipes) -> Result<T>,
    ) -> Result<(T, Vec<String>)> {
        let spawned = self
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(self.failed("could not be started: there is no such program", vec![]));
            }
            Err(error) => {
                return Err(self.failed(&format!("could not be started ({error})"), vec![]));
            }
        };
        let stdin = child.stdin.take();
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(self.failed("has no output", vec![]));
        };
        let ended = AtomicBool::new(false);
        let (made, status, tail) = thread::scope(|scope| {
            let tail = scope.spawn(move || tail_of(stderr));
            let ended = &ended;
            // A read from a silent program would wait for ever: a signal ends the program, and so the read.
            let waiter = scope.spawn(move || wait(child, ended, cancel));
            let made = body(Pipes { stdin, stdout });
            ended.store(true, Ordering::Relaxed);
            (made, waiter.join(), tail.join())
        });
        let tail = tail.unwrap_or_default();
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        match (status, made) {
            (Ok(Ok(status)), Ok(made)) if status.success() => Ok((made, tail)),
            (Ok(Ok(status)), Err(error)) if status.success() || !is_consequence(&error) => {
                Err(error)
            }
            (Ok(Ok(status)), _) => Err(self.failed(&describe(status), tail)),
            (Ok(Err(error)), _) => {
                Err(self.failed(&format!("could not be waited for ({error})"), tail))
            }
            (Err(_), _) => Err(self.failed("could not be waited for", tail)),
        }
    }

    fn failed(&self, how: &str, stderr_tail: Vec<String>) -> Error {
        Error::Command {
            program: self.name.clone(),
            how: how.to_owned(),
            consequence: self.consequence,
            stderr_tail,
        }
    }
}

/// All lines of an output that is short.
pub(crate) fn read_lines(from: impl Read) -> Result<Vec<String>> {
    let lines = BufReader::new(from).lines();
    lines.collect::<std::io::Result<_>>().map_err(Error::Output)
}

/// Whether an error is what follows when a program ends too early: then how it ended is what there is to tell.
fn is_consequence(error: &Error) -> bool {
    match error {
        Error::Empty { .. } => true,
        Error::Output(error) | Error::Source { source: error, .. } => matches!(
            error.kind(),
            ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
        ),
        _ => false,
    }
}

/// Waits for the program; ends it when the run is cancelled or nobody reads its output to the end.
fn wait(mut child: Child, ended: &AtomicBool, cancel: &AtomicBool) -> std::io::Result<ExitStatus> {
    let mut looks = 0;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        // Its output is closed or of no more use: what still runs after that gets a while to exit by itself.
        looks += u32::from(ended.load(Ordering::Relaxed));
        if cancel.load(Ordering::Relaxed) || looks > LOOKS_AFTER_THE_END {
            crate::fs::kill_group(&mut child)?;
            return child.wait();
        }
        thread::sleep(POLL);
    }
}

fn tail_of(stderr: impl Read) -> Vec<String> {
    let mut reader = BufReader::new(stderr);
    let mut tail = VecDeque::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader
            .by_ref()
            .take(LINE_BYTES)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return tail.into(),
            Ok(_) => {
                if tail.len() == TAIL_LINES {
                    tail.pop_front();
                }
                tail.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
        }
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), crate::fs::killed_by(status)) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "did not exit normally".to_owned(),
    }
}
