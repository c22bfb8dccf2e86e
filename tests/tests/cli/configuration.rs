//! `nightfold.toml`.

use insta::assert_snapshot;
use nightfold_tests::Call;

use crate::shop::{Shop, shown};

const CONFIG: &str = r#"
repository = "../repository"
password-command = "echo correct horse"

[sources.app-db]
command = ["echo", "a dump"]
stdin-name = "app.sql"
tags = ["nightly"]
host = "db1"

[sources.settings]
paths = ["data"]
exclude = ["*.tmp"]
"#;

/// A run that only the configuration tells where the repository is.
fn call(shop: &Shop, arguments: &[&str]) -> Call {
    let mut command = shop.sandbox.command(nightfold_tests::program());
    command
        .env_remove("NIGHTFOLD_REPO")
        .env_remove("NIGHTFOLD_PASSWORD");
    Call::new(command).args(arguments)
}

fn shop() -> Shop {
    let shop = Shop::encrypted();
    shop.file("nightfold.toml", CONFIG);
    shop.file("data/kept", "x");
    shop.file("data/left.tmp", "x");
    shop
}

#[test]
fn the_nightly_line_needs_a_name_only() {
    let shop = shop();
    let ran = call(&shop, &["backup", "app-db", "--time", "2026-01-10 03:00"]).run();
    assert_snapshot!(shown(&ran), @r"
    exit 0
    snapshot SHORT-ID of 2026-01-10 03:00:00+00:00, app-db on db1
      read    7 B of 7 B in 1 file (0 unchanged)
      chunks  2 new ([SIZE]): 2 whole, 0 as deltas; 0 known
      stored  NNN B
    ");
    assert_snapshot!(shown(&call(&shop, &["snapshots"]).run()), @r"
    exit 0
    ID        TIME                 HOST  SOURCE  TAGS     SIZE  ADDED  PROVEN
    SHORT-ID  2026-01-10 03:00:00  db1   app-db  nightly   7 B  NNN B  -
    ");
    let ran = call(&shop, &["cat", "latest", "app.sql", "-q"]).run();
    assert_eq!(ran.stdout, b"a dump\n");
}

#[test]
fn a_name_wins_over_a_path_and_excludes_count() {
    let shop = shop();
    shop.file("settings", "a file of that name");
    call(&shop, &["backup", "settings"]).run().exits(0);
    let listed = call(&shop, &["ls", "latest", "-q"]).run().text();
    assert!(
        listed.contains("/data/kept") && !listed.contains("left.tmp"),
        "{listed}"
    );
    call(&shop, &["backup", "./settings"]).run().exits(0);
    let listed = call(&shop, &["ls", "latest", "-q"]).run().text();
    assert!(listed.contains("/work/settings"), "{listed}");
}

#[test]
fn sources_do_not_mix_with_paths() {
    let ran = call(&shop(), &["backup", "settings", "app-db"]).run();
    assert_snapshot!(shown(&ran), @r"
    exit 2
    --- stderr
    error: 'settings' is a source and makes a snapshot of its own
    hint: to mean the path, write ./settings
    ");
}

#[test]
fn an_unknown_source_is_told_with_those_there_are() {
    assert_snapshot!(shown(&call(&shop(), &["backup", "app"]).run()), @r"
    exit 1
    --- stderr
    error: 'app' is neither a path here nor a source
    hint: [SANDBOX]/work/nightfold.toml names these: app-db, settings
    ");
}

#[test]
fn the_file_may_lie_elsewhere() {
    let shop = shop();
    let text = std::fs::read_to_string(shop.path("nightfold.toml")).unwrap();
    std::fs::remove_file(shop.path("nightfold.toml")).unwrap();
    assert_snapshot!(shown(&call(&shop, &["snapshots"]).run()), @r"
    exit 2
    --- stderr
    error: which repository?
    hint: give --repo FOLDER, or set NIGHTFOLD_REPO, or `repository` in nightfold.toml
    ");
    let text = text.replace("../repository", "../../../repository");
    shop.sandbox
        .file("home/.config/nightfold/nightfold.toml", &text);
    call(&shop, &["snapshots"]).run().exits(0);
    let elsewhere = shop.sandbox.file("a/b/c/other.toml", &text);
    let by_variable = call(&shop, &["snapshots"]).env("NIGHTFOLD_CONFIG", elsewhere);
    by_variable.run().exits(0);
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let ran = call(&shop(), &["snapshots", "--config", "nowhere.toml"]).run();
    assert_snapshot!(shown(&ran), @r"
    exit 1
    --- stderr
    error: the configuration file nowhere.toml is not there
    hint: see --config and NIGHTFOLD_CONFIG
    ");
}

#[test]
fn mistakes_are_told_with_their_line() {
    let shop = shop();
    let told = |text: &str| {
        shop.file("nightfold.toml", text);
        shown(&call(&shop, &["snapshots"]).run().hides("hunter2"))
    };
    assert_snapshot!(told("repository = \"/x\"\npasword-file = \"/y\"\n"), @r"
    exit 1
    --- stderr
    error: [SANDBOX]/work/nightfold.toml, line 2: unknown field `pasword-file`, expected one of `repository`, `password-file`, `password-command`, `keep`, `parity`, `sources`
    ");
    assert_snapshot!(told("password = \"hunter2\"\n"), @r"
    exit 1
    --- stderr
    error: [SANDBOX]/work/nightfold.toml, line 1: unknown field `password`, expected one of `repository`, `password-file`, `password-command`, `keep`, `parity`, `sources`
    hint: a password does not belong in this file: use password-file or password-command
    ");
    assert_snapshot!(told("[sources.app]\ntags = [\"nightly\"]\n"), @r"
    exit 1
    --- stderr
    error: [SANDBOX]/work/nightfold.toml: the source 'app' needs either paths, or a command, or databases
    ");
    assert_snapshot!(told("[sources.app\n"), @r"
    exit 1
    --- stderr
    error: [SANDBOX]/work/nightfold.toml, line 1: unclosed table, expected `]`
    ");
    assert_snapshot!(told("[sources.app]\npaths = \"/etc\"\n"), @r#"
    exit 1
    --- stderr
    error: [SANDBOX]/work/nightfold.toml, line 2: invalid type: string "/etc", expected a sequence
    "#);
}
