//! `nightfold backup`.

use insta::assert_snapshot;

use crate::shop::{Shop, shown};

const AT: [&str; 4] = ["--host", "db1", "--time", "2026-01-10 03:00"];

fn backup(shop: &Shop, what: &[&str]) -> String {
    let arguments = [&["backup"], &AT[..], what].concat();
    shop.run(&arguments)
}

fn shop() -> Shop {
    let shop = Shop::open();
    shop.file("data/app.sql", "insert into orders values (1, 'tea');\n");
    shop.file("data/empty", "");
    shop
}

#[test]
fn a_backup_tells_what_it_read_and_stored() {
    let shop = shop();
    assert_snapshot!(backup(&shop, &["data", "--dry-run"]), @r"
    exit 0
    dry run: nothing was stored
      read    38 B of 38 B in 2 files (0 unchanged)
      chunks  1 new ([SIZE]): 1 whole, 0 as deltas; 0 known
      needs   NNN B
    ");
    assert_eq!(shop.sandbox.snapshots().len(), 0);
    assert_snapshot!(backup(&shop, &["data"]), @r"
    exit 0
    snapshot SHORT-ID of 2026-01-10 03:00:00+00:00, [SANDBOX]/work/data on db1
      read    38 B of 38 B in 2 files (0 unchanged)
      chunks  1 new ([SIZE]): 1 whole, 0 as deltas; 0 known
      stored  NNN B
    ");
}

#[test]
fn a_backup_tells_scripts_too() {
    let shop = shop();
    let ran = backup(&shop, &["data", "--tag", "a", "--tag", "b", "--json"]);
    assert_snapshot!(ran, @r#"
    exit 0
    {
      "added": [BYTES],
      "chunks_delta": 0,
      "chunks_known": 0,
      "chunks_whole": 1,
      "dry_run": false,
      "failures": [],
      "files": 2,
      "files_unchanged": 0,
      "finished": "[NOW]",
      "host": "db1",
      "id": "[ID]",
      "incomplete": false,
      "new": [BYTES],
      "paths": [
        "[SANDBOX]/work/data"
      ],
      "read": 38,
      "size": 38,
      "source": "[SANDBOX]/work/data",
      "tags": [
        "a",
        "b"
      ],
      "time": "2026-01-10T03:00:00+00:00"
    }
    "#);
}

#[test]
fn a_quiet_backup_prints_nothing() {
    assert_snapshot!(backup(&shop(), &["data", "-q"]), @"exit 0");
}

#[test]
fn standard_input_has_a_name() {
    let shop = Shop::open();
    let arguments = [&["backup", "-", "--stdin-name", "app.sql"], &AT[..]].concat();
    let ran = shop.call(&arguments).input("a dump\n").run();
    assert_snapshot!(shown(&ran), @r"
    exit 0
    snapshot SHORT-ID of 2026-01-10 03:00:00+00:00, /app.sql on db1
      read    7 B of 7 B in 1 file (0 unchanged)
      chunks  2 new ([SIZE]): 2 whole, 0 as deltas; 0 known
      stored  NNN B
    ");
    assert_snapshot!(shop.run(&["cat", "latest", "app.sql"]), @r"
    exit 0
    a dump
    --- stderr
    note: snapshot SHORT-ID of 2026-01-10 03:00:00+00:00, /app.sql on db1
    ");
}

#[test]
fn nothing_on_standard_input_is_no_dump() {
    assert_snapshot!(backup(&Shop::open(), &["-"]), @r"
    exit 1
    --- stderr
    error: stdin gave no data at all: an empty dump is not stored, no snapshot was made
    hint: does the dump command succeed when it is run by itself?
    ");
}

#[test]
fn a_commands_output_is_stored_and_its_words_are_passed_on() {
    let script = "echo data; echo one table skipped >&2";
    let shop = Shop::open();
    let ran = backup(&shop, &["--command", "--", "sh", "-c", script]);
    assert_snapshot!(ran, @r"
    exit 0
    snapshot SHORT-ID of 2026-01-10 03:00:00+00:00, /sh on db1
      read    5 B of 5 B in 1 file (0 unchanged)
      chunks  2 new ([SIZE]): 2 whole, 0 as deltas; 0 known
      stored  NNN B
    --- stderr
    warning: sh: sh said: one table skipped
    ");
}

#[test]
fn a_command_that_fails_makes_no_snapshot() {
    let script = "echo data; echo connection refused >&2; exit 3";
    let shop = Shop::open();
    let ran = backup(&shop, &["--command", "--", "sh", "-c", script]);
    assert_snapshot!(ran, @r"
    exit 1
    --- stderr
    error: sh exited with status 3: no snapshot was made
      | connection refused
    hint: run the command by hand to see more
    ");
    assert_snapshot!(shop.run(&["snapshots"]), @r"
    exit 0
    --- stderr
    note: there are no snapshots yet
    ");
}

#[test]
fn a_file_that_cannot_be_read_makes_the_snapshot_incomplete() {
    let shop = shop();
    shop.file("data/locked", "a secret");
    shop.lock("data/locked");
    let ran = shop.call_bound(&[&["backup"], &AT[..], &["data"]].concat());
    assert_snapshot!(shown(&ran.run()), @r"
    exit 3
    snapshot SHORT-ID of 2026-01-10 03:00:00+00:00, [SANDBOX]/work/data on db1, incomplete
      read    38 B of 38 B in 2 files (0 unchanged)
      chunks  1 new ([SIZE]): 1 whole, 0 as deltas; 0 known
      stored  NNN B
    --- stderr
    not read: [SANDBOX]/work/data/locked: Permission denied (os error 13)
    ");
    let ran = shop.call_bound(&[&["backup"], &AT[..], &["data", "--json"]].concat());
    let summary = ran.run().exits(3).json();
    assert_eq!(summary["incomplete"], true);
    let locked = shop.path("data/locked");
    assert_eq!(summary["failures"][0]["path"], locked.to_str().unwrap());
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    let shop = shop();
    assert_snapshot!(backup(&shop, &[]), @r"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      <PATH|URL|NAME|->...

    Usage: nightfold backup --host <NAME> --time <TIME> <PATH|URL|NAME|->...

    For more information, try '--help'.
    ");
    assert_snapshot!(backup(&shop, &["-", "data"]), @r"
    exit 2
    --- stderr
    error: standard input makes a snapshot of its own
    hint: run nightfold once for it and once for the paths
    ");
    assert_snapshot!(backup(&shop, &["data", "--stdin-name", "x"]), @r"
    exit 2
    --- stderr
    error: --stdin-name names standard input or a command's output, and neither is read
    hint: write '-' to read standard input
    ");
    assert_snapshot!(backup(&shop, &["-", "--stdin-name", "../x"]), @r"
    exit 2
    --- stderr
    error: '../x' is no name for a file
    hint: --stdin-name takes one like app.sql
    ");
    assert_snapshot!(backup(&shop, &["--command", "pg_dump", "-Fc"]), @r"
    exit 2
    --- stderr
    error: unexpected argument '-F' found

      tip: to pass '-F' as a value, use '-- -F'

    Usage: nightfold backup [OPTIONS] <PATH|URL|NAME|->...

    For more information, try '--help'.
    ");
}

#[test]
fn what_is_not_there_is_told() {
    let shop = shop();
    assert_snapshot!(backup(&shop, &["app-db"]), @r"
    exit 1
    --- stderr
    error: 'app-db' is neither a path here nor a source
    hint: no nightfold.toml was found (see --config)
    ");
    assert_snapshot!(backup(&shop, &["./app-db"]), @r#"
    exit 1
    --- stderr
    error: cannot back up ./app-db: No such file or directory (os error 2)
    "#);
    assert_snapshot!(backup(&shop, &["data", "--exclude", "[a"]), @r#"
    exit 1
    --- stderr
    error: bad exclude pattern "[a": unclosed character class; missing ']'
    "#);
    assert_snapshot!(backup(&shop, &["data", "--exclude", "data"]), @r"
    exit 1
    --- stderr
    error: the exclude patterns leave out every path that is to be backed up
    ");
}

#[test]
fn a_time_that_clocks_showed_twice_is_the_later() {
    let shop = shop();
    let ran = shop
        .call(&[
            "backup",
            "data",
            "--host",
            "db1",
            "--time",
            "2026-10-25 02:30",
        ])
        .env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        .run();
    assert_snapshot!(shown(&ran), @r"
    exit 0
    snapshot SHORT-ID of 2026-10-25 02:30:00+01:00, [SANDBOX]/work/data on db1
      read    38 B of 38 B in 2 files (0 unchanged)
      chunks  1 new ([SIZE]): 1 whole, 0 as deltas; 0 known
      stored  NNN B
    --- stderr
    note: clocks showed 2026-10-25 02:30 twice that day; the later is taken, 2026-10-25 02:30:00+01:00
    ");
}

#[test]
fn a_time_that_is_none_is_wrong_usage() {
    let shop = shop();
    let ran = shop.run(&["backup", "data", "--time", "yesterday"]);
    assert_snapshot!(ran, @r"
    exit 2
    --- stderr
    error: 'yesterday' is no time: write 'YYYY-MM-DD HH:MM' or RFC 3339 with an offset
    ");
}
