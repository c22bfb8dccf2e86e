//! `nightfold check`, `stats` and `index`.

use std::path::{Path, PathBuf};

use insta::{Settings, assert_snapshot};

use crate::shop::{Shop, shown};

#[test]
fn check_finds_no_damage_in_a_sound_repository() {
    let shop = Shop::with_nights();
    let mut settings = Settings::clone_current();
    settings.add_filter(r"read \S+ (K|M)?i?B", "read [SIZE]");
    settings.add_filter(r#""bytes_read": \d+"#, r#""bytes_read": [BYTES]"#);
    let _redacted = settings.bind_to_scope();
    assert_snapshot!(shop.run(&["check"]), @r"
    exit 0
    checked 3 snapshots, 3 packs and 3 chunks; read [SIZE] (--read-data reads every byte)
    no damage found
    ");
    assert_snapshot!(shop.run(&["check", "--read-data"]), @r"
    exit 0
    checked 3 snapshots, 3 packs and 3 chunks; read [SIZE], every byte
    no damage found
    ");
    assert_snapshot!(shop.run(&["check", "--json"]), @r#"
    exit 0
    {
      "packs": 3,
      "packs_read": 0,
      "snapshots": 3,
      "chunks": 3,
      "bytes_read": [BYTES],
      "problems": [],
      "notes": []
    }
    "#);
    assert_snapshot!(shop.run(&["check", "--quiet"]), @"exit 0");
}

#[test]
fn a_part_of_the_data_can_be_read() {
    let shop = Shop::with_nights();
    let mut settings = Settings::clone_current();
    settings.add_filter(r"read \S+ (K|M)?i?B", "read [SIZE]");
    let _redacted = settings.bind_to_scope();
    assert_snapshot!(shop.run(&["check", "--read-data-subset", "1/1"]), @r"
    exit 0
    checked 3 snapshots, 3 packs and 3 chunks; read [SIZE], every byte of 3 packs
    no damage found
    ");
    assert_snapshot!(shop.run(&["check", "--read-data-subset", "5%"]), @r"
    exit 0
    checked 3 snapshots, 3 packs and 3 chunks; read [SIZE], every byte of 1 pack
    no damage found
    ");
    assert_snapshot!(shop.run(&["check", "--read-data", "--for", "20m"]), @r"
    exit 0
    checked 3 snapshots, 3 packs and 3 chunks; read [SIZE], every byte of 3 packs
    no damage found
    ");
    assert_snapshot!(shop.run(&["check", "--read-data-subset", "0%"]), @r"
    exit 2
    --- stderr
    error: invalid value '0%' for '--read-data-subset <n/m|PERCENT>': the share must be above 0% and at most 100%

    For more information, try '--help'.
    ");
    assert_snapshot!(shop.run(&["check", "--read-data-subset", "7/5"]), @r"
    exit 2
    --- stderr
    error: invalid value '7/5' for '--read-data-subset <n/m|PERCENT>': there is no group 7 of 5: n counts from 1 to m

    For more information, try '--help'.
    ");
    assert_snapshot!(shop.run(&["check", "--read-data-subset", "abc"]), @r"
    exit 2
    --- stderr
    error: invalid value 'abc' for '--read-data-subset <n/m|PERCENT>': write a share such as 5%, or n/m for group n of m

    For more information, try '--help'.
    ");
    assert_snapshot!(shop.run(&["check", "--read-data", "--for", "soon"]), @r"
    exit 2
    --- stderr
    error: invalid value 'soon' for '--for <TIME>': write a time such as 90s, 20m or 2h

    For more information, try '--help'.
    ");
    assert_snapshot!(shop.run(&["check", "--for", "20m"]), @r"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      --read-data

    Usage: nightfold check --read-data --for <TIME>

    For more information, try '--help'.
    ");
}

#[test]
fn what_was_read_is_shown_with_snapshots_and_stats() {
    let shop = Shop::with_nights();
    let proven = || {
        let snapshots = shop.sandbox.snapshots();
        snapshots
            .iter()
            .filter(|snapshot| snapshot["proven"].is_string())
            .count()
    };
    assert_eq!(proven(), 0);
    shop.sandbox.check();
    assert_eq!(proven(), 3);
    // The sandbox's zone is UTC.
    let today = shop.sandbox.snapshots()[0]["proven"].as_str().unwrap()[..10].to_owned();
    let table = shop.call(&["snapshots"]).run().exits(0).text();
    assert_eq!(table.matches(&today).count(), 3, "{table}");
    let stats = shop.call(&["stats"]).run().exits(0).text();
    assert!(
        stats.contains(&format!("in 3 packs, the oldest on {today}")),
        "{stats}"
    );
    let json = shop.call(&["stats", "--json"]).run().exits(0).json();
    assert_eq!(json["proven"]["packs"], 3);
    assert_eq!(json["proven"]["packs_never"], 0);
    assert_eq!(
        json["proven"]["bytes"],
        json["stored"]["packs_data"].as_u64().unwrap()
            + json["stored"]["packs_meta"].as_u64().unwrap()
    );
    // A new night brings packs that nobody has read.
    shop.file("data/app.sql", "insert into orders values (2, 'milk');\n");
    shop.night("2026-01-13 03:00");
    assert_eq!(proven(), 3);
}

#[test]
fn a_repository_that_cannot_be_written_is_read_and_checked() {
    let shop = Shop::with_nights();
    let repository = shop.sandbox.repository();
    set_writable(&repository, false);
    let mut settings = Settings::clone_current();
    settings.add_filter(r"read \S+ (K|M)?i?B", "read [SIZE]");
    settings.add_filter(r"proofs(/\S+)?:", "proofs/…:");
    let _redacted = settings.bind_to_scope();
    let run = |arguments: &[&str]| shop.call_bound(arguments).run();
    assert_snapshot!(shown(&run(&["check", "--read-data"])), @r"
    exit 0
    note: the result of this check was not kept: cannot create the folder [SANDBOX]/repository/proofs/…: Permission denied (os error 13)
    checked 3 snapshots, 3 packs and 3 chunks; read [SIZE], every byte
    no damage found
    ");
    assert_snapshot!(shown(&run(&["check"])), @r"
    exit 0
    checked 3 snapshots, 3 packs and 3 chunks; read [SIZE] (--read-data reads every byte)
    no damage found
    ");
    let listed = run(&["ls", "latest", "-q"]).exits(0).text();
    assert!(listed.contains("work/data/app.sql"), "{listed}");
    run(&["restore", "latest", "--target", "back"]).exits(0);
    let file = shop
        .path("back")
        .join(shop.path("data/app.sql").strip_prefix("/").unwrap());
    assert_eq!(
        std::fs::read(file).unwrap(),
        std::fs::read(shop.path("data/app.sql")).unwrap()
    );
    run(&["snapshots"]).exits(0);
    run(&["stats"]).exits(0);
    // Without an index at hand too.
    std::fs::remove_dir_all(shop.sandbox.path("cache/nightfold")).unwrap();
    run(&["check", "--read-data"]).exits(0);
    run(&["restore", "latest", "--target", "again"]).exits(0);
    set_writable(&repository, true);
}

#[test]
fn check_exits_1_and_names_what_is_damaged() {
    let shop = Shop::with_nights();
    let snapshot = files(&shop.sandbox.repository().join("snapshots")).remove(0);
    let bytes = std::fs::read(&snapshot).unwrap();
    std::fs::write(&snapshot, &bytes[..bytes.len() - 1]).unwrap();
    let ran = shop.call(&["check"]).run().exits(1);
    let name = snapshot.file_name().unwrap().to_str().unwrap();
    assert!(
        ran.text().contains(&format!("damaged: snapshots/{name}")),
        "{ran:?}"
    );
    let ran = shop.call(&["check", "--json"]).run().exits(1);
    assert_eq!(
        ran.json()["problems"][0]["object"],
        format!("snapshots/{name}")
    );
}

#[test]
fn stats_tell_sizes_and_depths() {
    let shop = Shop::with_nights();
    let mut settings = Settings::clone_current();
    settings.add_filter(r"(NNN|\d+\.\d|\d+) (KiB|B)\b", "[SIZE]");
    settings.add_filter(r" +\[SIZE\]", " [SIZE]");
    settings.add_filter(r" +\d+\.\d x", " [N] x");
    let _redacted = settings.bind_to_scope();
    assert_snapshot!(shop.run(&["stats"]), @r"
    exit 0
    snapshots                            3
    full copies would take [SIZE]
    the repository takes [SIZE]
    that is [N] x less

    chunks                    3, [SIZE] as they were
      stored whole                       1
      stored as deltas                   2
    encoded and compressed [SIZE]
    overhead [SIZE] for each chunk

    packs                                3
      contents of files [SIZE]
      file lists and recipes [SIZE]
    snapshots, keys, config [SIZE]
    parity and copies [SIZE]
    oldest lineage              3 versions

    data proven                      never (`nightfold check --read-data`)

    DELTAS TO DECODE  CHUNKS
                   0       1  ########################################
                   1       1  ########################################
                   2       1  ########################################
    ");
}

#[test]
fn stats_tell_scripts() {
    let stats = Shop::with_nights()
        .call(&["stats", "--json"])
        .run()
        .exits(0)
        .json();
    assert_eq!(stats["snapshots"], 3);
    for key in [
        "logical_bytes",
        "ratio",
        "packs",
        "chunks",
        "overhead_bytes_per_chunk",
    ] {
        assert!(stats[key].is_number(), "{key} in {stats}");
    }
    assert!(stats["depth_histogram"].is_array());
}

#[test]
fn a_lost_index_is_made_anew_and_told_of() {
    let shop = Shop::with_nights();
    let path = shop.call(&["index", "path"]).run().exits(0).text();
    assert_snapshot!(path, @"[SANDBOX]/cache/nightfold/[REPOSITORY-ID]/index.sqlite");
    std::fs::remove_dir_all(Path::new(path.trim()).parent().unwrap()).unwrap();
    let file = shop.path("data/added");
    let ran = shop.run(&["cat", "latest", file.to_str().unwrap(), "-q"]);
    assert_snapshot!(ran, @r"
    exit 0
    new
    --- stderr
    warning: the local index was not there: made anew from 3 packs
    ");
}

#[test]
fn a_damaged_index_is_made_anew_and_told_of() {
    let shop = Shop::with_nights();
    let path = shop.call(&["index", "path"]).run().exits(0).text();
    std::fs::write(path.trim(), "no database").unwrap();
    let file = shop.path("data/added");
    let ran = shop.run(&["cat", "latest", file.to_str().unwrap(), "-q"]);
    assert_snapshot!(ran, @r"
    exit 0
    new
    --- stderr
    warning: the local index was damaged (file is not a database): made anew from 3 packs
    ");
}

#[test]
fn an_index_can_be_rebuilt() {
    let shop = Shop::with_nights();
    assert_snapshot!(shop.run(&["index", "rebuild"]), @r"
    exit 0
    made [SANDBOX]/cache/nightfold/[REPOSITORY-ID]/index.sqlite anew from 3 packs with 3 frames
    ");
    assert_snapshot!(shop.run(&["index", "rebuild", "--json"]), @r#"
    exit 0
    {
      "damaged": 0,
      "frames": 3,
      "packs": 3,
      "path": "[SANDBOX]/cache/nightfold/[REPOSITORY-ID]/index.sqlite"
    }
    "#);
}

#[test]
fn no_repository_has_its_exit_code() {
    let shop = Shop::closed();
    assert_snapshot!(shop.run(&["check"]), @r"
    exit 10
    --- stderr
    error: no repository at [SANDBOX]/repository: there is no config file (make a repository with `nightfold init`)
    hint: is --repo (or NIGHTFOLD_REPO) right, and the disk mounted?
    ");
    let ran = shop.call(&["check"]).env("NIGHTFOLD_REPO", "").run();
    assert_snapshot!(shown(&ran), @r"
    exit 2
    --- stderr
    error: which repository?
    hint: give --repo FOLDER, or set NIGHTFOLD_REPO, or `repository` in nightfold.toml
    ");
}

/// Gives or takes the right to write all folders and files below.
fn set_writable(path: &Path, writable: bool) {
    use std::os::unix::fs::PermissionsExt as _;
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            set_writable(&entry.unwrap().path(), writable);
        }
    }
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    let mode = if writable { mode | 0o200 } else { mode & 0o555 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Files in a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
