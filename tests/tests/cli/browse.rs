//! `nightfold ls`, `find`, `diff` and `cat`.

use insta::assert_snapshot;

use crate::shop::Shop;

#[test]
fn ls_prints_long_lines() {
    let shop = Shop::open();
    shop.file("data/app.sql", "data\n");
    shop.file("data/line\nbreak", "x");
    shop.file("data/back\\slash", "x");
    std::os::unix::fs::symlink("app.sql", shop.path("data/current")).unwrap();
    std::fs::hard_link(shop.path("data/app.sql"), shop.path("data/link")).unwrap();
    shop.night("2026-01-10 03:00");
    let mut settings = insta::Settings::clone_current();
    // Of folders and links that were made just now.
    settings.add_filter(r"(?m)^([dl].* 0) \S+ \S+ ", "$1 [JUST NOW] ");
    let _redacted = settings.bind_to_scope();
    let data = shop.path("data");
    let data = data.to_str().unwrap();
    assert_snapshot!(shop.run(&["ls", "latest", data, "-q"]), @r"
    exit 0
    drwxr-xr-x [OWNER] 0 [JUST NOW] [SANDBOX]/work/data
    -rw-r--r-- [OWNER] 5 2026-01-01 12:00:00 [SANDBOX]/work/data/app.sql
    -rw-r--r-- [OWNER] 1 2026-01-01 12:00:00 [SANDBOX]/work/data/back\x5cslash
    lrwxrwxrwx [OWNER] 0 [JUST NOW] [SANDBOX]/work/data/current -> app.sql
    -rw-r--r-- [OWNER] 1 2026-01-01 12:00:00 [SANDBOX]/work/data/line\x0abreak
    -rw-r--r-- [OWNER] 0 2026-01-01 12:00:00 [SANDBOX]/work/data/link (hard link to [SANDBOX]/work/data/app.sql)
    ");
    let escaped = format!("{data}/line\\x0abreak");
    assert_snapshot!(shop.run(&["ls", "latest", &escaped, "-q"]), @r"
    exit 0
    -rw-r--r-- [OWNER] 1 2026-01-01 12:00:00 [SANDBOX]/work/data/line\x0abreak
    ");
    assert_snapshot!(shop.run(&["cat", "latest", &format!("{data}/link"), "-q"]), @r"
    exit 0
    data
    ");
}

#[test]
fn ls_prints_json() {
    let shop = Shop::with_nights();
    let file = shop.path("data/app.sql");
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r#""uid":.*"size""#, r#"[OWNER],"size""#);
    let _redacted = settings.bind_to_scope();
    let ran = shop.run(&["ls", "latest", file.to_str().unwrap(), "--json", "-q"]);
    assert_snapshot!(ran, @r#"
    exit 0
    [
    {"path":"[SANDBOX]/work/data/app.sql","type":"file","mode":"0644",[OWNER],"size":41,"mtime":"2026-01-01T12:00:00Z"}
    ]
    "#);
}

#[test]
fn ls_tells_of_a_path_that_is_not_there() {
    let shop = Shop::with_nights();
    assert_snapshot!(shop.run(&["ls", "latest", "data", "-q"]), @r"
    exit 1
    --- stderr
    error: snapshot SHORT-ID holds no /data
    hint: paths are whole, from the root on: leave it out to see all that there are
    ");
    assert_snapshot!(shop.run(&["ls", "latest", "/nowhere", "--json", "-q"]), @r"
    exit 1
    []
    --- stderr
    error: snapshot SHORT-ID holds no /nowhere
    hint: paths are whole, from the root on: leave it out to see all that there are
    ");
}

#[test]
fn find_tells_since_when_and_until_when() {
    let shop = Shop::with_nights();
    assert_snapshot!(shop.run(&["find", "app.*"]), @r"
    exit 0
    [SANDBOX]/work/data/app.sql  ([SANDBOX]/work/data on db1)
      SINCE                SNAPSHOT  UNTIL                SNAPSHOT  NIGHTS  SIZE  MODIFIED
      2026-01-10 03:00:00  SHORT-ID  2026-01-10 03:00:00  SHORT-ID       1  38 B  2026-01-01 12:00:00
      2026-01-11 03:00:00  SHORT-ID  2026-01-12 03:00:00  SHORT-ID       2  41 B  2026-01-01 12:00:00
    ");
    assert_snapshot!(shop.run(&["find", "data/n*"]), @r"
    exit 0
    [SANDBOX]/work/data/notes  ([SANDBOX]/work/data on db1)
      SINCE                SNAPSHOT  UNTIL                SNAPSHOT  NIGHTS  SIZE  MODIFIED
      2026-01-10 03:00:00  SHORT-ID  2026-01-11 03:00:00  SHORT-ID       2   8 B  2026-01-01 12:00:00
    ");
    assert_snapshot!(shop.run(&["find", "*.zip"]), @r"
    exit 0
    --- stderr
    note: nothing matches '*.zip' in 3 snapshots
    ");
    assert_snapshot!(shop.run(&["find", "[a"]), @r"
    exit 2
    --- stderr
    error: bad pattern '[a': unclosed character class; missing ']'
    hint: put it in quotes; * ? [a-z] {a,b} and ** have a meaning, after a \ they have none
    ");
}

#[test]
fn find_prints_json() {
    let shop = Shop::with_nights();
    assert_snapshot!(shop.run(&["find", "notes", "--json"]), @r#"
    exit 0
    [
      {
        "host": "db1",
        "path": "[SANDBOX]/work/data/notes",
        "source": "[SANDBOX]/work/data",
        "versions": [
          {
            "first": {
              "id": "[ID]",
              "time": "2026-01-10T03:00:00+00:00"
            },
            "last": {
              "id": "[ID]",
              "time": "2026-01-11T03:00:00+00:00"
            },
            "mtime": "2026-01-01T12:00:00Z",
            "size": 8,
            "snapshots": 2,
            "type": "file"
          }
        ]
      }
    ]
    "#);
    assert_snapshot!(shop.run(&["find", "*.zip", "--json"]), @r"
    exit 0
    []
    ");
}

#[test]
fn diff_tells_what_changed() {
    let shop = Shop::with_nights();
    let ids = shop.sandbox.snapshot_ids();
    assert_snapshot!(shop.run(&["diff", &ids[0], &ids[2]]), @r"
    exit 0
    +                      4 B  [SANDBOX]/work/data/added
    M             38 B -> 41 B  [SANDBOX]/work/data/app.sql
    -                      8 B  [SANDBOX]/work/data/notes
    1 entry added (4 B), 1 removed (8 B), 1 modified, 0 with other metadata only
    ");
    assert_snapshot!(shop.run(&["diff", &ids[1], &ids[1]]), @r"
    exit 0
    0 entries added (0 B), 0 removed (0 B), 0 modified, 0 with other metadata only
    ");
    assert_snapshot!(shop.run(&["diff", &ids[1], &ids[2], "--json"]), @r#"
    exit 0
    {
      "a": "[ID]",
      "b": "[ID]",
      "changes": [
        {
          "change": "added",
          "path": "[SANDBOX]/work/data/added",
          "size_after": 4,
          "size_before": 0,
          "type": "file"
        },
        {
          "change": "removed",
          "path": "[SANDBOX]/work/data/notes",
          "size_after": 0,
          "size_before": 8,
          "type": "file"
        }
      ],
      "summary": {
        "added": 1,
        "added_bytes": 4,
        "metadata": 0,
        "modified": 0,
        "removed": 1,
        "removed_bytes": 8
      }
    }
    "#);
}

#[test]
fn diff_tells_metadata_from_content() {
    use std::os::unix::fs::PermissionsExt as _;
    let shop = Shop::open();
    shop.file("data/app.sql", "data\n");
    shop.night("2026-01-10 03:00");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(shop.path("data/app.sql"), mode).unwrap();
    shop.night("2026-01-11 03:00");
    let ids = shop.sandbox.snapshot_ids();
    assert_snapshot!(shop.run(&["diff", &ids[0], &ids[1]]), @r"
    exit 0
    U                           [SANDBOX]/work/data/app.sql
    0 entries added (0 B), 0 removed (0 B), 0 modified, 1 with other metadata only
    ");
}

#[test]
fn cat_wants_a_file() {
    let shop = Shop::with_nights();
    let data = shop.path("data");
    let data = data.to_str().unwrap();
    assert_snapshot!(shop.run(&["cat", "latest", data, "-q"]), @r"
    exit 1
    --- stderr
    error: [SANDBOX]/work/data is no file but a directory
    hint: `nightfold ls SHORT-ID` lists the files of this snapshot
    ");
    assert_snapshot!(shop.run(&["cat", "latest", "nowhere", "-q"]), @r"
    exit 1
    --- stderr
    error: snapshot SHORT-ID holds no /nowhere
    hint: `nightfold ls SHORT-ID` lists the files of this snapshot
    ");
}
