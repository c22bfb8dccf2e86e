//! `nightfold copy`, and `nightfold init --like`.

use std::path::Path;

use insta::{Settings, assert_snapshot};

use crate::shop::{Shop, shown};

/// The sandbox's password.
const PASSWORD: &str = "correct horse";
/// Of a repository to copy to or from.
const OTHER: &str = "battery staple";

/// Three nights, and beside them an empty repository `work/like` that is like theirs.
fn with_like() -> Shop {
    let shop = Shop::with_nights();
    let init = ["init", "-q", "--repo", "like", "--encryption", "none"];
    let from = shop.sandbox.repository();
    shop.call(&init).arg("--like").arg(from).run().exits(0);
    shop
}

/// A run of `copy` from the nights into a repository in the working folder.
fn copy(shop: &Shop, to: &str, arguments: &[&str]) -> String {
    let from = shop.sandbox.repository();
    let call = shop.call(&["copy", "--repo", to, "--from-repo"]);
    shown(&call.arg(from).args(arguments).run())
}

fn hide_sizes() -> impl Drop {
    let mut settings = Settings::clone_current();
    settings.add_filter(r"(NNN|\d+\.\d|\d+) (KiB|B)\b", "[SIZE]");
    settings.add_filter(r#""stored": \d+"#, r#""stored": [BYTES]"#);
    settings.bind_to_scope()
}

#[test]
fn a_repository_is_made_like_another() {
    let shop = Shop::with_nights();
    let from = shop.sandbox.repository();
    let call = shop.call(&["init", "--repo", "like", "--encryption", "none", "--like"]);
    assert_snapshot!(shown(&call.arg(&from).run()), @"");
    let call = shop.call(&["init", "--json", "--repo", "closed", "--like"]);
    let ran = call.arg(&from).env("NIGHTFOLD_PASSWORD", PASSWORD).run();
    assert_snapshot!(shown(&ran), @"");
}

#[test]
fn what_is_not_there_is_copied_once() {
    let shop = with_like();
    let _redacted = hide_sizes();
    assert_snapshot!(copy(&shop, "like", &["--dry-run"]), @"");
    assert_snapshot!(copy(&shop, "like", &["--tag", "weekly"]), @"");
    assert_snapshot!(copy(&shop, "like", &["latest"]), @"");
    assert_snapshot!(copy(&shop, "like", &[]), @"");
    assert_snapshot!(copy(&shop, "like", &[]), @"");
    assert_snapshot!(shop.run(&["snapshots", "--repo", "like"]), @"");
    shop.call(&["check", "--read-data", "--repo", "like"])
        .run()
        .exits(0);
    let file = shop.path("data/app.sql");
    let cat = shop.call(&["cat", "latest", "-q", "--repo", "like"]);
    let text = cat.arg(file).run().exits(0).text();
    assert_eq!(text, "insert into orders values (1, 'coffee');\n");
}

#[test]
fn copy_tells_scripts_what_it_did() {
    let shop = with_like();
    let _redacted = hide_sizes();
    assert_snapshot!(copy(&shop, "like", &["--json", "latest"]), @"");
    shop.call(&["init", "-q", "--repo", "other", "--encryption", "none"])
        .run()
        .exits(0);
    assert_snapshot!(copy(&shop, "other", &["--json", "--dry-run"]), @"");
    assert_snapshot!(copy(&shop, "other", &[]), @"");
}

#[test]
fn copy_needs_another_repository() {
    let shop = Shop::with_nights();
    assert_snapshot!(shop.run(&["copy"]), @"");
    let own = shop.sandbox.repository();
    assert_snapshot!(copy(&shop, own.to_str().unwrap(), &[]), @"");
    let call = shop.call(&["copy", "--from-repo", "nowhere"]);
    assert_snapshot!(shown(&call.run()), @"");
}

#[test]
fn a_wrong_password_of_the_source_is_told_from_that_of_the_destination() {
    let shop = Shop::encrypted();
    let from = shop.sandbox.repository();
    let call = |arguments: &[&str]| {
        let call = shop.call(&["copy", "--repo", "other", "--from-repo"]);
        call.arg(&from).args(arguments)
    };
    let init = shop.call(&["init", "-q", "--repo", "other"]);
    init.env("NIGHTFOLD_PASSWORD", OTHER).run().exits(0);
    shop.file("wrong", "hunter2\n");
    shop.file("right", PASSWORD);
    let wrong = call(&["--from-password-file", "wrong"]);
    let wrong = wrong.env("NIGHTFOLD_PASSWORD", OTHER).run();
    assert_snapshot!(shown(&wrong.hides("hunter2")), @"");
    let wrong = call(&[]).env("NIGHTFOLD_FROM_PASSWORD", "hunter2").run();
    assert_snapshot!(shown(&wrong.hides("hunter2")), @"");
    // That of the destination does not open the source.
    assert_snapshot!(shown(&call(&[]).env("NIGHTFOLD_PASSWORD", PASSWORD).run()), @"");
    let wrong = call(&["--from-password-file", "right"]).run();
    assert_snapshot!(shown(&wrong.hides(PASSWORD)), @"");
    let right = call(&["--from-password-command", "cat right"]);
    right.env("NIGHTFOLD_PASSWORD", OTHER).run().exits(0);
    let right = call(&[]).env("NIGHTFOLD_FROM_PASSWORD_FILE", "right");
    right.env("NIGHTFOLD_PASSWORD", OTHER).run().exits(0);
}

#[test]
fn a_secret_that_will_lie_open_is_told_of() {
    let shop = Shop::encrypted();
    let from = shop.sandbox.repository();
    let mut command = shop.sandbox.command(nightfold_tests::program());
    command
        .env_remove("NIGHTFOLD_PASSWORD")
        .env("NIGHTFOLD_FROM_PASSWORD", PASSWORD)
        .args(["init", "--repo", "like", "--encryption", "none", "--like"])
        .arg(from);
    assert_snapshot!(shown(&nightfold_tests::Call::new(command).run()), @"");
}

#[test]
fn what_is_damaged_is_named_and_not_copied() {
    let shop = with_like();
    for pack in packs(&shop.sandbox.repository()) {
        let mut bytes = std::fs::read(&pack).unwrap();
        let place = bytes.len() / 3;
        bytes[place] ^= 1;
        std::fs::remove_file(&pack).unwrap();
        std::fs::write(&pack, bytes).unwrap();
    }
    let from = shop.sandbox.repository();
    let call = shop.call(&["copy", "--repo", "like", "--json", "--from-repo"]);
    let ran = call.arg(from).run().exits(1);
    assert!(ran.stderr.contains("not copied: snapshot "), "{ran:?}");
    assert!(!ran.json()["not_copied"].as_array().unwrap().is_empty());
    shop.call(&["check", "--read-data", "--repo", "like"])
        .run()
        .exits(0);
}

fn packs(repository: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repository.join("packs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}
