//! Live databases by their URLs: backed up while they are written to, loaded back, drilled, and in trouble.

mod mariadb;
mod postgres;
mod sqlite;
mod trouble;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nightfold_tests::{Call, Sandbox};

/// Writes to a database again and again until it is dropped.
struct Writer {
    stop: Arc<AtomicBool>,
    writes: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// `write` is told the number of the write, from 1 on.
    fn start(mut write: impl FnMut(u64) + Send + 'static) -> Self {
        let (stop, writes) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopped, written) = (stop.clone(), writes.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                write(written.load(Ordering::Relaxed) + 1);
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            stop,
            writes,
            thread: Some(thread),
        }
    }

    /// Waits until a few more writes were made.
    fn wait_for_some(&self) {
        let wanted = self.writes.load(Ordering::Relaxed) + 3;
        while self.writes.load(Ordering::Relaxed) < wanted {
            let thread = self.thread.as_ref().unwrap();
            assert!(!thread.is_finished(), "the writer failed");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let joined = thread.join();
            assert!(joined.is_ok() || thread::panicking(), "the writer failed");
        }
    }
}

/// A folder of programs that stand before those of the system.
struct Shims(PathBuf);

impl Shims {
    fn new(sandbox: &Sandbox) -> Self {
        let folder = sandbox.path("shims");
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// A script in the place of `program`, which it finds in `$real`.
    fn put(&self, program: &str, real: &Path, script: &str) -> &Self {
        let path = self.0.join(program);
        let text = format!(
            "#!/bin/bash\nset -o pipefail\nreal={}\n{script}\n",
            real.display()
        );
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn call(&self, call: Call) -> Call {
        let path = std::env::var("PATH").unwrap();
        call.env("PATH", format!("{}:{path}", self.0.display()))
    }
}

/// Where a program of the system is.
fn which(program: &str) -> PathBuf {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .output()
        .unwrap();
    PathBuf::from(String::from_utf8(found.stdout).unwrap().trim())
}

/// The id of the backup that a call makes.
#[track_caller]
pub(crate) fn backed_up(call: Call) -> String {
    let ran = call.arg("--json").run().exits(0);
    ran.json()["id"].as_str().unwrap().to_owned()
}

/// A repository that cuts as the sandbox's does, for the same dumps as files.
fn twin(sandbox: &Sandbox) -> Sandbox {
    let twin = Sandbox::empty();
    twin.call(["init", "--like"])
        .arg(sandbox.repository())
        .run()
        .exits(0);
    twin
}

/// Every night but the first takes as much as the same dump as a file, give or take 3 %.
#[track_caller]
pub(crate) fn grows_as_a_file(sandbox: &Sandbox, ids: &[String], path: &str) {
    let twin = twin(sandbox);
    for id in ids {
        let dump = sandbox.content(id, path);
        twin.call(["backup", "-"]).input(dump).run().exits(0);
    }
    let added = |sandbox: &Sandbox| -> u64 {
        let nights = sandbox.snapshots();
        nights[1..]
            .iter()
            .map(|night| night["added"].as_u64().unwrap())
            .sum()
    };
    let (live, file) = (added(sandbox), added(&twin));
    let ratio = live as f64 / file as f64;
    eprintln!("{path}: nights after the first take {live} bytes, as files {file}: {ratio:.4}");
    assert!((0.97..=1.03).contains(&ratio), "{live} against {file}");
}

/// What is known of the only dump of the newest snapshot.
#[track_caller]
pub(crate) fn facts(sandbox: &Sandbox) -> serde_json::Value {
    let snapshots = sandbox.snapshots();
    let databases = &snapshots.last().unwrap()["databases"];
    assert_eq!(databases.as_array().unwrap().len(), 1, "{databases}");
    databases[0].clone()
}
