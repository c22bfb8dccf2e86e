//! Standard output that goes away or fills up.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use nightfold_tests::{Ran, program};

use crate::shop::Shop;

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let shop = Shop::open();
    shop.file("data/big", &"0123456789abcdef\n".repeat(200_000));
    shop.night("2026-01-10 03:00");
    let file = shop.path("data/big");
    let mut child = shop
        .call(&["cat", "latest", file.to_str().unwrap(), "-q"])
        .spawn();
    let mut first = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"0123456789abcdef");
    let ran = Ran::new("cat | head", child.wait_with_output().unwrap()).exits(0);
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    let shop = Shop::with_nights();
    for arguments in [
        &["snapshots"][..],
        &["ls", "latest", "-q"],
        &["completions", "bash"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = shop
            .sandbox
            .command(program())
            .args(arguments)
            .stdout(full)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        Ran::new(arguments[0], output)
            .exits(1)
            .tells("cannot write to standard output");
    }
}

#[test]
fn pipes_get_no_progress() {
    let shop = Shop::open();
    shop.file("data/big", &"0123456789abcdef\n".repeat(200_000));
    let ran = shop.call(&["backup", "data"]).run().exits(0);
    assert_eq!(ran.stderr, "");
    assert!(!ran.text().contains('\u{1b}'));
}
