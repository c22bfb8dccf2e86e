//! The output of a dump command. Only a command that ended well makes a snapshot.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nightfold_repo::format::Content;

use super::{Outlet, Segment, SharedRepository, read_stream};
use crate::error::{Error, Failure, Result};

/// Lines of standard error that are kept.
const TAIL_LINES: usize = 20;
/// Bytes of a line that are kept.
const LINE_BYTES: u64 = 4096;
/// How often a running command is looked at while its output pauses.
const POLL: Duration = Duration::from_millis(50);

/// Runs a command and stores what it writes to standard output.
pub(crate) fn read_command(
    repository: &SharedRepository,
    name: &[u8],
    argv: &[OsString],
    previous: Option<Content>,
    outlet: &mut Outlet<'_>,
) -> Result<()> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(failed("the command", "was not given", Vec::new()));
    };
    // Arguments may hold secrets: only the program is ever shown.
    let program_shown = program.to_string_lossy().into_owned();
    let mut command = Command::new(program);
    crate::fs::in_own_group(&mut command);
    // The dump has no use for our secrets, and a child's environment is easily shown.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NIGHTFOLD_") {
            command.env_remove(name);
        }
    }
    let mut child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            failed(
                &program_shown,
                &format!("could not be started ({error})"),
                Vec::new(),
            )
        })?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(failed(&program_shown, "has no output", Vec::new()));
    };
    let cancel = outlet.cancel();
    let ended = AtomicBool::new(false);
    let (read, status, tail) = thread::scope(|scope| {
        let tail = scope.spawn(move || tail_of(stderr));
        let ended = &ended;
        // A read from a silent command would wait for ever: a signal ends the command, and so the read.
        let waiter = scope.spawn(move || wait(child, ended, cancel));
        let read = read_stream(repository, name, stdout, previous, outlet);
        ended.store(true, Ordering::Relaxed);
        (read, waiter.join(), tail.join())
    });
    let tail = tail.unwrap_or_default();
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    match status {
        Ok(Ok(status)) if status.success() => {}
        // Killed by us because its output was not wanted any more: that failure is the one to tell of.
        Ok(Ok(_)) if matches!(&read, Err(error) if !matches!(error, Error::Empty { .. })) => {
            return read;
        }
        Ok(Ok(status)) => return Err(failed(&program_shown, &describe(status), tail)),
        Ok(Err(error)) => {
            return Err(failed(
                &program_shown,
                &format!("could not be waited for ({error})"),
                tail,
            ));
        }
        Err(_) => return Err(failed(&program_shown, "could not be waited for", tail)),
    }
    read?;
    for line in tail {
        outlet.send(Segment::Warning(Failure::new(
            name,
            format!("{program_shown} said: {line}"),
        )))?;
    }
    Ok(())
}

/// Waits for the command; ends it when the run is cancelled or nobody reads its output to the end.
fn wait(mut child: Child, ended: &AtomicBool, cancel: &AtomicBool) -> std::io::Result<ExitStatus> {
    let mut grace = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if cancel.load(Ordering::Relaxed) {
            crate::fs::kill_group(&mut child)?;
            return child.wait();
        }
        if ended.load(Ordering::Relaxed) {
            // Its output is closed or of no more use; what still runs after that gets a while to exit by itself.
            let patience = grace.get_or_insert(1200u32);
            if *patience == 0 {
                crate::fs::kill_group(&mut child)?;
                return child.wait();
            }
            *patience -= 1;
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

fn failed(program: &str, how: &str, stderr_tail: Vec<String>) -> Error {
    Error::Command {
        program: program.to_owned(),
        how: how.to_owned(),
        stderr_tail,
    }
}
