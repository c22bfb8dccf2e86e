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
    assert_snapshot!(shown(&call.arg(&from).run()), @r"
    exit 0
    made repository SHORT-ID in like
    it is not encrypted: whoever can read the folder can read every backup in it
    ");
    let call = shop.call(&["init", "--json", "--repo", "closed", "--like"]);
    let ran = call.arg(&from).env("NIGHTFOLD_PASSWORD", PASSWORD).run();
    assert_snapshot!(shown(&ran), @r#"
    exit 0
    {
      "encryption": "aes-256-gcm",
      "id": "[REPOSITORY-ID]",
      "location": "closed"
    }
    "#);
}

#[test]
fn what_is_not_there_is_copied_once() {
    let shop = with_like();
    let _redacted = hide_sizes();
    assert_snapshot!(copy(&shop, "like", &["--dry-run"]), @r"
    exit 0
    snapshot SHORT-ID of 2026-01-10 03:00:00+00:00, [SANDBOX]/work/data on db1: 1 new chunk
    snapshot SHORT-ID of 2026-01-11 03:00:00+00:00, [SANDBOX]/work/data on db1: 1 new chunk
    snapshot SHORT-ID of 2026-01-12 03:00:00+00:00, [SANDBOX]/work/data on db1: 1 new chunk
    3 snapshots would be copied; the repositories are alike: what is stored is only sealed anew
    ");
    assert_snapshot!(copy(&shop, "like", &["--tag", "weekly"]), @r"
    exit 0
    0 snapshots copied, [SIZE] stored
    --- stderr
    note: no snapshot has this source, host and tags
    ");
    assert_snapshot!(copy(&shop, "like", &["latest"]), @r"
    exit 0
    snapshot SHORT-ID of 2026-01-12 03:00:00+00:00, [SANDBOX]/work/data on db1: copied as SHORT-ID, 3 new chunks, [SIZE] stored
    1 snapshot copied, [SIZE] stored; the repositories are alike: what is stored is only sealed anew
    --- stderr
    note: snapshot SHORT-ID of 2026-01-12 03:00:00+00:00, [SANDBOX]/work/data on db1
    ");
    assert_snapshot!(copy(&shop, "like", &[]), @r"
    exit 0
    snapshot SHORT-ID of 2026-01-10 03:00:00+00:00, [SANDBOX]/work/data on db1: copied as SHORT-ID, 0 new chunks, [SIZE] stored
    snapshot SHORT-ID of 2026-01-11 03:00:00+00:00, [SANDBOX]/work/data on db1: copied as SHORT-ID, 0 new chunks, [SIZE] stored
    2 snapshots copied, [SIZE] stored; 1 there already; the repositories are alike: what is stored is only sealed anew
    ");
    assert_snapshot!(copy(&shop, "like", &[]), @r"
    exit 0
    0 snapshots copied, [SIZE] stored; 3 there already
    ");
    let listed = shop.call(&["snapshots", "--json", "--repo", "like"]);
    let listed = listed.run().exits(0).json();
    let times: Vec<_> = (0..3).map(|at| listed[at]["time"].clone()).collect();
    assert_eq!(
        times,
        [10, 11, 12].map(|day| format!("2026-01-{day}T03:00:00+00:00"))
    );
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
    assert_snapshot!(copy(&shop, "like", &["--json", "latest"]), @r#"
    exit 0
    {
      "alike": true,
      "copied": [
        {
          "chunks": 3,
          "from": "[ID]",
          "host": "db1",
          "id": "[ID]",
          "source": "[SANDBOX]/work/data",
          "stored": [BYTES],
          "time": "2026-01-12T03:00:00+00:00"
        }
      ],
      "dry_run": false,
      "error": null,
      "not_copied": [],
      "present": 0
    }
    --- stderr
    note: snapshot SHORT-ID of 2026-01-12 03:00:00+00:00, [SANDBOX]/work/data on db1
    "#);
    shop.call(&["init", "-q", "--repo", "other", "--encryption", "none"])
        .run()
        .exits(0);
    assert_snapshot!(copy(&shop, "other", &["--json", "--dry-run"]), @r#"
    exit 0
    {
      "alike": false,
      "copied": [
        {
          "chunks": 0,
          "from": "[ID]",
          "host": "db1",
          "id": null,
          "source": "[SANDBOX]/work/data",
          "stored": [BYTES],
          "time": "2026-01-10T03:00:00+00:00"
        },
        {
          "chunks": 0,
          "from": "[ID]",
          "host": "db1",
          "id": null,
          "source": "[SANDBOX]/work/data",
          "stored": [BYTES],
          "time": "2026-01-11T03:00:00+00:00"
        },
        {
          "chunks": 0,
          "from": "[ID]",
          "host": "db1",
          "id": null,
          "source": "[SANDBOX]/work/data",
          "stored": [BYTES],
          "time": "2026-01-12T03:00:00+00:00"
        }
      ],
      "dry_run": true,
      "error": null,
      "not_copied": [],
      "present": 0
    }
    "#);
    assert_snapshot!(copy(&shop, "other", &[]), @r"
    exit 0
    snapshot SHORT-ID of 2026-01-10 03:00:00+00:00, [SANDBOX]/work/data on db1: copied as SHORT-ID, 1 new chunk, [SIZE] stored
    snapshot SHORT-ID of 2026-01-11 03:00:00+00:00, [SANDBOX]/work/data on db1: copied as SHORT-ID, 1 new chunk, [SIZE] stored
    snapshot SHORT-ID of 2026-01-12 03:00:00+00:00, [SANDBOX]/work/data on db1: copied as SHORT-ID, 1 new chunk, [SIZE] stored
    3 snapshots copied, [SIZE] stored; the repositories are not alike: all is read and stored anew
    ");
}

#[test]
fn copy_needs_another_repository() {
    let shop = Shop::with_nights();
    assert_snapshot!(shop.run(&["copy"]), @r"
    exit 2
    --- stderr
    error: copy from which repository?
    hint: give --from-repo FOLDER, or set NIGHTFOLD_FROM_REPO
    ");
    let own = shop.sandbox.repository();
    assert_snapshot!(copy(&shop, own.to_str().unwrap(), &[]), @r"
    exit 1
    --- stderr
    error: [SANDBOX]/repository and [SANDBOX]/repository are the same repository, or one is a copy of the other's folder: there is nothing to copy
    ");
    let call = shop.call(&["copy", "--from-repo", "nowhere"]);
    assert_snapshot!(shown(&call.run()), @r"
    exit 10
    --- stderr
    error: no repository at nowhere: there is no config file (make a repository with `nightfold init`)
    hint: is --repo (or NIGHTFOLD_REPO) right, and the disk mounted?
    ");
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
    assert_snapshot!(shown(&wrong.hides("hunter2")), @r"
    exit 12
    --- stderr
    error: wrong password: it opens none of the repository's key slots (1 tried)
    hint: the password came from --from-password-file (wrong)
    ");
    let wrong = call(&[]).env("NIGHTFOLD_FROM_PASSWORD", "hunter2").run();
    assert_snapshot!(shown(&wrong.hides("hunter2")), @r"
    exit 12
    --- stderr
    error: wrong password: it opens none of the repository's key slots (1 tried)
    hint: the password came from NIGHTFOLD_FROM_PASSWORD
    ");
    // That of the destination does not open the source.
    assert_snapshot!(shown(&call(&[]).env("NIGHTFOLD_PASSWORD", PASSWORD).run()), @r"
    exit 1
    --- stderr
    error: a password is needed, and there is no terminal to ask for it
    hint: give --from-password-file or --from-password-command, or set NIGHTFOLD_FROM_PASSWORD_FILE, NIGHTFOLD_FROM_PASSWORD_COMMAND or NIGHTFOLD_FROM_PASSWORD
    ");
    let wrong = call(&["--from-password-file", "right"]).run();
    assert_snapshot!(shown(&wrong.hides(PASSWORD)), @r"
    exit 12
    --- stderr
    error: wrong password: it opens none of the repository's key slots (1 tried)
    hint: the password came from NIGHTFOLD_PASSWORD
    ");
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
    assert_snapshot!(shown(&nightfold_tests::Call::new(command).run()), @r"
    exit 0
    made repository SHORT-ID in like
    it is not encrypted: whoever can read the folder can read every backup in it
    --- stderr
    warning: the secret that names chunks in [SANDBOX]/repository now lies open here: whoever reads this folder can confirm which large files that he knows are stored in either
    ");
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
