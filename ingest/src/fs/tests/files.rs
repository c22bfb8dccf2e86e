use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, symlink};

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
