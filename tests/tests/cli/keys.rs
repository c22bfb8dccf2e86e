//! `nightfold key`.

use insta::internals::SettingsBindDropGuard;
use insta::{Settings, assert_snapshot};

use crate::shop::{Shop, shown};

#[test]
fn a_second_password_opens_the_repository_until_it_is_removed() {
    let (shop, _redacted) = shop();
    let ran = shop
        .call(&["key", "add", "--label", "the safe"])
        .env("NIGHTFOLD_NEW_PASSWORD", "second")
        .run();
    assert_snapshot!(shown(&ran), @r"
    exit 0
    added key slot SHORT-ID
    ");
    assert_snapshot!(shop.run(&["key", "list"]), @r"
    exit 0
    ID        CREATED              HOST  LABEL           COST
    SHORT-ID  [JUST NOW] [HOST] first password  argon2id 64 MiB, 3 passes, 4 lanes  in use
    SHORT-ID  [JUST NOW] [HOST] the safe        argon2id 64 MiB, 3 passes, 4 lanes
    ");
    let second = |arguments: &[&str]| shop.call(arguments).env("NIGHTFOLD_PASSWORD", "second");
    second(&["snapshots"]).run().exits(0);
    let keys = second(&["key", "list", "--json"]).run().exits(0).json();
    let (first, added) = (
        keys[0]["id"].as_str().unwrap(),
        keys[1]["id"].as_str().unwrap(),
    );
    assert_snapshot!(shown(&second(&["key", "remove", added]).run()), @r"
    exit 1
    --- stderr
    error: this slot is the one in use: open the repository with another password to remove it, or use `key passwd`
    ");
    assert_snapshot!(shop.run(&["key", "remove", added]), @r"
    exit 0
    removed key slot SHORT-ID
    ");
    second(&["snapshots"]).run().exits(12);
    assert_snapshot!(shop.run(&["key", "remove", first]), @r"
    exit 1
    --- stderr
    error: this is the last key slot: without it the repository is lost
    ");
}

#[test]
fn keys_are_listed_for_scripts() {
    let (shop, _redacted) = shop();
    assert_snapshot!(shop.run(&["key", "list", "--json"]), @r#"
    exit 0
    [
      {
        "created": "[JUST NOW]",
        "current": true,
        "epoch": 0,
        "host": "[HOST]",
        "id": "[ID]",
        "kdf": "argon2id 64 MiB, 3 passes, 4 lanes",
        "label": "first password"
      }
    ]
    "#);
}

#[test]
fn a_password_can_be_changed() {
    let (shop, _redacted) = shop();
    shop.file("new", "second\n");
    let ran = shop
        .call(&["key", "passwd"])
        .env("NIGHTFOLD_NEW_PASSWORD_FILE", "new")
        .run();
    assert_snapshot!(shown(&ran), @r"
    exit 0
    the new password opens key slot SHORT-ID
    ");
    shop.call(&["snapshots"]).run().exits(12);
    let second = shop
        .call(&["snapshots"])
        .env("NIGHTFOLD_PASSWORD", "second");
    second.run().exits(0);
}

#[test]
fn a_new_password_must_come_from_somewhere() {
    let (shop, _redacted) = shop();
    assert_snapshot!(shop.run(&["key", "passwd"]), @r"
    exit 1
    --- stderr
    error: a password is needed, and there is no terminal to ask for it
    hint: set NIGHTFOLD_NEW_PASSWORD_FILE or NIGHTFOLD_NEW_PASSWORD
    ");
    let ran = shop
        .call(&["key", "add"])
        .env("NIGHTFOLD_NEW_PASSWORD", "")
        .run();
    assert_snapshot!(shown(&ran), @r"
    exit 1
    --- stderr
    error: the password from NIGHTFOLD_NEW_PASSWORD is empty
    ");
}

#[test]
fn a_repository_without_encryption_has_no_passwords() {
    let shop = Shop::open();
    let ran = shop
        .call(&["key", "add"])
        .env("NIGHTFOLD_NEW_PASSWORD", "second")
        .run();
    assert_snapshot!(shown(&ran), @r"
    exit 1
    --- stderr
    error: this repository is not encrypted: it has no passwords
    ");
}

/// Key slots note the real host and time.
fn shop() -> (Shop, SettingsBindDropGuard) {
    let shop = Shop::encrypted();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let mut settings = Settings::clone_current();
    settings.add_filter(
        &format!(r#""host": "{}""#, host.trim()),
        r#""host": "[HOST]""#,
    );
    settings.add_filter(&format!(r"(:\d\d) +{} +", host.trim()), "$1 [HOST] ");
    settings.add_filter(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+Z)?", "[JUST NOW]");
    (shop, settings.bind_to_scope())
}
