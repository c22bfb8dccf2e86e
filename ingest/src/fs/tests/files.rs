use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};

use super::*;

#[test]
fn an_open_file_tells_what_the_scan_found() {
    let folder = tree(&["dump.sql"]);
    let path = folder.path().join("dump.sql");
    let (mut file, metadata, size) = open_regular(&path).unwrap();
    assert_eq!(metadata, look_at(&path).metadata);
    assert_eq!(size, 8);
    let mut content = String::new();
    file.read_to_string(&mut content).unwrap();
    assert_eq!(content, "dump.sql");
}

#[test]
fn reading_leaves_the_time_of_last_access() {
    let folder = tree(&["a"]);
    let path = folder.path().join("a");
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    let times = fs::FileTimes::new().set_accessed(long_ago);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_times(times)
        .unwrap();
    let (mut file, ..) = open_regular(&path).unwrap();
    file.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().atime(), 0);
}

#[test]
fn only_regular_files_are_opened_and_a_pipe_does_not_hang() {
    let (folder, target) = target();
    target.create_fifo(b"pipe", false).unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    symlink("file", folder.path().join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    for name in ["pipe", "link", "socket", "."] {
        let error = open_regular(&folder.path().join(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}: {error}");
    }
    let gone = open_regular(&folder.path().join("gone")).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

const MIB: u64 = 1 << 20;

/// Data in the second and fourth of five MiB.
fn sparse(path: &Path) -> File {
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .unwrap();
    file.set_len(5 * MIB).unwrap();
    file.write_all_at(&vec![1; MIB as usize], MIB).unwrap();
    file.write_all_at(&vec![2; MIB as usize], 3 * MIB).unwrap();
    file.sync_all().unwrap();
    file
}

#[test]
fn holes_are_found_and_restored() {
    let (folder, target) = target();
    let file = sparse(&folder.path().join("sparse"));
    let found = holes(&file, 5 * MIB);
    if found.is_empty() {
        return; // The file system can't tell.
    }
    assert_eq!(found, [(0, MIB), (2 * MIB, MIB), (4 * MIB, MIB)]);
    assert_eq!(holes(&file, MIB / 2), [(0, MIB / 2)]);
    assert_eq!(holes(&file, 2 * MIB + 5), [(0, MIB), (2 * MIB, 5)]);
    assert_eq!(holes(&file, 0), []);

    let content = fs::read(folder.path().join("sparse")).unwrap();
    let restored = target.create_file(b"again", 5 * MIB, &found).unwrap();
    // Pieces that go across the edges of holes.
    let piece = 700_001;
    for (number, bytes) in content.chunks(piece).enumerate() {
        restored.write_at((number * piece) as u64, bytes).unwrap();
    }
    restored.finish(&own_metadata(0o600), &[], false).unwrap();
    let path = folder.path().join("again");
    assert!(fs::read(&path).unwrap() == content);
    let status = fs::metadata(&path).unwrap();
    assert!(status.blocks() * 512 < status.size(), "{}", status.blocks());
    assert_eq!(holes(&File::open(&path).unwrap(), 5 * MIB), found);
}

#[test]
fn of_too_many_holes_the_longest_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse");
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .unwrap();
    file.set_len(10 * MIB).unwrap();
    let data = vec![1; MIB as usize];
    for offset in [1, 4, 6] {
        file.write_all_at(&data, offset * MIB).unwrap();
    }
    file.sync_all().unwrap();
    let all = unix::longest_holes(&file, 10 * MIB, 4);
    if all.is_empty() {
        return; // The file system can't tell.
    }
    assert_eq!(
        all,
        [
            (0, MIB),
            (2 * MIB, 2 * MIB),
            (5 * MIB, MIB),
            (7 * MIB, 3 * MIB)
        ]
    );
    let two = unix::longest_holes(&file, 10 * MIB, 2);
    assert_eq!(two, [(2 * MIB, 2 * MIB), (7 * MIB, 3 * MIB)]);
}

#[test]
fn a_dense_file_has_no_holes_and_none_are_made() {
    let (folder, target) = target();
    let restored = target.create_file(b"zeros", MIB, &[]).unwrap();
    restored.write_at(0, &vec![0; MIB as usize]).unwrap();
    restored.finish(&own_metadata(0o600), &[], false).unwrap();
    let file = File::open(folder.path().join("zeros")).unwrap();
    file.sync_all().unwrap();
    assert_eq!(holes(&file, MIB), []);
    assert!(file.metadata().unwrap().blocks() * 512 >= MIB);
}

#[test]
fn a_wrong_list_of_holes_loses_nothing() {
    let lists: [&[(u64, u64)]; 4] = [
        &[(0, u64::MAX)],
        &[(3, 4), (0, 5), (9, 0), (u64::MAX, 9)],
        &[(2, 1), (4, 1), (6, 1), (1, 8)],
        &[(8, 1), (0, 1), (9, 1)],
    ];
    for list in lists {
        let (folder, target) = target();
        let restored = target.create_file(b"file", 10, list).unwrap();
        for (offset, bytes) in [(6, b"6789"), (0, b"0123"), (3, b"3456")] {
            restored.write_at(offset, bytes).unwrap();
        }
        restored.finish(&own_metadata(0o600), &[], false).unwrap();
        let content = fs::read(folder.path().join("file")).unwrap();
        assert_eq!(content, b"0123456789", "{list:?}");
    }
}

#[test]
fn any_list_of_holes_becomes_spans_that_ascend_within_the_size() {
    let tidy = file::tidy(
        &[
            (50, 100),
            (1, 0),
            (20, 5),
            (0, 10),
            (2, 3),
            (25, 5),
            (101, 7),
        ],
        100,
    );
    assert_eq!(tidy, [(0, 10), (20, 30), (50, 100)]);
}

#[test]
fn threads_write_one_file() {
    let (folder, target) = target();
    let restored = target.create_file(b"file", 4000, &[]).unwrap();
    std::thread::scope(|scope| {
        for number in 0..4u8 {
            let restored = &restored;
            scope.spawn(move || {
                let offset = u64::from(number) * 1000;
                restored.write_at(offset, &[number; 1000]).unwrap();
            });
        }
    });
    restored.finish(&own_metadata(0o600), &[], false).unwrap();
    let content = fs::read(folder.path().join("file")).unwrap();
    assert!((0..4000).all(|at| content[at] == (at / 1000) as u8));
}

#[test]
fn content_beyond_the_size_is_refused() {
    let (_folder, target) = target();
    let restored = target.create_file(b"file", 10, &[]).unwrap();
    for (offset, length) in [(8, 3), (11, 0), (u64::MAX, 1)] {
        let error = restored.write_at(offset, &vec![1; length]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    restored.write_at(8, &[1; 2]).unwrap();
    assert!(target.create_file(b"huge", u64::MAX, &[]).is_err());
}

#[test]
fn a_file_appears_when_finished_and_not_before() {
    let (folder, target) = target();
    let names = || fs::read_dir(folder.path()).unwrap().count();
    let restored = target.create_file(b"file", 3, &[]).unwrap();
    restored.write_at(0, b"new").unwrap();
    let temporary = fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert!(
        temporary
            .file_name()
            .to_str()
            .unwrap()
            .starts_with(".nightfold-restore-")
    );
    assert_eq!(temporary.metadata().unwrap().mode() & 0o777, 0o600);
    restored.finish(&own_metadata(0o640), &[], false).unwrap();
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"new");
    assert_eq!(names(), 1);
}

#[test]
fn an_unfinished_file_vanishes() {
    let (folder, target) = target();
    let restored = target.create_file(b"file", 3, &[]).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    drop(restored);
    assert!(target.create_file(b"huge", u64::MAX, &[]).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn nothing_is_replaced_without_overwrite() {
    let (folder, target) = target();
    let path = folder.path().join("file");
    fs::write(&path, "old").unwrap();
    symlink("nowhere", folder.path().join("link")).unwrap();
    for name in ["file", "link"] {
        let restored = target.create_file(name.as_bytes(), 3, &[]).unwrap();
        restored.write_at(0, b"new").unwrap();
        let error = restored
            .finish(&own_metadata(0o600), &[], false)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn nothing_is_replaced_where_the_file_system_cannot_rename_so() {
    let folder = tree(&["new", "old"]);
    let open = unix::Folder::open(folder.path()).unwrap();
    let rename = |to: &str| open.rename_by_link("new".as_ref(), to.as_ref());
    assert_eq!(rename("old").unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(folder.path().join("old")).unwrap(), b"old");
    rename("free").unwrap();
    assert_eq!(fs::read(folder.path().join("free")).unwrap(), b"new");
    assert!(!folder.path().join("new").exists());
}

#[test]
fn overwrite_replaces_files_and_links_but_no_directory() {
    let (folder, target) = target();
    fs::write(folder.path().join("outside"), "outside").unwrap();
    fs::write(folder.path().join("file"), "old").unwrap();
    symlink("outside", folder.path().join("link")).unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    for name in ["file", "link", "folder"] {
        let restored = target.create_file(name.as_bytes(), 3, &[]).unwrap();
        restored.write_at(0, b"new").unwrap();
        let finished = restored.finish(&own_metadata(0o600), &[], true);
        assert_eq!(finished.is_ok(), name != "folder", "{finished:?}");
    }
    let read = |name| fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("file"), b"new");
    assert_eq!(read("link"), b"new");
    assert_eq!(read("outside"), b"outside");
    assert!(folder.path().join("folder").is_dir());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

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
