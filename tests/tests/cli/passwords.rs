//! Where the password comes from, and what is said when it doesn't.

use insta::assert_snapshot;
use nightfold_tests::Call;

use crate::shop::{Shop, shown};

/// The sandbox's password.
const PASSWORD: &str = "correct horse";

#[test]
fn without_a_terminal_the_message_says_what_to_set() {
    let shop = Shop::encrypted();
    let mut command = shop.sandbox.command(nightfold_tests::program());
    command.env_remove("NIGHTFOLD_PASSWORD");
    let ran = Call::new(command).arg("snapshots").run();
    assert_snapshot!(shown(&ran), @r"
    exit 1
    --- stderr
    error: a password is needed, and there is no terminal to ask for it
    hint: set NIGHTFOLD_PASSWORD_FILE, NIGHTFOLD_PASSWORD_COMMAND or NIGHTFOLD_PASSWORD, or password-file or password-command in nightfold.toml
    ");
}

#[test]
fn a_file_gives_its_first_line() {
    let shop = Shop::encrypted();
    shop.file("password", &format!("{PASSWORD}\nsecond line\n"));
    from(&shop, "NIGHTFOLD_PASSWORD_FILE", "password")
        .run()
        .exits(0);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let shop = Shop::encrypted();
    let ran = from(&shop, "NIGHTFOLD_PASSWORD_FILE", "pasword").run();
    assert_snapshot!(shown(&ran), @r"
    exit 1
    --- stderr
    error: cannot read the password file pasword: No such file or directory (os error 2)
    hint: it is named by NIGHTFOLD_PASSWORD_FILE
    ");
}

#[test]
fn a_command_prints_it() {
    let shop = Shop::encrypted();
    let line = format!("echo {PASSWORD}");
    from(&shop, "NIGHTFOLD_PASSWORD_COMMAND", &line)
        .run()
        .exits(0);
}

#[test]
fn a_command_that_fails_is_told_of_and_what_it_printed_is_not() {
    let shop = Shop::encrypted();
    let ran = from(&shop, "NIGHTFOLD_PASSWORD_COMMAND", "echo hunter2; exit 3").run();
    assert_snapshot!(shown(&ran.hides("hunter2")), @r"
    exit 1
    --- stderr
    error: the command in NIGHTFOLD_PASSWORD_COMMAND failed: exit status: 3
    hint: run it by hand: it must print the password and end with status 0
    ");
}

#[test]
fn an_empty_variable_is_a_mistake() {
    let shop = Shop::encrypted();
    let ran = shop
        .call(&["snapshots"])
        .env("NIGHTFOLD_PASSWORD", "")
        .run();
    assert_snapshot!(shown(&ran), @r"
    exit 1
    --- stderr
    error: the password from NIGHTFOLD_PASSWORD is empty
    ");
}

#[test]
fn a_wrong_password_is_told_with_its_origin() {
    let shop = Shop::encrypted();
    shop.file("password", "hunter2");
    let ran = from(&shop, "NIGHTFOLD_PASSWORD_FILE", "password").run();
    assert_snapshot!(shown(&ran.hides("hunter2")), @r"
    exit 12
    --- stderr
    error: wrong password: it opens none of the repository's key slots (1 tried)
    hint: the password came from NIGHTFOLD_PASSWORD_FILE (password)
    ");
}

fn from(shop: &Shop, variable: &str, value: &str) -> Call {
    let mut command = shop.sandbox.command(nightfold_tests::program());
    command
        .env_remove("NIGHTFOLD_PASSWORD")
        .env(variable, value);
    Call::new(command).arg("snapshots")
}
