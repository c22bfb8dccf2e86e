//! `nightfold repair`, and parity as a user meets it.

use std::path::{Path, PathBuf};

use insta::{Settings, assert_snapshot};

use crate::shop::Shop;

/// Sizes are not what these claims are about.
fn redacted() -> insta::internals::SettingsBindDropGuard {
    let mut settings = Settings::clone_current();
    settings.add_filter(r"read \S+ (K|M)?i?B", "read [SIZE]");
    settings.add_filter(r#""bytes_read": \d+"#, r#""bytes_read": [BYTES]"#);
    settings.add_filter(r"packs/../", "packs/XX/");
    settings.add_filter(r"\b[0-9a-f]{40}\b", "[CHUNK]");
    settings.bind_to_scope()
}

/// The pack that was written first.
fn first_pack(shop: &Shop) -> PathBuf {
    let mut packs: Vec<PathBuf> = Vec::new();
    for folder in std::fs::read_dir(shop.sandbox.repository().join("packs")).unwrap() {
        let entries = std::fs::read_dir(folder.unwrap().path()).unwrap();
        packs.extend(entries.map(|entry| entry.unwrap().path()));
    }
    packs.sort_by_key(|pack| std::fs::metadata(pack).unwrap().modified().unwrap());
    packs.remove(0)
}

fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[60] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn repair_restores_what_a_disk_damaged() {
    let shop = Shop::with_nights();
    let _redacted = redacted();
    let pack = first_pack(&shop);
    let whole = std::fs::read(&pack).unwrap();
    damage(&pack);
    damage(&shop.sandbox.repository().join("config"));
    let told = shop.call(&["check", "--read-data"]).run().exits(1).text();
    let healed = told.matches("`nightfold repair` can restore it").count();
    assert_eq!(healed, 2, "{told}");
    let told = shop.call(&["repair", "--dry-run"]).run().exits(0).text();
    assert!(
        told.contains("would be restored: config: was damaged"),
        "{told}"
    );
    assert!(told.contains("2 damaged, 2 would be restored"), "{told}");
    assert_ne!(std::fs::read(&pack).unwrap(), whole);
    let told = shop.call(&["repair"]).run().exits(0).text();
    assert!(told.contains("restored: packs/"), "{told}");
    assert!(
        told.contains("2 damaged, 2 restored\nnothing is lost\n"),
        "{told}"
    );
    assert_eq!(std::fs::read(&pack).unwrap(), whole);
    shop.sandbox.check();
    assert_snapshot!(shop.run(&["repair"]), @r"
    exit 0
    looked at 8 objects, read [SIZE]: 0 damaged, 0 restored
    nothing is lost
    ");
    let told = shop.call(&["repair", "--json"]).run().exits(0).json();
    assert_eq!((&told["objects"], &told["damaged"]), (&8.into(), &0.into()));
}

#[test]
fn repair_exits_1_and_names_what_is_lost() {
    let shop = Shop::with_nights();
    let _redacted = redacted();
    assert_snapshot!(shop.run(&["repair", "--parity", "0"]), @r"
    exit 0
    looked at 8 objects, read [SIZE]: 0 damaged, 0 restored
    parity: 3 files removed
    nothing is lost
    ");
    damage(&first_pack(&shop));
    let told = shop.call(&["repair"]).run().exits(1).text();
    assert!(told.contains("lost: packs/"), "{told}");
    assert!(told.contains("it has no sound parity"), "{told}");
    assert!(
        told.contains("3 snapshots cannot be restored whole"),
        "{told}"
    );
    let told = shop
        .call(&["repair", "--forget-damaged"])
        .run()
        .exits(1)
        .text();
    assert!(told.contains("forgot 3 snapshots"), "{told}");
    assert!(shop.sandbox.snapshots().is_empty());
}

#[test]
fn parity_is_the_users_choice() {
    let shop = Shop::closed();
    let sidecars = || {
        let folder = shop.sandbox.repository().join("parity");
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    };
    shop.call(&["init", "--parity", "51"]).run().exits(2);
    shop.call(&["init", "--parity", "0"]).run().exits(0);
    shop.file("data/app.sql", "insert into orders values (1, 'tea');\n");
    shop.call(&["backup", "data"]).run().exits(0);
    assert_eq!(sidecars(), 0);
    shop.file(
        "data/app.sql",
        &"insert into orders values (2, 'coffee');\n".repeat(90),
    );
    shop.call(&["backup", "data", "--parity", "5"])
        .run()
        .exits(0);
    assert_eq!(sidecars(), 3, "a pack of each kind, and the snapshot");
    shop.file("nightfold.toml", "parity = 5\n");
    shop.file(
        "data/app.sql",
        &"insert into orders values (3, 'water');\n".repeat(90),
    );
    shop.call(&["backup", "data"]).run().exits(0);
    assert_eq!(sidecars(), 6);
    shop.file("nightfold.toml", "parity = 51\n");
    shop.call(&["backup", "data"])
        .run()
        .exits(1)
        .tells("parity is 0 to 50 percent");
}
