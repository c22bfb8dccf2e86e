//! A sandbox with a repository and some nights in it, and snapshots of what runs print.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use insta::internals::SettingsBindDropGuard;
use insta::{Settings, assert_snapshot};
use nightfold_tests::{Call, Ran, Sandbox, program};

/// 2026-01-01 12:00 UTC, when every file was modified.
const MODIFIED: Duration = Duration::from_secs(1_767_268_800);

/// A sandbox; while it lives, snapshots are free of what differs from run to run.
pub struct Shop {
    /// Where all happens; the working folder is `work`.
    pub sandbox: Sandbox,
    _redacted: SettingsBindDropGuard,
}

impl Shop {
    /// Without a repository.
    pub fn closed() -> Self {
        Self::of(Sandbox::empty())
    }

    /// With an empty repository that needs no password.
    pub fn open() -> Self {
        Self::of(Sandbox::open())
    }

    /// With an empty encrypted repository.
    pub fn encrypted() -> Self {
        Self::of(Sandbox::encrypted())
    }

    /// Three nights of `work/data`; `app.sql` changes on the second, `notes` goes on the third.
    pub fn with_nights() -> Self {
        let shop = Self::open();
        shop.file("data/app.sql", "insert into orders values (1, 'tea');\n");
        shop.file("data/notes", "buy tea\n");
        shop.night("2026-01-10 03:00");
        shop.file("data/app.sql", "insert into orders values (1, 'coffee');\n");
        shop.night("2026-01-11 03:00");
        std::fs::remove_file(shop.path("data/notes")).unwrap();
        shop.file("data/added", "new\n");
        shop.night("2026-01-12 03:00");
        shop
    }

    fn of(sandbox: Sandbox) -> Self {
        let mut settings = Settings::clone_current();
        let folder = sandbox.path("");
        settings.add_filter(folder.to_str().unwrap(), "[SANDBOX]/");
        settings.add_filter(r"\b[0-9a-f]{64}\b", "[ID]");
        settings.add_filter(r"\b[0-9a-f]{32}\b", "[REPOSITORY-ID]");
        // As wide as what they replace, so that tables stay in shape.
        settings.add_filter(r"\b[0-9a-f]{8}\b", "SHORT-ID");
        settings.add_filter(r"\b\d{3} B\b", "NNN B");
        settings.add_filter(r"new \(\S+ B\)", "new ([SIZE])");
        settings.add_filter(r#""(added|new)": \d{2,}"#, r#""$1": [BYTES]"#);
        settings.add_filter(r#""finished": "[^"]*""#, r#""finished": "[NOW]""#);
        settings.add_filter(r"([-dl][-rwxst]{9}) \S+ +\S+ +", "$1 [OWNER] ");
        Self {
            sandbox,
            _redacted: settings.bind_to_scope(),
        }
    }

    /// A path in the working folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path("work").join(name)
    }

    /// Writes a file in the working folder, last modified long ago.
    pub fn file(&self, name: &str, text: &str) {
        let path = self.sandbox.file(format!("work/{name}"), text);
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(UNIX_EPOCH + MODIFIED).unwrap();
    }

    /// Backs up `data` as of a time.
    pub fn night(&self, time: &str) {
        self.call(&["backup", "data", "--host", "db1", "--time", time])
            .run()
            .exits(0);
    }

    /// A run to be prepared further.
    pub fn call(&self, arguments: &[&str]) -> Call {
        self.sandbox.call(arguments)
    }

    /// A run that file permissions bind: root may read everything unless it gives that up.
    pub fn call_bound(&self, arguments: &[&str]) -> Call {
        if !rustix::process::geteuid().is_root() {
            return self.call(arguments);
        }
        let mut command = self.sandbox.command("setpriv");
        command.arg("--bounding-set=-dac_override,-dac_read_search");
        command.arg("--").arg(program()).args(arguments);
        Call::new(command)
    }

    /// Makes a file unreadable.
    pub fn lock(&self, name: &str) {
        let mode = Permissions::from_mode(0o000);
        std::fs::set_permissions(self.path(name), mode).unwrap();
    }

    /// Runs, and shows what came of it.
    pub fn run(&self, arguments: &[&str]) -> String {
        shown(&self.call(arguments).run())
    }
}

/// Exit code, standard output, standard error.
pub fn shown(ran: &Ran) -> String {
    let mut shown = format!("exit {}\n{}", ran.code().unwrap_or(-1), ran.text());
    if !ran.stderr.is_empty() {
        shown.push_str("--- stderr\n");
        shown.push_str(&ran.stderr);
    }
    shown
}

#[test]
fn what_differs_is_replaced() {
    let shop = Shop::closed();
    let text = format!("{} 0123abcd 123 B", shop.path("x").display());
    assert_snapshot!(text, @"[SANDBOX]/work/x SHORT-ID NNN B");
}
