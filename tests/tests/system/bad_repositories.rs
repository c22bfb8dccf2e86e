//! Places that hold no repository, a newer one, a locked one, or a damaged one.

use std::fs;
use std::path::{Path, PathBuf};

use nightfold_tests::{Random, Sandbox};

/// Verbs that open a repository.
const VERBS: [&[&str]; 8] = [
    &["snapshots"],
    &["backup", "dump"],
    &["restore", "latest", "--target", "restored"],
    &["ls", "latest"],
    &["check"],
    &["stats"],
    &["key", "list"],
    &["index", "rebuild"],
];

#[test]
fn a_wrong_password_is_told() {
    let sandbox = stored();
    for verb in VERBS {
        sandbox
            .call(verb)
            .env("NIGHTFOLD_PASSWORD", "hunter2")
            .run()
            .exits(12)
            .tells("wrong password")
            .tells("NIGHTFOLD_PASSWORD")
            .hides("hunter2");
    }
}

#[test]
fn an_open_repository_in_place_of_an_encrypted_one_is_refused() {
    let sandbox = stored();
    let other = Sandbox::open();
    fs::remove_dir_all(sandbox.repository()).unwrap();
    fs::rename(other.repository(), sandbox.repository()).unwrap();
    for verb in VERBS {
        let ran = sandbox.call(verb).run().exits(1);
        ran.tells("it is not encrypted: was it replaced?");
    }
}

#[test]
fn no_repository_is_told() {
    let sandbox = Sandbox::empty();
    sandbox.file("work/dump", "a night");
    for verb in VERBS {
        let ran = sandbox.call(verb).run().exits(10);
        ran.tells("no repository at").tells("repository");
    }
    assert!(!sandbox.repository().exists(), "nothing is made");
}

#[test]
fn a_folder_that_is_no_repository_is_left_alone() {
    let sandbox = Sandbox::empty();
    let photo = sandbox.file("repository/photo.jpg", "not ours");
    sandbox.file("work/dump", "a night");
    for verb in VERBS {
        let ran = sandbox.call(verb).run().exits(10);
        ran.tells("no repository at");
    }
    let ran = sandbox.call(["init"]).run().exits(1);
    ran.tells("is not empty");
    assert_eq!(fs::read(photo).unwrap(), b"not ours");
    assert_eq!(fs::read_dir(sandbox.repository()).unwrap().count(), 1);
}

#[test]
fn a_file_in_place_of_the_repository_is_told() {
    let sandbox = Sandbox::empty();
    sandbox.file("repository", "a file");
    for verb in [&["init"], &["snapshots"]] {
        let ran = sandbox.call(verb).run();
        assert!(matches!(ran.code(), Some(1 | 10)), "{ran:?}");
        ran.tells("/repository");
    }
}

#[test]
fn a_newer_format_is_told() {
    let sandbox = stored();
    let config = sandbox.repository().join("config");
    let mut bytes = fs::read(&config).unwrap();
    // Magic 4, version 1, kind 1, zero 2, epoch 4, id 32, checksum 4.
    bytes[4] = 2;
    let checksum = blake3::hash(&bytes[..44]);
    bytes[44..48].copy_from_slice(&checksum.as_bytes()[..4]);
    fs::write(&config, &bytes).unwrap();
    for verb in VERBS {
        let ran = sandbox.call(verb).run().exits(1);
        ran.tells("config needs format 2")
            .tells("a newer nightfold");
    }
    assert_eq!(fs::read(&config).unwrap(), bytes, "nothing was changed");
}

#[test]
fn a_newer_snapshot_beside_others_is_told_and_the_others_serve() {
    let sandbox = stored();
    sandbox.file("work/dump", "another night");
    let newer = sandbox.backup(["dump"]);
    let path = sandbox.repository().join("snapshots").join(&newer);
    let mut bytes = fs::read(&path).unwrap();
    bytes[4] = 2;
    let checksum = blake3::hash(&bytes[..44]);
    bytes[44..48].copy_from_slice(&checksum.as_bytes()[..4]);
    fs::write(&path, &bytes).unwrap();
    let ran = sandbox.call(["snapshots", "--json"]).run().exits(0);
    assert_eq!(ran.json().as_array().unwrap().len(), 1);
    ran.tells(&format!("snapshots/{newer} needs format 2"));
}

#[test]
fn damage_to_the_config_is_told() {
    damaged(|sandbox| (sandbox.repository().join("config"), "config".to_owned()));
}

#[test]
fn damage_to_the_only_key_is_told() {
    damaged(|sandbox| only(&sandbox.repository(), "keys"));
}

/// While they are there, what is damaged is read from them.
fn lose_copies(sandbox: &Sandbox) {
    fs::remove_dir_all(sandbox.repository().join("parity")).unwrap();
}

/// A flipped byte anywhere in an object that every verb needs: each says which it is.
fn damaged(find: impl Fn(&Sandbox) -> (PathBuf, String)) {
    let sandbox = stored();
    lose_copies(&sandbox);
    let (path, name) = find(&sandbox);
    let whole = fs::read(&path).unwrap();
    let mut random = Random::new(6);
    for verb in VERBS {
        let at = random.below(whole.len() as u64) as usize;
        for harmed in [flipped(&whole, at), whole[..at].to_vec()] {
            fs::write(&path, harmed).unwrap();
            let ran = sandbox.call(verb).run().exits(1);
            ran.tells(&name).tells("damaged");
        }
    }
    fs::write(&path, whole).unwrap();
    sandbox.check();
}

#[test]
fn damage_to_a_pack_is_told_and_other_snapshots_serve() {
    let sandbox = stored();
    let first = sandbox.snapshot_ids().remove(0);
    let before = packs(&sandbox);
    let kept = fs::read(sandbox.path("work/dump")).unwrap();
    sandbox.file("work/other", Random::new(9).bytes(2 << 20));
    let second = sandbox.backup(["other"]);
    let added: Vec<_> = packs(&sandbox)
        .into_iter()
        .filter(|pack| !before.contains(pack))
        .collect();
    let largest = added
        .iter()
        .max_by_key(|pack| fs::metadata(pack).unwrap().len());
    let pack = largest.unwrap();
    let name = pack.file_name().unwrap().to_str().unwrap();
    let whole = fs::read(pack).unwrap();

    fs::write(pack, flipped(&whole, whole.len() / 2)).unwrap();
    let ran = sandbox.call(["check", "--read-data"]).run().exits(1);
    assert!(ran.text().contains(name), "{ran:?}");
    let other = sandbox.path("work/other");
    let ran = sandbox.call(["cat", &second]).arg(&other).run().exits(1);
    ran.tells(name);
    let ran = sandbox
        .call(["restore", &second, "--target", "restored"])
        .run()
        .exits(1);
    ran.tells("not restored: ").tells("/work/other");
    let restored = sandbox.path("work/restored");
    let restored = restored.join(other.strip_prefix("/").unwrap());
    assert!(!restored.exists(), "never wrong bytes under its name");
    assert!(sandbox.content(&first, sandbox.path("work/dump")) == kept);

    fs::remove_file(pack).unwrap();
    let ran = sandbox.call(["check"]).run().exits(1);
    assert!(ran.text().contains("damaged: "), "{ran:?}");
    assert!(sandbox.content(&first, sandbox.path("work/dump")) == kept);

    fs::write(pack, whole).unwrap();
    sandbox.check();
}

#[test]
fn damage_to_a_snapshot_is_told_and_others_serve() {
    let sandbox = stored();
    let first = sandbox.snapshot_ids().remove(0);
    sandbox.file("work/dump", "another night");
    let second = sandbox.backup(["dump"]);
    lose_copies(&sandbox);
    let path = sandbox.repository().join("snapshots").join(&second);
    let whole = fs::read(&path).unwrap();
    let name = format!("snapshots/{second}");
    for at in [0, 20, 46, whole.len() / 2, whole.len() - 1] {
        for harmed in [flipped(&whole, at), whole[..at].to_vec()] {
            fs::write(&path, harmed).unwrap();
            let ran = sandbox.call(["check"]).run().exits(1);
            assert!(ran.text().contains(&name), "{ran:?}");
            let ran = sandbox.call(["ls", &second]).run().exits(1);
            ran.tells(&name).tells("damaged");
            let ran = sandbox.call(["ls", "latest"]).run().exits(0);
            ran.tells(&name).tells(&format!("snapshot {}", &first[..8]));
            sandbox.call(["ls", &first]).run().exits(0);
        }
    }
}

/// An encrypted repository with one snapshot of a file too large to lie in its entry.
fn stored() -> Sandbox {
    let sandbox = Sandbox::encrypted();
    sandbox.file("work/dump", Random::new(1).bytes(1 << 20));
    sandbox.backup(["dump"]);
    sandbox
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 0x10;
    bytes
}

/// The only object in a folder of the repository, and its name.
fn only(repository: &Path, folder: &str) -> (PathBuf, String) {
    let mut entries = fs::read_dir(repository.join(folder)).unwrap();
    let name = entries.next().unwrap().unwrap().file_name();
    assert!(entries.next().is_none());
    let name = format!("{folder}/{}", name.to_str().unwrap());
    (repository.join(&name), name)
}

fn packs(sandbox: &Sandbox) -> Vec<PathBuf> {
    let folders = fs::read_dir(sandbox.repository().join("packs")).unwrap();
    folders
        .flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|pack| pack.unwrap().path())
        .collect()
}
