//! The local folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::super::{LocalStorage, Storage as _};
use super::name;
use crate::format::{Kind, ObjectName};

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn local_strays_are_told_from_objects() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalStorage::new(folder.path());
    let pack = name(Kind::Pack, 0xab, 0);
    storage.put(pack, b"pack").unwrap();
    storage
        .put(name(Kind::Snapshot, 1, 1), b"snapshot")
        .unwrap();
    let root = folder.path();
    let id = pack.id.to_string();
    fs::write(root.join("packs/ab/.tmp-1234"), b"half").unwrap();
    fs::write(root.join("packs/README"), b"who put this here").unwrap();
    fs::create_dir(root.join("packs/cd")).unwrap();
    fs::write(root.join("packs/cd").join(&id), b"in another's folder").unwrap();
    fs::write(root.join("packs").join(&id), b"not in a folder").unwrap();
    fs::write(
        root.join("snapshots").join(id.to_uppercase()),
        b"upper case",
    )
    .unwrap();
    fs::create_dir(root.join("snapshots").join(&id)).unwrap();

    assert_eq!(storage.list(Kind::Pack).unwrap().len(), 1);
    assert_eq!(storage.list(Kind::Snapshot).unwrap().len(), 1);
    let mut strays = storage.strays(Kind::Pack).unwrap();
    strays.sort();
    let expected = [
        "packs/README".to_owned(),
        format!("packs/{id}"),
        "packs/ab/.tmp-1234".to_owned(),
        format!("packs/cd/{id}"),
    ];
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(strays, expected);
    assert_eq!(storage.strays(Kind::Snapshot).unwrap().len(), 2);
    assert_eq!(storage.strays(Kind::Key).unwrap(), Vec::<String>::new());
}

#[test]
fn local_objects_lie_where_the_format_says_and_only_their_owner_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("new/repository");
    let storage = LocalStorage::new(&root);
    for name in [
        ObjectName::CONFIG,
        name(Kind::Pack, 0xab, 0),
        name(Kind::Key, 1, 2),
    ] {
        storage.put(name, b"bytes").unwrap();
        let path = root.join(name.path());
        assert_eq!(fs::read(&path).unwrap(), b"bytes");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
    assert_eq!(files_below(&root).len(), 3, "no temporary file is left");
}

#[test]
fn a_local_put_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalStorage::new(folder.path());
    // A file where the folder should be.
    fs::write(folder.path().join("packs"), b"").unwrap();
    assert!(storage.put(name(Kind::Pack, 1, 1), b"pack").is_err());
    assert_eq!(files_below(folder.path()).len(), 1);
    // A folder where the object should be.
    let key = name(Kind::Key, 1, 1);
    fs::create_dir_all(folder.path().join(key.path())).unwrap();
    assert!(storage.put(key, b"key").is_err());
    assert_eq!(files_below(folder.path()).len(), 1);
}

#[test]
fn more_packs_than_files_are_kept_open_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalStorage::new(folder.path());
    let names: Vec<_> = (0..200).map(|at| name(Kind::Pack, at, at)).collect();
    for name in &names {
        storage.put(*name, &name.id.0).unwrap();
    }
    for _ in 0..2 {
        for name in &names {
            assert_eq!(storage.get_range(*name, 0, 32).unwrap(), name.id.0);
        }
    }
}
