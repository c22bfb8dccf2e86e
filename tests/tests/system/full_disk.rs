//! A disk that is full in the middle of a backup.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nightfold_tests::{Call, Random, Sandbox, program};

const FITS_BYTES: usize = 6 << 20;
const TOO_MUCH_BYTES: usize = 48 << 20;

#[test]
fn a_full_disk_costs_only_the_backup_that_filled_it() {
    let sandbox = Sandbox::empty();
    let Some(mut disk) = Disk::mount(&sandbox.path("work"), "24m") else {
        println!("mounting is not permitted here: a limit on the size of files must do");
        return file_size_limit(&sandbox);
    };
    let repository = disk.path.join("repository");
    let call = |arguments: &[&str]| sandbox.call(arguments).env("NIGHTFOLD_REPO", &repository);
    call(&["init"]).run().exits(0);
    let small = Random::new(1).bytes(FITS_BYTES);
    let path = sandbox.file("small", &small);
    call(&["backup"]).arg(&path).run().exits(0);

    sandbox.file("big", Random::new(2).bytes(TOO_MUCH_BYTES));
    for _ in 0..2 {
        let ran = call(&["backup", "../big"]).run().exits(1);
        ran.tells("No space left")
            .tells(repository.to_str().unwrap())
            .tells("free some space");
    }
    let listed = call(&["snapshots", "--json"]).run().exits(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let ran = call(&["cat", "latest"]).arg(&path).run().exits(0);
    assert!(ran.stdout == small);
    call(&["check", "--read-data"]).run().exits(0);

    disk.resize("160m");
    call(&["backup", "../big"]).run().exits(0);
    call(&["check", "--read-data"]).run().exits(0);
    let ran = call(&["cat", "latest"]).arg(sandbox.path("big")).run();
    assert!(ran.exits(0).stdout == std::fs::read(sandbox.path("big")).unwrap());
}

#[test]
fn a_file_size_limit_costs_only_the_backup_that_met_it() {
    file_size_limit(&Sandbox::empty());
}

#[test]
fn a_full_disk_under_the_restore_leaves_no_half_files() {
    let sandbox = Sandbox::open();
    let big = sandbox.file("big", Random::new(3).bytes(TOO_MUCH_BYTES));
    sandbox.backup([&big]);
    let Some(disk) = Disk::mount(&sandbox.path("work"), "24m") else {
        println!("mounting is not permitted here: a limit on the size of files must do");
        let target = sandbox.path("restored");
        let call = limited(&sandbox).args(["restore", "latest", "--target"]);
        call.arg(&target)
            .run()
            .exits(1)
            .tells("File too large")
            .tells("/big");
        return nothing_left(&target, &big);
    };
    let call = sandbox.call(["restore", "latest", "--target"]);
    call.arg(&disk.path)
        .run()
        .exits(1)
        .tells("No space left")
        .tells("/big");
    nothing_left(&disk.path, &big);
}

/// Neither the file nor a part of it under another name.
fn nothing_left(target: &Path, file: &Path) {
    let folder = target.join(file.parent().unwrap().strip_prefix("/").unwrap());
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

fn file_size_limit(sandbox: &Sandbox) {
    sandbox.call(["init"]).run().exits(0);
    let small = Random::new(1).bytes(1 << 20);
    let path = sandbox.file("small", &small);
    let id = sandbox.backup([&path]);
    sandbox.file("big", Random::new(2).bytes(TOO_MUCH_BYTES));
    let ran = limited(sandbox).args(["backup", "../big"]).run().exits(1);
    ran.tells("File too large")
        .tells(sandbox.repository().to_str().unwrap());
    assert_eq!(sandbox.snapshot_ids(), std::slice::from_ref(&id));
    assert!(sandbox.content(&id, &path) == small);
    sandbox.check();
    sandbox.backup(["../big"]);
    sandbox.check();
}

/// A run that may make no file beyond 4 MiB (8 in some shells): packs of the usual size are larger.
fn limited(sandbox: &Sandbox) -> Call {
    let mut shell: Command = sandbox.command("sh");
    let script = "trap '' XFSZ; ulimit -f 8192; exec \"$@\"";
    shell.args(["-c", script, "sh"]).arg(program());
    Call::new(shell)
}

/// A small tmpfs in a mount namespace of its own, which ends with its keeper: nothing is left mounted.
struct Disk {
    keeper: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Where others than the keeper see it.
    path: PathBuf,
    mounted: PathBuf,
}

impl Disk {
    /// `None` where it is not permitted.
    fn mount(parent: &Path, size: &str) -> Option<Self> {
        let mounted = parent.join("disk");
        std::fs::create_dir(&mounted).unwrap();
        let mut unshare = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        let mut keeper = unshare
            .args(["--mount", "sh"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let (orders, answers) = (keeper.stdin.take()?, keeper.stdout.take()?);
        let seen = format!("/proc/{}/root{}", keeper.id(), mounted.display());
        let mut disk = Self {
            keeper,
            orders,
            answers: BufReader::new(answers),
            path: PathBuf::from(seen),
            mounted,
        };
        let order = format!("mount -t tmpfs -o size={size} none");
        let is_there = disk.order(&order) && std::fs::read_dir(&disk.path).is_ok();
        is_there.then_some(disk)
    }

    fn resize(&mut self, size: &str) {
        let order = format!("mount -t tmpfs -o remount,size={size} none");
        assert!(self.order(&order), "{order}");
    }

    fn order(&mut self, order: &str) -> bool {
        let line = format!(
            "{order} '{}' && echo done || echo failed\n",
            self.mounted.display()
        );
        let mut answer = String::new();
        let sent = self.orders.write_all(line.as_bytes());
        sent.is_ok() && self.answers.read_line(&mut answer).is_ok() && answer == "done\n"
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
