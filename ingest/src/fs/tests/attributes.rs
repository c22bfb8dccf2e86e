use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::*;

#[test]
fn metadata_comes_back_on_a_file() {
    let (folder, target) = target();
    let cases = [
        (0o4711, 1_700_000_000, 1),
        (0o2755, -1, 999_999_999),
        (0o1644, -2_000_000_000, 5),
        (0o000, 0, 0),
        (0o400, 5_000_000_000, 123_456_789),
    ];
    for (mode, seconds, nanos) in cases {
        let mtime = Timestamp { seconds, nanos };
        let metadata = Metadata {
            mtime,
            ..own_metadata(mode)
        };
        let restored = target.create_file(b"file", 1, &[]).unwrap();
        restored.write_at(0, b"x").unwrap();
        let warnings = restored.finish(&metadata, &[], true).unwrap();
        assert_eq!(warnings, [""; 0]);
        let found = look_at(&folder.path().join("file")).metadata;
        assert_eq!(format!("{:o}", found.mode), format!("{mode:o}"));
        assert_eq!(found.mtime, mtime);
    }
}

#[test]
fn extended_attributes_come_back_even_on_a_read_only_file() {
    let (folder, target) = target();
    let xattrs = vec![
        (b"user.nightfold.a".to_vec(), b"\0\xff\n".to_vec()),
        (b"user.nightfold.b".to_vec(), Vec::new()),
    ];
    let backwards: Xattrs = xattrs.iter().rev().cloned().collect();
    let restored = target.create_file(b"file", 0, &[]).unwrap();
    let warnings = restored
        .finish(&own_metadata(0o400), &backwards, false)
        .unwrap();
    if warnings.len() == 2 && warnings.iter().all(|text| text.contains("not supported")) {
        return; // By this file system.
    }
    assert_eq!(warnings, [""; 0]);
    let found = look_at(&folder.path().join("file")).xattrs;
    let ours = found
        .into_iter()
        .filter(|(name, _)| name.starts_with(b"user.nightfold"));
    assert_eq!(ours.collect::<Vec<_>>(), xattrs);
}

#[test]
fn an_attribute_that_cannot_be_set_is_a_warning() {
    let (folder, target) = target();
    let xattrs = [
        (b"no.such\nspace".to_vec(), b"x".to_vec()),
        (b"user.zero\0".to_vec(), b"x".to_vec()),
    ];
    let restored = target.create_file(b"file", 0, &[]).unwrap();
    let warnings = restored
        .finish(&own_metadata(0o600), &xattrs, false)
        .unwrap();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("'no.such\\nspace'"), "{warnings:?}");
    assert!(folder.path().join("file").exists());
}

#[test]
fn the_owner_comes_back_for_root_and_is_ignored_for_others() {
    let (folder, target) = target();
    let metadata = Metadata {
        uid: 54_321,
        gid: 54_322,
        user: b"no such user".to_vec(),
        ..own_metadata(0o6755)
    };
    let restored = target.create_file(b"file", 0, &[]).unwrap();
    let warnings = restored.finish(&metadata, &[], false).unwrap();
    let status = fs::metadata(folder.path().join("file")).unwrap();
    let mode = status.permissions().mode() & 0o7777;
    if rustix::process::geteuid().is_root() {
        assert_eq!(warnings, [""; 0]);
        assert_eq!((status.uid(), status.gid()), (54_321, 54_322));
        assert_eq!(mode, 0o6755);
    } else {
        // A program that would run with the rights of whoever restores it loses its set-id bits.
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert_eq!(mode, 0o755);
    }
}

#[test]
fn a_known_name_goes_before_the_number() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root gives files away.
    }
    let (folder, target) = target();
    let metadata = Metadata {
        uid: 54_321,
        user: b"root".to_vec(),
        gid: u32::MAX,
        ..own_metadata(0o600)
    };
    let restored = target.create_file(b"file", 0, &[]).unwrap();
    restored.finish(&metadata, &[], false).unwrap();
    assert_eq!(fs::metadata(folder.path().join("file")).unwrap().uid(), 0);
}

#[test]
fn set_id_bits_go_where_the_owner_could_not() {
    let (is, root) = ((1000, 1000), (0, 0));
    assert_eq!(metadata::safe_mode(0o6755, is, is, false), 0o6755);
    assert_eq!(metadata::safe_mode(0o7755, is, root, false), 0o1755);
    assert_eq!(metadata::safe_mode(0o6755, is, (0, 1000), false), 0o2755);
    assert_eq!(metadata::safe_mode(0o6755, is, (1000, 0), false), 0o4755);
    assert_eq!(metadata::safe_mode(0o2755, is, root, true), 0o2755);
}
