//! `nightfold compact` and `nightfold key rotate`.

use insta::{Settings, assert_snapshot};

use crate::shop::{Shop, shown};

/// Sizes hang on random ids.
fn sizes() -> Settings {
    let mut settings = Settings::clone_current();
    settings.add_filter(r"\d+(\.\d)? (B|KiB)\b", "[SIZE]");
    settings.add_filter(r"NNN B\b", "[SIZE]");
    settings.add_filter(r#""(\w*bytes|before|after)": \d+"#, r#""$1": [BYTES]"#);
    settings
}

#[test]
fn a_small_repository_is_as_compact_as_it_gets() {
    let shop = Shop::with_nights();
    let _redacted = sizes().bind_to_scope();
    assert_snapshot!(shop.run(&["compact"]), @"");
    assert_snapshot!(shop.run(&["compact", "--dry-run", "--quiet"]), @"");
    assert_snapshot!(shop.run(&["compact", "--json", "--only", "join"]), @"");
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
    assert_snapshot!(shop.run(&["compact", "-n"]), @"");
    assert_snapshot!(shop.run(&["compact"]), @"");
    assert_snapshot!(shop.run(&["compact"]), @"");
    shop.call(&["check", "--read-data"]).run().exits(0);
}

#[test]
fn limits_must_have_a_unit_that_is_known() {
    let shop = Shop::open();
    assert_snapshot!(shop.run(&["compact", "--limit-rate", "fast"]), @"");
    assert_snapshot!(shop.run(&["compact", "--max-duration", "30"]), @"");
    assert_snapshot!(shop.run(&["compact", "--limit-bytes", "many"]), @"");
    assert_snapshot!(shop.run(&["compact", "--limit-rate", "1MiB/s", "--max-duration", "1h"]), @"");
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
    assert_snapshot!(rotate(&["key", "rotate"], "second"), @"");
    let second = |arguments: &[&str]| {
        let call = shop.call(arguments);
        shown(&call.env("NIGHTFOLD_PASSWORD", "second").run())
    };
    shop.call(&["snapshots"]).run().exits(12);
    assert_snapshot!(second(&["compact", "--only", "keys"]), @"");
    assert_snapshot!(second(&["compact", "--only", "keys"]), @"");
    assert_snapshot!(second(&["check", "--quiet"]), @"");
}
