//! The few calls of this crate that depend on the operating system, beside the local storage.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use crate::format::ProcessIdentity;

/// Creates a folder, with its parents, that only its owner may enter.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Locks a file, created if need be, until the guard is dropped or the process ends.
pub(crate) fn lock_file(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).open(path)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(file)
}

/// Replaces a small file so that a crash leaves the old or the new one.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

/// This machine's name on the network.
pub(crate) fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// Seconds of a clock that only runs while the machine does, and that all its processes share until it starts anew.
pub(crate) fn monotonic_seconds() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0)
}

/// What changes with every start of the machine.
pub(crate) fn boot_identity() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.unwrap_or_default().trim().to_owned()
}

/// This process.
pub(crate) fn this_process() -> ProcessIdentity {
    let pid = std::process::id();
    // Containers of one machine count their processes each by itself.
    let counted_in = std::fs::read_link("/proc/self/ns/pid");
    let (boot, start) = (boot_identity(), start_of(pid));
    match (counted_in, start) {
        (Ok(space), Some(start)) if !boot.is_empty() => ProcessIdentity {
            system: format!("{boot} {}", space.display()),
            pid,
            start,
        },
        _ => ProcessIdentity::default(),
    }
}

/// Whether a process of this system is known to have ended. Of processes elsewhere nothing is known.
pub(crate) fn is_gone(process: &ProcessIdentity) -> bool {
    if process.system.is_empty() || process.system != this_process().system {
        return false;
    }
    let Some(pid) = i32::try_from(process.pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    else {
        return false;
    };
    // Whether there is such a process is told even where /proc hides those of other users.
    if rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH) {
        return true;
    }
    start_of(process.pid).is_some_and(|start| start != process.start)
}

/// When a process started, in ticks; one that only waits to be buried has started never.
fn start_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return Some(0);
    }
    fields.nth(18)?.parse().ok()
}

/// A small file of the client's own, if it is there.
pub(crate) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
