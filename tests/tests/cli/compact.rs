//! `nightfold compact` and `nightfold key rotate`.

use insta::{Settings, assert_snapshot};

use crate::shop::{Shop, shown};

/// Sizes hang on random ids.
fn sizes() -> Settings {
    let mut settings = Settings::clone_current();
    settings.add_filter(r"\d+(\.\d)? (B|KiB)\b", "[SIZE]");
    settings.add_filter(r"NNN B\b", "[SIZE]");
    settings.add_filter(r#""(\w*bytes|before|after)": \d+"#, r#""$1": [BYTES]"#);
    // Whether the list of names gets smaller by a byte or two is up to its ids, which are random.
    settings.add_filter(r"recompressed 1 chunk: .*\n", "");
    settings
}

#[test]
fn a_small_repository_is_as_compact_as_it_gets() {
    let shop = Shop::with_nights();
    let _redacted = sizes().bind_to_scope();
    assert_snapshot!(shop.run(&["compact"]), @r"
    exit 0
    [SIZE] in 3 packs, 3 snapshots
    nothing to do: all is as compact as it gets
    ");
    assert_snapshot!(shop.run(&["compact", "--dry-run", "--quiet"]), @r"
    exit 0
    ");
    assert_snapshot!(shop.run(&["compact", "--json", "--only", "join"]), @r#"
    exit 0
    {
      "snapshots": 3,
      "packs": 3,
      "bytes": [BYTES],
      "keys": {
        "packs": 0,
        "frames": 0,
        "before": [BYTES],
        "after": [BYTES]
      },
      "join": {
        "packs": 0,
        "frames": 0,
        "before": [BYTES],
        "after": [BYTES]
      },
      "recompress": {
        "packs": 0,
        "frames": 0,
        "before": [BYTES],
        "after": [BYTES]
      },
      "rebase": {
        "packs": 0,
        "frames": 0,
        "before": [BYTES],
        "after": [BYTES]
      },
      "chain_steps": [
        0,
        0
      ],
      "condemned_packs": 0,
      "condemned_bytes": [BYTES],
      "written_packs": 0,
      "written_bytes": [BYTES],
      "deleted_packs": 0,
      "deleted_bytes": [BYTES],
      "waiting_packs": 0,
      "waiting_bytes": [BYTES],
      "unreadable_packs": 0,
      "left_packs": 0,
      "rounds": 0,
      "resealed_snapshots": 0,
      "resealed_records": 0,
      "old_keys": null
    }
    "#);
}

#[test]
fn small_packs_are_joined_and_the_run_tells_what_it_wrote() {
    let shop = Shop::open();
    for day in 1..=9 {
        shop.file(
            "data/app.sql",
            &format!("insert into orders values ({day}, 'tea');\n"),
        );
        shop.night(&format!("2026-01-0{day} 03:00"));
    }
    let _redacted = sizes().bind_to_scope();
    assert_snapshot!(shop.run(&["compact", "-n"]), @r"
    exit 0
    [SIZE] in 9 packs, 9 snapshots
    8 frames, [SIZE], would be joined with others
    1 frame, [SIZE], would be compressed anew, where that saves much
    ");
    assert_snapshot!(shop.run(&["compact"]), @r"
    exit 0
    [SIZE] in 9 packs, 9 snapshots
    9 small packs joined
    2 packs, [SIZE], written in place of 9, [SIZE]
    9 condemned packs, [SIZE], will be deleted by a later prune or compact
    ");
    assert_snapshot!(shop.run(&["compact"]), @r"
    exit 0
    [SIZE] in 11 packs, 9 snapshots
    9 packs, [SIZE], deleted: condemned earlier
    nothing to do: all is as compact as it gets
    ");
    shop.call(&["check", "--read-data"]).run().exits(0);
}

#[test]
fn limits_must_have_a_unit_that_is_known() {
    let shop = Shop::open();
    assert_snapshot!(shop.run(&["compact", "--limit-rate", "fast"]), @r"
    exit 2
    --- stderr
    error: --limit-rate fast: not a rate
    hint: as in --limit-rate 20MiB/s
    ");
    assert_snapshot!(shop.run(&["compact", "--max-duration", "30"]), @r"
    exit 2
    --- stderr
    error: --max-duration 30: not a time
    hint: as in --max-duration 30m
    ");
    assert_snapshot!(shop.run(&["compact", "--limit-bytes", "many"]), @r"
    exit 2
    --- stderr
    error: --limit-bytes many: not a size
    hint: as in --limit-bytes 2GiB
    ");
    assert_snapshot!(shop.run(&["compact", "--limit-rate", "1MiB/s", "--max-duration", "1h"]), @r"
    exit 0
    0 B in 0 packs, 0 snapshots
    nothing to do: all is as compact as it gets
    ");
}

#[test]
fn after_a_rotation_compact_moves_everything_to_the_new_key() {
    let shop = Shop::encrypted();
    shop.file("data/app.sql", "insert into orders values (1, 'tea');\n");
    shop.night("2026-01-10 03:00");
    let _redacted = sizes().bind_to_scope();
    let rotate = |arguments: &[&str], password: &str| {
        let call = shop.call(arguments);
        shown(&call.env("NIGHTFOLD_NEW_PASSWORD", password).run())
    };
    assert_snapshot!(rotate(&["key", "rotate"], "second"), @r"
    exit 0
    the new password opens key slot SHORT-ID; new data are sealed under its new key
    `nightfold compact` moves what is there already to the new key; until then the old key still opens it
    ");
    let second = |arguments: &[&str]| {
        let call = shop.call(arguments);
        shown(&call.env("NIGHTFOLD_PASSWORD", "second").run())
    };
    shop.call(&["snapshots"]).run().exits(12);
    assert_snapshot!(second(&["compact", "--only", "keys"]), @r"
    exit 0
    [SIZE] in 1 pack, 1 snapshot
    sealed under the newest key: 1 pack and 1 snapshot
    still under old keys: 1 pack of [SIZE], 0 snapshots and 0 small objects
    1 pack, [SIZE], written in place of 1, [SIZE]
    1 condemned pack, [SIZE], will be deleted by a later prune or compact
    ");
    assert_snapshot!(second(&["compact", "--only", "keys"]), @r"
    exit 0
    [SIZE] in 2 packs, 1 snapshot
    1 pack, [SIZE], deleted: condemned earlier
    the old keys open nothing that the repository still holds
    nothing to do: all is as compact as it gets
    ");
    assert_snapshot!(second(&["check", "--quiet"]), @r"
    exit 0
    ");
}
