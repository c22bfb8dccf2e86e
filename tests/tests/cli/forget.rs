//! `nightfold forget`.

use insta::assert_snapshot;

use crate::shop::Shop;

/// Five nights of two sources; of the first a second run on the last day.
fn shop() -> Shop {
    let shop = Shop::open();
    shop.file(
        "nightfold.toml",
        "[sources.app]\npaths = [\"data\"]\nhost = \"db1\"\n[sources.web]\npaths = [\"data\"]\nhost = \"db1\"\n",
    );
    shop.file("data/a", "data\n");
    for time in ["2026-01-09 03:00", "2026-01-11 03:00", "2026-01-12 03:00"] {
        back_up(&shop, "app", time);
    }
    back_up(&shop, "app", "2026-01-12 15:00");
    back_up(&shop, "web", "2026-01-12 04:00");
    shop
}

fn back_up(shop: &Shop, source: &str, time: &str) {
    shop.call(&["backup", source, "--time", time])
        .run()
        .exits(0);
}

fn left(shop: &Shop) -> Vec<String> {
    let snapshots = shop.sandbox.snapshots();
    let told = snapshots.iter().map(|snapshot| {
        let time = snapshot["time"].as_str().unwrap();
        format!("{} {}", snapshot["source"].as_str().unwrap(), &time[..16])
    });
    told.collect()
}

#[test]
fn a_dry_run_tells_the_fate_of_each_snapshot() {
    let shop = shop();
    assert_snapshot!(shop.run(&["forget", "-n", "--keep-daily", "2", "--keep-weekly", "1"]), @r"
    exit 0
    app on db1 (daily 2, weekly 1): keep 2, remove 2
    ID        TIME                 TAGS          REASON
    SHORT-ID  2026-01-09 03:00:00        remove  before the newest of the weeks
    SHORT-ID  2026-01-11 03:00:00        keep    daily snapshot 2026-01-11
    SHORT-ID  2026-01-12 03:00:00        remove  SHORT-ID is kept for 2026-W03
    SHORT-ID  2026-01-12 15:00:00        keep    daily snapshot 2026-01-12, weekly snapshot 2026-W03

    web on db1 (daily 2, weekly 1): keep 1, remove 0
    ID        TIME                 TAGS        REASON
    SHORT-ID  2026-01-12 04:00:00        keep  daily snapshot 2026-01-12, weekly snapshot 2026-W03

    dry run: nothing was removed; it would be 2 snapshots
    ");
    assert_eq!(left(&shop).len(), 5);
}

#[test]
fn a_policy_is_carried_out() {
    let shop = shop();
    shop.call(&["forget", "--keep-daily", "2", "--quiet"])
        .run()
        .exits(0);
    assert_eq!(
        left(&shop),
        [
            "app 2026-01-11T03:00",
            "web 2026-01-12T04:00",
            "app 2026-01-12T15:00"
        ]
    );
    assert_snapshot!(shop.run(&["forget", "--keep-daily", "2", "--source", "web"]), @r"
    exit 0
    web on db1 (daily 2): keep 1, remove 0
    ID        TIME                 TAGS        REASON
    SHORT-ID  2026-01-12 04:00:00        keep  daily snapshot 2026-01-12

    nothing to remove
    ");
    shop.sandbox.check();
}

#[expect(clippy::too_many_lines, reason = "what is printed is long")]
#[test]
fn fates_are_told_to_scripts() {
    let shop = shop();
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r#""added": \d+"#, r#""added": [BYTES]"#);
    let _redacted = settings.bind_to_scope();
    let ran = shop.run(&[
        "forget",
        "--json",
        "-n",
        "--keep-last",
        "1",
        "--source",
        "app",
        "--keep-id",
        &shop.sandbox.snapshot_ids()[0],
    ]);
    assert_snapshot!(ran, @r#"
    exit 0
    {
      "dry_run": true,
      "groups": [
        {
          "host": "db1",
          "keep": [
            {
              "reasons": [
                "named by id"
              ],
              "snapshot": {
                "added": [BYTES],
                "host": "db1",
                "id": "[ID]",
                "incomplete": false,
                "paths": [
                  "[SANDBOX]/work/data"
                ],
                "proven": null,
                "short_id": "SHORT-ID",
                "size": 5,
                "source": "app",
                "tags": [],
                "time": "2026-01-09T03:00:00+00:00"
              }
            },
            {
              "reasons": [
                "last snapshot"
              ],
              "snapshot": {
                "added": [BYTES],
                "host": "db1",
                "id": "[ID]",
                "incomplete": false,
                "paths": [
                  "[SANDBOX]/work/data"
                ],
                "proven": null,
                "short_id": "SHORT-ID",
                "size": 5,
                "source": "app",
                "tags": [],
                "time": "2026-01-12T15:00:00+00:00"
              }
            }
          ],
          "policy": "last 1, ids 1",
          "remove": [
            {
              "reasons": [
                "no rule keeps it"
              ],
              "snapshot": {
                "added": [BYTES],
                "host": "db1",
                "id": "[ID]",
                "incomplete": false,
                "paths": [
                  "[SANDBOX]/work/data"
                ],
                "proven": null,
                "short_id": "SHORT-ID",
                "size": 5,
                "source": "app",
                "tags": [],
                "time": "2026-01-11T03:00:00+00:00"
              }
            },
            {
              "reasons": [
                "no rule keeps it"
              ],
              "snapshot": {
                "added": [BYTES],
                "host": "db1",
                "id": "[ID]",
                "incomplete": false,
                "paths": [
                  "[SANDBOX]/work/data"
                ],
                "proven": null,
                "short_id": "SHORT-ID",
                "size": 5,
                "source": "app",
                "tags": [],
                "time": "2026-01-12T03:00:00+00:00"
              }
            }
          ],
          "source": "app",
          "tags": null
        }
      ],
      "pruned": null,
      "removed": [
        "[ID]",
        "[ID]"
      ]
    }
    "#);
    let done = shop
        .call(&["forget", "--json", "--keep-last", "1"])
        .run()
        .exits(0)
        .json();
    assert_eq!(done["removed"].as_array().unwrap().len(), 3);
    assert_eq!(left(&shop).len(), 2);
}

#[test]
fn each_source_has_its_policy_in_the_configuration() {
    let shop = shop();
    let config = std::fs::read_to_string(shop.path("nightfold.toml")).unwrap();
    assert_snapshot!(shop.run(&["forget", "-n"]), @r"
    exit 2
    --- stderr
    error: what is to be kept?
    hint: give --keep-daily 14 or the like, or [keep] in nightfold.toml, or the ids of snapshots to remove
    ");
    shop.file(
        "nightfold.toml",
        &format!("{config}[sources.app.keep]\ndaily = 1\nwithin = \"1d\"\n"),
    );
    assert_snapshot!(shop.run(&["forget", "-n"]), @r"
    exit 0
    app on db1 (daily 1, within 1d): keep 2, remove 2
    ID        TIME                 TAGS          REASON
    SHORT-ID  2026-01-09 03:00:00        remove  before the newest of the days
    SHORT-ID  2026-01-11 03:00:00        remove  before the newest of the days
    SHORT-ID  2026-01-12 03:00:00        keep    within 1d
    SHORT-ID  2026-01-12 15:00:00        keep    daily snapshot 2026-01-12, within 1d

    dry run: nothing was removed; it would be 2 snapshots
    --- stderr
    note: nightfold.toml has no policy for web: all its snapshots are kept
    ");
    shop.file(
        "nightfold.toml",
        &format!("{config}[sources.web.keep]\nlast = 5\n[keep]\nmonthly = 12\n"),
    );
    assert_snapshot!(shop.run(&["forget"]), @r"
    exit 0
    app on db1 (monthly 12): keep 1, remove 3
    ID        TIME                 TAGS          REASON
    SHORT-ID  2026-01-09 03:00:00        remove  SHORT-ID is kept for 2026-01
    SHORT-ID  2026-01-11 03:00:00        remove  SHORT-ID is kept for 2026-01
    SHORT-ID  2026-01-12 03:00:00        remove  SHORT-ID is kept for 2026-01
    SHORT-ID  2026-01-12 15:00:00        keep    monthly snapshot 2026-01

    web on db1 (last 5): keep 1, remove 0
    ID        TIME                 TAGS        REASON
    SHORT-ID  2026-01-12 04:00:00        keep  last snapshot

    removed 3 snapshots
    ");
    assert_eq!(
        left(&shop),
        ["web 2026-01-12T04:00", "app 2026-01-12T15:00"]
    );
}

#[test]
fn snapshots_are_forgotten_by_id_even_the_last_ones() {
    let shop = shop();
    let ids = shop.sandbox.snapshot_ids();
    assert_snapshot!(shop.run(&["forget", "--dry-run", &ids[0]]), @r"
    exit 0
    remove SHORT-ID
    dry run: nothing was removed; it would be 1 snapshot
    ");
    assert_snapshot!(shop.run(&["forget", &ids[0][..8], &ids[3], &ids[3]]), @r"
    exit 0
    remove SHORT-ID
    remove SHORT-ID
    removed 2 snapshots
    ");
    assert_eq!(left(&shop).len(), 3);
    assert_snapshot!(shop.run(&["forget", &ids[0]]), @r"
    exit 1
    --- stderr
    error: there is no snapshot [ID]
    ");
    assert_snapshot!(shop.run(&["forget", "latest"]), @r"
    exit 2
    --- stderr
    error: 'latest' is no snapshot id
    hint: ids are hexadecimal; `nightfold snapshots` lists them
    ");
    shop.sandbox.check();
}

#[test]
fn a_damaged_snapshot_goes_only_by_its_full_id() {
    let shop = shop();
    let id = &shop.sandbox.snapshot_ids()[1];
    let file = shop.sandbox.repository().join("snapshots").join(id);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    // While its copy is there it can be read.
    std::fs::remove_dir_all(shop.sandbox.repository().join("parity")).unwrap();
    assert_snapshot!(shop.run(&["forget", &id[..8]]), @r"
    exit 1
    --- stderr
    error: snapshots/[ID] is damaged: its seal does not fit: bytes after its header were changed or cut off
    hint: `nightfold check --read-data` lists all that is damaged; what it does not list is whole
    ");
    shop.call(&["check"]).run().exits(1);
    assert_snapshot!(shop.run(&["forget", id]), @r"
    exit 0
    remove SHORT-ID
    removed 1 snapshot
    ");
    shop.sandbox.check();
}

#[test]
fn a_policy_that_would_keep_nothing_is_refused() {
    let shop = shop();
    let id = shop.sandbox.snapshot_ids().remove(0);
    assert_snapshot!(shop.run(&["forget", "--keep-daily", "0"]), @r"
    exit 2
    --- stderr
    error: keep-daily 0 keeps nothing: leave it out if this rule is not wanted
    ");
    assert_snapshot!(shop.run(&["forget", "--keep-last", "3", "--keep-within", "0d"]), @r"
    exit 2
    --- stderr
    error: keep-within of no time keeps nothing: leave it out if this rule is not wanted
    ");
    assert_snapshot!(shop.run(&["forget", "--keep-within", "a week"]), @r"
    exit 2
    --- stderr
    error: 'a week' is no length of time: write 30d, or 2y5m7d3h (years, months, weeks, days, hours, in this order)
    ");
    assert_snapshot!(shop.run(&["forget", "--keep-tag", "misspelt"]), @r"
    exit 1
    --- stderr
    error: the policy (tag misspelt) keeps none of the 5 snapshots: nothing is removed
    ");
    assert_snapshot!(shop.run(&["forget", "--keep-daily", "3", &id]), @r"
    exit 2
    --- stderr
    error: either ids or rules: an id says all about its snapshot
    hint: leave out the ids, or --keep-…, --source, --host and --tag
    ");
    assert_snapshot!(shop.run(&["forget", "--source", "app", &id]), @r"
    exit 2
    --- stderr
    error: either ids or rules: an id says all about its snapshot
    hint: leave out the ids, or --keep-…, --source, --host and --tag
    ");
    assert_snapshot!(shop.run(&["forget", "--keep-daily", "3", "--group-by", "path"]), @r"
    exit 2
    --- stderr
    error: snapshots cannot be grouped by 'path': write host, source, tags, or several with commas
    ");
    assert_snapshot!(shop.run(&["forget", "--keep-last", "1", "--keep-id", "0123"]), @r"
    exit 1
    --- stderr
    error: no snapshot has an id that starts with “0123”
    ");
    let config = std::fs::read_to_string(shop.path("nightfold.toml")).unwrap();
    shop.file(
        "nightfold.toml",
        &format!("{config}[sources.app.keep]\ndaily = 0\n"),
    );
    assert_snapshot!(shop.run(&["forget"]), @r"
    exit 1
    --- stderr
    error: [SANDBOX]/work/nightfold.toml, [sources.app.keep]: keep-daily 0 keeps nothing: leave it out if this rule is not wanted
    ");
    assert_eq!(left(&shop).len(), 5);
}

#[test]
fn nothing_to_forget_is_told() {
    assert_snapshot!(Shop::open().run(&["forget", "--keep-last", "1"]), @r"
    exit 0
    --- stderr
    note: there are no snapshots yet
    ");
    let shop = shop();
    assert_snapshot!(shop.run(&["forget", "--keep-last", "1", "--host", "db2"]), @r"
    exit 0
    --- stderr
    note: no snapshot has this source, host and tags
    ");
    assert_snapshot!(shop.run(&["forget", "--keep-last", "9", "--group-by", ""]), @r"
    exit 0
    all (last 9): keep 5, remove 0
    ID        TIME                 TAGS        REASON
    SHORT-ID  2026-01-09 03:00:00        keep  last snapshot
    SHORT-ID  2026-01-11 03:00:00        keep  last snapshot
    SHORT-ID  2026-01-12 03:00:00        keep  last snapshot
    SHORT-ID  2026-01-12 04:00:00        keep  last snapshot
    SHORT-ID  2026-01-12 15:00:00        keep  last snapshot

    nothing to remove
    ");
}
