use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;

use super::*;

#[test]
fn directories_are_private_until_they_get_their_metadata() {
    let (folder, target) = target();
    target.create_directory(b"/a/b").unwrap();
    for name in ["a", "a/b"] {
        let mode = look_at(&folder.path().join(name)).metadata.mode;
        assert_eq!(mode, 0o700);
    }
    let restored = target.create_file(b"/a/b/c", 0, &[]).unwrap();
    restored.finish(&own_metadata(0o600), &[], false).unwrap();
    for (path, mode) in [(b"/a/b".as_slice(), 0o2555), (b"/a", 0o1711)] {
        let warnings = target
            .apply_metadata(path, &own_metadata(mode), &[])
            .unwrap();
        assert_eq!(warnings, [""; 0]);
        let found = look_at(&safe_join(folder.path(), path).unwrap()).metadata;
        assert_eq!(found.mode, mode);
        assert_eq!(found.mtime, own_metadata(mode).mtime);
    }
    set_mode(&folder.path().join("a/b"), 0o700);
}

#[test]
fn an_existing_directory_is_taken_as_it_is() {
    let (folder, target) = target();
    let path = folder.path().join("a");
    fs::create_dir(&path).unwrap();
    set_mode(&path, 0o755);
    target.create_directory(b"a").unwrap();
    target.create_directory(b"/").unwrap();
    assert_eq!(look_at(&path).metadata.mode, 0o755);
}

#[test]
fn the_target_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::open(&folder.path().join("x/y")).unwrap();
    target.create_fifo(b"/pipe", false).unwrap();
    assert!(folder.path().join("x/y/pipe").exists());
}

#[test]
fn a_link_gets_its_own_metadata_and_its_destination_keeps_its() {
    let (folder, target) = target();
    let real = folder.path().join("real");
    fs::write(&real, "").unwrap();
    let before = look_at(&real).metadata;
    target.create_symlink(b"link", b"real", false).unwrap();
    target
        .create_symlink(b"odd", b"\xff\n/../..", false)
        .unwrap();
    for name in [b"link".as_slice(), b"odd"] {
        let warnings = target
            .apply_metadata(name, &own_metadata(0o777), &[])
            .unwrap();
        assert_eq!(warnings, [""; 0]);
        let found = look_at(&folder.path().join(as_path(name)));
        assert_eq!(found.metadata.mtime, own_metadata(0).mtime);
    }
    let odd = look_at(&folder.path().join("odd")).kind;
    assert_eq!(odd, FoundKind::Symlink(b"\xff\n/../..".to_vec()));
    assert_eq!(look_at(&real).metadata, before);
}

#[test]
fn attributes_of_a_link_are_set_on_the_link() {
    let (folder, target) = target();
    fs::write(folder.path().join("real"), "").unwrap();
    target.create_symlink(b"link", b"real", false).unwrap();
    // Links take none in this name space; what they point to would.
    let xattrs = [(b"user.nightfold".to_vec(), b"x".to_vec())];
    let warnings = target
        .apply_metadata(b"link", &own_metadata(0o777), &xattrs)
        .unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(
        xattr::get(folder.path().join("real"), "user.nightfold").unwrap_or(None),
        None
    );
    // Root may set others on the link itself.
    if rustix::process::geteuid().is_root() {
        let xattrs = [(b"trusted.nightfold".to_vec(), b"x".to_vec())];
        let warnings = target
            .apply_metadata(b"link", &own_metadata(0o777), &xattrs)
            .unwrap();
        if warnings.is_empty() {
            assert_eq!(look_at(&folder.path().join("link")).xattrs, xattrs);
            assert_eq!(look_at(&folder.path().join("real")).xattrs, []);
        }
    }
}

#[test]
fn pipes_come_back_with_mode_time_and_attributes() {
    let (folder, target) = target();
    target.create_fifo(b"pipe", false).unwrap();
    assert_eq!(look_at(&folder.path().join("pipe")).metadata.mode, 0o600);
    let warnings = target
        .apply_metadata(b"pipe", &own_metadata(0o622), &[])
        .unwrap();
    assert_eq!(warnings, [""; 0]);
    let found = look_at(&folder.path().join("pipe"));
    assert_eq!(found.kind, FoundKind::Fifo);
    assert_eq!(found.metadata.mode, 0o622);
    assert_eq!(found.metadata.mtime, own_metadata(0).mtime);
}

#[test]
fn directories_take_attributes() {
    let (folder, target) = target();
    target.create_directory(b"a").unwrap();
    let xattrs = vec![(b"user.nightfold".to_vec(), b"x".to_vec())];
    let warnings = target
        .apply_metadata(b"a", &own_metadata(0o755), &xattrs)
        .unwrap();
    if warnings.iter().any(|text| text.contains("not supported")) {
        return; // By this file system.
    }
    assert_eq!(warnings, [""; 0]);
    assert_eq!(look_at(&folder.path().join("a")).xattrs, xattrs);
}

#[test]
fn devices_come_back_for_root() {
    let (folder, target) = target();
    let number = 1 << 8 | 3;
    if let Err(error) = target.create_device(b"null", Device::Character, number, false) {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        return;
    }
    target
        .create_device(b"block", Device::Block, 7 << 8, false)
        .unwrap();
    target
        .apply_metadata(b"null", &own_metadata(0o666), &[])
        .unwrap();
    let null = look_at(&folder.path().join("null"));
    assert_eq!(null.kind, FoundKind::CharDevice(number));
    assert_eq!(null.metadata.mode, 0o666);
    let block = look_at(&folder.path().join("block"));
    assert_eq!(block.kind, FoundKind::BlockDevice(7 << 8));
}

#[test]
fn hard_links_share_a_file() {
    let (folder, target) = target();
    target.create_directory(b"/d").unwrap();
    target
        .create_file(b"/d/a", 0, &[])
        .unwrap()
        .finish(&own_metadata(0o600), &[], false)
        .unwrap();
    target.create_hardlink(b"/d/a", b"/b", false).unwrap();
    let inode = |name| fs::metadata(folder.path().join(name)).unwrap().ino();
    assert_eq!(inode("d/a"), inode("b"));
    // Once more, when it is there already: no temporary name is left.
    target.create_hardlink(b"/d/a", b"/b", true).unwrap();
    assert_eq!(inode("d/a"), inode("b"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    let missing = target.create_hardlink(b"/gone", b"/c", false).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

type Make<'a> = &'a dyn Fn(&[u8], bool) -> std::io::Result<()>;

#[test]
fn nodes_replace_only_with_overwrite_and_never_a_directory() {
    let (folder, target) = target();
    fs::write(folder.path().join("source"), "").unwrap();
    let makes: [Make<'_>; 3] = [
        &|path, overwrite| target.create_symlink(path, b"source", overwrite),
        &|path, overwrite| target.create_fifo(path, overwrite),
        &|path, overwrite| target.create_hardlink(b"source", path, overwrite),
    ];
    fs::create_dir(folder.path().join("folder")).unwrap();
    for make in makes {
        fs::write(folder.path().join("old"), "old").unwrap();
        let error = make(b"old", false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(folder.path().join("old")).unwrap(), b"old");
        make(b"old", true).unwrap();
        assert_ne!(
            look_at(&folder.path().join("old")).kind,
            FoundKind::File {
                size: 3,
                link: None
            }
        );
        assert!(make(b"folder", true).is_err());
        fs::remove_file(folder.path().join("old")).unwrap();
    }
    assert!(folder.path().join("folder").is_dir());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn existence_is_told_without_following_links() {
    let (folder, target) = target();
    target.create_symlink(b"link", b"nowhere", false).unwrap();
    fs::create_dir(folder.path().join("d")).unwrap();
    for (path, expected) in [
        (b"/link".as_slice(), true),
        (b"/", true),
        (b"/d", true),
        (b"/x", false),
        (b"/x/y", false),
    ] {
        assert_eq!(target.exists(path).unwrap(), expected);
    }
}
