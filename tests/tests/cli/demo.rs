//! `nightfold demo`: the whole job in one command.

use nightfold_tests::{Call, program};

use crate::shop::Shop;

#[test]
fn the_demo_proves_itself_and_leaves_nothing_behind() {
    let shop = Shop::closed();
    let ran = shop.call(&["demo"]).run().exits(0);
    let text = ran.text();
    for wanted in [
        "each as it was that night",
        "integrity_check: ok",
        "no damage: 5 snapshots",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    let left = std::fs::read_dir(shop.sandbox.path("tmp")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn a_kept_demo_can_be_looked_at() {
    let shop = Shop::closed();
    let text = shop.call(&["demo", "--keep"]).run().exits(0).text();
    // The sandbox's own password would win over the file.
    let mut command = shop.sandbox.command("sh");
    let script = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("export "))
        .fold(String::from("unset NIGHTFOLD_PASSWORD"), |script, line| {
            format!("{script}; export {line}")
        });
    let script = format!("{script}; exec {} snapshots", program().display());
    command.args(["-c", &script]);
    let listed = Call::new(command).run().exits(0).text();
    assert_eq!(listed.lines().count(), 6, "{listed}");
}
