//! What a command costs: time, processor, memory.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use wait4::Wait4 as _;

/// The cost of one command, without our own.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Cost {
    /// From the start of the process to its end.
    pub wall_seconds: f64,
    /// Processor time in the program, of all its threads.
    pub user_seconds: f64,
    /// Processor time in the kernel.
    pub system_seconds: f64,
    /// The most memory it ever held; never less than we held when we started it.
    pub peak_rss_bytes: u64,
}

impl Cost {
    /// Processor time, in the program and in the kernel.
    pub fn cpu_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }
}

/// A child and the moment it was started.
#[derive(Debug)]
pub struct Running {
    /// To talk to its pipes.
    pub child: std::process::Child,
    start: Instant,
}

impl Running {
    /// Starts the clock and the command.
    pub fn start(command: &mut Command) -> Result<Self> {
        let start = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("run {command:?}"))?;
        Ok(Self { child, start })
    }

    /// Waits for the end. The usage is this child's alone, not that of all children so far.
    pub fn finish(mut self) -> Result<(ExitStatus, Cost)> {
        let used = self.child.wait4()?;
        let cost = Cost {
            wall_seconds: self.start.elapsed().as_secs_f64(),
            user_seconds: used.rusage.utime.as_secs_f64(),
            system_seconds: used.rusage.stime.as_secs_f64(),
            peak_rss_bytes: used.rusage.maxrss,
        };
        Ok((used.status, cost))
    }
}

/// Runs a command that must succeed; what it prints is kept in `log` until the next one.
pub fn measure(command: &mut Command, log: &Path) -> Result<Cost> {
    let output = File::create(log)?;
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    let (status, cost) = Running::start(command)?.finish()?;
    ensure!(status.success(), "{command:?}: {status}\n{}", tail(log));
    Ok(cost)
}

fn tail(log: &Path) -> String {
    const LINES: usize = 20;
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
