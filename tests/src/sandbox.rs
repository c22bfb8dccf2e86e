//! A folder with everything a run may touch: home, cache, repository, sources.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use nightfold_repo::Repository;
use nightfold_repo::repository::{OpenOptions, Password};
use nightfold_repo::storage::LocalStorage;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Call, program};

/// The password of every sandbox's repository.
const PASSWORD: &str = "correct horse";

/// Removed with all it holds when dropped.
pub struct Sandbox {
    folder: TempDir,
    password: bool,
}

impl Sandbox {
    /// Without a repository.
    pub fn empty() -> Self {
        Self::make(true)
    }

    fn make(password: bool) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("nightfold-test-")
            .tempdir()
            .expect("a temporary folder");
        for name in ["home", "cache", "tmp", "work"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        Self { folder, password }
    }

    /// With an encrypted repository.
    pub fn encrypted() -> Self {
        let sandbox = Self::empty();
        sandbox.call(["init"]).run().exits(0);
        sandbox
    }

    /// With a repository that needs no password, which saves a fifth of a second a run.
    pub fn open() -> Self {
        let sandbox = Self::make(false);
        sandbox
            .call(["init", "--encryption", "none"])
            .run()
            .exits(0);
        sandbox
    }

    /// A path in it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The repository.
    pub fn repository(&self) -> PathBuf {
        self.path("repository")
    }

    /// A new file in it.
    pub fn file(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, bytes).expect("a file");
        path
    }

    /// Any command, with an environment that knows of this sandbox only.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.path("home"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("TMPDIR", self.path("tmp"))
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .env("NIGHTFOLD_REPO", self.repository())
            .envs(self.password.then_some(("NIGHTFOLD_PASSWORD", PASSWORD)))
            .current_dir(self.path("work"));
        command
    }

    /// A run of the program.
    pub fn call<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Call {
        Call::new(self.command(program())).args(arguments)
    }

    /// A backup of paths that must succeed; its id.
    #[track_caller]
    pub fn backup<A: AsRef<OsStr>>(&self, what: impl IntoIterator<Item = A>) -> String {
        let ran = self.call(["backup", "--json"]).args(what).run().exits(0);
        id_in(&ran.json())
    }

    /// All snapshots, oldest first.
    #[track_caller]
    pub fn snapshots(&self) -> Vec<Value> {
        let ran = self.call(["snapshots", "--json"]).run().exits(0);
        ran.json().as_array().expect("an array").clone()
    }

    /// Their ids.
    #[track_caller]
    pub fn snapshot_ids(&self) -> Vec<String> {
        self.snapshots().iter().map(id_in).collect()
    }

    /// A file of a snapshot.
    #[track_caller]
    pub fn content(&self, snapshot: &str, path: impl AsRef<OsStr>) -> Vec<u8> {
        let ran = self.call(["cat", snapshot]).arg(path).run().exits(0);
        ran.stdout
    }

    /// Restores a snapshot to a new folder.
    #[track_caller]
    pub fn restore(&self, snapshot: &str, name: &str) -> PathBuf {
        let target = self.path(name);
        self.call(["restore", snapshot, "--target"])
            .arg(&target)
            .run()
            .exits(0);
        target
    }

    /// The repository, opened in this process.
    pub fn library(&self) -> Repository {
        let storage = Arc::new(LocalStorage::new(self.repository()));
        let password = || Password::new(PASSWORD.into());
        let options = OpenOptions::new(
            self.path("cache/nightfold"),
            self.password.then(password),
            Arc::new(|text| panic!("{text}")),
        );
        Repository::open(storage, options).expect("the repository")
    }

    /// Reads every byte of the repository, which must be whole.
    #[track_caller]
    pub fn check(&self) {
        self.call(["check", "--read-data"]).run().exits(0);
    }
}

/// The id in what `backup` or `snapshots` tells.
#[track_caller]
fn id_in(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}
