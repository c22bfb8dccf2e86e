//! `nightfold restore`.

use insta::assert_snapshot;

use crate::shop::Shop;

#[test]
fn restore_makes_paths_anew_below_the_target() {
    let shop = Shop::with_nights();
    assert_snapshot!(shop.run(&["restore", "latest", "--target", "out"]), @r"
    exit 0
    restored 2 files, 45 B, to out; every chunk's id was checked
    --- stderr
    note: snapshot SHORT-ID of 2026-01-12 03:00:00+00:00, [SANDBOX]/work/data on db1
    ");
    let inner = shop.path("data/added");
    let restored = shop.path("out").join(inner.strip_prefix("/").unwrap());
    assert_eq!(std::fs::read_to_string(restored).unwrap(), "new\n");
}

#[test]
fn restore_overwrites_only_when_told() {
    let shop = Shop::with_nights();
    shop.call(&["restore", "--target", "out"]).run().exits(0);
    assert_snapshot!(shop.run(&["restore", "--target", "out", "-q"]), @r"
    exit 1
    --- stderr
    error: [SANDBOX]/work/data/added exists already under out: nothing was restored
    hint: choose an empty --target, or replace files with --overwrite
    ");
    assert_snapshot!(shop.run(&["restore", "--target", "out", "-q", "--overwrite"]), @"exit 0");
}

#[test]
fn restore_takes_a_part_as_of_a_time() {
    let shop = Shop::with_nights();
    let part = format!(":{}", shop.path("data/notes").display());
    let at = ["--at", "2026-01-11 12:00", "--target", "out"];
    assert_snapshot!(shop.run(&[&["restore", &part], &at[..]].concat()), @r"
    exit 0
    restored 1 file, 8 B, to out; every chunk's id was checked
    --- stderr
    note: snapshot SHORT-ID of 2026-01-11 03:00:00+00:00, [SANDBOX]/work/data on db1
    ");
    assert_snapshot!(shop.run(&[&["restore", ":/nowhere"], &at[..]].concat()), @r"
    exit 1
    --- stderr
    note: snapshot SHORT-ID of 2026-01-11 03:00:00+00:00, [SANDBOX]/work/data on db1
    error: the snapshot holds no /nowhere
    hint: `nightfold ls` lists the files of a snapshot
    ");
}

#[test]
fn restore_tells_scripts() {
    let shop = Shop::with_nights();
    assert_snapshot!(shop.run(&["restore", "--target", "out", "--json", "-q"]), @r#"
    exit 0
    {
      "bytes": 45,
      "failures": [],
      "files": 2,
      "snapshot": "[ID]",
      "target": "out",
      "time": "2026-01-12T03:00:00+00:00",
      "warnings": []
    }
    "#);
}

#[test]
fn restore_needs_a_target() {
    assert_snapshot!(Shop::with_nights().run(&["restore", "latest"]), @r"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      --target <DIR>

    Usage: nightfold restore --target <DIR> <SNAP[:PATH]>

    For more information, try '--help'.
    ");
    let shop = Shop::with_nights();
    shop.file("a-file", "");
    assert_snapshot!(shop.run(&["restore", "--target", "a-file", "-q"]), @r"
    exit 1
    --- stderr
    error: cannot use a-file as target: File exists (os error 17)
    ");
}
