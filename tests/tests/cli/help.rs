//! What `--help` says: a change here is a change of the contract.

use insta::assert_snapshot;

use crate::shop::Shop;

/// One snapshot for each verb.
macro_rules! help_of {
    ($($name:ident: $($verb:literal)*;)*) => {
        $(#[test]
        fn $name() {
            let help = Shop::closed().run(&[$($verb,)* "--help"]);
            assert_snapshot!(stringify!($name), help);
        })*
    };
}

help_of! {
    help:;
    help_of_init: "init";
    help_of_backup: "backup";
    help_of_snapshots: "snapshots";
    help_of_ls: "ls";
    help_of_find: "find";
    help_of_diff: "diff";
    help_of_restore: "restore";
    help_of_cat: "cat";
    help_of_forget: "forget";
    help_of_copy: "copy";
    help_of_check: "check";
    help_of_compact: "compact";
    help_of_repair: "repair";
    help_of_stats: "stats";
    help_of_key: "key";
    help_of_key_add: "key" "add";
    help_of_key_passwd: "key" "passwd";
    help_of_key_rotate: "key" "rotate";
    help_of_index: "index";
    help_of_demo: "demo";
    help_of_completions: "completions";
}

#[test]
fn no_verb_shows_the_help_and_is_wrong_usage() {
    let shop = Shop::closed();
    let ran = shop.call(&[]).run().exits(2);
    assert!(ran.stderr.contains("Usage: nightfold"), "{ran:?}");
}

#[test]
fn an_unknown_verb_is_wrong_usage() {
    assert_snapshot!(Shop::closed().run(&["snapshot"]), @r"
    exit 2
    --- stderr
    error: unrecognized subcommand 'snapshot'

      tip: a similar subcommand exists: 'snapshots'

    Usage: nightfold [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
}

#[test]
fn completions_name_the_verbs() {
    let shop = Shop::closed();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = shop.call(&["completions", shell]).run().exits(0).text();
        assert!(script.contains("nightfold"), "{shell}");
        assert!(script.contains("snapshots"), "{shell}");
    }
}
