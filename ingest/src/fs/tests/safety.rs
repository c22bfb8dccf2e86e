use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;

use super::*;

#[test]
fn stored_paths_are_joined_below_the_target() {
    let join = |stored: &[u8]| safe_join(Path::new("/target"), stored).unwrap();
    assert_eq!(join(b"/etc/passwd"), Path::new("/target/etc/passwd"));
    assert_eq!(join(b"etc/..."), Path::new("/target/etc/..."));
    assert_eq!(join(b"/"), Path::new("/target"));
    assert_eq!(path_bytes(&join(b"/a\n\xff")), b"/target/a\n\xff");
}

#[test]
fn paths_that_could_lead_elsewhere_are_refused() {
    let cases: [(&[u8], UnsafePath); 13] = [
        (b"..", UnsafePath::Parent),
        (b"/..", UnsafePath::Parent),
        (b"/../x", UnsafePath::Parent),
        (b"/a/../../x", UnsafePath::Parent),
        (b"/a/..", UnsafePath::Parent),
        (b"", UnsafePath::Empty),
        (b"//", UnsafePath::Empty),
        (b"//etc/passwd", UnsafePath::Empty),
        (b"/a//b", UnsafePath::Empty),
        (b"/a/", UnsafePath::Empty),
        (b"/./a", UnsafePath::Empty),
        (b"/a\0b", UnsafePath::Zero),
        (b"/a/\0", UnsafePath::Zero),
    ];
    let (folder, target) = target();
    for (stored, expected) in cases {
        assert_eq!(safe_join(Path::new("/target"), stored), Err(expected));
        assert_refused(&target, stored, ErrorKind::InvalidInput);
    }
    let long = [b'a'].repeat(1 << 17);
    assert_eq!(
        safe_join(Path::new("/target"), &long),
        Err(UnsafePath::Long)
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Every way to write at `stored` fails alike.
fn assert_refused(target: &Target, stored: &[u8], kind: ErrorKind) {
    let metadata = own_metadata(0o644);
    let results = [
        target.create_directory(stored),
        target.create_symlink(stored, b"x", true),
        target.create_fifo(stored, true),
        target.create_device(stored, Device::Character, 0, true),
        target.create_hardlink(stored, b"/x", true),
        target.create_hardlink(b"/x", stored, true),
        target.create_file(stored, 0, &[]).map(drop),
        target.apply_metadata(stored, &metadata, &[]).map(drop),
        target.exists(stored).map(drop),
    ];
    for (number, result) in results.into_iter().enumerate() {
        let error = result.unwrap_err();
        let shown = stored.escape_ascii();
        assert_eq!(error.kind(), kind, "{shown}, way {number}: {error}");
        assert!(error.to_string().contains("refused"), "{error}");
    }
}

#[test]
fn nothing_is_written_through_a_link_that_the_restore_placed() {
    let outside = tempfile::tempdir().unwrap();
    let (_folder, target) = target();
    target
        .create_symlink(b"/a", path_bytes(outside.path()), false)
        .unwrap();
    assert_refused(&target, b"/a/b", ErrorKind::NotADirectory);
    assert_refused(&target, b"/a/b/c", ErrorKind::NotADirectory);
    let error = target.create_directory(b"/a").unwrap_err();
    assert_eq!(
        error.to_string(),
        "refused: a file or symbolic link stands where the directory 'a' should be"
    );
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn nothing_is_written_through_a_link_that_took_a_directorys_place() {
    let outside = tempfile::tempdir().unwrap();
    let (folder, target) = target();
    target.create_directory(b"/a/b").unwrap();
    target.create_fifo(b"/a/b/before", false).unwrap();
    fs::rename(folder.path().join("a"), folder.path().join("moved")).unwrap();
    symlink(outside.path(), folder.path().join("a")).unwrap();
    fs::create_dir(outside.path().join("b")).unwrap();
    // The directory that was opened is the one that is written to, wherever it is now.
    target.create_fifo(b"/a/b/after", false).unwrap();
    assert!(folder.path().join("moved/b/after").exists());
    assert_eq!(fs::read_dir(outside.path().join("b")).unwrap().count(), 0);
    // One that wasn't is looked for anew.
    assert_refused(&target, b"/a/c/x", ErrorKind::NotADirectory);
}

#[test]
fn a_file_in_the_middle_is_refused() {
    let (folder, target) = target();
    fs::write(folder.path().join("a"), "").unwrap();
    assert_refused(&target, b"/a/b", ErrorKind::NotADirectory);
}

#[test]
fn metadata_is_not_applied_through_a_link() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "").unwrap();
    let before = look_at(&victim).metadata;
    let (_folder, target) = target();
    target
        .create_symlink(b"/a", path_bytes(&victim), false)
        .unwrap();
    target
        .apply_metadata(b"/a", &own_metadata(0o4777), &[])
        .unwrap();
    assert_eq!(look_at(&victim).metadata, before);
}

#[test]
fn a_missing_directory_is_named() {
    let (_folder, target) = target();
    let Err(error) = target.create_file(b"/a/b/c", 0, &[]) else {
        panic!("created");
    };
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().starts_with("directory 'a': "), "{error}");
}

#[test]
fn hostile_metadata_does_not_panic() {
    let (_folder, target) = target();
    let metadata = Metadata {
        mode: u32::MAX,
        uid: u32::MAX,
        gid: u32::MAX,
        user: b"a\0b".to_vec(),
        group: vec![b'x'; 100_000],
        mtime: Timestamp {
            seconds: i64::MIN,
            nanos: u32::MAX,
        },
        ..Metadata::default()
    };
    target.create_directory(b"/a").unwrap();
    target.apply_metadata(b"/a", &metadata, &[]).unwrap();
    assert!(target.create_symlink(b"/b", b"", false).is_err());
    assert!(target.create_symlink(b"/b", b"a\0b", false).is_err());
    assert!(
        target
            .create_symlink(b"/b", &[b'x'].repeat(70_000), false)
            .is_err()
    );
}

#[test]
fn a_target_is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Target>();
    shared::<FileBeingRestored>();
}
