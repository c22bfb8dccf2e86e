//! Damages packs at random and repairs them:
//!
//! ```text
//! cargo run --release -p nightfold-tests --example parity-damage -- 1000 [SEED]
//! ```
//!
//! A tenth as many damages are beyond what parity can restore: of those it is compared what is said to be lost with
//! what cannot be read. The first difference ends it with a panic that names the round; the same seed repeats it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[allow(dead_code)]
#[path = "../tests/repository/damage.rs"]
mod damage;
#[allow(dead_code)]
#[path = "../tests/repository/support.rs"]
mod support;

use damage::{Dice, Victim};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise: u64| {
        let argument = arguments.next();
        argument.map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (rounds, seed) = (number(1000) as usize, number(1));
    let victim = Victim::new(24);
    let undone = victim.within_reach(&mut Dice::new(seed), rounds);
    println!("{rounds} damages within reach, all undone byte for byte: {undone:?}");
    let beyond = rounds.div_ceil(10);
    let (files, snapshots) = victim.beyond_reach(&mut Dice::new(seed + 1), beyond);
    println!(
        "{beyond} damages beyond reach: {files} files in {snapshots} snapshots lost, each of them named; all others read"
    );
}
