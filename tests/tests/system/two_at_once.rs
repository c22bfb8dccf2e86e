//! Two backups at once into one repository: both succeed.

use nightfold_tests::{Call, Ran, Random, Sandbox, dump::Dump};

/// Some 20 MB.
const ROWS: usize = 200_000;
const ROUNDS: usize = 4;

#[test]
fn two_machines_at_once() {
    at_once("cache", "other-cache");
}

#[test]
fn two_backups_of_one_machine_at_once() {
    at_once("cache", "cache");
}

fn at_once(one_cache: &str, other_cache: &str) {
    let sandbox = Sandbox::encrypted();
    let mut random = Random::new(3);
    let mut one = Dump::new(ROWS, &mut random);
    // The second shares most chunks with the first: both want to store them.
    let mut other = one.clone();
    let mut stored = Vec::new();
    for _ in 0..ROUNDS {
        one.pass_day(&mut random);
        other.pass_day(&mut random);
        let texts = [one.text(), other.text()];
        let calls = [
            call(&sandbox, "one.sql", &texts[0], one_cache),
            call(&sandbox, "other.sql", &texts[1], other_cache),
        ];
        let children = calls.map(Call::spawn);
        for ((child, text), name) in children
            .into_iter()
            .zip(texts)
            .zip(["one.sql", "other.sql"])
        {
            let ran = Ran::new(name, child.wait_with_output().unwrap()).exits(0);
            let id = ran.json()["id"].as_str().unwrap().to_owned();
            stored.push((id, name, text));
        }
    }
    assert_eq!(sandbox.snapshots().len(), 2 * ROUNDS);
    for cache in [one_cache, other_cache] {
        let check = sandbox.call(["check", "--read-data"]);
        check
            .env("XDG_CACHE_HOME", sandbox.path(cache))
            .run()
            .exits(0);
        for (id, name, text) in &stored {
            let path = sandbox.path("work").join(name);
            let cat = sandbox.call(["cat", id]).arg(path);
            let ran = cat.env("XDG_CACHE_HOME", sandbox.path(cache)).run();
            assert!(ran.exits(0).stdout == *text, "{name} of {id}");
        }
    }
}

fn call(sandbox: &Sandbox, name: &str, text: &[u8], cache: &str) -> Call {
    sandbox.file(format!("work/{name}"), text);
    let call = sandbox.call(["backup", "--json", name]);
    call.env("XDG_CACHE_HOME", sandbox.path(cache))
}
