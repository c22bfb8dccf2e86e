//! Listing snapshots, and choosing one.

use insta::assert_snapshot;

use crate::shop::{Shop, shown};

#[test]
fn snapshots_are_listed_oldest_first() {
    let shop = Shop::with_nights();
    let mut settings = insta::Settings::clone_current();
    // The column of sources is as wide as the sandbox's path.
    settings.add_filter(" {2,}", "  ");
    let _redacted = settings.bind_to_scope();
    assert_snapshot!(shop.run(&["snapshots"]), @r"
    exit 0
    ID  TIME  HOST  SOURCE  TAGS  SIZE  ADDED  PROVEN
    SHORT-ID  2026-01-10 03:00:00  db1  [SANDBOX]/work/data  46 B  NNN B  -
    SHORT-ID  2026-01-11 03:00:00  db1  [SANDBOX]/work/data  49 B  NNN B  -
    SHORT-ID  2026-01-12 03:00:00  db1  [SANDBOX]/work/data  45 B  NNN B  -
    ");
    assert_snapshot!(shop.run(&["snapshots", "--source", "elsewhere"]), @r"
    exit 0
    --- stderr
    note: no snapshot has this source, host and tags
    ");
}

#[test]
fn snapshots_are_listed_for_scripts() {
    let shop = Shop::open();
    shop.file("data/app.sql", "data\n");
    shop.call(&["backup", "data", "--host", "db1", "--tag", "nightly"])
        .args(["--time", "2026-01-10T03:00:00+02:00"])
        .run()
        .exits(0);
    assert_snapshot!(shop.run(&["snapshots", "--json"]), @r#"
    exit 0
    [
      {
        "id": "[ID]",
        "short_id": "SHORT-ID",
        "time": "2026-01-10T01:00:00+00:00",
        "host": "db1",
        "source": "[SANDBOX]/work/data",
        "paths": [
          "[SANDBOX]/work/data"
        ],
        "tags": [
          "nightly"
        ],
        "size": 5,
        "added": [BYTES],
        "incomplete": false,
        "proven": null
      }
    ]
    "#);
    assert_snapshot!(shop.run(&["snapshots", "--json", "--host", "db2"]), @r"
    exit 0
    []
    ");
}

#[test]
fn latest_is_the_newest_and_is_told() {
    let shop = Shop::with_nights();
    let file = path(&shop, "data/app.sql");
    assert_snapshot!(shop.run(&["cat", "latest", &file]), @r"
    exit 0
    insert into orders values (1, 'coffee');
    --- stderr
    note: snapshot SHORT-ID of 2026-01-12 03:00:00+00:00, [SANDBOX]/work/data on db1
    ");
}

#[test]
fn at_takes_the_newest_at_or_before_a_time() {
    let shop = Shop::with_nights();
    let file = path(&shop, "data/app.sql");
    let at = |time| shop.run(&["cat", "latest", &file, "--at", time]);
    assert_snapshot!(at("2026-01-11 02:59:59"), @r"
    exit 0
    insert into orders values (1, 'tea');
    --- stderr
    note: snapshot SHORT-ID of 2026-01-10 03:00:00+00:00, [SANDBOX]/work/data on db1
    ");
    assert_snapshot!(at("2026-01-11 03:00"), @r"
    exit 0
    insert into orders values (1, 'coffee');
    --- stderr
    note: snapshot SHORT-ID of 2026-01-11 03:00:00+00:00, [SANDBOX]/work/data on db1
    ");
    assert_snapshot!(at("2026-01-11T04:00:00+02:00"), @r"
    exit 0
    insert into orders values (1, 'tea');
    --- stderr
    note: snapshot SHORT-ID of 2026-01-10 03:00:00+00:00, [SANDBOX]/work/data on db1
    ");
    assert_snapshot!(at("2026-01-09 03:00"), @r"
    exit 1
    --- stderr
    error: no snapshot was taken at or before 2026-01-09 03:00:00+00:00
    hint: the oldest is of 2026-01-10 03:00:00+00:00
    ");
    assert_snapshot!(at("2026-01-11"), @r"
    exit 2
    --- stderr
    error: '2026-01-11' is no time: write 'YYYY-MM-DD HH:MM' or RFC 3339 with an offset
    ");
}

#[test]
fn of_an_hour_that_occurs_twice_the_later_is_meant() {
    let shop = Shop::with_nights();
    let file = path(&shop, "data/app.sql");
    let ran = shop
        .call(&["cat", "latest", &file, "--at", "2026-10-25 02:30"])
        .env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        .run();
    assert_snapshot!(shown(&ran), @r"
    exit 0
    insert into orders values (1, 'coffee');
    --- stderr
    note: clocks showed 2026-10-25 02:30 twice that day; the later is taken, 2026-10-25 02:30:00+01:00
    note: snapshot SHORT-ID of 2026-01-12 04:00:00+01:00, [SANDBOX]/work/data on db1
    ");
}

#[test]
fn an_id_leaves_nothing_to_choose() {
    let shop = Shop::with_nights();
    let ids = shop.sandbox.snapshot_ids();
    shop.call(&["ls", &ids[0]]).run().exits(0);
    shop.call(&["ls", &ids[0][..8].to_uppercase()])
        .run()
        .exits(0);
    assert_snapshot!(shop.run(&["ls", &ids[0], "--at", "2026-01-10 03:00"]), @r"
    exit 2
    --- stderr
    error: '[ID]' names one snapshot: there is nothing left to choose by
    hint: --at, --source, --host and --tag choose among snapshots: write 'latest' instead of an id
    ");
}

#[test]
fn what_is_no_snapshot_is_told() {
    let shop = Shop::with_nights();
    assert_snapshot!(shop.run(&["ls", "last"]), @r"
    exit 2
    --- stderr
    error: 'last' is no snapshot id
    hint: ids are hexadecimal; `nightfold snapshots` lists them, and 'latest' is the newest
    ");
    assert_snapshot!(shop.run(&["ls", "0123456789abcdef"]), @r"
    exit 1
    --- stderr
    error: no snapshot has an id that starts with “0123456789abcdef”
    ");
    assert_snapshot!(Shop::open().run(&["ls", "latest"]), @r"
    exit 1
    --- stderr
    error: there are no snapshots yet
    hint: `nightfold snapshots` lists what there is
    ");
}

#[test]
fn latest_prefers_complete_snapshots_and_says_so() {
    let shop = Shop::open();
    shop.file("data/app.sql", "data\n");
    shop.night("2026-01-10 03:00");
    shop.file("data/locked", "a secret");
    shop.lock("data/locked");
    shop.call_bound(&["backup", "data", "--host", "db1"])
        .args(["--time", "2026-01-11 03:00"])
        .run()
        .exits(3);
    let file = path(&shop, "data/app.sql");
    assert_snapshot!(shop.run(&["cat", "latest", &file]), @r"
    exit 0
    data
    --- stderr
    warning: SHORT-ID is newer but misses files (2026-01-11 03:00:00+00:00): name it to get it all the same
    note: snapshot SHORT-ID of 2026-01-10 03:00:00+00:00, [SANDBOX]/work/data on db1
    ");
    let at = shop.run(&["cat", "latest", &file, "--at", "2026-01-12 00:00"]);
    assert_snapshot!(at, @r"
    exit 0
    data
    --- stderr
    note: snapshot SHORT-ID of 2026-01-11 03:00:00+00:00, [SANDBOX]/work/data on db1
    warning: this snapshot is incomplete: 1 entry could not be read when it was made
    ");
}

fn path(shop: &Shop, name: &str) -> String {
    shop.path(name).to_str().unwrap().to_owned()
}
