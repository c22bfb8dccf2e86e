//! Whole trees there and back: names, links, times, modes, holes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use nightfold_tests::{Random, Sandbox, Tree, tree};

#[test]
fn a_tree_of_oddities_comes_back_as_it_was() {
    let sandbox = Sandbox::encrypted();
    let top = sandbox.path("tree");
    fs::create_dir(&top).unwrap();
    odd_names(&top);
    links(&top);
    modes(&top);
    contents(&top);
    times(&top);
    let before = tree(&top);
    let id = sandbox.backup(["../tree"]);
    assert_eq!(tree(&top), before, "a backup changes nothing");

    let restored = sandbox.restore(&id, "restored");
    let restored = restored.join(top.strip_prefix("/").unwrap());
    same(&tree(&restored), &before);
    sparse_as_before(&top, &restored);
    sandbox.check();
}

#[test]
fn names_with_newlines_stay_on_one_line() {
    let sandbox = Sandbox::open();
    let top = sandbox.path("tree");
    fs::create_dir(&top).unwrap();
    odd_names(&top);
    sandbox.backup(["../tree"]);
    let entries = tree(&top).len() + top.ancestors().count() - 2;
    let ran = sandbox.call(["ls", "latest"]).run().exits(0);
    assert_eq!(ran.text().lines().count(), entries, "{ran:?}");
    let ran = sandbox.call(["ls", "latest", "--json"]).run().exits(0);
    assert_eq!(ran.json().as_array().unwrap().len(), entries, "{ran:?}");
    for name in ["two\nlines".as_bytes(), b"not \xff utf-8", b" ", b"-"] {
        let path = top.join(OsStr::from_bytes(name));
        let content = sandbox.content("latest", &path);
        assert!(content == fs::read(&path).unwrap(), "{}", path.display());
    }
}

#[test]
fn a_second_restore_replaces_only_when_told() {
    let sandbox = Sandbox::open();
    let file = sandbox.file("tree/file", "stored");
    let id = sandbox.backup(["../tree"]);
    let target = sandbox.restore(&id, "restored");
    let restored = target.join(file.strip_prefix("/").unwrap());
    fs::write(&restored, "precious").unwrap();
    let again = || sandbox.call(["restore", &id, "--target"]).arg(&target);
    again().run().exits(1).tells("exists already");
    assert_eq!(fs::read(&restored).unwrap(), b"precious");
    again().arg("--overwrite").run().exits(0);
    assert_eq!(fs::read(&restored).unwrap(), b"stored");
}

fn odd_names(top: &Path) {
    let names: [&[u8]; 12] = [
        b"plain",
        b"two\nlines",
        b"tab\tand\rreturn",
        b"\x1b[31mred",
        b"not \xff utf-8",
        b"\xc3\x28",
        "grün und früh".as_bytes(),
        b" ",
        b"-",
        b"--target",
        b"back\\slash",
        &[b'n'; 255],
    ];
    for (number, name) in names.into_iter().enumerate() {
        let content = format!("file {number}");
        fs::write(top.join(OsStr::from_bytes(name)), content).unwrap();
    }
    let folder = top.join(OsStr::from_bytes(b"folder\n\xfe"));
    fs::create_dir_all(folder.join("deep/er/and/empty")).unwrap();
    fs::write(folder.join("deep/file"), "deep").unwrap();
}

fn links(top: &Path) {
    fs::create_dir(top.join("links")).unwrap();
    let target = top.join("links/target");
    fs::write(&target, Random::new(1).bytes(100_000)).unwrap();
    fs::hard_link(&target, top.join("links/hard")).unwrap();
    fs::hard_link(&target, top.join("a-hard-link-elsewhere")).unwrap();
    symlink("target", top.join("links/soft")).unwrap();
    symlink("nowhere/\n/at all", top.join("links/dangling")).unwrap();
    symlink(OsStr::from_bytes(b"\xff"), top.join("links/not-utf-8")).unwrap();
    symlink(".", top.join("links/loop")).unwrap();
}

fn modes(top: &Path) {
    fs::create_dir(top.join("modes")).unwrap();
    for mode in [0o400, 0o444, 0o600, 0o755, 0o4755, 0o2755, 0o6711, 0o1666] {
        let path = top.join(format!("modes/{mode:o}"));
        fs::write(&path, "content").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    for mode in [0o500, 0o711, 0o1777, 0o2755] {
        let path = top.join(format!("modes/folder-{mode:o}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "content").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn contents(top: &Path) {
    fs::create_dir(top.join("contents")).unwrap();
    let mut random = Random::new(2);
    // About the bounds of what lies inside its entry, of a chunk, of a window.
    for size in [
        0,
        1,
        255,
        256,
        257,
        65_536,
        1 << 20,
        (8 << 20) + 1,
        20 << 20,
    ] {
        let path = top.join(format!("contents/{size}"));
        fs::write(path, random.bytes(size)).unwrap();
    }
    fs::write(top.join("contents/zeros"), vec![0; 3 << 20]).unwrap();
    let sparse = File::create(top.join("contents/sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    for offset in [5 << 20, 40 << 20, (64 << 20) - 9] {
        sparse.write_all_at(b"an island", offset).unwrap();
    }
}

/// Each file another time, to the nanosecond; some before 1970 and after 2038.
fn times(top: &Path) {
    let paths: Vec<_> = tree(top).into_keys().rev().collect();
    for (number, path) in paths.into_iter().enumerate() {
        let path = top.join(path);
        if path.is_symlink() || !(path.is_file() || path.is_dir()) {
            continue;
        }
        let since = Duration::new(
            1_000_000_000 + number as u64 * 3600,
            123_456_789 + number as u32,
        );
        let time = match number % 7 {
            0 => SystemTime::UNIX_EPOCH - since / 10,
            1 => SystemTime::UNIX_EPOCH + since * 2,
            _ => SystemTime::UNIX_EPOCH + since,
        };
        set_mtime(&path, time);
    }
}

fn set_mtime(path: &Path, time: SystemTime) {
    // Opened for reading: a file without write permission is its owner's all the same.
    let file = File::open(path).unwrap();
    file.set_modified(time).unwrap();
}

fn same(is: &Tree, was: &Tree) {
    for (path, node) in was {
        assert_eq!(is.get(path), Some(node), "{}", path.display());
    }
    assert_eq!(is.len(), was.len(), "something more is there");
}

fn sparse_as_before(before: &Path, after: &Path) {
    let blocks = |top: &Path| fs::metadata(top.join("contents/sparse")).unwrap().blocks();
    let (before, after) = (blocks(before), blocks(after));
    assert!(after <= before + 64, "{after} blocks for {before}");
}
