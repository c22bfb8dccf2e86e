//! `nightfold init`.

use insta::assert_snapshot;
use nightfold_tests::{Call, program};

use crate::shop::{Shop, shown};

#[test]
fn init_makes_an_encrypted_repository() {
    let shop = Shop::closed();
    assert_snapshot!(shop.run(&["init"]), @r"
    exit 0
    made repository SHORT-ID in [SANDBOX]/repository
    it opens with its password only: keep that where a fire that takes this machine won't
    ");
    assert_snapshot!(shop.run(&["snapshots"]), @r"
    exit 0
    --- stderr
    note: there are no snapshots yet
    ");
}

#[test]
fn init_tells_scripts_what_it_made() {
    assert_snapshot!(Shop::closed().run(&["init", "--json"]), @r#"
    exit 0
    {
      "encryption": "aes-256-gcm",
      "id": "[REPOSITORY-ID]",
      "location": "[SANDBOX]/repository"
    }
    "#);
}

#[test]
fn init_without_encryption_is_explicit() {
    let shop = Shop::closed();
    // Later commands would take the repository for a replaced one.
    assert_snapshot!(shop.run(&["init", "--encryption", "none"]), @r"
    exit 1
    --- stderr
    error: a password comes from NIGHTFOLD_PASSWORD, but --encryption none has no use for one
    hint: take the password away, or leave --encryption none out
    ");
    for arguments in [&["init", "--encryption", "none"][..], &["snapshots"]] {
        let mut command = shop.sandbox.command(program());
        command.env_remove("NIGHTFOLD_PASSWORD").args(arguments);
        Call::new(command).run().exits(0);
    }
    // An open repository in the place of an encrypted one must not go unnoticed.
    assert_snapshot!(shop.run(&["snapshots"]), @r"
    exit 1
    --- stderr
    error: a password was given, but the repository says that it is not encrypted: was it replaced? If it is meant to be open, give no password
    ");
}

#[test]
fn init_refuses_a_place_that_holds_something() {
    let shop = Shop::open();
    assert_snapshot!(shop.run(&["init"]), @r"
    exit 1
    --- stderr
    error: [SANDBOX]/repository is not empty: refusing to make a repository there
    hint: choose an empty folder, or one that is not there yet
    ");
}

#[test]
fn init_needs_a_place() {
    let shop = Shop::closed();
    let ran = shop.call(&["init"]).env("NIGHTFOLD_REPO", "").run();
    assert_snapshot!(shown(&ran), @r"
    exit 2
    --- stderr
    error: which repository?
    hint: give --repo FOLDER, or set NIGHTFOLD_REPO, or `repository` in nightfold.toml
    ");
}

#[test]
fn init_says_what_it_cannot_do_yet() {
    let shop = Shop::closed();
    assert_snapshot!(shop.run(&["init", "--repo", "s3://bucket/path"]), @r"
    exit 2
    --- stderr
    error: s3://bucket/path: only local folders can hold a repository
    hint: mount the place, and name the folder
    ");
}

#[test]
fn quiet_means_quiet() {
    let shop = Shop::closed();
    assert_snapshot!(shop.run(&["init", "--quiet"]), @"exit 0");
}
