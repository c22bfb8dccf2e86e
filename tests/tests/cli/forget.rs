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
    assert_snapshot!(shop.run(&["forget", "-n", "--keep-daily", "2", "--keep-weekly", "1"]), @"");
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
    assert_snapshot!(shop.run(&["forget", "--keep-daily", "2", "--source", "web"]), @"");
    shop.sandbox.check();
}

#[test]
fn fates_are_told_to_scripts() {
    let shop = shop();
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
    assert_snapshot!(ran, @"");
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
    assert_snapshot!(shop.run(&["forget", "-n"]), @"");
    shop.file(
        "nightfold.toml",
        &format!("{config}[sources.app.keep]\ndaily = 1\nwithin = \"1d\"\n"),
    );
    assert_snapshot!(shop.run(&["forget", "-n"]), @"");
    shop.file(
        "nightfold.toml",
        &format!("{config}[sources.web.keep]\nlast = 5\n[keep]\nmonthly = 12\n"),
    );
    assert_snapshot!(shop.run(&["forget"]), @"");
    assert_eq!(
        left(&shop),
        ["web 2026-01-12T04:00", "app 2026-01-12T15:00"]
    );
}

#[test]
fn snapshots_are_forgotten_by_id_even_the_last_ones() {
    let shop = shop();
    let ids = shop.sandbox.snapshot_ids();
    assert_snapshot!(shop.run(&["forget", "--dry-run", &ids[0]]), @"");
    assert_snapshot!(shop.run(&["forget", &ids[0][..8], &ids[3], &ids[3]]), @"");
    assert_eq!(left(&shop).len(), 3);
    assert_snapshot!(shop.run(&["forget", &ids[0]]), @"");
    assert_snapshot!(shop.run(&["forget", "latest"]), @"");
    shop.sandbox.check();
}

#[test]
fn a_damaged_snapshot_goes_only_by_its_full_id() {
    let shop = shop();
    let id = &shop.sandbox.snapshot_ids()[1];
    let file = shop.sandbox.repository().join("snapshots").join(id);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    assert_snapshot!(shop.run(&["forget", &id[..8]]), @"");
    shop.call(&["check"]).run().exits(1);
    assert_snapshot!(shop.run(&["forget", id]), @"");
    shop.sandbox.check();
}

#[test]
fn a_policy_that_would_keep_nothing_is_refused() {
    let shop = shop();
    let id = shop.sandbox.snapshot_ids().remove(0);
    assert_snapshot!(shop.run(&["forget", "--keep-daily", "0"]), @"");
    assert_snapshot!(shop.run(&["forget", "--keep-last", "3", "--keep-within", "0d"]), @"");
    assert_snapshot!(shop.run(&["forget", "--keep-within", "a week"]), @"");
    assert_snapshot!(shop.run(&["forget", "--keep-tag", "misspelt"]), @"");
    assert_snapshot!(shop.run(&["forget", "--keep-daily", "3", &id]), @"");
    assert_snapshot!(shop.run(&["forget", "--source", "app", &id]), @"");
    assert_snapshot!(shop.run(&["forget", "--keep-daily", "3", "--group-by", "path"]), @"");
    assert_snapshot!(shop.run(&["forget", "--keep-last", "1", "--keep-id", "0123"]), @"");
    let config = std::fs::read_to_string(shop.path("nightfold.toml")).unwrap();
    shop.file(
        "nightfold.toml",
        &format!("{config}[sources.app.keep]\ndaily = 0\n"),
    );
    assert_snapshot!(shop.run(&["forget"]), @"");
    assert_eq!(left(&shop).len(), 5);
}

#[test]
fn nothing_to_forget_is_told() {
    assert_snapshot!(Shop::open().run(&["forget", "--keep-last", "1"]), @"");
    let shop = shop();
    assert_snapshot!(shop.run(&["forget", "--keep-last", "1", "--host", "db2"]), @"");
    assert_snapshot!(shop.run(&["forget", "--keep-last", "9", "--group-by", ""]), @"");
}
